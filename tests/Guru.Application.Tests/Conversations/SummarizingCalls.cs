using Guru.Application.Calls;
using Guru.Application.Conversations;
using Guru.Application.Tests.Voice;
using Guru.Application.Tests.Work;
using Guru.Application.Work;
using Guru.Domain.Calls;
using Guru.Domain.Conversations;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Shouldly;

namespace Guru.Application.Tests.Conversations;

/// <summary>The summary of a call is on record; it is sent once, or it is on record why not.</summary>
public sealed class SummarizingCalls : IAsyncLifetime
{
    private static readonly CallSid Sid = CallSid.Parse("CA00000000000000000000000000000001");
    private static readonly string Long = string.Join('\n', Enumerable.Range(0, 10).Select(i => $"{i} {new string('x', 190)}"));
    private readonly ManualTime _time = new();
    private readonly MemoryStore _store = new();
    private readonly MemoryQueue _queue;
    private readonly ScriptedCarrier _carrier;

    public SummarizingCalls() => (_queue, _carrier) = (new MemoryQueue(_time), new ScriptedCarrier(_time));

    public async Task InitializeAsync()
    {
        var (at, log) = (_time.GetUtcNow(), new CallLog(_store, Sid));
        await log.AppendAsync(
            new StartCall(Sid, Desk.Maria, "+15550100001", CallChannel.Whatsapp, CallDirection.Inbound, "en", StreamTokenHash: null, "legal", "why", at), default);
        await log.AppendAsync(new EndCall(CallEndReason.CallerHungUp, at), default);
        await log.AppendAsync(new RecordCallSummary(new CallSummarized("en", "We talked.", Long, "", "", "", "", at)), default);
        _queue.Add(Desk.Maria, WorkItem.Summary);
    }

    public Task DisposeAsync() => Task.CompletedTask;

    [Fact]
    public async Task All_its_parts_are_sent_and_one_event_says_so()
    {
        await Summarizer().RunAsync(await ClaimAsync(), default);
        await Summarizer().RunAsync(await AgainAsync(), default);

        _carrier.Sent.Count.ShouldBe(2);
        var sent = _store.Of<MessageSent>().ShouldHaveSingleItem();
        (sent.Occasion, sent.Subject, sent.Agent, string.Join(' ', sent.MessageSids)).ShouldBe(("callSummary", Sid.Value, "legal", "SMout1 SMout2"));
        sent.Text.ShouldBe(string.Join("\n\n", _carrier.Sent.Select(message => message.Body)));
    }

    [Fact]
    public async Task The_language_that_the_caller_turned_out_to_speak_is_told_to_the_conversation_where_a_node_died_before_it()
    {
        var told = _time.GetUtcNow();
        await new CallLog(_store, Sid).AppendAsync(new RecordLanguage(new CallLanguageDetermined("es", "call", told)), default);

        await Summarizer().RunAsync(await ClaimAsync(), default);
        await Summarizer().RunAsync(await AgainAsync(), default);

        _store.Of<LanguageDetermined>().ShouldHaveSingleItem().ShouldBe(new LanguageDetermined(Desk.Maria, "es", "call", told));
    }

    [Fact]
    public async Task The_language_that_they_have_asked_for_since_stays()
    {
        var told = _time.GetUtcNow();
        await new CallLog(_store, Sid).AppendAsync(new RecordLanguage(new CallLanguageDetermined("es", "call", told)), default);
        await new ConversationLog(_store, Desk.Maria).AppendAsync(new DetermineLanguage(new LanguageDetermined(Desk.Maria, "fr", "text", told.AddMinutes(1))), default);

        await Summarizer().RunAsync(await ClaimAsync(), default);

        _store.Of<LanguageDetermined>().ShouldHaveSingleItem().Language.ShouldBe("fr");
    }

    [Fact]
    public async Task A_node_that_died_between_two_parts_is_followed_by_one_that_sends_the_second()
    {
        _carrier.Sending[2] = _ => throw new OperationCanceledException();
        await Should.ThrowAsync<OperationCanceledException>(async () => await Summarizer().RunAsync(await ClaimAsync(), default));

        await Summarizer().RunAsync(await AgainAsync(), default);

        _carrier.Sent.Select(message => message.MessageSid).ShouldBe(["SMout1", "SMout3"]);
        _store.Of<MessageSent>().ShouldHaveSingleItem().MessageSids.ShouldBe(["SMout1", "SMout3"]);
    }

