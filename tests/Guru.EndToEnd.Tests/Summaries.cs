using System.Text.Json;
using Guru.Application;
using Guru.Domain.Callers;
using Guru.Domain.Calls;
using Guru.Domain.Conversations;
using Guru.Sandbox.OpenAI;
using Guru.Sandbox.Twilio;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using MessageKind = Guru.Domain.Conversations.MessageKind;

namespace Guru.EndToEnd.Tests;

/// <summary>After a call the caller gets a summary of it, once, and who writes or calls next is told of both.</summary>
public sealed class Summaries(World world) : IClassFixture<World>
{
    private readonly Record _record = new(world);

    [Fact]
    public async Task After_a_call_its_summary_comes_as_a_message_in_the_callers_language_and_goes_by_what_was_heard()
    {
        const string Caller = "whatsapp:+15550200001";
        var call = await world.Twilio.PlaceCallAsync(new CallOptions
        {
            From = Caller,
            Script =
            [
                new CallerTurn(new AgentSpeaking(TimeSpan.FromSeconds(1)), new Say("bill-es")),
                new CallerTurn(new AgentSpeaking(TimeSpan.FromSeconds(13)), new HangUp()),
            ],
        });

        var message = await world.Twilio.WaitForMessageAsync(Caller);
        message.Body.ShouldStartWith("Hablamos de esto: Hola, recibí una factura del hospital");
        message.Body.ShouldContain("\n📄 Primero, llame a la oficina de cobros del hospital y pida una factura detallada.");
        message.Body.ShouldNotContain("formulario");

        var sent = await _record.WaitAsync<MessageSent>(Caller);
        (sent.Occasion, sent.Subject).ShouldBe(("callSummary", call.CallSid));
        var record = await world.ReadAsync(call.CallSid);
        var summary = record.Event("CallSummarized");
        summary.GetProperty("language").GetString().ShouldBe("es");
        summary.GetProperty("summary").GetString().ShouldStartWith("Hablamos de esto");
        record.EventTypes.Count(type => type == "CallSummarized").ShouldBe(1);
        var last = (await _record.TimelineAsync(Caller))[^1];
        (last.GetProperty("channel").GetString(), last.GetProperty("speaker").GetString(), last.GetProperty("messageSid").GetString())
            .ShouldBe(("whatsapp", "agent", message.Sid));
        last.GetProperty("text").GetString().ShouldBe(message.Body);
    }

    [Fact]
    public async Task The_next_reply_and_the_next_call_know_what_was_said_and_the_summary_each_of_them_once()
    {
        const string Caller = "whatsapp:+15550200002";
        const string Said = "I got a bill from the hospital.";
        await _record.AppendCallAsync(Caller, "CA" + new string('2', 32), Said);
        await world.Twilio.WaitForMessageAsync(Caller, message => message.Body.StartsWith("We talked about this", StringComparison.Ordinal));
        await _record.WaitAsync<MessageSent>(Caller);

        await world.Twilio.WriteAsync(InboundMessage.Text("And what was first?") with { From = Caller });
        var reply = await world.Twilio.WaitForMessageAsync(Caller, message => message.Body.StartsWith("I remember your bill", StringComparison.Ordinal));
        var told = world.InstructionsOf(exchange => !exchange.Contains("json_schema") && exchange.Contains("And what was first?"));
        told.Split($"Caller on the phone: {Said}").Length.ShouldBe(2);
        told.Split($"You in writing: We talked about this: {Said}").Length.ShouldBe(2);

        await _record.WaitAsync<MessageReplied>(Caller);
        var call = await world.Twilio.PlaceCallAsync(Calls.Greeted with { From = Caller });
        await world.RecordOf(call);
        call.Heard[0].Sample.Id.ShouldStartWith("greeting-bill");
        var memory = world.OpenAI.Sessions.Entries[^1].Read(session => session.Items.Single(item => item.Role == "system").Text)!;
        memory.Split($"Caller on the phone: {Said}").Length.ShouldBe(2);
        memory.Split($"You in writing: We talked about this: {Said}").Length.ShouldBe(2);
        memory.ShouldContain(reply.Body);
    }

