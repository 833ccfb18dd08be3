using System.ComponentModel.DataAnnotations;

namespace Guru.Api.VoiceAgent;

/// <summary>What webapps may do; section <c>Guru:Webapp</c>.</summary>
internal sealed class WebappOptions
{
    /// <summary>Origins of the pages that may ask, separated by commas, such as https://app.example.org; Guru's own may anyway.</summary>
    public string AllowedOrigins { get; set; } = "";

    /// <summary>Requests a minute with one webapp key, those with the user tokens that it bought included.</summary>
    [Range(1, 1_000_000)]
    public int RequestsPerMinutePerKey { get; set; } = 600;

    /// <summary>Sessions and calls a minute of one caller.</summary>
    [Range(1, 10_000)]
    public int SessionsPerMinutePerCaller { get; set; } = 10;

    /// <summary>How long a user token is good for.</summary>
    [Range(10, 3600)]
    public int TokenSeconds { get; set; } = 300;

    /// <summary>How long a browser that has listened to its call may be away before it has left the call.</summary>
    [Range(0.1, 25)]
    public double AbsenceSeconds { get; set; } = 10;

    public string[] Origins => AllowedOrigins.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);

    public TimeSpan Absence => TimeSpan.FromSeconds(AbsenceSeconds);

    public TimeSpan TokenLife => TimeSpan.FromSeconds(TokenSeconds);
}
