using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using Guru.Sandbox.Twilio;
using Shouldly;

namespace Guru.Sandbox.Tests.Twilio;

public sealed class Rest : IAsyncLifetime
{
    const string Account = "AC00000000000000000000000000000001";

    readonly HttpClient _http = new();
    TinyApp _app = null!;

    public async Task InitializeAsync()
    {
        _app = await TinyApp.StartAsync();
        _http.BaseAddress = _app.Line.BaseUrl;
        _http.DefaultRequestHeaders.Authorization = Basic(TinyApp.Token);
    }

    public async Task DisposeAsync()
    {
        _http.Dispose();
        await _app.DisposeAsync();
    }

    [Fact]
    public async Task A_call_is_placed_answered_and_told_about()
    {
        _app.Twiml["/out"] = "<Response><Say>Hello.</Say></Response>";
        var (status, created) = await PostAsync(
            "Calls.json", ("To", "whatsapp:+233201234567"), ("From", "whatsapp:+15005550006"), ("Url", $"{_app.Url}out"),
            ("StatusCallback", $"{_app.Url}out-status"), ("StatusCallbackEvent", "initiated"), ("StatusCallbackEvent", "ringing"),
            ("StatusCallbackEvent", "answered"), ("StatusCallbackEvent", "completed"));

        status.ShouldBe(HttpStatusCode.Created);
        ((string?)created["status"]).ShouldBe("queued");
        ((string?)created["direction"]).ShouldBe("outbound-api");
        var call = _app.Line.FindCall((string)created["sid"]!).ShouldNotBeNull();
        await call.Completion;
        _app.Requests.Entries.Select(request => (request.Path, request.Form["CallStatus"])).ShouldBe(
        [
            ("/out-status", "initiated"), ("/out-status", "ringing"), ("/out-status", "in-progress"), ("/out", "in-progress"),
                ("/out-status", "completed"),
        ]);
        _app.Requests.Entries.ShouldAllBe(request => request.Form["Direction"] == "outbound-api"
            && request.Form["To"] == "whatsapp:+233201234567");

        var fetched = JsonNode.Parse(await _http.GetStringAsync($"/2010-04-01/Accounts/{Account}/Calls/{call.CallSid}.json"))!;
        ((string?)fetched["status"]).ShouldBe("completed");
        var listed = JsonNode.Parse(
            await _http.GetStringAsync($"/2010-04-01/Accounts/{Account}/Calls.json?To=whatsapp%3A%2B233201234567&StartTime>=2026-01-01"))!;
        listed["calls"]!.AsArray().Count.ShouldBe(1);
        var none = JsonNode.Parse(await _http.GetStringAsync($"/2010-04-01/Accounts/{Account}/Calls.json?StartTime>=2099-01-01"))!;
        none["calls"]!.AsArray().ShouldBeEmpty();
    }

    [Fact]
    public async Task A_running_call_can_be_redirected_and_ended()
    {
        _app.Twiml["/voice"] = _app.Stream();
        _app.OnStream = async socket =>
        {
            await socket.ReadUntilAsync("stop");
            await socket.CloseAsync();
        };
        var call = _app.Line.PlaceCall();
        await call.Events.WaitAsync<StreamOpened>();
        var (redirected, _) = await PostAsync($"Calls/{call.CallSid}.json", ("Twiml", _app.Stream()));
        await call.Events.WaitAsync<StreamOpened>(opened => opened.StreamSid != call.Events.Of<StreamOpened>()[0].StreamSid);
        var (ended, _) = await PostAsync($"Calls/{call.CallSid}.json", ("Status", "completed"));
        await call.Completion;
        var (again, error) = await PostAsync($"Calls/{call.CallSid}.json", ("Status", "completed"));

        (redirected, ended, again).ShouldBe((HttpStatusCode.OK, HttpStatusCode.OK, HttpStatusCode.BadRequest));
        ((int)error["code"]!).ShouldBe(21220);
        call.Events.Of<StreamEnded>().Select(end => end.How).ShouldBe([StreamEnd.Replaced, StreamEnd.CallOver]);
        call.Events.Of<CallOver>()[0].ByCaller.ShouldBeFalse();
    }

