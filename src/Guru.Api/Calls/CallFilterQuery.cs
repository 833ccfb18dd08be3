using Guru.Api.Reading;
using Guru.Application.Callers;
using Guru.Application.Calls;
using Guru.Domain.Callers;
using Guru.Domain.Calls;

namespace Guru.Api.Calls;

/// <summary>The filters of calls in a query: named as the members are.</summary>
internal static class CallFilterQuery
{
    public static readonly QueryParameter[] Parameters =
    [
        QueryParameter.Time("startedAt.from", "Began at this time or later."),
        QueryParameter.Time("startedAt.to", "Began before this time."),
        QueryParameter.Time("endedAt.from", "Ended at this time or later."),
        QueryParameter.Time("endedAt.to", "Ended before this time."),
        QueryParameter.Text("callSid", "This call."),
        QueryParameter.AnyOf<CallChannel>("channel", "One of these channels."),
        QueryParameter.AnyOf<CallDirection>("direction", "One of these directions."),
        QueryParameter.AnyOf<CallStatus>("status", "One of these statuses."),
        QueryParameter.AnyOf("agent", "The last agent of the call; none: calls without one."),
        QueryParameter.AnyOf("agents", "An agent that took part."),
        QueryParameter.AnyOf("language", "ISO 639-1; none: calls whose language is not known."),
        QueryParameter.AnyOf<CallEndReason>("endReason", "One of these reasons; none: calls that have not ended."),
        .. Range("durationSeconds", "Duration in seconds"),
        .. Range("latencyP50Ms", "Median latency of the call"),
        .. Range("latencyP95Ms", "95th percentile of the call's latency"),
        .. Range("cost", "Cost in US dollars"),
        .. Range("turns", "Number of turns"),
        .. Range("bargeIns", "Number of barge-ins"),
        QueryParameter.Flag("interrupted", "Whether the caller cut the agent off."),
        QueryParameter.Text("callerId", "Calls of this caller."),
        QueryParameter.Text("phoneNumber", "Calls of the caller with this number, in E.164 form, or business-scoped user id."),
        QueryParameter.Text("text", "Something was said that this finds: words, \"a phrase\", begin*, -without."),
    ];

    public static async Task<CallFilter> CallFilterAsync(this QueryReader query, CallerNames callers, CancellationToken cancellationToken)
    {
        var callerIds = await query.OneCallerAsync(callers, cancellationToken);
        return new CallFilter
        {
            StartedAt = query.Times("startedAt"),
            EndedAt = query.Times("endedAt"),
            CallSid = query.CallSid("callSid"),
            Channels = query.Enums<CallChannel>("channel"),
            Directions = query.Enums<CallDirection>("direction"),
            Statuses = query.Enums<CallStatus>("status"),
            Agents = query.NamesOrNone("agent"),
            AgentsInvolved = query.Names("agents"),
            Languages = query.NamesOrNone("language"),
            EndReasons = query.EnumsOrNone<CallEndReason>("endReason"),
            DurationSeconds = query.Numbers("durationSeconds"),
            LatencyP50Ms = query.Numbers("latencyP50Ms"),
            LatencyP95Ms = query.Numbers("latencyP95Ms"),
            Cost = query.Numbers("cost"),
            Turns = query.Numbers("turns"),
            BargeIns = query.Numbers("bargeIns"),
            Interrupted = query.Flag("interrupted"),
            CallerIds = callerIds,
            Text = query.Words("text"),
        };
    }

    /// <summary>
    /// All ids of the caller of <c>callerId</c> or <c>phoneNumber</c>, who are to be the same where both are given; the one that they are known by first.
    /// </summary>
    public static async Task<IReadOnlyList<CallerId>?> OneCallerAsync(this QueryReader query, CallerNames callers, CancellationToken cancellationToken)
    {
        var (callerId, ofNumber) = (query.CallerId("callerId"), await query.CallerOfAsync("phoneNumber", callers, cancellationToken));
        callerId = callerId is { } given ? await callers.OfAsync(given, cancellationToken) : null;
        if (callerId is not null && ofNumber is not null && callerId != ofNumber)
        {
            query.Refuse("phoneNumber", "is another caller's than callerId");
        }

        query.Caller = callerId ?? ofNumber;
        return query.Caller is { } owner ? await callers.IdsOfAsync(owner, cancellationToken) : null;
    }

    /// <summary>The caller who has a number. A plus sign that was not encoded arrives as a space.</summary>
    private static async Task<CallerId?> CallerOfAsync(this QueryReader query, string name, CallerNames callers, CancellationToken cancellationToken)
    {
        var given = query.Read<CallerAddress?>(name, text =>
            CallerAddress.TryParse(text.StartsWith(' ') ? $"+{text[1..]}" : text, out var address)
                ? address
                : throw new FormatException("is a number in E.164 form or a business-scoped user id"));
        return given is { } address ? await callers.OfAsync(address, cancellationToken) : null;
    }

    private static IEnumerable<QueryParameter> Range(string name, string what) =>
        [QueryParameter.Number($"{name}.min", $"{what}: at least."), QueryParameter.Number($"{name}.max", $"{what}: at most.")];
}
