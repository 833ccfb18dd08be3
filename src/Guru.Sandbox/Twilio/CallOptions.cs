using System.Collections.Immutable;

namespace Guru.Sandbox.Twilio;

/// <summary>How a call goes that is not answered.</summary>
public enum CallOutcome
{
    /// <summary>It is answered.</summary>
    Connects,
    Busy,
    NoAnswer,
    Failed,
    Canceled,
}

/// <summary>What is wrong with what Twilio sends on a stream. Each thing is sent once a second.</summary>
public sealed record LineFaults
{
    public static LineFaults None { get; } = new();

    public bool MalformedJson { get; init; }

    public bool WrongBase64 { get; init; }

    public bool BinaryFrames { get; init; }

    /// <summary>Loud frames for another streamSid.</summary>
    public bool ForeignFrames { get; init; }

    public bool UnknownEvents { get; init; }

    /// <summary>No start message ever comes.</summary>
    public bool NoStart { get; init; }

    /// <summary>A second stream for the call, with the same parameters, half a second after the first.</summary>
    public bool SecondStream { get; init; }

    /// <summary>Payloads with <c>\/</c> for <c>/</c>, which means the same.</summary>
    public bool EscapedSlashes { get; init; }

    /// <summary>Frames late by up to this, but in order.</summary>
    public TimeSpan Jitter { get; init; }
}

/// <summary>What is odd about the webhooks of a call.</summary>
public sealed record WebhookFaults
{
    public static WebhookFaults None { get; } = new();

    /// <summary>The voice webhook is delivered twice at once.</summary>
    public bool DuplicateWebhook { get; init; }

    /// <summary>Every status callback is delivered twice.</summary>
    public bool DuplicateStatus { get; init; }

    /// <summary>The action URL is asked twice at once.</summary>
    public bool DuplicateAction { get; init; }

    /// <summary>The action URL is asked so long after the end of the stream.</summary>
    public TimeSpan ActionDelay { get; init; }

    /// <summary>A status callback comes before the voice webhook.</summary>
    public bool EarlyStatus { get; init; }

    /// <summary>ringing and in-progress come after completed.</summary>
    public bool ShuffledStatus { get; init; }

    /// <summary>Status callbacks wait for nothing that was sent before, and those at the end come in an order that this seed makes.</summary>
    public int? Seed { get; init; }
}

public sealed record CallOptions
{
    /// <summary>With its scheme: whatsapp:+233201234567.</summary>
    public string From { get; init; } = "whatsapp:+233201234567";

    public string? CallSid { get; init; }

    /// <summary>What the caller does once a stream is up; it goes on over a lost stream.</summary>
    public ImmutableList<CallerTurn> Script { get; init; } = [];

    public CallOutcome Outcome { get; init; }

    public LineFaults Line { get; init; } = LineFaults.None;

    public WebhookFaults Webhooks { get; init; } = WebhookFaults.None;

    /// <summary>Added to every webhook of the call.</summary>
    public ImmutableDictionary<string, string> ExtraParameters { get; init; } = ImmutableDictionary<string, string>.Empty;

    /// <summary>The caller hangs up then, come what may.</summary>
    public TimeSpan AtMost { get; init; } = TimeSpan.FromMinutes(15);
}
