using System.Collections.Immutable;
using Guru.Domain.Callers;

namespace Guru.Domain.Conversations;

/// <summary>Why a person is not called, or not asked.</summary>
public enum CallRefusalReason
{
    NoPermission,
    PermissionExpired,
    PermissionDeclined,
    PermissionRevoked,

    /// <summary>The person has given permission already: there is nothing to ask.</summary>
    AlreadyPermitted,
    SenderCountryExcluded,
    CalleeCountryUnavailable,
    CalleeCountryUnknown,
    RequestLimit,
    CallLimit,
    UnansweredInARow,
    OutsideWakingHours,
    CallUnderWay,
    Erased,

    /// <summary>The time by which it had to be placed is over.</summary>
    TooLate,

    /// <summary>The person, or an operator, does not want it any more.</summary>
    Cancelled,

    /// <summary>The carrier refused it.</summary>
    CarrierRefused,

    /// <summary>The carrier did not answer; nobody knows of a call.</summary>
    CarrierSilent,
}

/// <param name="Until">When time alone will have cured it; null where it does not.</param>
public readonly record struct CallRefusal(CallRefusalReason Reason, DateTimeOffset? Until = null);

/// <param name="AllowedBy">The grant that allows it; null where it is not allowed.</param>
/// <param name="Refusals">Every reason against it.</param>
public sealed record CallVerdict(string? AllowedBy, ImmutableArray<CallRefusal> Refusals)
{
    public bool IsAllowed => Refusals.IsEmpty;

    /// <summary>When time alone will have cured every refusal; null where it will not, or there is none.</summary>
    public DateTimeOffset? PossibleFrom => Refusals.IsEmpty || Refusals.Any(refusal => refusal.Until is null) ? null : Refusals.Max(refusal => refusal.Until);

    public ImmutableArray<string> Codes => [.. Refusals.Select(refusal => CallPolicy.Code(refusal.Reason))];
}

/// <summary>Whether a person may be called or asked, by what is on record. Where readings differ it is the stricter one.</summary>
public static class CallPolicy
{
    /// <summary>As in the contract: noPermission.</summary>
    public static string Code(CallRefusalReason reason) => $"{char.ToLowerInvariant(reason.ToString()[0])}{reason.ToString()[1..]}";

    /// <param name="sender">Who calls: the business's number.</param>
    /// <param name="forRequest">The request that the call is for; it does not stand in its own way.</param>
    public static CallVerdict MayCall(
        Conversation conversation, CallerAddress sender, DateTimeOffset now, CallingRules rules, string? forRequest = null)
    {
        var consent = conversation.Consent;
        var refusals = ImmutableArray.CreateBuilder<CallRefusal>();
        refusals.AddRange(Person(conversation, sender, rules));
        if (NotPermitted(consent, now) is { } reason)
        {
            refusals.Add(new CallRefusal(reason));
            refusals.AddRange(RequestLimits(consent, now, rules));
        }

        var others = consent.Calls.Values.Where(call => call.RequestId != forRequest).ToList();
        if (others.Exists(call => call.IsUnderWay(now)))
        {
            refusals.Add(new CallRefusal(CallRefusalReason.CallUnderWay));
        }

        refusals.AddRange(Limits(CallRefusalReason.CallLimit, rules.Calls, others.Select(call => call.CountsAt).OfType<DateTimeOffset>(), now));
        if (consent.Unanswered >= rules.PauseAfterUnanswered && !(conversation.LastReceivedAt > consent.LastUnansweredAt))
        {
            refusals.Add(new CallRefusal(CallRefusalReason.UnansweredInARow));
        }

        // A time that the person has asked for is a good time.
        var zones = ZonesOf(conversation, rules);
        if (!zones.IsEmpty && !consent.IsWantedNow(now) && rules.NextWaking(zones, now) is var awake && awake != now)
        {
            refusals.Add(new CallRefusal(CallRefusalReason.OutsideWakingHours, awake));
        }

        return new CallVerdict(refusals.Count == 0 ? consent.Permission!.GrantId : null, refusals.ToImmutable());
    }

    /// <summary>Whether the person may be asked for permission.</summary>
    public static CallVerdict MayAsk(Conversation conversation, CallerAddress sender, DateTimeOffset now, CallingRules rules)
    {
        var refusals = ImmutableArray.CreateBuilder<CallRefusal>();
        refusals.AddRange(Person(conversation, sender, rules));
        if (NotPermitted(conversation.Consent, now) is null)
        {
            refusals.Add(new CallRefusal(CallRefusalReason.AlreadyPermitted, conversation.Consent.Permission!.ExpiresAt));
        }

        refusals.AddRange(RequestLimits(conversation.Consent, now, rules));
        return new CallVerdict(AllowedBy: null, refusals.ToImmutable());
    }

    /// <summary>What stands against calling this person from this number at any time.</summary>
    private static IEnumerable<CallRefusal> Person(Conversation conversation, CallerAddress sender, CallingRules rules)
    {
        if (rules.CountryOf(sender) is not { } from || rules.ExcludedSenders.Contains(from.Code))
        {
            yield return new CallRefusal(CallRefusalReason.SenderCountryExcluded);
        }

        if (conversation.Consent.Erased || !CallerAddress.TryParse(conversation.Address, out var address))
        {
            yield return new CallRefusal(CallRefusalReason.Erased);
        }
        else if (!rules.CanBeReached(address))
        {
            yield return new CallRefusal(CallRefusalReason.CalleeCountryUnavailable);
        }
        else if (rules.CountryOf(address) is null)
        {
            yield return new CallRefusal(CallRefusalReason.CalleeCountryUnknown);
        }
    }

    private static CallRefusalReason? NotPermitted(CallConsent consent, DateTimeOffset now) => consent switch
    {
        { Permission: { } permission } => now >= permission.ExpiresAt ? CallRefusalReason.PermissionExpired : null,
        { Lost: { } lost } => lost,
        _ => CallRefusalReason.NoPermission,
    };

    private static IEnumerable<CallRefusal> RequestLimits(CallConsent consent, DateTimeOffset now, CallingRules rules) =>
        Limits(CallRefusalReason.RequestLimit, rules.Requests, consent.Requests.Where(request => !request.Failed && !(request.At <= consent.LastAnsweredAt)).Select(request => request.At), now);

    /// <summary>What happened exactly one stretch ago does not count any more.</summary>
    private static IEnumerable<CallRefusal> Limits(
        CallRefusalReason reason, ImmutableArray<CallingLimit> limits, IEnumerable<DateTimeOffset> times, DateTimeOffset now)
    {
        var newestFirst = times.OrderDescending().ToList();
        var free = limits
            .Where(limit => newestFirst.Count >= limit.Most && newestFirst[limit.Most - 1] > now - limit.Within)
            .Select(limit => (DateTimeOffset?)(newestFirst[limit.Most - 1] + limit.Within))
            .Max();
        return free is null ? [] : [new CallRefusal(reason, free)];
    }

    private static ImmutableArray<TimeZoneInfo> ZonesOf(Conversation conversation, CallingRules rules)
    {
        if (conversation.Consent.TimeZone is { } known && TimeZoneInfo.TryFindSystemTimeZoneById(known, out var zone))
        {
            return [zone];
        }

        return CallerAddress.TryParse(conversation.Address, out var address) ? rules.CountryOf(address)?.Zones ?? [] : [];
    }
}
