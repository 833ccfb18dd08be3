using System.Globalization;
using System.Net;
using System.Text.Json;
using Guru.Api.Calls;
using Guru.SampleData;

namespace Guru.EndToEnd.Tests;

/// <summary>Each filter of calls, over HTTP, against the same calls sifted here.</summary>
public sealed class FiltersForAnalysts(ForAnalysts.SampleWorld world) : IClassFixture<ForAnalysts.SampleWorld>
{
    private const string OneCall = $"{SampleCalls.SidPrefix}0003000000000000000001";

    private static readonly Dictionary<string, (string Query, Func<JsonElement, bool> Holds)> Filters = new(StringComparer.Ordinal)
    {
        ["startedAt.from"] = ("startedAt.from=2026-03-15T06:00:00-05:00", call => At(call) >= new DateTimeOffset(2026, 3, 15, 11, 0, 0, TimeSpan.Zero)),
        ["startedAt.to"] = ("startedAt.to=2026-03-15", call => At(call) < new DateTimeOffset(2026, 3, 15, 0, 0, 0, TimeSpan.Zero)),
        ["endedAt.from"] = ("endedAt.from=2026-03-15T11:00:00Z", call => EndedAt(call) >= new DateTimeOffset(2026, 3, 15, 11, 0, 0, TimeSpan.Zero)),
        ["endedAt.to"] = ("endedAt.to=2026-03-15", call => EndedAt(call) < new DateTimeOffset(2026, 3, 15, 0, 0, 0, TimeSpan.Zero)),
        ["callSid"] = ($"callSid={OneCall}", call => Text(call, "callSid") == OneCall),
        ["channel"] = ("channel=webapp,whatsapp", _ => true),
        ["direction"] = ("direction=outbound", _ => false),
        ["status"] = ("status=completed&status=failed", call => Text(call, "status") is "completed" or "failed"),
        ["agent"] = ("agent=legal,none", call => Text(call, "agent") is "legal" or null),
        ["agents"] = ("agents=healthcare", call => call.GetProperty("agents").EnumerateArray().Any(agent => agent.GetString() == "healthcare")),
        ["language"] = ("language=none&language=es", call => Text(call, "language") is "es" or null),
        ["endReason"] = ("endReason=callerHungUp,silence", call => Text(call, "endReason") is "callerHungUp" or "silence"),
        ["durationSeconds.min"] = ("durationSeconds.min=60", call => Number(call, "durationSeconds") >= 60),
        ["durationSeconds.max"] = ("durationSeconds.max=60", call => Number(call, "durationSeconds") <= 60),
        ["latencyP50Ms.min"] = ("latencyP50Ms.min=650.5", call => Number(call, "latencyP50Ms") >= 650.5m),
        ["latencyP50Ms.max"] = ("latencyP50Ms.max=650.5", call => Number(call, "latencyP50Ms") <= 650.5m),
        ["latencyP95Ms.min"] = ("latencyP95Ms.min=800", call => Number(call, "latencyP95Ms") >= 800),
        ["latencyP95Ms.max"] = ("latencyP95Ms.max=800", call => Number(call, "latencyP95Ms") <= 800),
        ["cost.min"] = ("cost.min=0.05", call => Number(call, "cost") >= 0.05m),
        ["cost.max"] = ("cost.max=0.05", call => Number(call, "cost") <= 0.05m),
        ["turns.min"] = ("turns.min=9", call => Number(call, "turns") >= 9),
        ["turns.max"] = ("turns.max=9", call => Number(call, "turns") <= 9),
        ["bargeIns.min"] = ("bargeIns.min=2", call => Number(call, "bargeIns") >= 2),
        ["bargeIns.max"] = ("bargeIns.max=0", call => Number(call, "bargeIns") <= 0),
        ["interrupted"] = ("interrupted=true", call => call.GetProperty("interrupted").GetBoolean()),
        ["callerId"] = ($"callerId={ForAnalysts.SampleWorld.Caller}", _ => false),
        ["phoneNumber"] = ("phoneNumber=+15550109998", _ => false),
        ["text"] = ("text=%22a%20phrase%20that%20nobody%20said%22", _ => false),
    };

