using Guru.Application.Conversations;
using Guru.Domain.Calls;
using Guru.Domain.Conversations;
using Shouldly;

namespace Guru.Application.Tests.Conversations;

public sealed class AnsweringMessages
{
    private static readonly TextModelException NoQuota = new("insufficient_quota", transient: false);
    private readonly Desk _desk = new();

    [Fact]
    public async Task A_message_is_routed_answered_and_put_on_record()
    {
        var sid = await _desk.ReceivesAsync("I have a bill");

        await _desk.WorksAsync();

        _desk.SentTexts.ShouldBe(["You said: I have a bill"]);
        var reply = _desk.Store.Of<MessageReplied>().ShouldHaveSingleItem();
        (reply.Answers[0], reply.ReplySids[0], reply.Agent, reply.Text).ShouldBe((sid, "SMout1", "healthcare", "You said: I have a bill"));
        _desk.Store.Of<AgentSelected>().ShouldHaveSingleItem().Alternatives.ShouldBe(["legal", "general"]);
        _desk.State.Open.ShouldBeEmpty();
    }

    [Fact]
    public async Task Several_messages_are_one_question_and_get_one_reply()
    {
        await _desk.ReceivesAsync("Hello");
        await _desk.ReceivesAsync("I have a bill");

        await _desk.WorksAsync();

        _desk.SentTexts.ShouldBe(["You said: Hello | I have a bill"]);
        _desk.Model.Asked.Count.ShouldBe(2);
    }

    [Fact]
    public async Task A_voice_note_that_comes_in_while_an_answer_is_written_is_answered_next_and_by_its_words()
    {
        await _desk.ReceivesAsync("Hello");
        _desk.Model.Routes = async () =>
        {
            if (_desk.Store.Of<MessageReceived>().Count == 1)
            {
                await _desk.ReceivesAsync("", MessageKind.VoiceNote, "https://api.twilio.com/note");
            }

            return ("healthcare", 0.9);
        };

        await _desk.WorksAsync();

        _desk.SentTexts.ShouldBe(["You said: Hello", "You said: Hola"]);
        _desk.Store.Of<MessageReplied>().Select(reply => reply.Answers.Single()).ShouldBe(["SM1", "SM2"]);
    }

    [Fact]
    public async Task A_voice_note_without_an_address_is_answered_as_not_understood()
    {
        await _desk.ReceivesAsync("", MessageKind.VoiceNote);

        await _desk.WorksAsync();

        _desk.Store.Of<VoiceNoteTranscribed>().ShouldHaveSingleItem().Understood.ShouldBeFalse();
        _desk.SentTexts.ShouldBe(["You said: [a voice note that could not be understood]"]);
        _desk.Carrier.Downloads.ShouldBeEmpty();
    }

    [Theory]
    [InlineData(MessageKind.Image, "my letter", "[a picture, which you cannot see] my letter")]
    [InlineData(MessageKind.Document, "", "[a document, which you cannot open]")]
    [InlineData(MessageKind.Location, "Clinic (1, 2)", "[a location] Clinic (1, 2)")]
    [InlineData(MessageKind.Button, "Yes", "Yes")]
    [InlineData(MessageKind.Other, "", "[something that is not text]")]
    [InlineData(MessageKind.Text, " ", "[an empty message]")]
    public async Task Whatever_somebody_sends_is_answered_for_what_it_is(MessageKind kind, string text, string read)
    {
        await _desk.ReceivesAsync(text, kind);

        await _desk.WorksAsync();

        _desk.SentTexts.ShouldBe([$"You said: {read}"]);
    }

    [Fact]
    public async Task Nobody_is_told_to_remember_what_never_was()
    {
        await _desk.ReceivesAsync("Hello");

        await _desk.WorksAsync();

        _desk.Model.Asked.ShouldAllBe(request => !request.Instructions.Contains("conversation so far") && !request.Instructions.Contains("earlier conversations"));
    }

