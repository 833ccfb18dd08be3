using Guru.Application.Voice;

namespace Guru.Application.VoiceSessions;

/// <summary>Voice sessions whose audio goes between a browser and the model, and not through Guru.</summary>
public interface IBrowserSessions
{
    /// <summary>Makes a secret with which a browser can begin a session of this configuration, and of no other model.</summary>
    /// <param name="safetyIdentifier">A keyed hash that tells callers apart for the model's operator.</param>
    /// <exception cref="VoiceModelException">The model's operator refused, or did not answer.</exception>
    Task<ClientSecret> IssueSecretAsync(VoiceConfiguration configuration, string safetyIdentifier, CancellationToken cancellationToken);
}

/// <param name="Value">For the browser alone; it begins with <c>ek_</c>.</param>
/// <param name="ExpiresAt">Until then it can begin sessions; those that have begun go on.</param>
public sealed record ClientSecret(string Value, string SessionId, string Model, DateTimeOffset ExpiresAt)
{
    public override string ToString() => $"{nameof(ClientSecret)} of {SessionId}";
}
