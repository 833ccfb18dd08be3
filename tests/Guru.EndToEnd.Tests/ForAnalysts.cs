using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Net.ServerSentEvents;
using System.Text.Json;
using System.Text.RegularExpressions;
using Guru.Application;
using Guru.Domain.Callers;
using Guru.Domain.Calls;
using Guru.SampleData;
using Microsoft.Extensions.DependencyInjection;

namespace Guru.EndToEnd.Tests;

/// <summary>What analysts ask over HTTP, of sample calls.</summary>
public sealed class ForAnalysts(ForAnalysts.SampleWorld world) : IClassFixture<ForAnalysts.SampleWorld>
{
    private static readonly string[] Endpoints =
    [
        "/api/calls", "/api/transcripts/search?q=bill", "/api/analytics/summary", "/api/analytics/timeseries", "/api/analytics/breakdown?by=agent",
        "/api/analytics/latency", "/api/analytics/prices", "/api/export/calls", "/api/export/utterances", "/api/live",
        $"/api/conversations/{SampleWorld.Caller}/sessions", $"/api/conversations/{SampleWorld.Caller}/routing",
    ];

    public static TheoryData<string> All => [.. Endpoints];

    [Theory]
    [MemberData(nameof(All))]
    public async Task Everything_is_for_analysts_alone(string path)
    {
        using var stranger = new HttpClient { BaseAddress = world.Analyst.BaseAddress };
        using var operators = World.ClientFor(world.Analyst.BaseAddress!, "operator-key");

        (await stranger.GetAsync(path)).StatusCode.ShouldBe(HttpStatusCode.Unauthorized);
        (await operators.GetAsync(path)).StatusCode.ShouldBe(HttpStatusCode.Forbidden);
    }

    [Fact]
    public async Task OpenAPI_describes_each_endpoint_with_its_parameters()
    {
        var document = await world.GetAsync("/openapi/v1.json");
        var paths = document.GetProperty("paths");
        document.GetProperty("servers").EnumerateArray().ShouldHaveSingleItem().GetProperty("url").GetString().ShouldBe(World.PublicAddress);
        document.GetProperty("components").GetProperty("schemas").GetProperty("PermissionBody").TryGetProperty("required", out _).ShouldBeFalse();
        var times = document.GetProperty("components").GetProperty("schemas").GetProperty("CallSummary").GetProperty("properties");
        times.GetProperty("startedAt").GetProperty("type").GetString().ShouldBe("string");
        times.GetProperty("endedAt").GetProperty("type").EnumerateArray().Select(type => type.GetString()).ShouldBe(["null", "string"], ignoreOrder: true);
        (times.GetProperty("startedAt").GetProperty("format").GetString(), times.GetProperty("endedAt").GetProperty("format").GetString()).ShouldBe(("date-time", "date-time"));
        paths.GetProperty("/api/voice-agent/calls").GetProperty("post").GetProperty("requestBody").GetProperty("content").EnumerateObject()
            .Select(type => type.Name).ShouldBe(["application/sdp"]);
        var operations = paths.EnumerateObject().SelectMany(path => path.Value.EnumerateObject(), (path, method) => (Name: $"{method.Name} {path.Name}", Told: method.Value.GetProperty("responses"))).ToList();
        operations.Where(operation => operation.Name.Contains('{', StringComparison.Ordinal) && !operation.Told.TryGetProperty("404", out _)).ShouldBeEmpty();
        foreach (var status in (string[])["502", "504"])
        {
            operations.Where(operation => operation.Told.TryGetProperty(status, out _)).Select(operation => operation.Name)
                .ShouldBe(["post /api/voice-agent/calls", "get /api/voice-agent/session", "post /api/voice-agent/session"], ignoreOrder: true, status);
        }

        foreach (var endpoint in Endpoints)
        {
            var path = endpoint.Split('?')[0].Replace(SampleWorld.Caller, "{callerId}", StringComparison.Ordinal);
            paths.TryGetProperty(path, out var described).ShouldBeTrue(path);
            described.GetProperty("get").GetProperty("summary").GetString().ShouldNotBeNullOrEmpty();
        }

        var parameters = paths.GetProperty("/api/calls").GetProperty("get").GetProperty("parameters").EnumerateArray()
            .Select(parameter => parameter.GetProperty("name").GetString()!).ToList();
        parameters.ShouldContain("startedAt.from");
        parameters.ShouldContain("latencyP95Ms.max");
        parameters.ShouldContain("cursor");
        parameters.ShouldBeUnique();
    }

