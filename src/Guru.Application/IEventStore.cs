using Guru.Domain.Callers;

namespace Guru.Application;

/// <summary>The log of everything that happened. Projections are updated in the transaction that appends.</summary>
public interface IEventStore
{
    /// <summary>Appends events to a stream, all or none, in one round trip once the owner's key is known.</summary>
    /// <param name="owner">Whose key protects the personal data in the events; needed when they hold any.</param>
    /// <returns>The version of the last event appended.</returns>
    /// <exception cref="VersionConflictException">The stream is not at the expected version.</exception>
    /// <exception cref="EventsRefusedException">What is in the events, not the store, is at fault: asked again, it refuses again.</exception>
    Task<long> AppendAsync(
        string streamId, ExpectedVersion expected, CallerId? owner, IReadOnlyList<object> events, CancellationToken cancellationToken);

    /// <summary>The events of a stream in order, from a version on (1 is the first); empty when there is no such stream.</summary>
    Task<IReadOnlyList<StoredEvent>> ReadAsync(string streamId, long fromVersion, CancellationToken cancellationToken);

    /// <summary>All events in order of their sequence number, after the given one.</summary>
    IAsyncEnumerable<StoredEvent> ReadAllAsync(long afterSequence, CancellationToken cancellationToken);
}

/// <summary>An event with its place in the log. Personal data whose key was destroyed reads as an empty text.</summary>
/// <param name="Sequence">Place among all events; there may be gaps.</param>
/// <param name="Version">Place in its stream, from 1 without gaps.</param>
public sealed record StoredEvent(long Sequence, string StreamId, long Version, DateTimeOffset StoredAt, object Data)
{
    /// <summary>A key was destroyed that some of its personal data needs.</summary>
    public bool Erased { get; init; }
}

/// <summary>What a writer knows of a stream before it appends.</summary>
public readonly record struct ExpectedVersion(long Value)
{
    /// <summary>The stream must not exist.</summary>
    public static ExpectedVersion None { get; } = new(0);

    /// <summary>Append after whatever is there.</summary>
    public static ExpectedVersion Any { get; } = new(-1);

    public static ExpectedVersion Exactly(long version) => new(version);
}

/// <summary>Another writer was first: read the stream and decide again.</summary>
public sealed class VersionConflictException(string streamId, Exception? inner = null)
    : Exception($"The stream {streamId} is not at the expected version.", inner)
{
    public string StreamId { get; } = streamId;
}

/// <summary>The store will never take these events as they are.</summary>
/// <param name="reason">A code, for the operator; never what is in them.</param>
public sealed class EventsRefusedException(string streamId, string reason, Exception? inner = null)
    : Exception($"Events for the stream {streamId} are refused: {reason}.", inner)
{
    public string Reason { get; } = reason;
}
