using Guru.Domain.Conversations;

namespace Guru.Api.Calling;

/// <param name="Code">As in the ledger.</param>
/// <param name="Why">In words.</param>
/// <param name="Remedy">What would make it possible; null where nothing would.</param>
internal sealed record CallRefusalView(string Code, string Why, string? Remedy);

/// <summary>A refusal as a problem: every reason, and what would make it possible.</summary>
internal static class CallRefusals
{
    private static readonly Dictionary<string, (string Why, string? Remedy)> Words = new(StringComparer.Ordinal)
    {
        [Code(CallRefusalReason.NoPermission)] = ("The person has not agreed to be called.", "Ask with POST /api/whatsapp/voice/permissions, and wait for the answer."),
        [Code(CallRefusalReason.PermissionExpired)] = ("The person's permission has expired.", "Ask again with POST /api/whatsapp/voice/permissions."),
        [Code(CallRefusalReason.PermissionDeclined)] = ("The person has declined to be called.", "They may be asked again with POST /api/whatsapp/voice/permissions; they can always call themselves."),
        [Code(CallRefusalReason.PermissionRevoked)] = ("The permission was taken back.", "Ask again with POST /api/whatsapp/voice/permissions."),
        [Code(CallRefusalReason.AlreadyPermitted)] = ("The person has agreed already.", "Call with POST /api/whatsapp/voice/calls."),
        [Code(CallRefusalReason.SenderCountryExcluded)] = ("WhatsApp does not let numbers of the sender's country call.", "Use a sender with a number of another country."),
        [Code(CallRefusalReason.CalleeCountryUnavailable)] = ("WhatsApp calls are not available where the person's number is from.", null),
        [Code(CallRefusalReason.CalleeCountryUnknown)] = ("The country of the person's number is not known.", "Add its prefix and time zones to the calling rules."),
        [Code(CallRefusalReason.RequestLimit)] = ("The person was asked as often as WhatsApp allows.", "Wait until possibleFrom; or the person calls."),
        [Code(CallRefusalReason.CallLimit)] = ("The person was called as often as the rules allow.", "Wait until possibleFrom."),
        [Code(CallRefusalReason.UnansweredInARow)] = ("The person did not answer the last calls.", "Wait until they write."),
        [Code(CallRefusalReason.OutsideWakingHours)] = ("It is not a time at which people are called, by the person's clock.", "Wait until possibleFrom, or give a latest after it, and the call waits."),
        [Code(CallRefusalReason.CallUnderWay)] = ("A call to the person is under way.", "Wait until it is over."),
        [Code(CallRefusalReason.Erased)] = ("The person was erased.", null),
        [Code(CallRefusalReason.TooLate)] = ("The time by which the call had to be placed is over.", "Ask for it again."),
        [Code(CallRefusalReason.Cancelled)] = ("The call was cancelled.", "Ask for it again, if the person still wants it."),
        [Code(CallRefusalReason.CarrierRefused)] = ("Twilio refused the call.", "See the ledger for its error code."),
        [Code(CallRefusalReason.CarrierSilent)] = ("Twilio did not answer, and no call was found there.", "Ask for it again."),
    };

    public static bool Knows(string code) => Words.ContainsKey(code);

    public static IResult Problem(CallRefusedException refused)
    {
        var reasons = refused.Reasons.Select(code => Words.TryGetValue(code, out var words) ? new CallRefusalView(code, words.Why, words.Remedy) : new CallRefusalView(code, code, Remedy: null)).ToList();
        return Results.Problem(
            statusCode: StatusCodes.Status409Conflict,
            title: "The rules do not allow it now.",
            detail: string.Join(' ', reasons.Select(reason => reason.Why)),
            extensions: new Dictionary<string, object?>(StringComparer.Ordinal) { ["reasons"] = reasons, ["possibleFrom"] = refused.PossibleFrom });
    }

    private static string Code(CallRefusalReason reason) => CallPolicy.Code(reason);
}
