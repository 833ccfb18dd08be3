using Guru.Domain;
using Guru.Domain.Callers;

namespace Guru.Application.Privacy;

/// <summary>Forgetting people in the database.</summary>
public interface IErasures
{
    /// <summary>Whether it is known which calls and other ids are whose: not from when a backup was put back until the read models are made anew.</summary>
    Task<bool> CanTellWhoseAsync(CancellationToken cancellationToken);

    /// <returns>Null where nobody of that name is known.</returns>
    Task<KnownPerson?> FindAsync(CallerId callerId, CancellationToken cancellationToken);

    /// <summary>
    /// In one transaction: destroys the person's keys, puts on record that they are erased, and removes them from every table. What comes
    /// after it goes under new keys. Of a person of whom nothing is left, it tells when that was.
    /// </summary>
    /// <param name="isKnownElsewhere">Something of theirs is outside the database: they are erased also where nothing is left in it.</param>
    /// <exception cref="RuleException">A call of the person goes on.</exception>
    Task<ErasedPerson> EraseAsync(CallerId callerId, bool isKnownElsewhere, CancellationToken cancellationToken);

    /// <summary>Erases again who was brought back by an older backup, of the events or of the keys, and has the read models made anew.</summary>
    /// <returns>Who that was, with their calls.</returns>
    Task<IReadOnlyList<(Erasure Erasure, IReadOnlyList<string> CallSids)>> EraseAgainAsync(IReadOnlyCollection<Erasure> erasures, CancellationToken cancellationToken);

    /// <summary>Everybody who is on record as erased since a moment, oldest first.</summary>
    Task<IReadOnlyList<Erasure>> ListAsync(DateTimeOffset since, CancellationToken cancellationToken);

    /// <summary>The calls of some people by the events, those of the erased included. It looks at every event.</summary>
    Task<ILookup<CallerId, string>> CallsOfAsync(IReadOnlyCollection<CallerId> callers, CancellationToken cancellationToken);

    /// <summary>Lets the database reuse the space of what was removed.</summary>
    Task VacuumAsync(CancellationToken cancellationToken);
}

/// <summary>What is somebody's cannot be told now: the read models are being made anew.</summary>
public sealed class ReadModelsOutdatedException() : Exception("The read models are being made anew: what is theirs is not all known before.");

/// <summary>Somebody was erased.</summary>
public readonly record struct Erasure(CallerId CallerId, DateTimeOffset At);

/// <param name="CallSids">The calls that are still known to be theirs.</param>
public sealed record KnownPerson(IReadOnlyList<string> CallSids)
{
    /// <summary>Somebody under whose id nothing is on record.</summary>
    public static KnownPerson ByNameAlone { get; } = new([]);
}

/// <param name="At">By the database's clock, which the ages of keys go by.</param>
/// <param name="Event">The place of the last CallerErased.</param>
/// <param name="Tables">Every table that had rows of the person or of their calls.</param>
public sealed record ErasedPerson(DateTimeOffset At, EventPlace Event, int Calls, IReadOnlyList<ErasedRows> Tables);

public sealed record EventPlace(string StreamId, long Version, long Sequence);

/// <param name="Removed">Rows that named the person or their calls, and do not any more.</param>
/// <param name="Kept">Rows that are left, without personal data: figures of the calls, and that the person was erased.</param>
public sealed record ErasedRows(string Table, long Removed, long Kept);