    [Fact]
    public async Task A_message_is_accepted_and_its_delivery_told()
    {
        _app.Line.Messaging.Window.Open("whatsapp:+233201234567");
        var (status, message) = await PostAsync("Messages.json", ("To", "whatsapp:+233201234567"), ("From", "whatsapp:+15005550006"),
            ("Body", "Hello"), ("StatusCallback", $"{_app.Url}m"));
        status.ShouldBe(HttpStatusCode.Created);
        ((string?)message["status"]).ShouldBe("queued");
        await _app.Requests.WaitAsync(request => request.Form["MessageStatus"] == "delivered");

        _app.Line.Rest.FailNextDelivery(63016);
        await PostAsync("Messages.json", ("To", "whatsapp:+233201234567"), ("From", "whatsapp:+15005550006"), ("Body", "Late"),
            ("StatusCallback", $"{_app.Url}m"));
        var failed = await _app.Requests.WaitAsync(request => request.Form["MessageStatus"] == "failed");
        failed.Form["ErrorCode"].ShouldBe("63016");

        var first = JsonNode.Parse(
            await _http.GetStringAsync($"/2010-04-01/Accounts/{Account}/Messages.json?To=whatsapp%3A%2B233201234567&PageSize=1"))!;
        ((string?)first["messages"]![0]!["body"]).ShouldBe("Late");
        var second = JsonNode.Parse(await _http.GetStringAsync((string)first["next_page_uri"]!))!;
        ((string?)second["messages"]![0]!["body"]).ShouldBe("Hello");
        second["next_page_uri"].ShouldBeNull();
    }

    [Theory]
    [InlineData("Messages.json", "To", "whatsapp:+1", 21211)]
    [InlineData("Messages.json", "From", "whatsapp:+19990001111", 63007)]
    [InlineData("Messages.json", "Body", "", 21602)]
    [InlineData("Messages.json", "Body", null, 21617)]
    [InlineData("Calls.json", "To", "+233201234567", 21211)]
    [InlineData("Calls.json", "From", "whatsapp:+19990001111", 37008)]
    [InlineData("Calls.json", "Url", "", 21205)]
    public async Task A_wrong_request_is_refused_by_number(string resource, string field, string? value, int code)
    {
        var fields = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["To"] = "whatsapp:+233201234567", ["From"] = "whatsapp:+15005550006", ["Body"] = "Hello", ["Url"] = $"{_app.Url}out",
        };
        fields[field] = value ?? new string('x', 1601);
        var (status, error) = await PostAsync(resource, [.. fields.Select(pair => (pair.Key, pair.Value))]);
        status.ShouldBe(HttpStatusCode.BadRequest);
        ((int)error["code"]!).ShouldBe(code);
        ((string?)error["more_info"]).ShouldBe($"https://www.twilio.com/docs/errors/{code}");
    }

    [Fact]
    public async Task Errors_can_be_arranged_and_keys_are_checked()
    {
        _app.Line.Rest.FailNext(new RestFault("Messages", 429, 20429));
        (await PostAsync("Messages.json", ("To", "x"))).Status.ShouldBe(HttpStatusCode.TooManyRequests);
        (await PostAsync("Messages.json", ("To", "x"))).Status.ShouldBe(HttpStatusCode.BadRequest);
        _http.DefaultRequestHeaders.Authorization = Basic("wrong");
        var (status, error) = await PostAsync("Messages.json", ("To", "x"));
        status.ShouldBe(HttpStatusCode.Unauthorized);
        ((int)error["code"]!).ShouldBe(20003);
        _app.Line.Rest.Messages.Entries.ShouldBeEmpty();
    }

    [Fact]
    public async Task The_typing_indicator_is_shown_for_a_message()
    {
        using var form = new FormUrlEncodedContent([new("channel", "whatsapp"), new("messageId", "SM1")]);
        using var response = await _http.PostAsync(new Uri("/v2/Indicators/Typing.json", UriKind.Relative), form);
        (await response.Content.ReadAsStringAsync()).ShouldBe("""{"success":true}""");
        _app.Line.Rest.Typing.Entries.ShouldBe(["SM1"]);
    }

    async Task<(HttpStatusCode Status, JsonNode Body)> PostAsync(string resource, params (string Name, string Value)[] fields)
    {
        using var form = new FormUrlEncodedContent(fields.Select(field => KeyValuePair.Create(field.Name, field.Value)));
        using var response = await _http.PostAsync(new Uri($"/2010-04-01/Accounts/{Account}/{resource}", UriKind.Relative), form);
        return (response.StatusCode, JsonNode.Parse(await response.Content.ReadAsStringAsync())!);
    }

    static AuthenticationHeaderValue Basic(string token) =>
        new("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes($"{Account}:{token}")));
}
