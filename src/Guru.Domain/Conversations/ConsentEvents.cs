using System.Collections.Immutable;
using Guru.Domain.Callers;
using Guru.Domain.Calls;

namespace Guru.Domain.Conversations;

/// <summary>What happened about calling a person back: the consent ledger is made of these.</summary>
public abstract record ConsentEvent(CallerId CallerId, DateTimeOffset At) : ConversationEvent(At);

/// <summary>The person is about to be asked. It counts from here on, so that nobody is asked too often, whatever happens to the message.</summary>
/// <param name="ContentSid">The template (HX...).</param>
/// <param name="Variables">Of the template, as JSON; null for none.</param>
public sealed record CallPermissionRequested(
    string RequestId,
    CallerId CallerId,
    [property: PersonalData(PersonalDataKind.Contact)] string Address,
    string ContentSid,
    [property: PersonalData(PersonalDataKind.Message)] string? Variables,
    DateTimeOffset At) : ConsentEvent(CallerId, At);

public sealed record CallPermissionRequestSent(string RequestId, CallerId CallerId, string MessageSid, DateTimeOffset At) : ConsentEvent(CallerId, At);

/// <summary>The request never went out.</summary>
/// <param name="Reason">A code.</param>
public sealed record CallPermissionRequestFailed(string RequestId, CallerId CallerId, string Reason, int? ErrorCode, DateTimeOffset At)
    : ConsentEvent(CallerId, At);

public enum GrantSource
{
    /// <summary>The person accepted a request, or allowed calls unasked.</summary>
    Answer,

    /// <summary>The person called.</summary>
    Call,
}

/// <param name="GrantId">The SID of the answer, or of the person's call. What is placed refers to it.</param>
/// <param name="RequestId">The request that was answered; null for a grant that answers none.</param>
/// <param name="ExpiresAt">From then on it is no permission; null for one that is permanent.</param>
public sealed record CallPermissionGranted(
    string GrantId,
    CallerId CallerId,
    [property: PersonalData(PersonalDataKind.Contact)] string Address,
    GrantSource Source,
    string? RequestId,
    DateTimeOffset? ExpiresAt,
    DateTimeOffset At) : ConsentEvent(CallerId, At);

/// <param name="MessageSid">Of the answer.</param>
public sealed record CallPermissionDeclined(
    string MessageSid,
    CallerId CallerId,
    [property: PersonalData(PersonalDataKind.Contact)] string Address,
    string? RequestId,
    DateTimeOffset At) : ConsentEvent(CallerId, At);

/// <param name="Reason">carrier (it refused a call with 37000), or unanswered (too many calls in a row).</param>
public sealed record CallPermissionRevoked(CallerId CallerId, string GrantId, string Reason, DateTimeOffset At) : ConsentEvent(CallerId, At);

/// <summary>Somebody wants the person called.</summary>
/// <param name="Agent">Null: whom the conversation has.</param>
/// <param name="Reason">Why; the agent says it first.</param>
/// <param name="Earliest">Null: at once.</param>
/// <param name="Latest">After this it is too late.</param>
public sealed record OutboundCallRequested(
    string RequestId,
    CallerId CallerId,
    [property: PersonalData(PersonalDataKind.Contact)] string Address,
    string? Agent,
    [property: PersonalData(PersonalDataKind.Message)] string Reason,
    DateTimeOffset? Earliest,
    DateTimeOffset Latest,
    DateTimeOffset At) : ConsentEvent(CallerId, At);

/// <summary>The rules allow the call now. On record before the carrier is asked, so that limits hold on any number of nodes.</summary>
/// <param name="AllowedBy">The <see cref="CallPermissionGranted.GrantId"/>.</param>
/// <param name="RulesAsOf">Which rules were asked.</param>
public sealed record OutboundCallAllowed(string RequestId, CallerId CallerId, string AllowedBy, DateOnly RulesAsOf, DateTimeOffset At)
    : ConsentEvent(CallerId, At);

/// <summary>The carrier has the call.</summary>
/// <param name="AllowedBy">The <see cref="CallPermissionGranted.GrantId"/>.</param>
public sealed record OutboundCallPlaced(string RequestId, CallerId CallerId, CallSid CallSid, string AllowedBy, DateTimeOffset At)
    : ConsentEvent(CallerId, At);

/// <summary>The call is not placed, for good.</summary>
/// <param name="Reasons">Every one, as codes: <see cref="CallRefusalReason"/>.</param>
/// <param name="PossibleFrom">When time alone will have cured them; null where it does not.</param>
/// <param name="ErrorCode">The carrier's.</param>
public sealed record OutboundCallRefused(
    string RequestId, CallerId CallerId, ImmutableArray<string> Reasons, DateTimeOffset? PossibleFrom, int? ErrorCode, DateTimeOffset At)
    : ConsentEvent(CallerId, At);

/// <param name="Outcome">Completed where the person answered; else how it went unanswered.</param>
public sealed record OutboundCallEnded(string RequestId, CallerId CallerId, CallSid CallSid, CallStatus Outcome, int? ErrorCode, DateTimeOffset At)
    : ConsentEvent(CallerId, At);

/// <summary>A call at a later time was offered, in writing or on the phone; nothing happens unless the person agrees.</summary>
/// <param name="TimeZone">The person's, as an IANA name; empty where they told in how long, and no clock.</param>
/// <param name="Reason">What the call is about.</param>
/// <param name="Address">Of who is on the phone; null where they write.</param>
public sealed record CallBackProposed(
    string CallBackId,
    CallerId CallerId,
    DateTimeOffset DueAt,
    string TimeZone,
    string? Agent,
    [property: PersonalData(PersonalDataKind.Message)] string Reason,
    DateTimeOffset At,
    [property: PersonalData(PersonalDataKind.Contact)] string? Address = null) : ConsentEvent(CallerId, At);

/// <summary>The person wants that call.</summary>
public sealed record CallBackConfirmed(string CallBackId, CallerId CallerId, DateTimeOffset DueAt, DateTimeOffset At) : ConsentEvent(CallerId, At);

/// <param name="By">caller or operator.</param>
public sealed record CallBackCancelled(string CallBackId, CallerId CallerId, string By, DateTimeOffset At) : ConsentEvent(CallerId, At)
{
    public const string ByCaller = "caller";
    public const string ByOperator = "operator";
}

/// <summary>The person is forgotten: nobody calls them any more.</summary>
public sealed record CallerErased(CallerId CallerId, DateTimeOffset At) : ConsentEvent(CallerId, At);
