using System.ComponentModel.DataAnnotations;

namespace Guru.Infrastructure.Twilio;

public sealed record TwilioOptions
{
    [Required]
    public string AccountSid { get; init; } = "";

    /// <summary>All verify webhooks, so that a rotation has no gap; the first is used for REST where there is no API key.</summary>
    [Required, MinLength(1)]
    public IReadOnlyList<string> AuthTokens { get; init; } = [];

    /// <summary>The sender callers write to and call, with or without <c>whatsapp:</c>.</summary>
    [Required]
    public string WhatsAppNumber { get; init; } = "";

    /// <summary>Stands for every Twilio host when set.</summary>
    public Uri BaseUrl { get; init; } = new("https://api.twilio.com");

    public string? ApiKey { get; init; }

    public string? ApiSecret { get; init; }

    /// <summary>Credentials do not belong in a log.</summary>
    public override string ToString() => $"{nameof(TwilioOptions)} {{ {AccountSid} }}";
}

public sealed record MediaStreamOptions
{
    /// <summary>How long a socket may be open without a start before it is closed.</summary>
    public TimeSpan StartTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>The longest message of the carrier that is read.</summary>
    [Range(1024, 16 * 1024 * 1024)]
    public int MaxMessageBytes { get; init; } = 256 * 1024;

    /// <summary>How much may wait to be sent to a carrier that reads slowly; ten minutes of speech are 6.4 MB in base64.</summary>
    [Range(1024, 64 * 1024 * 1024)]
    public int MaxQueuedBytes { get; init; } = 8 * 1024 * 1024;

    /// <summary>How long the closing of a stream may take.</summary>
    public TimeSpan CloseTimeout { get; init; } = TimeSpan.FromSeconds(2);
}
