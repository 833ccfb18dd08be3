using Guru.Application.Calls;

namespace Guru.Application.Analytics;

/// <summary>Events as they are stored, in order and without a gap.</summary>
public interface IEventFeed
{
    /// <summary>The newest place in the log before which nothing can appear any more.</summary>
    Task<long> EndAsync(CancellationToken cancellationToken);

    /// <summary>Whether the log has come as far as that.</summary>
    Task<bool> HoldsAsync(long sequence, CancellationToken cancellationToken);

    /// <summary>Every event after a place, forever; where there is nothing new for a while, an empty batch with the place reached.</summary>
    IAsyncEnumerable<EventBatch> FollowAsync(long afterSequence, CancellationToken cancellationToken);
}

/// <param name="UpTo">The place from which to go on: everything up to there is in this batch and those before.</param>
public sealed record EventBatch(IReadOnlyList<EventView> Events, long UpTo);
