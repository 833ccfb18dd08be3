using Guru.Application.Conversations;
using Guru.Domain.Conversations;
using Shouldly;

namespace Guru.Application.Tests.Conversations;

/// <summary>A reply is sent once, wherever the sending breaks off.</summary>
public sealed class SendingOnce
{
    private static readonly MessengerException Silence = new(code: null, transient: true, unknown: true);
    private readonly Desk _desk = new();

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task When_the_answer_to_the_sending_was_lost_the_list_tells_whether_to_send_again(bool executed)
    {
        await _desk.ReceivesAsync("Hello");
        _desk.Carrier.Sending[1] = sends => Lost(sends, executed);
        await Should.ThrowAsync<MessengerException>(() => _desk.WorksAsync());
        _desk.Queue.Expire();

        await _desk.WorksAsync();

        _desk.SentTexts.ShouldBe(["You said: Hello"]);
        _desk.Carrier.Tries.ShouldBe(executed ? 1 : 2);
        _desk.Store.Of<MessageReplied>().ShouldHaveSingleItem().ReplySids.ShouldBe([_desk.Carrier.Sent[0].MessageSid]);
        _desk.Model.Replies.ShouldHaveSingleItem();
    }

    [Fact]
    public async Task A_node_that_is_stopped_while_it_sends_leaves_it_to_the_list_too()
    {
        await _desk.ReceivesAsync("Hello");
        using var stopping = new CancellationTokenSource();
        _desk.Carrier.Sending[1] = async sends =>
        {
            sends();
            await stopping.CancelAsync();
            stopping.Token.ThrowIfCancellationRequested();
        };
        await Should.ThrowAsync<OperationCanceledException>(() => _desk.WorksAsync(stopping.Token));
        _desk.Queue.Expire();

        await _desk.WorksAsync();

        _desk.Carrier.Tries.ShouldBe(1);
        _desk.Store.Of<MessageReplied>().ShouldHaveSingleItem().ReplySids.ShouldBe(["SMout1"]);
    }

    [Fact]
    public async Task Where_nobody_knows_the_next_look_waits_until_the_list_can_tell()
    {
        var desk = new Desk { ListDelaySeconds = 5 };
        await desk.ReceivesAsync("Hello");
        desk.Carrier.Sending[1] = sends => Lost(sends, executed: true);

        var error = await Should.ThrowAsync<MessengerException>(() => desk.WorksAsync());

        error.RetryAfter.ShouldBe(TimeSpan.FromSeconds(5));
        error.Unsent!.Parts.ShouldHaveSingleItem().MessageSid.ShouldBeNull();
        desk.Queue.Expire();
        var work = desk.WorksAsync();
        work.IsCompleted.ShouldBeFalse();
        await desk.Time.PassUntilAsync(() => work.IsCompleted);
        desk.Carrier.Tries.ShouldBe(1);
        desk.State.Open.ShouldBeEmpty();
    }

    [Fact]
    public async Task The_same_words_sent_as_another_reply_a_moment_before_are_not_taken_for_it()
    {
        _desk.Model.Writes = _ => Task.FromResult("You are welcome.");
        await _desk.ReceivesAsync("Thanks");
        await _desk.WorksAsync();
        await _desk.ReceivesAsync("Thanks again");
        _desk.Carrier.Sending[2] = sends => Lost(sends, executed: false);
        await Should.ThrowAsync<MessengerException>(() => _desk.WorksAsync());
        _desk.Queue.Expire();

        await _desk.WorksAsync();

        _desk.SentTexts.ShouldBe(["You are welcome.", "You are welcome."]);
        _desk.Store.Of<MessageReplied>().Select(reply => reply.ReplySids.Single()).ShouldBe(["SMout1", "SMout3"]);
    }

    [Fact]
    public async Task A_message_that_comes_after_a_node_died_is_answered_after_what_that_node_had_begun()
    {
        await _desk.ReceivesAsync("One");
        _desk.Carrier.Sending[1] = sends => Lost(sends, executed: true);
        await Should.ThrowAsync<MessengerException>(() => _desk.WorksAsync());
        await _desk.ReceivesAsync("Two");
        _desk.Queue.Expire();

        await _desk.WorksAsync();

        _desk.SentTexts.ShouldBe(["You said: One", "You said: Two"]);
        _desk.Store.Of<MessageReplied>().Select(reply => reply.Answers.Single()).ShouldBe(["SM1", "SM2"]);
        (_desk.State.Open.IsEmpty, _desk.Queue.IsEmpty).ShouldBe((true, true));
    }

