using System.ComponentModel.DataAnnotations;

namespace Guru.Infrastructure.Twilio;

public sealed record TwilioOptions
{
    public string AccountSid { get; init; } = "";

    /// <summary>All verify webhooks, so that a rotation has no gap; the first is used for REST where there is no API key.</summary>
    public IReadOnlyList<string> AuthTokens { get; init; } = [];

    /// <summary>The sender callers write to and call, with or without <c>whatsapp:</c>.</summary>
    public string WhatsAppNumber { get; init; } = "";

    /// <summary>Stands for every Twilio host when set.</summary>
    public Uri BaseUrl { get; init; } = new("https://api.twilio.com");

    public string? ApiKey { get; init; }

    public string? ApiSecret { get; init; }

    /// <summary>Credentials do not belong in a log.</summary>
    public override string ToString() => $"{nameof(TwilioOptions)} {{ {AccountSid} }}";
}

/// <summary>The limits of a Media Stream; section <c>Guru:MediaStream</c>.</summary>
public sealed record MediaStreamOptions
{
    /// <summary>How long a socket may be open without a start before it is closed.</summary>
    [Range(0.01, 60)]
    public double StartTimeoutSeconds { get; init; } = 5;

    /// <summary>How long nothing may come from the carrier before it is pinged; a stream that runs sends 50 frames a second.</summary>
    [Range(1, 600)]
    public double KeepAliveIntervalSeconds { get; init; } = 15;

    /// <summary>How long that ping may stay unanswered before the stream is taken for lost.</summary>
    [Range(1, 600)]
    public double KeepAliveTimeoutSeconds { get; init; } = 30;

    /// <summary>The longest message of the carrier that is read.</summary>
    [Range(1024, 16 * 1024 * 1024)]
    public int MaxMessageBytes { get; init; } = 256 * 1024;

    /// <summary>How much may wait to be sent to a carrier that reads slowly; ten minutes of speech are 6.4 MB in base64.</summary>
    [Range(1024, 64 * 1024 * 1024)]
    public int MaxQueuedBytes { get; init; } = 8 * 1024 * 1024;

    /// <summary>How long the closing of a stream may take.</summary>
    [Range(0.01, 60)]
    public double CloseTimeoutSeconds { get; init; } = 2;

    public TimeSpan KeepAliveInterval => TimeSpan.FromSeconds(KeepAliveIntervalSeconds);

    public TimeSpan KeepAliveTimeout => TimeSpan.FromSeconds(KeepAliveTimeoutSeconds);

    internal TimeSpan StartTimeout => TimeSpan.FromSeconds(StartTimeoutSeconds);

    internal TimeSpan CloseTimeout => TimeSpan.FromSeconds(CloseTimeoutSeconds);
}
