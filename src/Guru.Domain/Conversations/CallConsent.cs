using System.Collections.Immutable;
using System.Diagnostics;
using Guru.Domain.Callers;
using Guru.Domain.Calls;

namespace Guru.Domain.Conversations;

public abstract record ConsentCommand(DateTimeOffset At) : ConversationCommand(At);

/// <summary>Asks a person for permission to call.</summary>
/// <exception cref="CallRefusedException">They must not be asked now.</exception>
public sealed record RequestPermission(CallPermissionRequested Request, CallerAddress Sender, CallingRules Rules) : ConsentCommand(Request.At);

public sealed record RecordPermissionRequest(ConsentEvent Outcome) : ConsentCommand(Outcome.At);

/// <summary>
/// A person answers, or allows calls without having been asked by us: in WhatsApp, or WhatsApp does when they call. That counts as well, but not against a "no" after which nobody
/// asked again, nor for who is erased. A refusal always counts.
/// </summary>
public sealed record AnswerPermission(
    string MessageSid, CallerId CallerId, string Address, bool Accepted, bool Permanent, CallingRules Rules, DateTimeOffset At) : ConsentCommand(At);

/// <summary>A person calls, and that is taken as permission to call back.</summary>
public sealed record GrantByCall(CallSid CallSid, CallerId CallerId, string Address, CallingRules Rules, DateTimeOffset At) : ConsentCommand(At);

/// <summary>Wants a person called. What cannot be is refused at once; what only has to wait is taken.</summary>
public sealed record RequestOutboundCall(OutboundCallRequested Request, CallerAddress Sender, CallingRules Rules) : ConsentCommand(Request.At);

/// <summary>Asks the rules right before the carrier: allowed, refused, or nothing where it has to wait for the waking hours.</summary>
public sealed record AllowOutboundCall(string RequestId, CallerAddress Sender, CallingRules Rules, DateTimeOffset At) : ConsentCommand(At);

public sealed record RecordPlacedCall(string RequestId, CallSid CallSid, DateTimeOffset At) : ConsentCommand(At);

/// <param name="Reason">For what the carrier did; 37000 means that there is no permission (any more).</param>
public sealed record RefuseOutboundCall(string RequestId, CallRefusalReason Reason, int? ErrorCode, DateTimeOffset At) : ConsentCommand(At);

/// <summary>How a call of ours ended, in any order with what else is known of it.</summary>
public sealed record RecordOutboundEnd(CallSid CallSid, CallStatus Outcome, int? ErrorCode, CallingRules Rules, DateTimeOffset At) : ConsentCommand(At);

/// <summary>An operator does not want a call any more that was asked for or arranged. One that is on its way to the carrier may still ring.</summary>
/// <exception cref="RuleException">It was placed.</exception>
public sealed record CancelOutboundCall(string RequestId, CallerId CallerId, DateTimeOffset At) : ConsentCommand(At);

public sealed record ProposeCallBack(CallBackProposed Proposal) : ConsentCommand(Proposal.At);

public sealed record ConfirmCallBack(string CallBackId, CallerId CallerId, DateTimeOffset At) : ConsentCommand(At);

public sealed record CancelCallBack(string CallBackId, CallerId CallerId, string By, DateTimeOffset At) : ConsentCommand(At);

/// <summary>Forgets the person, not while they are being called.</summary>
public sealed record EraseCaller(CallerId CallerId, DateTimeOffset At) : ConsentCommand(At);

/// <param name="ExpiresAt">Null: never.</param>
public sealed record CallPermission(string GrantId, DateTimeOffset? ExpiresAt);

public sealed record PermissionRequest(
    string RequestId, string ContentSid, string? Variables, DateTimeOffset At, string? MessageSid = null, bool Failed = false, bool Answered = false)
{
    public bool IsPending(DateTimeOffset now, CallingRules rules) => !Failed && !Answered && now < At + rules.RequestLifetime;
}

