using Guru.Domain.Callers;

namespace Guru.Application.Callers;

/// <summary>Which ids are one person's, as CallerAliased tells it.</summary>
public interface ICallerAliases
{
    /// <summary>Whom an id stands for: another where it is an alias, or an alias of an alias, else itself.</summary>
    Task<CallerId> OwnerOfAsync(CallerId id, CancellationToken cancellationToken);

    /// <summary>What is on record of two ids, in their order.</summary>
    Task<(CallerTies One, CallerTies Other)> TiesOfAsync(CallerId one, CallerId other, CancellationToken cancellationToken);

    /// <summary>The ids that stand for somebody, an alias' own aliases before it.</summary>
    Task<IReadOnlyList<CallerId>> AliasesOfAsync(CallerId owner, CancellationToken cancellationToken);
}