    [Fact]
    public async Task A_query_is_refused_with_every_mistake_in_it()
    {
        using var response = await world.Analyst.GetAsync(
            "/api/calls?startedAt.from=yesterday&endReason=bored&durationSeconds.min=many&colour=red&limit=0&agent=&interrupted=perhaps&callerId=me&text=-a&sort=mood");

        response.StatusCode.ShouldBe(HttpStatusCode.BadRequest);
        response.Content.Headers.ContentType!.MediaType.ShouldBe("application/problem+json");
        var errors = JsonDocument.Parse(await response.Content.ReadAsStringAsync()).RootElement.GetProperty("errors");
        errors.EnumerateObject().Select(error => error.Name).Order(StringComparer.Ordinal).ShouldBe(
            ["agent", "callerId", "colour", "durationSeconds.min", "endReason", "interrupted", "limit", "sort", "startedAt.from", "text"]);
        errors.GetProperty("endReason")[0].GetString()!.ShouldContain("callerHungUp");
    }

    [Theory]
    [InlineData("/api/calls?startedAt.from=2026-03-02&startedAt.to=2026-03-01")]
    [InlineData("/api/calls?endedAt.from=2026-03-02&endedAt.to=2026-03-02")]
    [InlineData("/api/calls?callSid=me")]
    [InlineData("/api/calls/{callSid}/events?type=CallStarted,MessageReceived")]
    [InlineData("/api/calls/{callSid}/events?at.from=yesterday")]
    [InlineData("/api/calls/{callSid}/events?format=xml")]
    [InlineData("/api/conversations/{callerId}/messages?channel=pigeon")]
    [InlineData("/api/conversations/{callerId}/messages?colour=red")]
    [InlineData("/api/calls?cost.min=2&cost.max=1")]
    [InlineData("/api/calls?cursor=Tm90IG91cnM")]
    [InlineData("/api/calls?limit=1&limit=2")]
    [InlineData("/api/calls?phoneNumber=hello")]
    [InlineData("/api/calls?startedAt.from=2026-02-30")]
    [InlineData("/api/transcripts/search")]
    [InlineData("/api/transcripts/search?q=")]
    [InlineData("/api/transcripts/search?q=bill&cursor=x")]
    [InlineData("/api/analytics/breakdown")]
    [InlineData("/api/analytics/breakdown?by=mood")]
    [InlineData("/api/analytics/timeseries?timeZone=Mars/Olympus")]
    [InlineData("/api/analytics/timeseries?timeZone='; drop table")]
    [InlineData("/api/analytics/timeseries?interval=hour&startedAt.from=1990-01-01&startedAt.to=2026-01-01")]
    [InlineData("/api/analytics/summary?asOf=2099-01-01")]
    [InlineData("/api/export/calls?format=xlsx")]
    [InlineData("/api/live?lastEventId=99999999999")]
    [InlineData("/api/live?lastEventId=-1")]
    public async Task What_cannot_be_answered_is_refused(string path)
    {
        using var response = await world.Analyst.GetAsync(AddressOf(path));

        response.StatusCode.ShouldBe(HttpStatusCode.BadRequest);
        response.Content.Headers.ContentType!.MediaType.ShouldBe("application/problem+json");
    }

    [Theory]
    [InlineData("startedAt.from=2026-03-10T00:00:00%2B01:00&startedAt.to=2026-03-20T00:00:00+01:00")] // Once encoded, once not.
    [InlineData("startedAt.from=2026-03-09T23:00:00Z&startedAt.to=2026-03-19T23:00")]
    public async Task A_time_may_be_told_by_another_clock(string range)
    {
        var (from, to) = (new DateTimeOffset(2026, 3, 9, 23, 0, 0, TimeSpan.Zero), new DateTimeOffset(2026, 3, 19, 23, 0, 0, TimeSpan.Zero));
        var expected = world.Calls.Count(call => call.Events.OfType<CallStarted>().Single().At is var at && at >= from && at < to);

        (await world.GetAsync($"/api/analytics/summary?{range}")).GetProperty("figures").GetProperty("calls").GetInt32().ShouldBe(expected);
    }

    [Fact]
    public async Task A_caller_is_found_by_a_number_that_no_answer_shows()
    {
        var number = world.Calls[0].Events.OfType<CallStarted>().Single().Address;
        using var response = await world.Analyst.GetAsync($"/api/calls?phoneNumber={Uri.EscapeDataString(number)}&limit=1");
        var text = await response.Content.ReadAsStringAsync();

        text.ShouldContain(world.Calls[0].CallerId.Value);
        text.ShouldNotContain(number[1..]);
        (await world.Analyst.GetStringAsync($"/api/calls/{world.Calls[0].CallSid}/events?limit=200")).ShouldNotContain(number[1..]);
        (await world.Analyst.GetStringAsync("/api/export/calls")).ShouldNotContain(number[1..]);
    }