    [Fact]
    public async Task The_agent_reads_what_was_said_in_a_call_before()
    {
        _desk.Known.Memory = Memory.None with
        {
            Entries = [new TimelineEntry(_desk.Time.GetUtcNow(), TimelineChannel.Call, Speaker.Agent, "Ask for an itemized bill.", "healthcare", "CA1", null, null)],
        };
        await _desk.ReceivesAsync("What was it?");

        await _desk.WorksAsync();

        _desk.Model.Asked.ShouldAllBe(request => request.Instructions.Contains("You on the phone: Ask for an itemized bill."));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task When_the_router_is_down_or_too_slow_the_present_agent_stays(bool slow)
    {
        await _desk.ReceivesAsync("My visa");
        _desk.Model.Routes = () => Task.FromResult(("legal", 0.9));
        await _desk.WorksAsync();
        _desk.Known.Memory = Memory.None with
        {
            Agent = "legal",
            Entries = [new TimelineEntry(_desk.Time.GetUtcNow(), TimelineChannel.Whatsapp, Speaker.Caller, "My visa", null, null, "SM1", null)],
        };
        _desk.Model.Routes = () => slow
            ? new TaskCompletionSource<(string, double)>().Task
            : Task.FromException<(string, double)>(new TextModelException("server_is_overloaded", transient: true));
        await _desk.ReceivesAsync("And my bill?");

        var work = _desk.WorksAsync();
        await _desk.Time.PassUntilAsync(() => work.IsCompleted);
        await work;

        var selected = _desk.Store.Of<AgentSelected>()[^1];
        (selected.Agent, selected.Confidence).ShouldBe(("legal", 0));
        _desk.Store.Of<MessageReplied>()[^1].Agent.ShouldBe("legal");
    }

    [Fact]
    public async Task An_answer_without_words_is_none_and_is_asked_for_again()
    {
        await _desk.ReceivesAsync("Hello");
        _desk.Model.Writes = _ => Task.FromResult(" \n");

        (await Should.ThrowAsync<TextModelException>(() => _desk.WorksAsync())).Transient.ShouldBeTrue();

        _desk.Store.Of<MessageReplied>().ShouldBeEmpty();
    }

    [Fact]
    public async Task Who_gets_no_answer_for_good_gets_an_apology_in_their_language_and_the_record_says_both()
    {
        var sid = await _desk.ReceivesAsync("", MessageKind.VoiceNote, "https://api.twilio.com/note");
        _desk.Model.Writes = _ => throw NoQuota;
        _desk.Model.Routes = () => throw NoQuota;
        await Should.ThrowAsync<TextModelException>(() => _desk.WorksAsync());
        _desk.Queue.Expire();

        await _desk.GivesUpAsync(NoQuota);

        _desk.SentTexts.ShouldBe(["Sorry (es)."]);
        var failed = _desk.Store.Of<MessageReplyFailed>().ShouldHaveSingleItem();
        (failed.Answers[0], failed.Reason, failed.ReplySids[0], failed.Text).ShouldBe((sid, "insufficient_quota", "SMout1", "Sorry (es)."));
        _desk.State.Open.ShouldBeEmpty();
        _desk.State.Sent.ShouldBe(["SMout1"]);
    }

    [Fact]
    public async Task An_apology_whose_answer_was_lost_is_not_sent_again()
    {
        await _desk.ReceivesAsync("Hello");
        _desk.Carrier.Sending[1] = sends =>
        {
            sends();
            throw new MessengerException(20500, transient: true, unknown: true);
        };
        (await Should.ThrowAsync<MessengerException>(() => _desk.GivesUpAsync(NoQuota))).Transient.ShouldBeTrue();
        _desk.Queue.Expire();

        await _desk.WorksAsync();

        _desk.SentTexts.ShouldBe(["Sorry (en)."]);
        var failed = _desk.Store.Of<MessageReplyFailed>().ShouldHaveSingleItem();
        (failed.Reason, failed.ReplySids[0]).ShouldBe(("insufficient_quota", "SMout1"));
        _desk.Store.Of<MessageReplied>().ShouldBeEmpty();
    }

    [Fact]
    public async Task Where_the_carrier_refuses_no_apology_is_sent_after_it()
    {
        await _desk.ReceivesAsync("Hello");

        await _desk.GivesUpAsync(new MessengerException(63024, transient: false));

        _desk.Carrier.Tries.ShouldBe(0);
        _desk.Store.Of<MessageReplyFailed>().ShouldHaveSingleItem().Reason.ShouldBe("messenger 63024");
    }

    [Fact]
    public async Task Outside_the_24_hours_nothing_is_sent()
    {
        await _desk.ReceivesAsync("Hello");
        _desk.Time.Jump(TimeSpan.FromHours(24) + TimeSpan.FromSeconds(1));

        var error = await Should.ThrowAsync<MessengerException>(() => _desk.WorksAsync());

        (error.Code, error.Transient).ShouldBe((63016, false));
        _desk.Queue.Expire();
        await _desk.GivesUpAsync(NoQuota);
        _desk.Carrier.Tries.ShouldBe(0);
        _desk.Store.Of<MessageReplyFailed>().ShouldHaveSingleItem().ReplySids.ShouldBeEmpty();
    }
}
