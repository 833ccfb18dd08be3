using Guru.Domain.Calls;

namespace Guru.Application.Calls;

/// <summary>What the carrier is to do with a call.</summary>
public abstract record CallAnswer;

/// <summary>Connect a Media Stream that presents the token.</summary>
/// <param name="Address">The caller's, without <c>whatsapp:</c>.</param>
/// <param name="SayFirst">Say the fixed sentence for the time until the stream is up.</param>
public sealed record ConnectStream(CallSid CallSid, string Address, string Token, string? Language, bool SayFirst) : CallAnswer
{
    /// <summary>The caller is to be told that the call is recorded.</summary>
    public bool TellsOfRecording { get; init; }

    public override string ToString() => $"{nameof(ConnectStream)} {CallSid}";
}

/// <summary>Say a fixed sentence, then hang up.</summary>
public sealed record SayAndHangUp(FixedSentence Sentence, string? Language) : CallAnswer;

public sealed record JustHangUp : CallAnswer;

/// <summary>What is said to a caller when the agent cannot speak.</summary>
public enum FixedSentence
{
    /// <summary>While the call is being connected.</summary>
    Connecting,

    /// <summary>Before the agent speaks, where calls are recorded.</summary>
    Recorded,

    /// <summary>The voice model cannot be had, or is gone.</summary>
    ModelUnavailable,

    /// <summary>As many calls as Guru takes are under way.</summary>
    AtCapacity,

    /// <summary>Guru is going down, and its time for calls is over.</summary>
    ShuttingDown,

    /// <summary>The call could not be written down.</summary>
    TryAgain,

    TechnicalProblem,
}
