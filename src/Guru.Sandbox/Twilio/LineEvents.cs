namespace Guru.Sandbox.Twilio;

/// <summary>Something that happened on a call, as Twilio saw it.</summary>
/// <param name="At">Since the call began to ring.</param>
public abstract record LineEvent(TimeSpan At);

/// <param name="Status">HTTP; 0 when there was no answer.</param>
public sealed record WebhookSent(TimeSpan At, Uri Url, int Status, TimeSpan Took, IReadOnlyDictionary<string, string> Parameters)
    : LineEvent(At);

public sealed record TwimlReceived(TimeSpan At, string Document) : LineEvent(At);

public sealed record VerbExecuted(TimeSpan At, string Verb) : LineEvent(At);

public sealed record SentenceSaid(TimeSpan At, string Text, string? Voice, string? Language) : LineEvent(At);

public sealed record FilePlayed(TimeSpan At, Uri Url, ReadOnlyMemory<byte> Audio) : LineEvent(At);

public sealed record CallAnswered(TimeSpan At) : LineEvent(At);

public sealed record StreamOpened(TimeSpan At, string StreamSid, string Url, IReadOnlyDictionary<string, string> Parameters)
    : LineEvent(At);

/// <param name="Status">Of the refused upgrade; 0 when nobody answered.</param>
public sealed record StreamRefused(TimeSpan At, string Url, int Status) : LineEvent(At);

public sealed record MediaReceived(TimeSpan At, int Bytes) : LineEvent(At);

public sealed record MarkReceived(TimeSpan At, string Name) : LineEvent(At);

public sealed record MarkReturned(TimeSpan At, string Name) : LineEvent(At);

/// <param name="DroppedBytes">Not yet played.</param>
public sealed record ClearReceived(TimeSpan At, long DroppedBytes) : LineEvent(At);

/// <param name="Number">From 1, over the whole call.</param>
public sealed record AgentTurnBegan(TimeSpan At, int Number) : LineEvent(At);

public sealed record AgentTurnEnded(TimeSpan At, int Number, bool Cleared) : LineEvent(At);

public sealed record CallerSpoke(TimeSpan At, string SampleId) : LineEvent(At);

public enum StreamEnd
{
    /// <summary>The caller hung up, or the call was ended by REST.</summary>
    CallOver,
    ClosedByServer,
    LostByServer,

    /// <summary>The socket broke on Twilio's side, as arranged.</summary>
    Lost,

    /// <summary>New TwiML came by REST.</summary>
    Replaced,
}

/// <param name="CloseCode">Of the server's close.</param>
public sealed record StreamEnded(TimeSpan At, string StreamSid, StreamEnd How, int? CloseCode) : LineEvent(At);

/// <summary>How a second stream for the call fared: the server's close code, or null when it was left open for 3 s.</summary>
public sealed record SecondStreamEnded(TimeSpan At, int? CloseCode) : LineEvent(At);

/// <summary>Twilio's warnings and errors, by their number.</summary>
public sealed record ProblemLogged(TimeSpan At, int Code, string Text) : LineEvent(At);

/// <param name="Status">completed, busy, no-answer, failed, canceled.</param>
public sealed record CallOver(TimeSpan At, string Status, bool ByCaller) : LineEvent(At);
