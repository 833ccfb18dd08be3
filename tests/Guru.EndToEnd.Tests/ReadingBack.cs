using System.Net;
using System.Net.Http.Headers;

namespace Guru.EndToEnd.Tests;

public sealed class ReadingBack(World world) : IClassFixture<World>
{
    [Fact]
    public async Task Calls_are_listed_newest_first_by_cursor_and_each_is_found_by_its_sid()
    {
        var calls = new List<string>();
        for (var i = 0; i < 3; i++)
        {
            var call = await world.Twilio.PlaceCallAsync(Calls.Greeted);
            await world.RecordOf(call);
            calls.Insert(0, call.CallSid);
        }

        var first = await world.GetAsync("/api/calls?limit=2");
        var second = await world.GetAsync($"/api/calls?limit=2&cursor={first.GetProperty("next").GetString()}");

        var listed = first.GetProperty("items").EnumerateArray().Concat(second.GetProperty("items").EnumerateArray())
            .Select(call => call.GetProperty("callSid").GetString()!).ToList();
        listed.Take(3).ShouldBe(calls);
        (await world.GetAsync($"/api/calls/{calls[0]}")).GetProperty("callSid").GetString().ShouldBe(calls[0]);
        (await world.GetAsync($"/api/calls/{calls[0]}/events?limit=1")).GetProperty("next").GetString().ShouldNotBeNull();
    }

    [Fact]
    public async Task A_transcript_is_plain_text_for_who_asks_for_text()
    {
        var call = await world.Twilio.PlaceCallAsync(Calls.Greeted);
        await world.RecordOf(call);
        using var request = new HttpRequestMessage(HttpMethod.Get, $"/api/calls/{call.CallSid}/transcript");
        request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("text/plain"));

        using var response = await world.Analyst.SendAsync(request);

        response.Content.Headers.ContentType!.MediaType.ShouldBe("text/plain");
        (await response.Content.ReadAsStringAsync()).ShouldMatch(@"^00:00:0\d  Guru \(general\): Hello");
    }

    [Theory]
    [InlineData("/api/calls/CA00000000000000000000000000000099", HttpStatusCode.NotFound)]
    [InlineData("/api/calls/CA00000000000000000000000000000099/transcript", HttpStatusCode.NotFound)]
    [InlineData("/api/calls/CA00000000000000000000000000000099/events", HttpStatusCode.NotFound)]
    [InlineData("/api/calls/nonsense", HttpStatusCode.NotFound)]
    [InlineData("/api/calls?cursor=nonsense", HttpStatusCode.BadRequest)]
    [InlineData("/api/calls?limit=0", HttpStatusCode.BadRequest)]
    [InlineData("/api/calls?limit=many", HttpStatusCode.BadRequest)]
    public async Task What_is_not_there_or_not_right_is_a_problem(string path, HttpStatusCode status)
    {
        using var response = await world.Analyst.GetAsync(path);

        response.StatusCode.ShouldBe(status);
        response.Content.Headers.ContentType?.MediaType.ShouldBe("application/problem+json");
    }

    [Theory]
    [InlineData(null, HttpStatusCode.Unauthorized)]
    [InlineData("no-such-key", HttpStatusCode.Unauthorized)]
    [InlineData("operator-key", HttpStatusCode.Forbidden)]
    public async Task Calls_are_for_analysts(string? key, HttpStatusCode status)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(world.Analyst.BaseAddress!, "/api/calls"));
        request.Headers.Authorization = key is null ? null : new AuthenticationHeaderValue("Bearer", key);
        using var stranger = new HttpClient();

        using var response = await stranger.SendAsync(request);

        response.StatusCode.ShouldBe(status);
        response.Content.Headers.ContentType?.MediaType.ShouldBe("application/problem+json");
    }

    [Fact]
    public async Task OpenAPI_describes_the_endpoints_with_JSON_and_not_Twilios()
    {
        var paths = (await world.GetAsync("/openapi/v1.json")).GetProperty("paths").EnumerateObject().Select(path => path.Name).ToList();

        paths.ShouldContain("/api/calls/{callSid}/transcript");
        paths.ShouldContain("/health/ready");
        paths.Where(path => path.StartsWith("/api/whatsapp", StringComparison.Ordinal)).ShouldBe(["/api/whatsapp/voice/calls", "/api/whatsapp/voice/calls/{callerId}/{requestId}", "/api/whatsapp/voice/permissions"], ignoreOrder: true);
    }

    [Fact]
    public async Task A_guru_that_runs_is_live_and_ready()
    {
        (await world.Analyst.GetStringAsync("/health/live")).ShouldBe("Healthy");
        var ready = await world.GetAsync("/health/ready");
        ready.GetProperty("status").GetString().ShouldBe("Healthy");
        ready.GetProperty("checks").GetProperty("database").GetProperty("status").GetString().ShouldBe("Healthy");
        using var head = new HttpRequestMessage(HttpMethod.Head, "/health/ready");
        using var answer = await world.Analyst.SendAsync(head);
        answer.StatusCode.ShouldBe(HttpStatusCode.OK);
    }
}
