using Guru.Domain.Callers;
using Guru.Domain.Calls;

namespace Guru.Application.Traces;

/// <summary>Where traces are kept, sealed under the caller's key for transcripts: who destroys that key has destroyed them.</summary>
public interface ICallTraces
{
    /// <summary>Keeps a stream's trace, once, and lets go of those older than that.</summary>
    Task KeepAsync(KeptTrace trace, DateTimeOffset oldest, CancellationToken cancellationToken);

    /// <summary>The traces of a call's streams, in order.</summary>
    Task<IReadOnlyList<KeptTrace>> OfAsync(CallSid callSid, CancellationToken cancellationToken);

    /// <summary>The calls that have a trace, the oldest first.</summary>
    Task<IReadOnlyList<CallSid>> CallsAsync(CancellationToken cancellationToken);
}

/// <param name="StreamSid">The stream that carried the call; a call that goes on over another has a trace for each.</param>
/// <param name="Text">Null where its key was destroyed.</param>
public sealed record KeptTrace(CallSid CallSid, CallerId CallerId, string StreamSid, DateTimeOffset StartedAt, string? Text)
{
    public override string ToString() => $"{nameof(KeptTrace)} {CallSid} {StreamSid}";
}