    [Fact]
    public async Task A_reply_that_is_on_record_late_has_the_time_at_which_it_was_sent()
    {
        await _desk.ReceivesAsync("One");
        var sentAt = _desk.Time.GetUtcNow();
        _desk.Carrier.Sending[1] = sends => Lost(sends, executed: true);
        await Should.ThrowAsync<MessengerException>(() => _desk.WorksAsync());
        _desk.Time.Jump(TimeSpan.FromMinutes(1));
        _desk.Queue.Expire();

        await _desk.WorksAsync();

        _desk.Store.Of<MessageReplied>().ShouldHaveSingleItem().At.ShouldBe(sentAt);
    }

    [Fact]
    public async Task A_long_reply_that_broke_off_goes_on_where_it_was()
    {
        _desk.Model.Writes = _ => Task.FromResult(string.Join(' ', Enumerable.Range(0, 500).Select(number => $"This is sentence {number}.")));
        await _desk.ReceivesAsync("Tell me all");
        _desk.Carrier.Sending[3] = sends => Lost(sends, executed: true);
        await Should.ThrowAsync<MessengerException>(() => _desk.WorksAsync());
        _desk.Queue.Expire();

        await _desk.WorksAsync();

        _desk.SentTexts.Count().ShouldBeGreaterThan(5);
        _desk.SentTexts.ShouldBeUnique();
        _desk.Carrier.Tries.ShouldBe(_desk.Carrier.Sent.Count);
        _desk.Store.Of<MessageReplied>().ShouldHaveSingleItem().ReplySids.ShouldBe(_desk.Carrier.Sent.Select(message => message.MessageSid));
    }

    [Fact]
    public async Task A_long_reply_of_which_the_carrier_refuses_a_part_is_on_record_as_far_as_it_came()
    {
        _desk.Model.Writes = _ => Task.FromResult(new string('a', 1600) + " " + new string('b', 1600));
        await _desk.ReceivesAsync("Tell me all");
        _desk.Carrier.Sending[2] = _ => throw new MessengerException(63024, transient: false);
        var error = await Should.ThrowAsync<MessengerException>(() => _desk.WorksAsync());
        _desk.Queue.Expire();

        await _desk.GivesUpAsync(error);

        var failed = _desk.Store.Of<MessageReplyFailed>().ShouldHaveSingleItem();
        (failed.Reason, failed.Text).ShouldBe(("messenger 63024", new string('a', 1600)));
        failed.ReplySids.ShouldBe(["SMout1"]);
    }

    [Fact]
    public async Task A_reply_that_was_sent_after_all_is_one_even_when_the_work_is_given_up()
    {
        await _desk.ReceivesAsync("Hello");
        _desk.Carrier.Sending[1] = sends => Lost(sends, executed: true);
        var error = await Should.ThrowAsync<MessengerException>(() => _desk.WorksAsync());
        _desk.Queue.Expire();
        (await Should.ThrowAsync<MessengerException>(() => _desk.GivesUpAsync(error))).Transient.ShouldBeTrue();
        _desk.Queue.Expire();

        await _desk.GivesUpAsync(new Application.Work.DefectException("attempts used up"));

        _desk.Store.Of<MessageReplyFailed>().ShouldBeEmpty();
        _desk.Store.Of<MessageReplied>().ShouldHaveSingleItem().ReplySids.ShouldBe(["SMout1"]);
    }

    [Fact]
    public async Task What_may_have_been_sent_and_was_erased_since_is_not_written_again_and_what_came_later_is_answered()
    {
        await _desk.ReceivesAsync("One");
        _desk.Carrier.Sending[1] = sends => Lost(sends, executed: true);
        await Should.ThrowAsync<MessengerException>(() => _desk.WorksAsync());
        _desk.Queue.Erase();
        _desk.Time.Jump(TimeSpan.FromMinutes(5));
        await _desk.ReceivesAsync("Two");
        _desk.Queue.Expire();

        await _desk.WorksAsync();

        _desk.SentTexts.ShouldBe(["You said: One", "You said: Two"]);
        var failed = _desk.Store.Of<MessageReplyFailed>().ShouldHaveSingleItem();
        (failed.Answers.Single(), failed.Reason).ShouldBe(("SM1", "erased"));
        _desk.Store.Of<MessageReplied>().ShouldHaveSingleItem().Answers.ShouldBe(["SM2"]);
    }

    [Fact]
    public async Task A_node_that_has_lost_the_item_sends_nothing_more()
    {
        await _desk.ReceivesAsync("Hello");
        _desk.Model.Writes = request =>
        {
            _desk.Queue.IsTaken = true;
            return Task.FromResult("Too late");
        };

        await Should.ThrowAsync<Application.Work.LeaseLostException>(() => _desk.WorksAsync());

        _desk.Carrier.Tries.ShouldBe(0);
    }

    private static Task Lost(Action sends, bool executed)
    {
        if (executed)
        {
            sends();
        }

        return Task.FromException(Silence);
    }
}