    [Fact]
    public async Task A_search_shows_where_it_was_said()
    {
        var hit = (await world.GetAsync("/api/transcripts/search?q=%22billing%20office%22&speaker=agent&limit=1")).GetProperty("items")[0];

        hit.GetProperty("snippet").GetString()!.ShouldContain("<mark>billing</mark>");
        var transcript = await world.GetAsync($"/api/calls/{hit.GetProperty("callSid").GetString()}/transcript");
        transcript.GetProperty("utterances").EnumerateArray().ShouldContain(line => line.GetProperty("id").GetString() == hit.GetProperty("utteranceId").GetString());
    }

    [Fact]
    public async Task A_call_tells_what_it_used_and_cost()
    {
        var listed = (await world.GetAsync("/api/calls?sort=-cost&limit=1")).GetProperty("items")[0];

        var call = await world.GetAsync($"/api/calls/{listed.GetProperty("callSid").GetString()}");

        call.GetProperty("cost").GetDecimal().ShouldBe(listed.GetProperty("cost").GetDecimal());
        call.GetProperty("tokens").GetProperty("outputAudio").GetInt64().ShouldBeGreaterThan(0);
        call.GetProperty("costs").GetProperty("pricesDated").GetString().ShouldBe("2026-11-22");
        call.GetProperty("node").GetString().ShouldBe(SampleCalls.Node);
        call.GetProperty("routing")[0].GetProperty("reason").GetString()!.ShouldStartWith("Sample data");
    }

