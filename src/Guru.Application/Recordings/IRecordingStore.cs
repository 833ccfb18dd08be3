using Guru.Domain.Callers;
using Guru.Domain.Calls;

namespace Guru.Application.Recordings;

/// <summary>Where recordings lie, sealed under a key of the caller.</summary>
public interface IRecordingStore
{
    Task<IRecordingPart> BeginAsync(RecordedStream stream, CancellationToken cancellationToken);

    /// <summary>A call's recording; null where nothing of it is within reach of this node, or can be opened.</summary>
    Task<Recording?> OpenAsync(CallSid callSid, CancellationToken cancellationToken);
}

/// <param name="StartMs">Where its sound begins on the call's clock.</param>
public sealed record RecordedStream(CallSid CallSid, CallerId CallerId, string StreamSid, DateTimeOffset StartedAt, long StartMs);

/// <summary>The sound of one Media Stream while it is being written. Disposed before it is complete, it leaves nothing.</summary>
public interface IRecordingPart : IAsyncDisposable
{
    /// <param name="sound">The next of it: pairs of the caller's and the agent's mu-law byte.</param>
    Task WriteAsync(ReadOnlyMemory<byte> sound, CancellationToken cancellationToken);

    /// <returns>How many bytes are stored.</returns>
    Task<long> CompleteAsync(CancellationToken cancellationToken);
}

/// <summary>A call's recording, to be disposed with its sound.</summary>
/// <param name="Sound">A WAV file: stereo, mu-law, 8 kHz, the caller left and the agent right. It begins at 0 on the call's clock, and can be sought in.</param>
/// <param name="Bytes">How many bytes are stored of it.</param>
public sealed record Recording(Stream Sound, long Bytes, DateTimeOffset StoredAt);
