using Guru.Application.Calls;

namespace Guru.Api.Dashboard;

/// <summary>What the list of calls can show.</summary>
/// <param name="Name">As in the address.</param>
/// <param name="Property">Of the call, by which the grid knows the column.</param>
/// <param name="Sort">Null where the list cannot be sorted by it.</param>
internal sealed record CallColumn(string Name, string Title, string Property, Func<CallSummary, string> Show, CallSort? Sort = null, bool IsNumber = false)
{
    public static IReadOnlyList<CallColumn> All { get; } =
    [
        new("startedAt", "Started", nameof(CallSummary.StartedAt), call => "", CallSort.StartedAt),
        new("caller", "Caller", nameof(CallSummary.PhoneNumberMasked), call => Shown.Nothing),
        new("agents", "Agents", nameof(CallSummary.Agents), call => call.Agents.Count == 0 ? Shown.Nothing : string.Join(" → ", call.Agents.Select(Shown.Words))),
        new("language", "Language", nameof(CallSummary.Language), call => Shown.Language(call.Language)),
        new("endReason", "Ended", nameof(CallSummary.EndReason), call => Shown.EndReason(call.EndReason)),
        new("durationSeconds", "Length", nameof(CallSummary.DurationSeconds), call => Shown.Duration(call.DurationSeconds), CallSort.DurationSeconds, IsNumber: true),
        new("turns", "Turns", nameof(CallSummary.Turns), call => Shown.Count(call.Turns), CallSort.Turns, IsNumber: true),
        new("bargeIns", "Barge-ins", nameof(CallSummary.BargeIns), call => Shown.Count(call.BargeIns), CallSort.BargeIns, IsNumber: true),
        new("latencyP50Ms", "Latency", nameof(CallSummary.LatencyP50Ms), call => Shown.Latency(call.LatencyP50Ms), CallSort.LatencyP50Ms, IsNumber: true),
        new("latencyP95Ms", "Latency, 95%", nameof(CallSummary.LatencyP95Ms), call => Shown.Latency(call.LatencyP95Ms), CallSort.LatencyP95Ms, IsNumber: true),
        new("cost", "Cost", nameof(CallSummary.Cost), call => Shown.Money(call.Cost), CallSort.Cost, IsNumber: true),
        new("channel", "Channel", nameof(CallSummary.Channel), call => Shown.Channel(call.Channel)),
        new("direction", "Direction", nameof(CallSummary.Direction), call => Shown.Words(call.Direction)),
        new("status", "Status", nameof(CallSummary.Status), call => Shown.Words(call.Status)),
        new("callerTalk", "Caller spoke", nameof(CallSummary.CallerTalkMs), call => Shown.Clock(call.CallerTalkMs), IsNumber: true),
        new("agentTalk", "Agent spoke", nameof(CallSummary.AgentTalkMs), call => Shown.Clock(call.AgentTalkMs), IsNumber: true),
        new("node", "Node", nameof(CallSummary.Node), call => call.Node ?? Shown.Nothing),
        new("callSid", "Call SID", nameof(CallSummary.CallSid), call => call.CallSid),
    ];

    /// <summary>Without a choice.</summary>
    public static IReadOnlyList<string> Standard { get; } =
        ["startedAt", "caller", "agents", "language", "endReason", "durationSeconds", "turns", "bargeIns", "latencyP50Ms", "cost"];

    /// <summary>Those of a list of names that there are; the standard ones where there is none.</summary>
    public static HashSet<string> Known(string names)
    {
        var known = names.Split(',').Where(name => All.Any(column => column.Name == name)).ToHashSet(StringComparer.Ordinal);
        return known.Count == 0 ? [.. Standard] : known;
    }
}
