using System.Net;
using Guru.Sandbox.Twilio;
using Shouldly;

namespace Guru.Sandbox.Tests.Twilio;

public sealed class MessagesToPeople : IAsyncLifetime
{
    private TinyApp _app = null!;
    private TwilioClient _client = null!;

    private TwilioStandIn Line => _app.Line;

    private TwilioMessaging Messaging => _app.Line.Messaging;

    private Uri Callback => new(_app.Url, "/delivery");

    public async Task InitializeAsync()
    {
        _app = await TinyApp.StartAsync(options => options with
        {
            MessagePath = "/messages", HasWhatsApp = person => !person.EndsWith("999", StringComparison.Ordinal),
        });
        _client = new TwilioClient(Line.BaseUrl);
        Messaging.Window.Open(TwilioClient.Ama);
    }

    public async Task DisposeAsync()
    {
        _client.Dispose();
        await _app.DisposeAsync();
    }

    [Fact]
    public async Task A_delivery_is_told_step_by_step_and_signed()
    {
        var (status, sent, _) = await _client.SendAsync("Hello Ama", Callback);
        (await Line.WaitForMessageAsync(TwilioClient.Ama, message => message.Body.StartsWith("Hello", StringComparison.Ordinal))).Sid
            .ShouldBe((string?)sent["sid"]);
        await StatusAsync("read");

        status.ShouldBe(HttpStatusCode.Created);
        ((string?)sent["status"]).ShouldBe("queued");
        Told().ShouldBe(["queued", "sent", "delivered", "read"]);
        var read = _app.Requests.Entries[^1];
        read.Headers["X-Twilio-Signature"].ShouldBe(TwilioSignature.Of(Callback.ToString(), read.Form, TinyApp.Token));
        (read.Form["EventType"], read.Form["ChannelToAddress"], read.Form["MessageSid"])
            .ShouldBe(("READ", "+23320123XXXX", (string?)sent["sid"]));
        Line.Rest.Messages.Entries[0].Status.ShouldBe("read");
    }

    [Fact]
    public async Task Steps_may_be_told_twice_in_no_order_before_the_answer_or_never()
    {
        Messaging.Delivery = DeliveryPlan.Shuffled with { BeforeAnswer = true };
        await _client.SendAsync("Shuffled", Callback);
        Told().ShouldBe(["read", "queued", "delivered", "sent"]);
        Line.Rest.Messages.Entries[0].Status.ShouldBe("read");

        Messaging.Delivery = DeliveryPlan.Repeated with { BeforeAnswer = true };
        await _client.SendAsync("Twice", Callback);
        Told().Skip(4).Count(status => status == "delivered").ShouldBe(2);

        Messaging.Delivery = DeliveryPlan.Blocked with { BeforeAnswer = true };
        await _client.SendAsync("Blocked", Callback);
        Line.Rest.Messages.Entries[2].Status.ShouldBe("sent");
        Messaging.Received.Entries.Select(message => message.Body).ShouldBe(["Shuffled", "Twice"]);
    }

    [Fact]
    public async Task The_window_closes_after_24_hours_and_opens_with_the_next_message()
    {
        await Line.WriteAsync(InboundMessage.Text("Hello"));
        Line.Clock.Advance(TimeSpan.FromHours(23.9));
        await _client.SendAsync("In time", Callback);
        await StatusAsync("read");
        Line.Clock.Advance(TimeSpan.FromHours(0.2));
        var (status, _, _) = await _client.SendAsync("Too late", Callback);

        status.ShouldBe(HttpStatusCode.Created);
        var failed = await StatusAsync("failed");
        (failed.Form["ErrorCode"], failed.Form["EventType"]).ShouldBe(("63016", "UNDELIVERED"));
        Line.Rest.Messages.Entries[1].ShouldSatisfyAllConditions(m => m.Status.ShouldBe("failed"), m => m.ErrorCode.ShouldBe(63016));

        Messaging.Delivery = new DeliveryPlan { Refusal = "undelivered" };
        await _client.SendAsync("Too late as well", Callback);
        (await StatusAsync("undelivered")).Form["ErrorCode"].ShouldBe("63016");

        await Line.WriteAsync(InboundMessage.Text("Are you there?"));
        await _client.SendAsync("Yes");
        (await Line.WaitForMessageAsync(TwilioClient.Ama, message => message.Body == "Yes")).ErrorCode.ShouldBeNull();
        Messaging.Received.Entries.Select(message => message.Body).ShouldBe(["In time", "Yes"]);
    }

    [Fact]
    public async Task A_call_opens_the_window_too_even_one_that_is_not_taken()
    {
        Messaging.Window.Close(TwilioClient.Ama);
        _app.Twiml["/voice"] = "<Response><Reject/></Response>";
        await Line.PlaceCallAsync();
        Messaging.Window.IsOpen(TwilioClient.Ama).ShouldBeTrue();
    }

    [Fact]
    public async Task A_template_needs_no_window()
    {
        Messaging.Window.Close(TwilioClient.Ama);
        await _client.PostAsync([("To", TwilioClient.Ama), ("From", TwilioClient.Sender), ("ContentSid", $"HX{new string('1', 32)}"),
            ("ContentVariables", """{"1":"Ama"}""")]);
        (await Line.WaitForMessageAsync(TwilioClient.Ama)).Parameters["ContentVariables"].ShouldBe("""{"1":"Ama"}""");
    }