    [Fact]
    public async Task Who_said_nothing_gets_no_summary()
    {
        const string Caller = "whatsapp:+15550200003";
        var call = await world.Twilio.PlaceCallAsync(Calls.Greeted with { From = Caller });
        await world.RecordOf(call);
        await _record.DoneAsync($"summary:{call.CallSid}");

        (await world.ReadAsync(call.CallSid)).EventTypes.ShouldNotContain("CallSummarized");
        world.Twilio.Rest.Messages.Entries.ShouldAllBe(message => message.To != Caller);
    }

    [Fact]
    public async Task A_model_that_is_down_is_asked_again()
    {
        const string Caller = "whatsapp:+15550200004";
        world.OpenAI.Http.FailNext(HttpFault.RateLimited("/v1/responses", TimeSpan.FromSeconds(1)) with { When = IsSummaryOf("A bill of four") });
        world.OpenAI.Http.FailNext(new HttpFault("/v1/responses", 500, "server_error") { When = IsSummaryOf("A bill of four") });
        world.OpenAI.Http.FailNext(HttpFault.Answering(AnswerFault.NotJson) with { When = IsSummaryOf("A bill of four") });
        await _record.AppendCallAsync(Caller, "CA" + new string('4', 32), "A bill of four.");

        (await world.Twilio.WaitForMessageAsync(Caller)).Body.ShouldBe("We talked about this: A bill of four.");
        (await _record.WaitAsync<MessageSent>(Caller)).MessageSids.Length.ShouldBe(1);
    }

    [Fact]
    public async Task A_model_that_refuses_for_good_is_on_record()
    {
        const string Caller = "whatsapp:+15550200005";
        world.OpenAI.Http.FailNext(HttpFault.NoQuota("/v1/responses") with { When = IsSummaryOf("A bill of five") });
        await _record.AppendCallAsync(Caller, "CA" + new string('5', 32), "A bill of five.");

        (await _record.WaitAsync<MessageNotSent>(Caller)).Reason.ShouldBe("credit_balance_exhausted");
        world.Twilio.Rest.Messages.Entries.ShouldAllBe(message => message.To != Caller);
    }

    /// <summary>The answer to the POST is lost: the message went out, and nobody knows.</summary>
    [Theory]
    [InlineData("6", true)]
    [InlineData("7", false)]
    public async Task A_message_whose_answer_was_lost_is_not_sent_again(string number, bool executed)
    {
        var caller = $"whatsapp:+1555020000{number}";
        var callSid = "CA" + new string(number[0], 32);
        world.Twilio.Rest.FailNext(RestFault.ServerError("Messages", executed));
        await _record.AppendCallAsync(caller, callSid, "A bill.");

        var sent = await _record.WaitAsync<MessageSent>(caller);
        var message = world.Twilio.Messaging.Received.Entries.Where(message => message.To == caller).ShouldHaveSingleItem();
        sent.MessageSids.ShouldBe([message.Sid]);
        (await _record.OfAsync<CallSummarized>(Call.StreamId(CallSid.Parse(callSid)))).Count.ShouldBe(1);
    }

    [Fact]
    public async Task A_node_that_died_when_the_summary_was_on_record_is_followed_by_one_that_sends_it()
    {
        const string Caller = "whatsapp:+15550200008";
        var at = DateTimeOffset.UtcNow.AddMinutes(-5);
        await _record.AppendCallAsync(Caller, "CA" + new string('8', 32), "A bill of eight.", also: new CallSummarized("en", "As it was recorded.", "", "", "", "", "", at));

        (await world.Twilio.WaitForMessageAsync(Caller)).Body.ShouldBe("As it was recorded.");
        world.OpenAI.Http.Exchanges.Entries.ShouldAllBe(exchange => !IsSummaryOf("A bill of eight")(exchange.Body));
    }