    [Theory]
    [InlineData("calls?format=csv", null)]
    [InlineData("calls", "text/csv")]
    [InlineData("utterances?format=csv", null)]
    public async Task An_export_is_CSV_for_who_asks_for_it(string path, string? accept)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, $"/api/export/{path}");
        if (accept is not null)
        {
            request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue(accept));
        }

        using var response = await world.Analyst.SendAsync(request);

        response.Content.Headers.ContentType!.ToString().ShouldBe("text/csv; charset=utf-8");
        var text = await response.Content.ReadAsStringAsync();
        text.ShouldStartWith("callSid,callerId,");
        text.TrimEnd().Split("\r\n").Skip(1).Select(line => line[..34]).Distinct().ShouldAllBe(sid => sid.StartsWith(SampleCalls.SidPrefix));
        text.TrimEnd().Split("\r\n").Length.ShouldBe(1 + (path.StartsWith("calls", StringComparison.Ordinal) ? world.Calls.Count : world.Calls.Sum(call => call.Events.OfType<UtteranceTranscribed>().Count())));
    }

    [Theory]
    [InlineData("&format=csv", null)]
    [InlineData("", "text/csv")]
    public async Task A_list_is_CSV_page_by_page_for_who_asks_for_it(string format, string? accept)
    {
        var export = await world.Analyst.GetStringAsync("/api/export/calls?agent=legal&format=csv");
        var rows = new List<string>();
        for (var next = $"/api/calls?agent=legal&sort=startedAt&limit=3{format}"; next is not null;)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, next);
            if (accept is not null)
            {
                request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue(accept));
            }

            using var response = await world.Analyst.SendAsync(request);
            response.Content.Headers.ContentType!.ToString().ShouldBe("text/csv; charset=utf-8");
            var page = (await response.Content.ReadAsStringAsync()).TrimEnd().Split("\r\n");
            rows.AddRange(rows.Count == 0 ? page : page.Skip(1));
            next = response.Headers.TryGetValues("Link", out var links) ? links.Single().Split('<', '>')[1] : null;
        }

        rows.Count.ShouldBeGreaterThan(4);
        rows.ShouldBe(export.TrimEnd().Split("\r\n"));
    }

    [Theory]
    [InlineData("/api/conversations?lastActivityAt.from=2020-01-01")]
    [InlineData("/api/conversations/{callerId}/messages?speaker=agent")]
    [InlineData("/api/calls/{callSid}/events?type=CallStarted,UtteranceTranscribed,UsageRecorded")]
    [InlineData("/api/transcripts/search?q=bill")]
    public async Task So_is_every_other_list_with_the_members_as_columns(string path)
    {
        var items = (await world.GetAsync($"{AddressOf(path)}&limit=200")).GetProperty("items").EnumerateArray().ToList();
        var rows = new List<string>();
        for (var next = $"{AddressOf(path)}&limit=3&format=csv"; next is not null;)
        {
            using var response = await world.Analyst.GetAsync(next);
            response.Content.Headers.ContentType!.ToString().ShouldBe("text/csv; charset=utf-8");
            var page = RowsOf(await response.Content.ReadAsStringAsync());
            page.Count.ShouldBeLessThan(5);
            page[0].ShouldBe(string.Join(" | ", items[0].EnumerateObject().Select(member => member.Name)));
            rows.AddRange(page.Skip(1));
            next = response.Headers.TryGetValues("Link", out var links) ? links.Single().Split('<', '>')[1] : null;
        }

        rows.Count.ShouldBeGreaterThan(3);
        rows.ShouldBe(items.Select(item => string.Join(" | ", item.EnumerateObject().Select(member => CellOf(member.Value)))));

        static string CellOf(JsonElement value) => value switch
        {
            { ValueKind: JsonValueKind.Null } => "",
            { ValueKind: JsonValueKind.Object } => JsonSerializer.Serialize(value),
            { ValueKind: JsonValueKind.String } when value.TryGetDateTimeOffset(out var at) => $"{at.UtcDateTime:yyyy-MM-dd'T'HH:mm:ss.ffffff'Z'}",
            { ValueKind: JsonValueKind.String } => value.GetString() is { } text && text.StartsWith('+') ? $"'{text}" : value.GetString()!,
            _ => value.GetRawText(),
        };
    }

    [Theory]
    [InlineData("summary?", "asOf | pricesDated | calls | active | ", 1)]
    [InlineData("timeseries?startedAt.from=2026-03-01&startedAt.to=2026-04-01", "from | calls | active | ", 31)]
    [InlineData("breakdown?by=direction", "key | calls | active | ", 1)]
    [InlineData("latency?", "of | count | meanMs | ", 4)]
    public async Task So_are_figures(string path, string columns, int count)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, $"/api/analytics/{path}") { Headers = { Accept = { new MediaTypeWithQualityHeaderValue("text/csv") } } };
        using var response = await world.Analyst.SendAsync(request);

        response.Content.Headers.ContentType!.ToString().ShouldBe("text/csv; charset=utf-8");
        var rows = RowsOf(await response.Content.ReadAsStringAsync());
        rows[0].ShouldStartWith(columns);
        rows.Count.ShouldBe(1 + count);
        if (path.StartsWith("timeseries", StringComparison.Ordinal))
        {
            rows.Skip(1).Sum(row => int.Parse(row.Split(" | ")[1], CultureInfo.InvariantCulture)).ShouldBe(world.Calls.Count);
        }
    }

    [Fact]
    public async Task An_export_as_JSON_Lines_has_the_same_rows_as_the_list()
    {
        var lines = (await world.Analyst.GetStringAsync("/api/export/calls?agent=legal")).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        var listed = await world.GetAsync("/api/calls?agent=legal&sort=startedAt&limit=200");

        lines.ShouldBe(listed.GetProperty("items").EnumerateArray().Select(item => item.GetRawText()));
        lines.ShouldNotBeEmpty();
    }

    [Fact]
    public async Task Times_end_in_Z_wherever_they_are_told()
    {
        var (call, caller) = ($"/api/calls/{world.Calls[0].CallSid}", $"/api/conversations/{world.Calls[0].CallerId}");
        var told = new Dictionary<string, string>(StringComparer.Ordinal) { ["/api/live"] = string.Join('\n', (await FollowAsync("0", most: 9)).Select(message => message.Data)) };
        foreach (var path in (string[])
            [
                "/api/calls?limit=3", call, $"{call}/events", "/api/conversations?limit=3", caller, $"{caller}/messages", $"{caller}/sessions", $"{caller}/routing",
                "/api/transcripts/search?q=bill", "/api/analytics/summary", "/api/analytics/timeseries?startedAt.from=2026-03-01", "/api/export/calls", "/api/export/utterances",
            ])
        {
            told[path] = await world.Analyst.GetStringAsync(path);
        }

        foreach (var (path, text) in told)
        {
            text.ShouldMatch("[0-9]T[0-9:.]+Z\"", path);
            text.ShouldNotMatch("[0-9]T[0-9:.]+[+-][0-9]", path);
        }
    }

    [Fact]
    public async Task Who_follows_live_and_is_cut_off_goes_on_where_it_was_without_a_gap()
    {
        var whole = new List<string>();
        var place = "0";
        while (true)
        {
            // Cut off after every few messages.
            var seen = await FollowAsync(place, most: 37);
            whole.AddRange(seen.Where(message => message.EventType != "position").Select(message => message.EventId!));
            place = seen[^1].EventId!;
            if (whole.Count >= world.EventCount)
            {
                break;
            }
        }

        whole.Select(id => long.Parse(id, CultureInfo.InvariantCulture)).ShouldBe(whole.Select(id => long.Parse(id, CultureInfo.InvariantCulture)).Order());
        whole.ShouldBeUnique();
        whole.Count.ShouldBeGreaterThanOrEqualTo(world.EventCount);
    }

    [Fact]
    public async Task An_event_is_seen_live_once_it_is_stored()
    {
        var sid = CallSid.Parse("CA0000000000000000000000000000beef");
        using var request = new HttpRequestMessage(HttpMethod.Get, $"/api/live?callSid={sid}");
        using var response = await world.Analyst.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        response.Content.Headers.ContentType!.MediaType.ShouldBe("text/event-stream");
        await using var messages = SseParser.Create(await response.Content.ReadAsStreamAsync()).EnumerateAsync().GetAsyncEnumerator();
        await messages.MoveNextAsync();
        messages.Current.EventType.ShouldBe("position");

        await world.AppendAsync(
            Call.StreamId(sid), world.Calls[0].CallerId,
            [new CallStarted(sid, world.Calls[0].CallerId, "+15550100001", CallChannel.Whatsapp, CallDirection.Inbound, null, null, DateTimeOffset.UnixEpoch)]);
        do
        {
            await messages.MoveNextAsync();
        }
        while (messages.Current.EventType == "position");

        messages.Current.EventType.ShouldBe("CallStarted");
        var data = JsonDocument.Parse(messages.Current.Data).RootElement;
        data.GetProperty("streamId").GetString().ShouldBe(Call.StreamId(sid));
        data.GetProperty("data").GetProperty("address").GetString().ShouldBe("+1***01");
    }

    private string AddressOf(string path) =>
        path.Replace("{callSid}", world.Calls[0].CallSid.Value, StringComparison.Ordinal).Replace("{callerId}", world.Calls[0].CallerId.Value, StringComparison.Ordinal);

    /// <summary>The rows of a CSV file, with a bar between their cells; JSON as it is written plainly.</summary>
    private static List<string> RowsOf(string csv)
    {
        var (rows, cells) = (new List<string>(), new List<string>());
        foreach (Match cell in Regex.Matches(csv, """(?<text>"([^"]|"")*"|[^,\r\n]*)(?<end>,|\r\n)""", RegexOptions.ExplicitCapture, TimeSpan.FromSeconds(5)))
        {
            var text = cell.Groups["text"].Value is ['"', .. var quoted, '"'] ? quoted.Replace("\"\"", "\"", StringComparison.Ordinal) : cell.Groups["text"].Value;
            cells.Add(text.StartsWith('{') ? JsonSerializer.Serialize(JsonElement.Parse(text)) : text);
            if (cell.Groups["end"].Value != ",")
            {
                rows.Add(string.Join(" | ", cells));
                cells.Clear();
            }
        }

        return rows;
    }

    private async Task<List<SseItem<string>>> FollowAsync(string lastEventId, int most)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/api/live");
        request.Headers.Add("Last-Event-ID", lastEventId);
        using var response = await world.Analyst.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        response.StatusCode.ShouldBe(HttpStatusCode.OK);
        var seen = new List<SseItem<string>>();
        await foreach (var message in SseParser.Create(await response.Content.ReadAsStreamAsync()).EnumerateAsync())
        {
            seen.Add(message);
            if (seen.Count == most)
            {
                break;
            }

            if (seen.Count > 1 && message.EventType == "position")
            {
                break; // The end, for now.
            }
        }

        return seen;
    }

    public sealed class SampleWorld : World
    {
        public const string Caller = "0123456789abcdef0123456789abcdef";

        public IReadOnlyList<SampleCall> Calls { get; private set; } = [];

        public int EventCount => Calls.Sum(call => call.Events.Count);

        public override async Task InitializeAsync()
        {
            await base.InitializeAsync();
            var secret = Guru.App.Services.GetRequiredService<ServerSecret>().Value.ToArray();
            Calls = [.. new SampleCalls(seed: 3, new DateTimeOffset(2026, 4, 1, 0, 0, 0, TimeSpan.Zero), days: 30, secret).Take(40)];
            foreach (var call in Calls)
            {
                await AppendAsync(call.StreamId, call.CallerId, call.Events);
            }
        }

        public Task AppendAsync(string streamId, CallerId owner, IReadOnlyList<object> events) =>
            Guru.App.Services.GetRequiredService<IEventStore>().AppendAsync(streamId, ExpectedVersion.Any, owner, events, CancellationToken.None);
    }
}
