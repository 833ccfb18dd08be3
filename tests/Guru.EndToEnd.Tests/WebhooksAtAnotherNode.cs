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
            var record = await CallRecord.WhenCompleteAsync(world.Address, call, world.OpenAI);
            record.ShouldTellOf(call);
            record.EndReason.ShouldBe("callerHungUp");
            record.Call.GetProperty("status").GetString().ShouldBe("completed");
            record.EventTypes.Count(type => type == "CallStarted").ShouldBe(1);
            record.EventTypes.Count(type => type == "CallResumed").ShouldBe(1);
            record.EventTypes.Count(type => type == "CallStatusChanged").ShouldBeInRange(1, 3); // What comes after the end tells nothing.
            var nodes = record.All("MediaStreamConnected").Select(connected => connected.GetProperty("node").GetString()).ToList();
            nodes.ShouldBe([nodes[0], nodes[0]]);
            call.Events.Of<WebhookSent>().ShouldAllBe(sent => sent.Status == 200 || sent.Status == 204);
        }
    }
}