    [Theory]
    [InlineData("ContentVariables", "{}", 21654)]
    [InlineData("ContentSid", "HX1", 21655)]
    [InlineData("ContentVariables", "Ama", 21656)]
    [InlineData("ContentVariables", "{\"1\":1}", 21656)]
    [InlineData("To", "whatsapp:+15005550006", 63031)]
    [InlineData("StatusCallback", "nowhere", 21609)]
    public async Task A_wrong_request_is_refused_by_number(string field, string value, int code)
    {
        var fields = new Dictionary<string, string>(StringComparer.Ordinal) { ["To"] = TwilioClient.Ama, ["From"] = TwilioClient.Sender, ["Body"] = "x" };
        if (code == 21656)
        {
            fields["ContentSid"] = $"HX{new string('1', 32)}";
        }

        fields[field] = value;
        var (status, error, _) = await _client.PostAsync(fields.Select(pair => (pair.Key, pair.Value)));
        (status, (int?)error["code"]).ShouldBe((HttpStatusCode.BadRequest, code));
    }

    [Theory]
    [InlineData("whatsapp:+233201234999")]
    [InlineData("whatsapp:GH.never-seen")]
    public async Task Nobody_is_there_to_get_it(string to)
    {
        await _client.PostAsync([("To", to), ("From", TwilioClient.Sender), ("Body", "Hello?"), ("StatusCallback", Callback.ToString())]);
        (await StatusAsync("failed")).Form["ErrorCode"].ShouldBe("63024");
    }

    [Fact]
    public async Task The_list_is_newest_first_in_pages_that_do_not_shift_and_may_lag_behind()
    {
        await Line.WriteAsync(InboundMessage.Text("from Ama"));
        for (var number = 1; number <= 5; number++)
        {
            await _client.SendAsync($"{number}");
        }

        var sent = $"To={Uri.EscapeDataString(TwilioClient.Ama)}&From={Uri.EscapeDataString(TwilioClient.Sender)}";
        (await _client.ListAsync($"{sent}&PageSize=2")).ShouldSatisfyAllConditions(
            list => list.Bodies.ShouldBe(["5", "4", "3", "2", "1"]), list => list.Pages.ShouldBe(3));
        (await _client.ListAsync("PageSize=50")).Bodies.Count.ShouldBe(6);
        var (today, tomorrow) = (Line.Clock.GetUtcNow(), Line.Clock.GetUtcNow().AddDays(1));
        (await _client.ListAsync($"{sent}&DateSent>={today:yyyy-MM-dd}")).Bodies.Count.ShouldBe(5);
        (await _client.ListAsync($"{sent}&DateSent>={tomorrow:yyyy-MM-dd}")).Bodies.ShouldBeEmpty();
        (await _client.ListAsync($"{sent}&DateSent={tomorrow:yyyy-MM-dd}")).Bodies.ShouldBeEmpty();

        Line.Rest.ListingDelay = TimeSpan.FromSeconds(30);
        (await _client.ListAsync(sent)).Bodies.ShouldBeEmpty();
        Line.Clock.Advance(TimeSpan.FromSeconds(31));
        (await _client.ListAsync(sent)).Bodies.Count.ShouldBe(5);
    }

    [Fact]
    public async Task A_refused_request_did_nothing_and_says_when_to_come_back()
    {
        Line.Rest.FailNext(RestFault.TooManyRequests("Messages", TimeSpan.FromSeconds(2)));
        var (status, error, headers) = await _client.SendAsync("Hello");
        (status, (int?)error["code"], headers.RetryAfter!.Delta).ShouldBe((HttpStatusCode.TooManyRequests, 20429, TimeSpan.FromSeconds(2)));
        Line.Rest.FailNext(RestFault.ServerError("Messages", executed: false));
        (await _client.SendAsync("Hello")).Status.ShouldBe(HttpStatusCode.InternalServerError);
        Line.Rest.Messages.Entries.ShouldBeEmpty();
        (await _client.SendAsync("Hello")).Status.ShouldBe(HttpStatusCode.Created);
    }

    [Fact]
    public async Task An_answer_can_be_lost_after_the_message_was_sent()
    {
        Line.Rest.FailNext(RestFault.ServerError("Messages", executed: true));
        (await _client.SendAsync("One")).Status.ShouldBe(HttpStatusCode.InternalServerError);

        Line.Rest.FailNext(RestFault.Timeout("Messages", executed: true));
        using var patience = new CancellationTokenSource();
        var waiting = _client.PostAsync([("To", TwilioClient.Ama), ("From", TwilioClient.Sender), ("Body", "Two")], patience.Token);
        await Line.WaitForMessageAsync(TwilioClient.Ama, message => message.Body == "Two");
        await patience.CancelAsync();
        await Should.ThrowAsync<OperationCanceledException>(() => waiting);

        Line.Rest.FailNext(RestFault.ServerError("Messages", executed: true) with { BreaksConnection = true });
        await Should.ThrowAsync<HttpRequestException>(() => _client.SendAsync("Three"));

        // A list is no fault's business unless it says so.
        Line.Rest.FailNext(RestFault.ServerError("Messages", executed: false));
        (await _client.ListAsync($"To={Uri.EscapeDataString(TwilioClient.Ama)}")).Bodies.ShouldBe(["Three", "Two", "One"]);
    }

    private IEnumerable<string> Told() => _app.Requests.Entries.Select(request => request.Form.GetValueOrDefault("MessageStatus")).OfType<string>();

    private Task<AppRequest> StatusAsync(string status) =>
        _app.Requests.WaitAsync(request => request.Form.GetValueOrDefault("MessageStatus") == status);
}
