using System.Net.WebSockets;
using System.Text;
using System.Xml.Linq;
using Guru.Sandbox.Twilio;
using Npgsql;

namespace Guru.EndToEnd.Tests;

/// <summary>
/// Two nodes behind one address. The second has every Media Stream, and PostgreSQL behind a gate; requests go to the first and to the second, by turns.
/// </summary>
public sealed class NodesByTurns : Nodes
{
    private int _requests;

    internal TcpGate? Gate { get; private set; }

    protected override Dictionary<string, string> Settings
    {
        get
        {
            var settings = new Dictionary<string, string>(base.Settings, StringComparer.Ordinal) { ["BASE_URL"] = World.PublicAddress };
            settings["DATABASE_URL"] = Gate is null ? settings["DATABASE_URL"] : new NpgsqlConnectionStringBuilder(settings["DATABASE_URL"]) { Port = Gate.Port }.ConnectionString;
            return settings;
        }
    }

    protected override TwilioStandInOptions TwilioOptions => base.TwilioOptions with { AppUrl = new Uri(World.PublicAddress) };

    public override async Task InitializeAsync()
    {
        await base.InitializeAsync();
        Gate = new TcpGate(new NpgsqlConnectionStringBuilder(Settings["DATABASE_URL"]).Port);
        await AddAsync();
        var nodes = Addresses;
        Twilio.Balance = url => nodes[url.Scheme == "wss" ? 1 : Interlocked.Increment(ref _requests) % nodes.Count];
    }

    public override async Task DisposeAsync()
    {
        await base.DisposeAsync();
        await Gate!.DisposeAsync();
    }
}

public sealed class WebhooksAtAnotherNode(NodesByTurns world) : IClassFixture<NodesByTurns>
{
    private const string Voice = "/api/whatsapp/voice";
    private const string Sid = "CA000000000000000000000000000ac710";
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan Beat = TimeSpan.FromMilliseconds(400);

    [Fact]
    public async Task Than_the_one_on_the_line_twice_and_in_any_order_make_one_record()
    {
        var calls = new List<PlacedCall>();
        foreach (var seed in Enumerable.Range(1, 4))
        {
            calls.Add(world.Twilio.PlaceCall(new CallOptions
            {
                From = $"whatsapp:+1555060000{seed}",
                Script =
                [
                    new CallerTurn(new AgentFinished(Beat), new LoseStream()),
                    new CallerTurn(new AgentFinished(Beat), new Say("yes-en")),
                    new CallerTurn(new AgentFinished(Beat), new HangUp()),
                ],
                Webhooks = new WebhookFaults { DuplicateWebhook = true, DuplicateAction = true, DuplicateStatus = true, EarlyStatus = true, ShuffledStatus = true, Seed = seed },
            }));

            // One after the other, so that of each pair one comes to either node.
            await calls[^1].Events.WaitAsync<StreamOpened>();
        }

        // The node that had them hears of no end before the carrier has told the other.
        await calls[^1].Events.WaitAsync<AgentTurnBegan>(began => began.Number == 3, TimeSpan.FromMinutes(1));
        world.Gate!.Shut();
        await Task.WhenAll(calls.Select(call => call.Completion));
        world.Gate.Open();

        foreach (var call in calls)
        {
            var record = await CallRecord.WhenCompleteAsync(world.Address, call);
            record.ShouldTellOf(call);
            record.EndReason.ShouldBe("callerHungUp");
            record.Call.GetProperty("status").GetString().ShouldBe("completed");
            record.EventTypes.Count(type => type == "CallStarted").ShouldBe(1);
            record.EventTypes.Count(type => type == "MediaStreamRequested").ShouldBe(1);
            record.EventTypes.Count(type => type == "CallResumed").ShouldBe(1);
            record.EventTypes.Count(type => type == "CallStatusChanged").ShouldBeInRange(1, 3); // What comes after the end tells nothing.
            var nodes = record.All("MediaStreamConnected").Select(connected => connected.GetProperty("node").GetString()).ToList();
            nodes.ShouldBe([nodes[0], nodes[0]]);
            call.Events.Of<WebhookSent>().ShouldAllBe(sent => sent.Status == 200 || sent.Status == 204);
        }
    }