    [Fact]
    public async Task A_node_that_died_when_all_was_done_is_followed_by_one_that_does_nothing()
    {
        const string Caller = "whatsapp:+15550200009";
        var callSid = "CA" + new string('9', 32);
        await _record.AppendCallAsync(Caller, callSid, "A bill.");
        await _record.WaitAsync<MessageSent>(Caller);
        await _record.DoneAsync($"summary:{callSid}");

        await _record.ExecuteAsync(
            $"insert into guru.work (id, kind, caller_id, subject, due_at) values ('summary:{callSid}', 'summary', '{_record.IdOf(Caller)}', '{callSid}', now())");
        await _record.DoneAsync($"summary:{callSid}");

        world.Twilio.Rest.Messages.Entries.Count(message => message.To == Caller).ShouldBe(1);
        (await _record.OfAsync<CallSummarized>(Call.StreamId(CallSid.Parse(callSid)))).Count.ShouldBe(1);
        (await _record.OfAsync<MessageSent>(Conversation.StreamId(_record.IdOf(Caller)))).Count.ShouldBe(1);
    }

    [Fact]
    public async Task When_the_window_is_closed_the_summary_is_recorded_and_so_is_that_nobody_got_it()
    {
        const string Caller = "whatsapp:+15550200010";
        var callSid = "CA" + new string('a', 32);
        await _record.AppendCallAsync(Caller, callSid, "A bill.", hoursAgo: 25);

        var notSent = await _record.WaitAsync<MessageNotSent>(Caller);
        (notSent.Occasion, notSent.Subject, notSent.Reason).ShouldBe(("callSummary", callSid, "windowClosed"));
        (await _record.OfAsync<CallSummarized>(Call.StreamId(CallSid.Parse(callSid)))).Count.ShouldBe(1);
        world.Twilio.Rest.Messages.Entries.ShouldAllBe(message => message.To != Caller);
    }

    [Fact]
    public async Task A_summary_that_the_carrier_could_not_deliver_says_so_on_the_timeline()
    {
        const string Caller = "whatsapp:+15550200011";
        await _record.AppendCallAsync(Caller, "CA" + new string('b', 32), "A bill.", isOpen: false);

        await _record.WaitAsync<MessageSent>(Caller);
        (await _record.WaitAsync<MessageDeliveryChanged>(Caller, change => change.Status == DeliveryStatus.Failed)).ErrorCode.ShouldBe(63016);
        var entry = (await _record.TimelineAsync(Caller))[^1];
        entry.GetProperty("delivery").GetString().ShouldBe("failed");
    }

    private static Func<string, bool> IsSummaryOf(string words) => body =>
        body.Contains("phoneNumbers", StringComparison.Ordinal) && body.Contains(words, StringComparison.Ordinal);
}

/// <summary>An agent is told little word for word, and callers get no summaries.</summary>
public sealed class TerseWorld : World
{
    public const int Tokens = 150;

    protected override Dictionary<string, string?> Settings => new()
    {
        ["Guru:Memory:Tokens"] = $"{Tokens}",
        ["Guru:Messages:SummaryAfterCall"] = "false",
    };
}

/// <summary>What agents cannot be told word for word is summarised behind the conversation.</summary>
public sealed class Digests(TerseWorld world) : IClassFixture<TerseWorld>
{
    private const string Present = "The present conversation so far (UTC):";

    private readonly Record _record = new(world);

    [Fact]
    public async Task Where_summaries_are_switched_off_they_are_recorded_and_not_sent()
    {
        const string Caller = "whatsapp:+15550300001";
        var callSid = "CA" + new string('1', 32);
        await _record.AppendCallAsync(Caller, callSid, "A bill.");
        await _record.DoneAsync($"summary:{callSid}");

        (await _record.OfAsync<CallSummarized>(Call.StreamId(CallSid.Parse(callSid)))).Count.ShouldBe(1);
        world.Twilio.Rest.Messages.Entries.ShouldAllBe(message => message.To != Caller);
    }

