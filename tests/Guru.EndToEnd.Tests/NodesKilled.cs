using Guru.Sandbox.Hosting;
using Guru.Sandbox.OpenAI;
using Guru.Sandbox.Twilio;
using Npgsql;

namespace Guru.EndToEnd.Tests;

/// <summary>A node is killed at each step of a reply, and another goes on: one reply, and the log agrees with the carrier.</summary>
public sealed class NodesKilled(Nodes nodes) : IClassFixture<Nodes>
{
    private const string LongAnswer = "long";
    private static int _people;

    private readonly string _person = $"whatsapp:+1555020{Interlocked.Increment(ref _people):0000}";
    private readonly Hold _hold = new();

    [Fact]
    public Task After_the_message_was_stored() => KilledOnceAsync(InboundMessage.Text("My visa ends soon."), () => Task.CompletedTask);

    [Fact]
    public Task While_the_voice_note_is_fetched() => KilledWhereHeldAsync(InboundMessage.VoiceNote("bill-es"), RestFault.Held("Media", "GET", _hold, executed: false));

    [Fact]
    public Task While_the_voice_note_is_written_down() => KilledWhereHeldAsync(InboundMessage.VoiceNote("bill-es"), HttpFault.Held("/v1/audio/transcriptions", _hold));

    [Fact]
    public Task While_the_agent_is_found() => KilledWhereHeldAsync(InboundMessage.Text("My rent went up."), HttpFault.Held("/v1/responses", _hold).OfRouting());

    [Fact]
    public Task While_the_reply_is_written() => KilledWhereHeldAsync(InboundMessage.Text("My rent went up."), HttpFault.Held("/v1/responses", _hold).OfReplies());

    [Fact]
    public Task While_the_reply_is_on_its_way_to_the_carrier() =>
        KilledWhereHeldAsync(InboundMessage.Text("My rent went up."), RestFault.Held("Messages", "POST", _hold, executed: false));

    [Fact]
    public Task When_the_carrier_has_sent_the_reply_and_not_said_so_yet() =>
        KilledWhereHeldAsync(InboundMessage.Text("My rent went up."), RestFault.Held("Messages", "POST", _hold, executed: true));

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Between_the_parts_of_a_long_reply(bool executed)
    {
        nodes.Written[LongAnswer] = string.Join(' ', Enumerable.Range(1, 200).Select(number => $"This is sentence number {number}."));
        var first = new Hold();
        nodes.Twilio.Rest.FailNext(RestFault.Held("Messages", "POST", first, executed: true));
        await KilledOnceAsync(InboundMessage.Text($"A {LongAnswer} answer, please."), async () =>
        {
            await first.WaitAsync();
            nodes.Twilio.Rest.FailNext(RestFault.Held("Messages", "POST", _hold, executed));
            first.LetGo();
            await _hold.WaitAsync();
        });

        nodes.Twilio.Rest.Messages.Entries.Count(sent => sent.To == _person).ShouldBeGreaterThan(2);
    }

    [Fact]
    public async Task When_the_reply_was_sent_and_is_not_on_record_yet()
    {
        // No status callbacks, so that the one append that waits for the table is the reply's.
        nodes.Twilio.Messaging.Delivery = new DeliveryPlan { Callbacks = [] };
        nodes.Twilio.Rest.FailNext(RestFault.Held("Messages", "POST", _hold, executed: true));
        await using var shut = await nodes.Database.OpenConnectionAsync();
        await KilledOnceAsync(InboundMessage.Text("My rent went up."), async () =>
        {
            await _hold.WaitAsync();
            await using var lockEvents = new NpgsqlCommand("begin; lock table events.mt_events in exclusive mode", shut);
            await lockEvents.ExecuteNonQueryAsync();
            _hold.LetGo();
            while ((await nodes.Database.RowsAsync("select pid from pg_locks where relation = 'events.mt_events'::regclass and not granted")).Count == 0)
            {
            }
        }, async () =>
        {
            await using var open = new NpgsqlCommand("rollback", shut);
            await open.ExecuteNonQueryAsync();
        });
        nodes.Twilio.Messaging.Delivery = DeliveryPlan.InOrder;
    }

    [Fact]
    public async Task When_the_apology_was_sent_and_the_carrier_has_not_said_so_yet()
    {
        nodes.OpenAI.Http.FailNext(HttpFault.NoQuota("/v1/responses").OfReplies());
        nodes.Twilio.Rest.FailNext(RestFault.Held("Messages", "POST", _hold, executed: true));
        var written = await nodes.Twilio.WriteAsync(InboundMessage.Text("My rent went up.") with { From = _person });
        await _hold.WaitAsync();
        await nodes.KillAsync();
        await nodes.AddAsync();

        var answered = await nodes.AnsweredAsync(_person);
        answered.ShouldBeOneReplyTo([written], "message_reply_failed");
        answered.Sent.ShouldHaveSingleItem().Body.ShouldStartWith("Sorry");
        answered.Timeline[0].GetProperty("failure").GetString().ShouldBe("credit_balance_exhausted");
    }

    [Fact]
    public async Task One_of_two_nodes_that_answer_many_people_at_once()
    {
        await nodes.AddAsync();
        string[] people = [.. Enumerable.Range(1, 12).Select(number => $"whatsapp:+155503000{number:00}")];
        nodes.Twilio.Rest.FailNext(RestFault.Held("Messages", "POST", _hold, executed: true) with { Times = people.Length });

        var written = await Task.WhenAll(people.Select(person => nodes.Twilio.WriteAsync(InboundMessage.Text("My rent went up.") with { From = person })));
        await _hold.WaitAsync(count: 8); // Four at each node.
        await nodes.KillAsync();
        _hold.LetGo();

        foreach (var message in written)
        {
            (await nodes.AnsweredAsync(message.Message.From)).ShouldBeOneReplyTo([message]);
        }
    }

    private async Task KilledWhereHeldAsync(InboundMessage message, RestFault held)
    {
        nodes.Twilio.Rest.FailNext(held);
        await KilledOnceAsync(message, () => _hold.WaitAsync());
    }

    private async Task KilledWhereHeldAsync(InboundMessage message, HttpFault held)
    {
        nodes.OpenAI.Http.FailNext(held);
        await KilledOnceAsync(message, () => _hold.WaitAsync());
    }

    /// <param name="reached">The step at which the node is killed.</param>
    private async Task KilledOnceAsync(InboundMessage message, Func<Task> reached, Func<Task>? afterwards = null)
    {
        var written = await nodes.Twilio.WriteAsync(message with { From = _person });
        await reached();
        await nodes.KillAsync();
        await (afterwards?.Invoke() ?? Task.CompletedTask);
        await nodes.AddAsync();

        (await nodes.AnsweredAsync(_person)).ShouldBeOneReplyTo([written]);
    }
}
