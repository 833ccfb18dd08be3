using Guru.Domain;
using Guru.Domain.Callers;

namespace Guru.Application.Privacy;

/// <summary>Destroying the keys of what has been kept for long enough.</summary>
public interface IRetention
{
    /// <summary>What would be destroyed now; changes nothing.</summary>
    Task<IReadOnlyList<RetentionDue>> ReportAsync(RetentionLimits limits, CancellationToken cancellationToken);

    /// <summary>Puts everybody of whom something is over on the to-do list, once for all nodes.</summary>
    Task ScheduleAsync(RetentionLimits limits, CancellationToken cancellationToken);

    /// <summary>In one transaction: destroys the keys of a person that are over, and puts that on record, which the read models follow.</summary>
    Task ApplyAsync(CallerId callerId, RetentionLimits limits, CancellationToken cancellationToken);
}

/// <param name="Before">What happened from then on is kept.</param>
/// <param name="Callers">Of how many people there is something.</param>
/// <param name="Keys">How many keys: of a person and a month each. Every key is counted once, where its time is over.</param>
/// <param name="Oldest">The first month.</param>
public sealed record RetentionDue(Retained Kind, DateOnly Before, long Callers, long Keys, DateOnly? Oldest);