    [Fact]
    public async Task And_at_this_one_make_one_new_stream_of_a_lost_one_however_often_and_late_they_ask_and_another_when_that_is_lost()
    {
        var (one, other) = (world.Addresses[0], world.Addresses[1]);
        var sessions = world.OpenAI.Sessions.Entries.Count;
        var first = await AskAsync(one, $"{World.PublicAddress}{Voice}/webhook");
        (await ConnectAsync(one, first)).Abort();

        var second = await AskAsync(one, ActionOf(first));
        (await AskAsync(one, ActionOf(first))).ShouldBe(second);
        (await AskAsync(other, ActionOf(first))).ShouldBe(second);
        using var socket = await ConnectAsync(one, second);
        (await AskAsync(one, ActionOf(first))).ShouldBe(second);
        (await AskAsync(other, ActionOf(first))).ShouldBe(second);
        (world.OpenAI.Sessions.Entries.Count - sessions).ShouldBe(2);
        socket.Abort();

        var third = await Task.WhenAll(Enumerable.Range(0, 4).Select(number => AskAsync(number % 2 == 0 ? one : other, ActionOf(second))));
        third.Distinct().ShouldHaveSingleItem().ShouldNotBe(second);
        using var last = await ConnectAsync(one, third[0]);
        (await AskAsync(other, ActionOf(second))).ShouldBe(third[0]);
        await SendAsync(last, """{"event":"stop"}""");

        await UntilItEndsAsync();
        (await world.Database.RowsAsync($"select data ->> 'attempt' from events.mt_events where stream_id = 'call-{Sid}' and type = 'media_stream_requested' order by version")).ShouldBe(["1", "2"]);
        (await world.Database.RowsAsync($"select data ->> 'reason' from events.mt_events where stream_id = 'call-{Sid}' and type = 'call_ended'")).ShouldBe(["callerHungUp"]);
        (world.OpenAI.Sessions.Entries.Count - sessions).ShouldBeInRange(3, 4); // The last of them twice where the other node was the first to be asked.
    }

    private static string ActionOf(string twiml) => XElement.Parse(twiml).Element("Connect")!.Attribute("action")!.Value;

    /// <summary>What Twilio asks, at a node of the test's choice.</summary>
    private async Task<string> AskAsync(Uri node, string url)
    {
        KeyValuePair<string, string>[] fields =
        [
            new("CallSid", Sid), new("From", "whatsapp:+15550600009"), new("To", "whatsapp:+15005550006"), new("Direction", "inbound"), new("CallStatus", "in-progress"),
        ];
        using var http = new HttpClient { BaseAddress = node };
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(url).PathAndQuery) { Content = new FormUrlEncodedContent(fields) };
        request.Headers.Add("X-Twilio-Signature", TwilioSignature.Of(url, fields, world.Twilio.Options.AuthToken));
        using var response = await http.SendAsync(request);
        return await response.EnsureSuccessStatusCode().Content.ReadAsStringAsync();
    }

    /// <summary>Does what the TwiML says, and is back when the agent is heard.</summary>
    private async Task<ClientWebSocket> ConnectAsync(Uri node, string twiml)
    {
        var token = XElement.Parse(twiml).Descendants("Parameter").Single(parameter => parameter.Attribute("name")!.Value == "token").Attribute("value")!.Value;
        var socket = new ClientWebSocket();
        socket.Options.SetRequestHeader("X-Twilio-Signature", TwilioSignature.Of($"wss://{new Uri(World.PublicAddress).Authority}{Voice}/stream", [], world.Twilio.Options.AuthToken));
        using var limit = new CancellationTokenSource(Limit);
        await socket.ConnectAsync(new Uri($"ws://{node.Authority}{Voice}/stream"), limit.Token);
        await SendAsync(socket, $$$"""{"event":"start","start":{"callSid":"{{{Sid}}}","customParameters":{"token":"{{{token}}}"}},"streamSid":"MZ{{{token[..32]}}}"}""");
        var heard = await socket.ReceiveAsync(new byte[64 * 1024], limit.Token);
        heard.MessageType.ShouldBe(WebSocketMessageType.Text, $"{socket.CloseStatus} {twiml}");
        return socket;
    }

    private static Task SendAsync(ClientWebSocket socket, string text) =>
        socket.SendAsync(Encoding.UTF8.GetBytes(text), WebSocketMessageType.Text, endOfMessage: true, CancellationToken.None);

    private async Task UntilItEndsAsync()
    {
        using var limit = new CancellationTokenSource(Limit);
        while ((await world.Database.RowsAsync($"select 1 from events.mt_events where stream_id = 'call-{Sid}' and type = 'call_ended'")).Count == 0)
        {
            await Task.Delay(50, limit.Token);
        }
    }
}