    [Fact]
    public async Task What_no_longer_fits_is_summarised_and_the_next_reply_is_told_the_summary_and_what_fits()
    {
        const string Caller = "whatsapp:+15550300002";
        for (var number = 0; number < 4; number++)
        {
            await world.Twilio.WriteAsync(InboundMessage.Text($"Question {number} is about my rent and my landlord, who is strict.") with { From = Caller });
            await world.Twilio.WaitForMessageAsync(Caller, _ => world.Twilio.Messaging.Received.Entries.Count(message => message.To == Caller) > number);
        }

        await _record.WaitAsync<ConversationSummarized>(Caller);
        await _record.DoneAsync($"digest:now:{_record.IdOf(Caller)}");

        await world.Twilio.WriteAsync(InboundMessage.Text("And the last question?") with { From = Caller });
        await world.Twilio.WaitForMessageAsync(Caller, _ => world.Twilio.Messaging.Received.Entries.Count(message => message.To == Caller) > 4);
        var told = world.InstructionsOf(body => !body.Contains("json_schema") && body.Contains("And the last question?"));
        var memory = told[told.IndexOf("From earlier conversations", StringComparison.Ordinal)..];
        var (summary, words) = (memory[..memory.IndexOf(Present, StringComparison.Ordinal)], memory[memory.IndexOf(Present, StringComparison.Ordinal)..]);
        summary.ShouldContain("We talked about this: [");
        summary.ShouldContain("Question 0 is about my rent");
        words.ShouldContain("You in writing: ");
        words.ShouldNotContain("Question 0");
        words.Length.ShouldBeLessThan(Present.Length + (TerseWorld.Tokens * 3) + 10);
    }

    [Theory]
    [InlineData(3, 59, false)]
    [InlineData(4, 63, true)]
    public async Task A_session_ends_after_an_hour_and_is_told_in_short_from_then_on(int number, int minutes, bool isOver)
    {
        var caller = $"whatsapp:+1555030000{number}";
        await _record.AppendTextAsync(caller, "My visa ends soon.", "Which date?", DateTimeOffset.UtcNow.AddMinutes(-minutes));
        if (isOver)
        {
            (await _record.WaitAsync<ConversationSummarized>(caller)).Summary.ShouldContain("My visa ends soon.");
        }

        await world.Twilio.WriteAsync(InboundMessage.Text("In two months.") with { From = caller });
        await world.Twilio.WaitForMessageAsync(caller);
        var told = world.InstructionsOf(body => !body.Contains("json_schema") && body.Contains("In two months.") && body.Contains($"\"{_record.IdOf(caller)}\""));
        told.Contains(Present, StringComparison.Ordinal).ShouldBe(!isOver);
        told.Contains("From earlier conversations with this caller:\nWe talked about this: [", StringComparison.Ordinal).ShouldBe(isOver);
        told.Contains("\n[", StringComparison.Ordinal).ShouldBe(!isOver);
        (await _record.OfAsync<ConversationSummarized>(Conversation.StreamId(_record.IdOf(caller)))).Count.ShouldBe(isOver ? 1 : 0);
    }

    [Fact]
    public async Task A_model_that_is_down_does_not_stand_in_the_way_of_a_reply_and_nothing_is_forgotten()
    {
        const string Caller = "whatsapp:+15550300005";
        world.OpenAI.Http.FailNext(HttpFault.NoQuota("/v1/responses") with
        {
            When = body => body.Contains("notes so far", StringComparison.Ordinal) && body.Contains("My eviction", StringComparison.Ordinal),
            Times = 2,
        });
        await _record.AppendTextAsync(Caller, "My eviction is on Monday.", "Which court?", DateTimeOffset.UtcNow.AddHours(-3));
        await _record.DoneAsync($"digest:{_record.IdOf(Caller)}");
        await _record.DoneAsync($"digest:now:{_record.IdOf(Caller)}");

        await world.Twilio.WriteAsync(InboundMessage.Text("The one downtown.") with { From = Caller });
        await world.Twilio.WaitForMessageAsync(Caller);

        var told = world.InstructionsOf(body => !body.Contains("json_schema") && body.Contains("The one downtown."));
        told.ShouldContain("An earlier conversation (UTC):");
        told.ShouldContain("Caller in writing: My eviction is on Monday.");
    }
}