    public static TheoryData<string> Names => [.. CallFilterQuery.Parameters.Select(parameter => parameter.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public async Task Each_filter_leaves_the_calls_it_names_in_lists_figures_and_exports(string name)
    {
        var (query, holds) = Filters[name];
        var expected = (await ExportedAsync("")).Where(holds).Select(call => Text(call, "callSid")).Order(StringComparer.Ordinal).ToList();

        (await ExportedAsync(query)).Select(call => Text(call, "callSid")).Order(StringComparer.Ordinal).ShouldBe(expected);
        (await world.GetAsync($"/api/calls?limit=200&{query}")).GetProperty("items").EnumerateArray()
            .Select(call => Text(call, "callSid")).Order(StringComparer.Ordinal).ShouldBe(expected);
        (await world.GetAsync($"/api/analytics/summary?{query}")).GetProperty("figures").GetProperty("calls").GetInt32().ShouldBe(expected.Count);
        (await world.GetAsync($"/api/analytics/breakdown?by=endReason&{query}")).GetProperty("items").EnumerateArray()
            .Sum(item => item.GetProperty("figures").GetProperty("calls").GetInt32()).ShouldBe(expected.Count);
    }

    [Theory]
    [InlineData("/api/calls/{callSid}/events")]
    [InlineData("/api/conversations/{callerId}/messages")]
    public async Task Each_filter_of_what_happened_in_a_call_or_was_said_with_somebody_leaves_what_it_names(string path)
    {
        var call = world.Calls[0];
        var address = path.Replace("{callSid}", call.CallSid.Value, StringComparison.Ordinal).Replace("{callerId}", call.CallerId.Value, StringComparison.Ordinal);
        var all = await ItemsAsync("");
        var middle = Text(all[all.Count / 2], "at")!;
        var filters = new Dictionary<string, (string Value, Func<JsonElement, bool> Holds)>(StringComparer.Ordinal)
        {
            ["at.from"] = (middle, item => Time(item, "at") >= DateTimeOffset.Parse(middle, CultureInfo.InvariantCulture)),
            ["at.to"] = (middle, item => Time(item, "at") < DateTimeOffset.Parse(middle, CultureInfo.InvariantCulture)),
            ["type"] = ("UtteranceTranscribed,CallEnded", item => Text(item, "type") is "UtteranceTranscribed" or "CallEnded"),
            ["channel"] = ("whatsapp", item => Text(item, "channel") == "whatsapp"),
            ["speaker"] = ("agent", item => Text(item, "speaker") == "agent"),
            ["agent"] = ("nobody,none", item => Text(item, "agent") is null),
            ["callSid"] = (call.CallSid.Value, item => Text(item, "callSid") == call.CallSid.Value),
            ["messageSid"] = ("SM1", item => Text(item, "messageSid") == "SM1"),
        };

        var described = (await world.GetAsync("/openapi/v1.json")).GetProperty("paths").GetProperty(path).GetProperty("get").GetProperty("parameters").EnumerateArray()
            .Where(parameter => Text(parameter, "in") == "query").Select(parameter => Text(parameter, "name")!).Except(["limit", "cursor", "format"], StringComparer.Ordinal).ToList();

        described.Count.ShouldBeGreaterThan(2);
        foreach (var name in described)
        {
            var (value, holds) = filters[name];
            (await ItemsAsync($"&{name}={Uri.EscapeDataString(value)}")).Select(item => item.GetRawText()).ShouldBe(all.Where(holds).Select(item => item.GetRawText()), name);
        }

        async Task<List<JsonElement>> ItemsAsync(string query) => [.. (await world.GetAsync($"{address}?limit=200{query}")).GetProperty("items").EnumerateArray()];
    }

    [Theory]
    [InlineData("'; drop table guru.calls; --")]
    [InlineData("a & | ! <-> ( ) : * \\ '")]
    [InlineData("\"unclosed")]
    [InlineData("*")]
    [InlineData("the")]
    [InlineData("-only -without")]
    [InlineData("bill:*A & !x")]
    [InlineData("<script>alert(1)</script>")]
    [InlineData("%_\\%")]
    [InlineData("\u0000bill")]
    [InlineData("bill\uFFFD\u202E\u200B")]
    [InlineData("😀😀")]
    [InlineData("\uD800")]
    [InlineData("账*")]
    [InlineData("a a a a a a a a a a a a a a a a a")]
    public async Task Hostile_text_is_searched_for_or_refused_and_harms_nothing(string text)
    {
        foreach (var path in (string[])[$"/api/transcripts/search?q={Uri.EscapeDataString(text)}", $"/api/calls?text={Uri.EscapeDataString(text)}", $"/api/transcripts/search?unheard=true&q={Uri.EscapeDataString(text)}"])
        {
            using var response = await world.Analyst.GetAsync(path);
            response.StatusCode.ShouldBeOneOf([HttpStatusCode.OK, HttpStatusCode.BadRequest], path);
        }

        (await ExportedAsync("")).Count.ShouldBe(world.Calls.Count);
    }

    [Theory]
    [InlineData("UTC")]
    [InlineData("America/New_York")]
    [InlineData("Asia/Kathmandu")]
    public async Task Hours_go_by_the_clock_that_is_asked_for(string timeZone)
    {
        var zone = TimeZoneInfo.FindSystemTimeZoneById(timeZone);
        var expected = (await ExportedAsync("")).GroupBy(call => TimeZoneInfo.ConvertTime(At(call), zone).Hour).OrderBy(hour => hour.Key)
            .Select(hour => $"{hour.Key}: {hour.Count()}");

        var items = (await world.GetAsync($"/api/analytics/breakdown?by=hour&timeZone={timeZone}")).GetProperty("items").EnumerateArray();

        items.Select(item => $"{item.GetProperty("key").GetString()}: {item.GetProperty("figures").GetProperty("calls").GetInt32()}").ShouldBe(expected);
    }

    [Fact]
    public async Task Figures_say_how_precise_they_are()
    {
        foreach (var path in (string[])["summary", "timeseries", "breakdown?by=agent", "latency"])
        {
            var precision = (await world.GetAsync($"/api/analytics/{path}")).GetProperty("precision");
            (precision.GetProperty("latencyPercent").GetDouble(), precision.GetProperty("callersPercent").GetDouble()).ShouldBe((0, 0)); // Of so few calls.
        }
    }

    private async Task<List<JsonElement>> ExportedAsync(string query) =>
        [.. (await world.Analyst.GetStringAsync($"/api/export/calls?{query}")).Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonDocument.Parse(line).RootElement)];

    private static DateTimeOffset At(JsonElement call) => Time(call, "startedAt")!.Value;

    private static DateTimeOffset? EndedAt(JsonElement call) => Time(call, "endedAt");

    private static DateTimeOffset? Time(JsonElement item, string name) => Text(item, name) is { } text ? DateTimeOffset.Parse(text, CultureInfo.InvariantCulture) : null;

    private static string? Text(JsonElement call, string name) => call.GetProperty(name).GetString();

    private static decimal? Number(JsonElement call, string name) =>
        call.GetProperty(name) is { ValueKind: JsonValueKind.Number } number ? number.GetDecimal() : null;
}
