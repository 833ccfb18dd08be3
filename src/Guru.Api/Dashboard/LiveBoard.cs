using System.Text.Json;
using Guru.Application.Calls;
using Guru.Domain.Calls;

namespace Guru.Api.Dashboard;

/// <summary>A call in progress as it is seen.</summary>
/// <param name="Lines">In the order of speech.</param>
/// <param name="Ended">Why, for one that was on the board when it ended.</param>
internal sealed record LiveCall(
    string CallSid, string? CallerId, string? Number, string? Agent, string? Language, DateTimeOffset StartedAt, IReadOnlyList<LiveLine> Lines, string? Ended);

internal sealed record LiveLine(string Id, Speaker Speaker, string? Agent, string Said, string Heard, bool Interrupted, long StartMs)
{
    public override string ToString() => $"{nameof(LiveLine)} {Id}";
}

/// <summary>The calls in progress: those that were going on, and what has happened since. An event that is known already changes nothing.</summary>
internal sealed class LiveBoard
{
    public const int MostCalls = 50;

    /// <summary>Of ended calls, for whoever is still reading.</summary>
    private const int MostEnded = 5;

    private readonly Dictionary<string, LiveCall> _calls = new(StringComparer.Ordinal);

    /// <summary>Newest first, those that have ended last.</summary>
    public IReadOnlyList<LiveCall> Calls =>
        [.. _calls.Values.OrderBy(call => call.Ended is not null).ThenByDescending(call => call.StartedAt).ThenBy(call => call.CallSid, StringComparer.Ordinal).Take(MostCalls)];

    public int InProgress => _calls.Values.Count(call => call.Ended is null);

    public void Add(CallSummary call, Transcript? transcript) => _calls[call.CallSid] = new LiveCall(
        call.CallSid, call.CallerId, call.PhoneNumberMasked, call.Agent, call.Language, call.StartedAt,
        [.. (transcript?.Utterances ?? []).Select(line => new LiveLine(line.Id, line.Speaker, line.Agent, line.Said, line.Heard, line.Interrupted, line.StartMs))],
        Ended: null);

    /// <returns>Whether anything is to be seen of it.</returns>
    public bool Apply(EventView item)
    {
        const string Prefix = "call-";
        if (!item.StreamId.StartsWith(Prefix, StringComparison.Ordinal))
        {
            return false;
        }

        var sid = item.StreamId[Prefix.Length..];
        var (known, data) = (_calls.GetValueOrDefault(sid), item.Data);
        var now = (item.Type, known) switch
        {
            (nameof(CallStarted), null) => new LiveCall(
                sid, Text(data, "callerId"), Text(data, "address"), Agent: null, Text(data, "language"), item.At, [], Ended: null),
            (nameof(AgentRouted), { } call) => call with { Agent = Text(data, "agent") },
            (nameof(AgentHandedOff), { } call) => call with { Agent = Text(data, "to") },
            (nameof(CallLanguageDetermined), { } call) => call with { Language = Text(data, "language") },
            (nameof(UtteranceTranscribed), { } call) => With(call, data),
            (nameof(CallEnded), { } call) => call with { Ended = Text(data, "reason") ?? "" },
            _ => known,
        };
        if (now is null || now == known)
        {
            return false;
        }

        _calls[sid] = now;
        foreach (var old in _calls.Values.Where(call => call.Ended is not null).OrderByDescending(call => call.StartedAt).Skip(MostEnded).ToList())
        {
            _calls.Remove(old.CallSid);
        }

        return true;
    }

    private static LiveCall With(LiveCall call, JsonElement data)
    {
        var line = new LiveLine(
            Text(data, "utteranceId") ?? "", Text(data, "speaker") == "caller" ? Speaker.Caller : Speaker.Agent, Text(data, "agent"),
            Text(data, "said") ?? "", Text(data, "heard") ?? "", data.TryGetProperty("interrupted", out var cut) && cut.ValueKind == JsonValueKind.True,
            data.TryGetProperty("startMs", out var start) ? start.GetInt64() : 0);
        return call.Lines.Any(known => known.Id == line.Id) ? call : call with { Lines = [.. call.Lines.Append(line).OrderBy(one => one.StartMs)] };
    }

    private static string? Text(JsonElement data, string name) =>
        data.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
}