/// <summary>A call of ours, from the wish to its end.</summary>
public sealed record OutboundCall(
    CallerId CallerId,
    string RequestId,
    string? Agent,
    string Reason,
    DateTimeOffset? Earliest,
    DateTimeOffset Latest,
    string? AllowedBy = null,
    DateTimeOffset? AllowedAt = null,
    CallSid? CallSid = null,
    DateTimeOffset? PlacedAt = null,
    CallStatus? Outcome = null,
    ImmutableArray<string>? Refused = null,
    DateTimeOffset? PossibleFrom = null,
    int? ErrorCode = null)
{
    /// <summary>Longer than any call lasts; one whose end nobody told does not stand in the way for ever.</summary>
    private static readonly TimeSpan LongestCall = TimeSpan.FromHours(4);

    /// <summary>Nothing is left to place.</summary>
    public bool IsSettled => CallSid is not null || Refused is not null;

    /// <summary>When it counts for the limits: from the moment that it may ring.</summary>
    public DateTimeOffset? CountsAt => PlacedAt ?? (Refused is null ? AllowedAt : null);

    public bool IsUnderWay(DateTimeOffset now) => Outcome is null && CountsAt is { } at && now < at + LongestCall;
}

public enum CallBackState
{
    Proposed,
    Confirmed,
    Cancelled,
}

/// <param name="CancelledBy">As in <see cref="CallBackCancelled"/>.</param>
public sealed record CallBack(
    string CallBackId, DateTimeOffset DueAt, string TimeZone, string? Agent, string Reason, CallBackState State, DateTimeOffset At, string? CancelledBy = null);

