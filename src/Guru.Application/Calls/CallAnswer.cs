using Guru.Domain.Calls;

namespace Guru.Application.Calls;

/// <summary>What the carrier is to do with a call.</summary>
public abstract record CallAnswer;

/// <summary>Connect a Media Stream that presents the token.</summary>
/// <param name="Address">The caller's, without <c>whatsapp:</c>.</param>
/// <param name="SayFirst">Say the fixed sentence for the time until the stream is up.</param>
public sealed record ConnectStream(CallSid CallSid, string Address, string Token, string? Language, bool SayFirst) : CallAnswer
{
    public override string ToString() => $"{nameof(ConnectStream)} {CallSid}";
}

/// <summary>Say a fixed sentence, then hang up.</summary>
public sealed record SayAndHangUp(FixedSentence Sentence, string? Language) : CallAnswer;

public sealed record JustHangUp : CallAnswer;

/// <summary>What Guru says without a model.</summary>
public enum FixedSentence
{
    Connecting,
    ModelUnavailable,
    AtCapacity,
    ShuttingDown,
    TryAgain,
    TechnicalProblem,
}