/// <summary>The events and read models of a running Guru, and conversations of the past put into them.</summary>
internal sealed class Record(World world)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private IServiceProvider Services => world.Guru.App.Services;

    public CallerId IdOf(string caller) => CallerId.Of(CallerAddress.Parse(caller), Services.GetRequiredService<ServerSecret>().Value);

    public async Task<IReadOnlyList<T>> OfAsync<T>(string streamId) =>
        [.. (await Services.GetRequiredService<IEventStore>().ReadAsync(streamId, 1, CancellationToken.None)).Select(stored => stored.Data).OfType<T>()];

    /// <summary>The first event of its kind in a caller's conversation, once it is there.</summary>
    public async Task<T> WaitAsync<T>(string caller, Func<T, bool>? wanted = null)
        where T : ConversationEvent
    {
        T? found = null;
        await UntilAsync(async () => (found = (await OfAsync<T>(Conversation.StreamId(IdOf(caller)))).FirstOrDefault(wanted ?? (_ => true))) is not null, typeof(T).Name);
        return found!;
    }

    /// <summary>Waits until an item is off the to-do list.</summary>
    public Task DoneAsync(string workId) => UntilAsync(
        async () =>
        {
            await using var command = Services.GetRequiredService<NpgsqlDataSource>().CreateCommand("select count(*) from guru.work where id = $1");
            command.Parameters.Add(new() { Value = workId });
            return (long)(await command.ExecuteScalarAsync())! == 0;
        },
        workId);

    public async Task ExecuteAsync(string sql)
    {
        await using var command = Services.GetRequiredService<NpgsqlDataSource>().CreateCommand(sql);
        await command.ExecuteNonQueryAsync();
    }

    public async Task<IReadOnlyList<JsonElement>> TimelineAsync(string caller) =>
        [.. (await world.GetAsync($"/api/conversations/{IdOf(caller)}/messages")).GetProperty("items").EnumerateArray()];

    /// <summary>A call that was over some time ago, and is not summarised yet.</summary>
    /// <param name="isOpen">The carrier lets the caller be written to.</param>
    public Task AppendCallAsync(string caller, string callSid, string said, double hoursAgo = 0.1, bool isOpen = true, CallEvent? also = null)
    {
        if (isOpen)
        {
            world.Twilio.Messaging.Window.Open(caller);
        }

        var (sid, at) = (CallSid.Parse(callSid), DateTimeOffset.UtcNow.AddHours(-hoursAgo));
        List<object> events =
        [
            new CallStarted(sid, IdOf(caller), CallerAddress.Parse(caller).Value, CallChannel.Whatsapp, CallDirection.Inbound, "en", StreamTokenHash: null, at),
            new AgentRouted("general", "It was arranged.", at),
            new UtteranceTranscribed(
                "s:1", Speaker.Caller, "general", said, said, Interrupted: false, TranscriptionOutcome.Completed, StartMs: 1000, EndMs: 2000, SaidMs: 1000,
                HeardMs: 1000, Language: "en", FirstAudioMs: null, FirstHeardMs: null, at),
            new CallEnded(CallEndReason.CallerHungUp, at),
        ];
        if (also is not null)
        {
            events.Add(also);
        }

        return Services.GetRequiredService<IEventStore>().AppendAsync(Call.StreamId(sid), ExpectedVersion.None, IdOf(caller), events, CancellationToken.None);
    }

    /// <summary>A message that was answered at a time in the past.</summary>
    public Task AppendTextAsync(string caller, string text, string reply, DateTimeOffset at)
    {
        var id = IdOf(caller);
        var (sid, replySid) = ($"SM{Guid.NewGuid():N}", $"SM{Guid.NewGuid():N}");
        return Services.GetRequiredService<IEventStore>().AppendAsync(
            Conversation.StreamId(id), ExpectedVersion.None, id,
            [
                new MessageReceived(sid, id, CallerAddress.Parse(caller).Value, ProfileName: null, MessageKind.Text, text, MediaUrl: null, MediaType: null, at),
                new AgentSelected(sid, id, "general", 0.9, "It was arranged.", [], "1", at),
                new MessageReplied([sid], id, [replySid], "general", reply, at),
            ],
            CancellationToken.None);
    }

    private static async Task UntilAsync(Func<Task<bool>> holds, string what)
    {
        using var limit = new CancellationTokenSource(Patience);
        while (!await holds())
        {
            limit.IsCancellationRequested.ShouldBeFalse($"It did not happen: {what}");
        }
    }
}

internal static class Requests
{
    /// <summary>What the text model was told by the last request that is so.</summary>
    public static string InstructionsOf(this World world, Func<string, bool> wanted)
    {
        var body = world.OpenAI.Http.Exchanges.Entries.Last(exchange => exchange.Path == "/v1/responses" && wanted(exchange.Body)).Body;
        return JsonDocument.Parse(body).RootElement.GetProperty("instructions").GetString()!;
    }
}
