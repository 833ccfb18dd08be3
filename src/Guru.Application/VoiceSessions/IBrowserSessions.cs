using Guru.Application.Voice;
using Guru.Domain.Calls;

namespace Guru.Application.VoiceSessions;

/// <summary>Voice sessions whose audio goes between a browser and the model, and not through Guru.</summary>
public interface IBrowserSessions
{
    /// <summary>Makes a secret with which a browser can begin a session of this configuration, and of no other model.</summary>
    /// <param name="safetyIdentifier">A keyed hash that tells callers apart for the model's operator.</param>
    /// <exception cref="VoiceModelException">The model's operator refused, or did not answer.</exception>
    Task<ClientSecret> IssueSecretAsync(VoiceConfiguration configuration, string safetyIdentifier, CancellationToken cancellationToken);

    /// <summary>Begins a call between a browser and the model.</summary>
    /// <param name="offer">The browser's SDP.</param>
    /// <exception cref="VoiceModelException">As above; <see cref="VoiceModelException.InvalidOffer"/> where it is the offer that is wrong.</exception>
    Task<AnsweredOffer> CallAsync(VoiceConfiguration configuration, string offer, string safetyIdentifier, CancellationToken cancellationToken);

    /// <summary>Attends a call: what happens in it is told, and what the model should do can be said.</summary>
    /// <exception cref="VoiceModelException">As above; <see cref="VoiceModelException.CallOver"/> where there is no such call any more.</exception>
    Task<IVoiceModel> AttendAsync(CallSid callSid, CancellationToken cancellationToken);

    /// <summary>Ends a call; one that is over already is none the worse for it.</summary>
    /// <exception cref="VoiceModelException">It could not be ended.</exception>
    Task HangUpAsync(CallSid callSid, CancellationToken cancellationToken);
}

/// <param name="Answer">SDP, for the browser.</param>
public sealed record AnsweredOffer(CallSid CallSid, string Answer)
{
    public override string ToString() => $"{nameof(AnsweredOffer)} {CallSid}";
}

/// <param name="Value">For the browser alone; it begins with <c>ek_</c>.</param>
/// <param name="ExpiresAt">Until then it can begin sessions; those that have begun go on.</param>
public sealed record ClientSecret(string Value, string SessionId, string Model, DateTimeOffset ExpiresAt)
{
    public override string ToString() => $"{nameof(ClientSecret)} of {SessionId}";
}
