using Guru.Domain.Callers;

namespace Guru.Domain.Calls;

public abstract record CallCommand(DateTimeOffset At);

/// <param name="Refusal">Why the call cannot be taken; it ends as it begins.</param>
/// <param name="Purpose">Why Guru calls.</param>
public sealed record StartCall(
    CallSid CallSid,
    CallerId CallerId,
    string Address,
    CallChannel Channel,
    CallDirection Direction,
    string? Language,
    string? StreamTokenHash,
    string Agent,
    string RoutedBecause,
    DateTimeOffset At,
    CallEndReason? Refusal = null,
    string? Purpose = null) : CallCommand(At);

/// <summary>Asks for a Media Stream in place of a lost one.</summary>
/// <param name="MostAttempts">How often a call may be resumed.</param>
public sealed record RequestMediaStream(string StreamTokenHash, int MostAttempts, DateTimeOffset At) : CallCommand(At);

public sealed record ConnectMediaStream(string StreamSid, string StreamTokenHash, string Node, DateTimeOffset At) : CallCommand(At);

public sealed record RecordUtterance(UtteranceTranscribed Utterance) : CallCommand(Utterance.At);

public sealed record RecordUsage(UsageRecorded Usage) : CallCommand(Usage.At);

public sealed record RecordReconnect(VoiceModelReconnected Reconnect) : CallCommand(Reconnect.At);

public sealed record RecordHandOff(AgentHandedOff HandOff) : CallCommand(HandOff.At);

public sealed record RecordLanguage(CallLanguageDetermined Language) : CallCommand(Language.At);

public sealed record RecordRecording(RecordingStored Recording) : CallCommand(Recording.At);

public sealed record RecordStatus(CallStatusChanged Change) : CallCommand(Change.At);

/// <param name="StreamSid">For <see cref="CallEndReason.StreamLost"/>: the stream that was lost. A call that has gone on over another does not end.</param>
public sealed record EndCall(CallEndReason Reason, DateTimeOffset At, string? StreamSid = null) : CallCommand(At);

public sealed record RecordCallSummary(CallSummarized Summary) : CallCommand(Summary.At);
