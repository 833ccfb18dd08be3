using System.Collections.Immutable;

namespace Guru.Sandbox.OpenAI;

/// <summary>What goes wrong in one session. The default: nothing.</summary>
public sealed record RealtimeFaults
{
    public static RealtimeFaults None { get; } = new();

    /// <summary>The upgrade is answered with this HTTP status.</summary>
    public int? RefuseUpgrade { get; init; }

    /// <summary>The upgrade is accepted; an error and a close with this code follow at once: 3000, 4000, 1011.</summary>
    public int? CloseAtOnce { get; init; }

    /// <summary>The error code that goes with <see cref="CloseAtOnce"/>.</summary>
    public string CloseReason { get; init; } = "invalid_api_key";

    /// <summary>The session's life, in place of 60 minutes; expires_at says so, and session_expired and close 1001 end it.</summary>
    public TimeSpan? ExpiresAfter { get; init; }

    /// <summary>The connection breaks, without a close.</summary>
    public TimeSpan? ResetAfter { get; init; }

    /// <summary>The connection breaks in place of the audio delta with this number, from 1, counted over the session.</summary>
    public int? ResetAtDelta { get; init; }

    /// <summary>The connection is closed, with <see cref="CloseCode"/>, in place of the audio delta with this number, from 1, counted over the session.</summary>
    public int? CloseAtDelta { get; init; }

    /// <summary>The code that goes with <see cref="CloseAtDelta"/>: 1000, 1001, 1011, 3000, 4000.</summary>
    public int CloseCode { get; init; } = 1011;

    /// <summary>
    /// The connection is half open from the audio delta with this number on, from 1, counted over the session: nothing comes, no ping is answered, and what is
    /// sent is not read, while nobody closes anything. In virtual time the client notices at once.
    /// </summary>
    public int? MuteAtDelta { get; init; }

    /// <summary>The same, from where the caller's turn with this number was noticed, from 1.</summary>
    public int? MuteAtTurn { get; init; }

    /// <summary>The same, from the end of this response on, from 1.</summary>
    public int? MuteAfterResponse { get; init; }

    /// <summary>In place of the audio delta with this number, from 1, counted over the session, its response says nothing more.</summary>
    public int? StallAtDelta { get; init; }

    /// <summary>From this response on, from 1, speech comes at two thirds of the speed at which it plays.</summary>
    public int? SlowFromResponse { get; init; }

    /// <summary>
    /// Responses that fail, by their number in the session, from 1, with the error's code: server_error, rate_limit_exceeded,
    /// insufficient_quota; or that are cut off before their first word, with the reason: content_filter, max_output_tokens.
    /// </summary>
    public ImmutableDictionary<int, string> FailResponses { get; init; } = ImmutableDictionary<int, string>.Empty;

    /// <summary>From this response on, from 1, a response begins and nothing follows.</summary>
    public int? SilentFromResponse { get; init; }

    /// <summary>Until the first audio of each response.</summary>
    public TimeSpan? FirstAudioAfter { get; init; }

    /// <summary>Until session.updated.</summary>
    public TimeSpan SessionUpdatedAfter { get; init; }

    /// <summary>session.updated says this in place of the formats that were asked for.</summary>
    public string? EchoFormat { get; init; }

    /// <summary>Events that nobody has heard of, between the others.</summary>
    public bool UnknownEvents { get; init; }

    /// <summary>Text that is no JSON, before the first audio of each response.</summary>
    public bool Garbage { get; init; }

    /// <summary>Audio deltas of 60,000 bytes: messages of more than 64 KB.</summary>
    public bool HugeDeltas { get; init; }

    /// <summary>Every message in several WebSocket frames.</summary>
    public bool SplitFrames { get; init; }

    /// <summary>Every transcription of the caller fails.</summary>
    public bool TranscriptionFails { get; init; }
}
