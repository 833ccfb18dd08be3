using System.Text.Json;
using Guru.Sandbox.OpenAI;
using Guru.Sandbox.Twilio;

namespace Guru.EndToEnd.Tests;

/// <summary>Guru that waits only briefly before it tries again.</summary>
public sealed class ImpatientWorld : World
{
    protected override Dictionary<string, string?> Settings => new()
    {
        ["Guru:Work:RetrySeconds"] = "0.05",
        ["Guru:Messages:ListDelaySeconds"] = "0.2",
        ["Guru:Messages:SummaryAfterCall"] = "false",
    };
}

/// <summary>What people write is answered once, in order, by the right agent, whatever fails on the way.</summary>
public sealed class Replies(ImpatientWorld world) : IClassFixture<ImpatientWorld>
{
    private static int _people;

    private readonly string _person = $"whatsapp:+1555040{Interlocked.Increment(ref _people):0000}";

    [Fact]
    public async Task When_the_router_is_down_the_present_agent_stays()
    {
        await WriteAsync("I got a bill from the hospital.");
        await EntriesAsync(2);
        world.OpenAI.Http.FailNext(new HttpFault("/v1/responses", 503, "server_is_overloaded").OfRouting());

        await WriteAsync("My visa ends soon.");

        (await EntriesAsync(4)).Where(IsAgent).Select(entry => entry.GetProperty("agent").GetString()).ShouldBe(["healthcare", "healthcare"]);
    }

    [Fact]
    public async Task A_carrier_that_is_busy_then_fails_and_then_sends_without_saying_so_sends_one_message()
    {
        world.Twilio.Rest.FailNext(RestFault.TooManyRequests("Messages", TimeSpan.FromSeconds(1)));
        world.Twilio.Rest.FailNext(RestFault.ServerError("Messages", executed: false));
        world.Twilio.Rest.FailNext(RestFault.ServerError("Messages", executed: true));

        await WriteAsync("My rent went up.");

        var reply = (await EntriesAsync(2)).Single(IsAgent);
        var sent = Sent().ShouldHaveSingleItem();
        (reply.GetProperty("messageSid").GetString(), reply.GetProperty("text").GetString()).ShouldBe((sent.Sid, sent.Body));
    }

    [Fact]
    public async Task A_model_that_is_busy_and_then_fails_is_asked_again()
    {
        world.OpenAI.Http.FailNext(HttpFault.RateLimited("/v1/responses", TimeSpan.FromSeconds(1)).OfReplies());
        world.OpenAI.Http.FailNext(new HttpFault("/v1/responses", 500, "server_error").OfReplies());

        await WriteAsync("My rent went up.");

        await EntriesAsync(2);
        Sent().ShouldHaveSingleItem();
    }

    [Fact]
    public async Task A_reply_that_WhatsApp_refuses_afterwards_says_so_in_the_timeline()
    {
        world.Twilio.Rest.FailNextDelivery(63016);

        await WriteAsync("My rent went up.");

        var timeline = await TimelineAsync(entries => entries.Exists(entry => IsAgent(entry) && entry.GetProperty("delivery").GetString() == "failed"));
        timeline.Count.ShouldBe(2);
        Sent().ShouldHaveSingleItem();
    }

    [Fact]
    public async Task Who_gets_no_reply_gets_an_apology_in_their_language()
    {
        world.OpenAI.Http.FailNext(HttpFault.NoQuota("/v1/responses").OfReplies());

        await WriteAsync("Hola, tengo una factura del hospital.");

        var timeline = await EntriesAsync(2);
        timeline[0].GetProperty("failure").GetString().ShouldBe("credit_balance_exhausted");
        timeline[1].GetProperty("text").GetString().ShouldStartWith("Lo siento");
        Sent().ShouldHaveSingleItem().Body.ShouldStartWith("Lo siento");
    }

    [Fact]
    public async Task A_burst_reaches_the_model_in_the_order_in_which_it_was_written()
    {
        string[] burst = ["Hello", "I have a question", "about a letter", "from my landlord", "Can you help?"];
        await world.Twilio.WriteBurstAsync([.. burst.Select(text => InboundMessage.Text(text) with { From = _person })]);

        await EntriesAsync(6);

        var asked = JsonElement.Parse(RepliesAsked().Single(body => body.Contains(burst[^1], StringComparison.Ordinal)));
        asked.GetProperty("input").EnumerateArray().Select(item => item.GetProperty("content")[0].GetProperty("text").GetString()).ShouldBe(burst);
        Sent().ShouldHaveSingleItem();
    }

