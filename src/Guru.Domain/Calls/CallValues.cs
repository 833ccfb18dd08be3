namespace Guru.Domain.Calls;

public enum CallChannel
{
    Whatsapp,
    Webapp,
}

public enum CallDirection
{
    Inbound,
    Outbound,
}

/// <summary>Where a call stands. Everything from <see cref="Completed"/> on is final.</summary>
public enum CallStatus
{
    Ringing,
    InProgress,
    Completed,
    Busy,
    NoAnswer,
    Failed,
    Canceled,
}

/// <summary>Every way a call can end.</summary>
public enum CallEndReason
{
    CallerHungUp,
    AgentEnded,
    Silence,
    MaxDuration,
    ModelUnavailable,
    ShuttingDown,
    Busy,
    NoAnswer,
    Failed,
    Canceled,
    StreamLost,
    AtCapacity,
}

public enum Speaker
{
    Caller,
    Agent,
}

/// <summary>How the text of an utterance came to be.</summary>
public enum TranscriptionOutcome
{
    /// <summary>Transcribed; the text may still be empty where there was only noise.</summary>
    Completed,

    /// <summary>The transcription model refused or failed; the turn is kept without words.</summary>
    Failed,

    /// <summary>No answer came before the record was closed.</summary>
    Missing,
}

public static class CallStatuses
{
    public static bool IsFinal(this CallStatus status) => status >= CallStatus.Completed;

    /// <summary>The status a call shows once it has ended for this reason.</summary>
    public static CallStatus After(CallEndReason reason) => reason switch
    {
        CallEndReason.Busy => CallStatus.Busy,
        CallEndReason.NoAnswer => CallStatus.NoAnswer,
        CallEndReason.Failed => CallStatus.Failed,
        CallEndReason.Canceled => CallStatus.Canceled,
        _ => CallStatus.Completed,
    };

    /// <summary>Why a call ended, as told by the carrier alone.</summary>
    public static CallEndReason ReasonFor(CallStatus final) => final switch
    {
        CallStatus.Busy => CallEndReason.Busy,
        CallStatus.NoAnswer => CallEndReason.NoAnswer,
        CallStatus.Failed => CallEndReason.Failed,
        CallStatus.Canceled => CallEndReason.Canceled,
        _ => CallEndReason.CallerHungUp,
    };
}