    [Fact]
    public async Task What_was_sent_before_the_carrier_refused_is_on_record()
    {
        _carrier.Sending[2] = _ => throw new MessengerException(63024, transient: false);
        var item = await ClaimAsync();
        var refusal = await Should.ThrowAsync<MessengerException>(() => Summarizer().RunAsync(item, default));

        await Summarizer().GiveUpAsync(item, refusal, default);

        _store.Of<MessageSent>().ShouldHaveSingleItem().MessageSids.ShouldBe(["SMout1"]);
        _store.Of<MessageNotSent>().ShouldBeEmpty();
    }

    [Fact]
    public async Task A_refusal_is_on_record_with_its_code()
    {
        _carrier.Sending[1] = _ => throw new MessengerException(63024, transient: false);
        var item = await ClaimAsync();
        var refusal = await Should.ThrowAsync<MessengerException>(() => Summarizer().RunAsync(item, default));

        await Summarizer().GiveUpAsync(item, refusal, default);

        _store.Of<MessageNotSent>().ShouldHaveSingleItem().Reason.ShouldBe(refusal.Reason);
    }

    [Fact]
    public async Task Nothing_is_given_up_while_nobody_knows_whether_it_was_sent()
    {
        var unknown = new MessengerException(code: null, transient: true, unknown: true);

        await Should.ThrowAsync<MessengerException>(async () => await Summarizer().GiveUpAsync(await ClaimAsync(), unknown, default));

        _store.Of<MessageNotSent>().ShouldBeEmpty();
    }

    [Fact]
    public async Task What_nodes_that_died_have_sent_is_on_record_when_it_is_given_up()
    {
        _carrier.Sending[1] = sends =>
        {
            sends();
            throw new OperationCanceledException();
        };
        await Should.ThrowAsync<OperationCanceledException>(async () => await Summarizer().RunAsync(await ClaimAsync(), default));

        await Summarizer().GiveUpAsync(await AgainAsync(), new DefectException("attempts used up"), default);

        _store.Of<MessageSent>().ShouldHaveSingleItem().MessageSids.ShouldBe(["SMout1"]);
    }

    [Fact]
    public async Task An_erased_callers_summary_is_not_sent_again()
    {
        _carrier.Sending[1] = _ => throw new OperationCanceledException();
        await Should.ThrowAsync<OperationCanceledException>(async () => await Summarizer().RunAsync(await ClaimAsync(), default));
        _queue.Erase();

        await Summarizer().RunAsync(await AgainAsync(), default);

        _carrier.Sent.ShouldBeEmpty();
        _store.Of<MessageNotSent>().ShouldHaveSingleItem().Reason.ShouldBe("erased");
    }

    [Fact]
    public async Task Outside_the_window_nothing_is_sent()
    {
        _time.Jump(TimeSpan.FromHours(24.1));

        await Summarizer().RunAsync(await ClaimAsync(), default);

        _carrier.Tries.ShouldBe(0);
        _store.Of<MessageNotSent>().ShouldHaveSingleItem().Reason.ShouldBe("windowClosed");
    }

    [Fact]
    public async Task A_message_meanwhile_has_opened_the_window_again()
    {
        _time.Jump(TimeSpan.FromHours(24.1));
        await new ConversationLog(_store, Desk.Maria).AppendAsync(
            new ReceiveMessage(new MessageReceived(
                "SM1", Desk.Maria, "+15550100001", ProfileName: null, MessageKind.Text, "hello", MediaUrl: null, MediaType: null, _time.GetUtcNow())),
            default);

        await Summarizer().RunAsync(await ClaimAsync(), default);

        _store.Of<MessageSent>().Count.ShouldBe(1);
    }

    private CallSummarizer Summarizer() => new(
        _store, new ScriptedWriter(), Desk.Agents,
        new Outbox(_queue, _carrier, new PublicAddress("https://guru.example.test"), Options.Create(new MessageRules { ListDelaySeconds = 0 }), Options.Create(new WorkRules()), _time),
        Options.Create(new MessageRules()), _time, NullLogger<CallSummarizer>.Instance);

    private async Task<WorkItem> ClaimAsync() => (await _queue.ClaimAsync(TimeSpan.FromMinutes(1), default))! with { Subject = Sid.Value };

    /// <summary>By another node, when the lease of the first is over.</summary>
    private Task<WorkItem> AgainAsync()
    {
        _queue.Expire();
        return ClaimAsync();
    }
}