/// <summary>What a person has said about being called, and what was done about it.</summary>
/// <param name="Permission">As given; it may have expired.</param>
/// <param name="Lost">Why a permission there was, or might have been, is none.</param>
/// <param name="Unanswered">Calls in a row that were not answered.</param>
/// <param name="TimeZone">The person's own, as an IANA name, where they told it.</param>
public sealed record CallConsent(
    CallPermission? Permission,
    CallRefusalReason? Lost,
    ImmutableList<PermissionRequest> Requests,
    ImmutableDictionary<string, OutboundCall> Calls,
    ImmutableDictionary<string, CallBack> CallBacks,
    int Unanswered,
    DateTimeOffset? LastUnansweredAt,
    DateTimeOffset? LastAnsweredAt,
    string? TimeZone,
    bool Erased)
{
    /// <summary>How long after the time of a call-back it is still the time that the person has asked for.</summary>
    public static readonly TimeSpan CallBackLateness = TimeSpan.FromHours(1);

    public static CallConsent None { get; } = new(
        Permission: null, Lost: null, Requests: [], ImmutableDictionary<string, OutboundCall>.Empty, ImmutableDictionary<string, CallBack>.Empty,
        Unanswered: 0, LastUnansweredAt: null, LastAnsweredAt: null, TimeZone: null, Erased: false);

    /// <summary>The person has asked to be called now.</summary>
    public bool IsWantedNow(DateTimeOffset now) =>
        CallBacks.Values.Any(back => back.State == CallBackState.Confirmed && now >= back.DueAt && now < back.DueAt + CallBackLateness);

    /// <summary>
    /// The call with that SID. Its webhook or status may come before the answer to the request that placed it: then it is the one that
    /// was allowed, since a person is called by one request at a time.
    /// </summary>
    public OutboundCall? CallOf(CallSid callSid) =>
        Calls.Values.FirstOrDefault(call => call.CallSid == callSid) ?? Calls.Values.FirstOrDefault(call => call is { IsSettled: false, AllowedBy: not null });

    public static CallConsent Apply(CallConsent consent, ConsentEvent @event) => @event switch
    {
        CallPermissionRequested e => consent with { Requests = consent.Requests.Add(new PermissionRequest(e.RequestId, e.ContentSid, e.Variables, e.At)) },
        CallPermissionRequestSent e => consent.Change(e.RequestId, request => request with { MessageSid = e.MessageSid }),
        CallPermissionRequestFailed e => consent.Change(e.RequestId, request => request with { Failed = true }),
        CallPermissionGranted e => consent.Change(e.RequestId, request => request with { Answered = true }) with
        {
            Permission = new CallPermission(e.GrantId, e.ExpiresAt),
            Lost = null,
            Unanswered = 0,
        },
        CallPermissionDeclined e => consent.Change(e.RequestId, request => request with { Answered = true }) with
        {
            Permission = null,
            Lost = CallRefusalReason.PermissionDeclined,
        },
        CallPermissionRevoked => consent with { Permission = null, Lost = CallRefusalReason.PermissionRevoked },
        OutboundCallRequested e => consent.Set(new OutboundCall(e.CallerId, e.RequestId, e.Agent, e.Reason, e.Earliest, e.Latest)),
        OutboundCallAllowed e => consent.Set(consent.Calls[e.RequestId] with { AllowedBy = e.AllowedBy, AllowedAt = e.At }),
        OutboundCallPlaced e => consent.Set(consent.Calls[e.RequestId] with { CallSid = e.CallSid, PlacedAt = e.At }),
        OutboundCallRefused e => consent.Set((consent.Calls.GetValueOrDefault(e.RequestId) ?? new OutboundCall(e.CallerId, e.RequestId, Agent: null, Reason: "", Earliest: null, e.At)) with
        {
            Refused = e.Reasons,
            PossibleFrom = e.PossibleFrom,
            ErrorCode = e.ErrorCode,
        }),
        OutboundCallEnded { Outcome: CallStatus.Completed } e => consent.Set(consent.Calls[e.RequestId] with { Outcome = e.Outcome }) with
        {
            Unanswered = 0,
            LastAnsweredAt = e.At,
        },
        OutboundCallEnded e => consent.Set(consent.Calls[e.RequestId] with { Outcome = e.Outcome, ErrorCode = e.ErrorCode }) with
        {
            Unanswered = consent.Unanswered + 1,
            LastUnansweredAt = e.At,
        },
        CallBackProposed e => consent with
        {
            CallBacks = consent.CallBacks.SetItem(e.CallBackId, new CallBack(e.CallBackId, e.DueAt, e.TimeZone, e.Agent, e.Reason, CallBackState.Proposed, e.At)),
        },
        CallBackConfirmed e => consent with
        {
            CallBacks = consent.CallBacks.SetItem(e.CallBackId, consent.CallBacks[e.CallBackId] with { State = CallBackState.Confirmed }),
            TimeZone = consent.CallBacks[e.CallBackId].TimeZone is { Length: > 0 } told ? told : consent.TimeZone,
        },
        CallBackCancelled e => consent with
        {
            CallBacks = consent.CallBacks.SetItem(e.CallBackId, consent.CallBacks[e.CallBackId] with { State = CallBackState.Cancelled, CancelledBy = e.By }),
        },

        // How often they were asked and called is kept, without words: WhatsApp's limits do not forget.
        CallerErased => None with
        {
            Requests = [.. consent.Requests.Select(request => request with { Variables = null })],
            Calls = consent.Calls.ToImmutableDictionary(call => call.Key, call => call.Value with { Reason = "" }),
            Unanswered = consent.Unanswered,
            LastUnansweredAt = consent.LastUnansweredAt,
            LastAnsweredAt = consent.LastAnsweredAt,
            Erased = true,
        },
        _ => throw new UnreachableException($"{@event.GetType().Name} has no Apply."),
    };

    /// <inheritdoc cref="Conversation.Decide"/>
    public static IReadOnlyList<ConversationEvent> Decide(Conversation conversation, ConsentCommand command)
    {
        var consent = conversation.Consent;
        return command switch
        {
            RequestPermission c => Ask(conversation, c),
            RecordPermissionRequest { Outcome: CallPermissionRequestSent sent } =>
                consent.Requests.Exists(request => request.RequestId == sent.RequestId && request.MessageSid is null) ? [sent] : [],
            RecordPermissionRequest { Outcome: CallPermissionRequestFailed failed } =>
                consent.Requests.Exists(request => request.RequestId == failed.RequestId && request is { MessageSid: null, Failed: false }) ? [failed] : [],
            AnswerPermission c => Answer(conversation, c),

            // The carrier may deliver the call's webhook twice; and a call takes nothing from a permission without end.
            GrantByCall c when conversation.Received.Contains(c.CallSid.Value) || consent is { Permission.ExpiresAt: null, Permission: not null } => [],
            GrantByCall c =>
                [new CallPermissionGranted(c.CallSid.Value, c.CallerId, c.Address, GrantSource.Call, RequestId: null, c.At + c.Rules.PermissionLifetime, c.At)],

            RequestOutboundCall c => Want(conversation, c),
            AllowOutboundCall c => Allow(conversation, c),
            RecordPlacedCall c => Placed(consent, c),
            RefuseOutboundCall c => Refuse(consent, c),
            RecordOutboundEnd c => End(consent, c),
            CancelOutboundCall c => Cancel(consent, c),

            ProposeCallBack c => consent.CallBacks.ContainsKey(c.Proposal.CallBackId) || consent.Erased ? [] : [c.Proposal],
            ConfirmCallBack c => consent.CallBacks.GetValueOrDefault(c.CallBackId) is { State: CallBackState.Proposed } back
                ? [.. Replaced(consent, c), new CallBackConfirmed(c.CallBackId, c.CallerId, back.DueAt, c.At)] : [],
            CancelCallBack c => consent.CallBacks.GetValueOrDefault(c.CallBackId) is { State: not CallBackState.Cancelled }
                ? [new CallBackCancelled(c.CallBackId, c.CallerId, c.By, c.At)] : [],
            EraseCaller c when consent.Calls.Values.Any(call => call.IsUnderWay(c.At)) => throw new RuleException("A call to the person is under way: erase once it is over."),
            EraseCaller c => [new CallerErased(c.CallerId, c.At)],
            _ => throw new UnreachableException($"{command.GetType().Name} has no Decide."),
        };
    }

    private static IReadOnlyList<ConsentEvent> Ask(Conversation conversation, RequestPermission command)
    {
        if (conversation.Consent.Requests.Exists(request => request.RequestId == command.Request.RequestId))
        {
            return [];
        }

        var verdict = CallPolicy.MayAsk(conversation.At(command.Request.Address), command.Sender, command.At, command.Rules);
        return verdict.IsAllowed ? [command.Request] : throw new CallRefusedException(verdict.Codes, verdict.PossibleFrom);
    }

    private static IReadOnlyList<ConsentEvent> Answer(Conversation conversation, AnswerPermission command)
    {
        if (conversation.Received.Contains(command.MessageSid))
        {
            return [];
        }

        // Those before the newest have expired with it.
        var pending = conversation.Consent.Requests.FindLast(request => !request.Failed) is { } newest && newest.IsPending(command.At, command.Rules) ? newest : null;
        return command.Accepted switch
        {
            true when pending is null && conversation.Consent is { Permission: { ExpiresAt: null } } or { Lost: CallRefusalReason.PermissionDeclined } or { Erased: true } => [],
            false => [new CallPermissionDeclined(command.MessageSid, command.CallerId, command.Address, pending?.RequestId, command.At)],
            true =>
            [
                new CallPermissionGranted(
                    command.MessageSid, command.CallerId, command.Address, GrantSource.Answer, pending?.RequestId,
                    command.Permanent ? null : command.At + command.Rules.PermissionLifetime, command.At),
            ],
        };
    }

    private static IReadOnlyList<ConsentEvent> Want(Conversation conversation, RequestOutboundCall command)
    {
        var request = command.Request;
        if (conversation.Consent.Calls.ContainsKey(request.RequestId))
        {
            return [];
        }

        var begins = request.Earliest > command.At ? request.Earliest.Value : command.At;
        var verdict = CallPolicy.MayCall(conversation.At(request.Address), command.Sender, begins, command.Rules);
        return verdict.IsAllowed ? [request]
            : verdict.PossibleFrom <= request.Latest ? [request with { Earliest = verdict.PossibleFrom }]
            : [new OutboundCallRefused(request.RequestId, request.CallerId, verdict.Codes, verdict.PossibleFrom, ErrorCode: null, command.At)];
    }

    private static IReadOnlyList<ConsentEvent> Allow(Conversation conversation, AllowOutboundCall command)
    {
        if (conversation.Consent.Calls.GetValueOrDefault(command.RequestId) is not { IsSettled: false } call)
        {
            return [];
        }

        OutboundCallRefused Refused(ImmutableArray<string> codes, DateTimeOffset? possibleFrom) =>
            new(call.RequestId, call.CallerId, codes, possibleFrom, ErrorCode: null, command.At);

        if (conversation.Consent.CallBacks.GetValueOrDefault(call.RequestId) is { State: CallBackState.Cancelled })
        {
            return [Refused([CallPolicy.Code(CallRefusalReason.Cancelled)], possibleFrom: null)];
        }

        if (command.At > call.Latest)
        {
            return [Refused([CallPolicy.Code(CallRefusalReason.TooLate)], possibleFrom: null)];
        }

        var verdict = CallPolicy.MayCall(conversation, command.Sender, command.At, command.Rules, call.RequestId);
        return verdict.IsAllowed ? [new OutboundCallAllowed(call.RequestId, call.CallerId, verdict.AllowedBy!, command.Rules.AsOf, command.At)]
            : verdict.PossibleFrom <= call.Latest ? []
            : [Refused(verdict.Codes, verdict.PossibleFrom)];
    }

    private static IReadOnlyList<ConsentEvent> Placed(CallConsent consent, RecordPlacedCall command) => consent.Calls.GetValueOrDefault(command.RequestId) switch
    {
        { CallSid: not null } => [],
        { AllowedBy: { } grant } call => [new OutboundCallPlaced(call.RequestId, call.CallerId, command.CallSid, grant, command.At)],
        _ => throw new RuleException("The rules were not asked for this call."),
    };

    private static IReadOnlyList<ConsentEvent> Refuse(CallConsent consent, RefuseOutboundCall command) =>
        consent.Calls.GetValueOrDefault(command.RequestId) is { IsSettled: false } call
            ?
            [
                .. WithoutPermission(consent, call.CallerId, command.ErrorCode, command.At),
                new OutboundCallRefused(call.RequestId, call.CallerId, [CallPolicy.Code(command.Reason)], PossibleFrom: null, command.ErrorCode, command.At),
            ]
            : [];

    private static IReadOnlyList<ConsentEvent> Cancel(CallConsent consent, CancelOutboundCall command)
    {
        var call = consent.Calls.GetValueOrDefault(command.RequestId);
        if (call?.CallSid is not null)
        {
            throw new RuleException("The call was placed already.");
        }

        ConsentEvent[] back = consent.CallBacks.GetValueOrDefault(command.RequestId) is { State: not CallBackState.Cancelled } arranged && call?.Refused is null
            ? [new CallBackCancelled(arranged.CallBackId, command.CallerId, CallBackCancelled.ByOperator, command.At)] : [];
        ConsentEvent[] wish = call is { Refused: null }
            ? [new OutboundCallRefused(call.RequestId, call.CallerId, [CallPolicy.Code(CallRefusalReason.Cancelled)], PossibleFrom: null, ErrorCode: null, command.At)] : [];
        return [.. back, .. wish];
    }

    private static IReadOnlyList<ConsentEvent> End(CallConsent consent, RecordOutboundEnd command)
    {
        var call = consent.CallOf(command.CallSid);
        if (call is null or { Outcome: not null })
        {
            return [];
        }

        ConsentEvent[] placed = call.CallSid is null ? [new OutboundCallPlaced(call.RequestId, call.CallerId, command.CallSid, call.AllowedBy!, command.At)] : [];
        ConsentEvent[] revoked = command.Outcome != CallStatus.Completed && consent.Unanswered + 1 >= command.Rules.RevokedAfterUnanswered && consent.Permission is { } permission
            ? [new CallPermissionRevoked(call.CallerId, permission.GrantId, "unanswered", command.At)]
            : [.. WithoutPermission(consent, call.CallerId, command.ErrorCode, command.At)];
        return [.. placed, new OutboundCallEnded(call.RequestId, call.CallerId, command.CallSid, command.Outcome, command.ErrorCode, command.At), .. revoked];
    }

    private static IEnumerable<CallPermissionRevoked> WithoutPermission(CallConsent consent, CallerId callerId, int? errorCode, DateTimeOffset at) =>
        errorCode == CarrierErrors.NoPermission && consent.Permission is { } permission ? [new CallPermissionRevoked(callerId, permission.GrantId, "carrier", at)] : [];

    /// <summary>There is one call-back at a time: the newest.</summary>
    private static IEnumerable<CallBackCancelled> Replaced(CallConsent consent, ConfirmCallBack by) =>
        consent.CallBacks.Values
            .Where(back => back.State == CallBackState.Confirmed && back.DueAt > by.At)
            .Select(back => new CallBackCancelled(back.CallBackId, by.CallerId, CallBackCancelled.ByCaller, by.At));

    private CallConsent Set(OutboundCall call) => this with { Calls = Calls.SetItem(call.RequestId, call) };

    private CallConsent Change(string? requestId, Func<PermissionRequest, PermissionRequest> change)
    {
        var index = Requests.FindIndex(request => request.RequestId == requestId);
        return index < 0 ? this : this with { Requests = Requests.SetItem(index, change(Requests[index])) };
    }
}

/// <summary>The carrier's codes that mean something to the rules.</summary>
public static class CarrierErrors
{
    /// <summary>The user has not granted permission, or it expired or was revoked.</summary>
    public const int NoPermission = 37000;

    /// <summary>Calls are not available to senders of this country.</summary>
    public const int SenderCountry = 37007;
}

/// <summary>The rules say no, and why.</summary>
/// <param name="reasons">Every one, as codes.</param>
/// <param name="possibleFrom">When time alone will have cured them.</param>
public sealed class CallRefusedException(ImmutableArray<string> reasons, DateTimeOffset? possibleFrom) : RuleException("The rules do not allow it now.")
{
    public ImmutableArray<string> Reasons { get; } = reasons;

    public DateTimeOffset? PossibleFrom { get; } = possibleFrom;
}