    [Theory]
    [InlineData(MessageKind.Image)]
    [InlineData(MessageKind.Document)]
    [InlineData(MessageKind.Location)]
    [InlineData(MessageKind.ButtonReply)]
    public async Task Pictures_documents_places_and_buttons_are_on_record_and_answered(MessageKind kind)
    {
        await world.Twilio.WriteAsync(new InboundMessage
        {
            From = _person, Kind = kind, Caption = "about my visa", ButtonText = "about my visa", ButtonPayload = "yes", Label = "about my visa", Latitude = 1.5, Longitude = 2.5,
        });

        var timeline = await EntriesAsync(2);

        timeline[0].GetProperty("text").GetString()!.ShouldContain("about my visa");
        (IsAgent(timeline[1]), timeline[1].GetProperty("agent").GetString()).ShouldBe((true, "legal"));
    }

    [Fact]
    public async Task What_was_said_in_a_call_is_known_to_who_answers_the_next_text()
    {
        var call = await world.Twilio.PlaceCallAsync(Calls.Short("visa-en") with { From = _person });
        await world.RecordOf(call);

        await WriteAsync("Which date was it?");

        await TimelineAsync(entries => entries.Count > 0 && IsAgent(entries[^1]) && entries[^1].GetProperty("channel").GetString() == "whatsapp");
        var asked = RepliesAsked().Single(body => body.Contains("Which date was it?", StringComparison.Ordinal));
        asked.ShouldContain("Caller on the phone: My student visa ends in two months.");
        asked.ShouldContain($"You on the phone: {call.Heard[1].Sample.Text[..30]}");
    }

    [Fact]
    public async Task Who_is_known_by_a_business_scoped_id_alone_writes_calls_and_is_remembered()
    {
        const string Person = "whatsapp:US.40000000000000000001";
        await world.Twilio.WriteAsync(InboundMessage.Text("I got a bill from the hospital.") with { From = Person });
        await world.Twilio.WaitForMessageAsync(Person);
        await EntriesAsync(2, Person);

        var call = await world.Twilio.PlaceCallAsync(Calls.Greeted with { From = Person });

        await world.RecordOf(call);
        call.Heard[0].Sample.Id.ShouldStartWith("greeting-bill");
        (await EntriesAsync(3, Person)).Count.ShouldBe(3);
    }

    private Task WriteAsync(string text) => world.Twilio.WriteAsync(InboundMessage.Text(text) with { From = _person });

    private List<SentMessage> Sent() => [.. world.Twilio.Rest.Messages.Entries.Where(sent => sent.To == _person)];

    private List<string> RepliesAsked() =>
        [.. world.OpenAI.Http.Exchanges.Entries.Where(asked => asked.Path == "/v1/responses" && !asked.Body.Contains("json_schema", StringComparison.Ordinal)).Select(asked => asked.Body)];

    private static bool IsAgent(JsonElement entry) => entry.GetProperty("speaker").GetString() == "agent";

    private Task<List<JsonElement>> EntriesAsync(int count, string? person = null) => TimelineAsync(entries => entries.Count >= count, person);

    private async Task<List<JsonElement>> TimelineAsync(Predicate<List<JsonElement>> holds, string? person = null)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        while (true)
        {
            limit.Token.ThrowIfCancellationRequested();
            var found = await world.GetAsync($"/api/conversations?phoneNumber={Uri.EscapeDataString((person ?? _person)["whatsapp:".Length..])}");
            if (found.GetProperty("items").EnumerateArray().FirstOrDefault() is { ValueKind: JsonValueKind.Object } conversation)
            {
                var timeline = await world.GetAsync($"/api/conversations/{conversation.GetProperty("callerId").GetString()}/messages");
                if (timeline.GetProperty("items").EnumerateArray().ToList() is var entries && holds(entries))
                {
                    return entries;
                }
            }
        }
    }
}
