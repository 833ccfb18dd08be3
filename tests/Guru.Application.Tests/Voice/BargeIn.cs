using Guru.Application.Voice;
using Guru.Domain.Calls;
using Shouldly;

namespace Guru.Application.Tests.Voice;

public sealed class BargeIn
{
    [Fact]
    public void Truncates_the_turn_at_what_the_caller_had_heard()
    {
        var call = PhoneCall.Greeted();
        var response = call.Model.Begins();
        call.Model.Says(response, "answer", 4000, "one two three four five six seven eight");
        call.Passes(1340);
        call.Caller.Begins("caller_1");

        call.Truncated.ShouldHaveSingleItem().ShouldBe(new TruncateItem("answer", 0, 1340));
        call.Carrier.Clears.ShouldBe(1);
    }

    [Fact]
    public void Clears_the_line_before_it_tells_the_model()
    {
        var call = PhoneCall.Greeted();
        call.Model.Says(call.Model.Begins(), "answer", 4000, "words");
        call.Passes(500);
        call.Caller.Begins("caller_1");

        var decisions = call.Decisions.ToList();
        decisions.FindIndex(decision => decision is ClearLine).ShouldBeLessThan(decisions.FindIndex(decision => decision is TellModel { Command: TruncateItem }));
    }

    [Fact]
    public void Works_on_an_answer_that_was_fully_generated_long_before()
    {
        var call = PhoneCall.Greeted();
        call.Model.Speaks("answer", 8000, "a long answer that was generated at once");
        call.Passes(3000);
        call.Caller.Begins("caller_1");

        call.Truncated.ShouldHaveSingleItem().AudioEndMs.ShouldBe(3000);
        var answer = call.Utterance("answer");
        answer.Interrupted.ShouldBeTrue();
        answer.SaidMs.ShouldBe(8000);
        answer.HeardMs.ShouldBe(3000);
        answer.Said.ShouldBe("a long answer that was generated at once");
        answer.Heard.ShouldBe("a long answer");
    }

    [Fact]
    public void Works_when_the_carrier_returns_no_mark_at_all()
    {
        var call = PhoneCall.Greeted();
        call.Carrier.LosesMarks = true;
        call.Model.Speaks("answer", 8000, "words");
        call.Passes(3000);
        call.Caller.Begins("caller_1");

        call.Truncated.ShouldHaveSingleItem().AudioEndMs.ShouldBe(3000);
    }

    [Fact]
    public void Truncates_what_would_have_followed_at_zero()
    {
        var call = PhoneCall.Greeted();
        var response = call.Model.Begins();
        call.Model.Says(response, "first", 2000, "the first part");
        call.Model.EndsItem(response, "first", "the first part");
        call.Model.Says(response, "second", 3000, "the second part");
        call.Passes(700);
        call.Caller.Begins("caller_1");

        call.Truncated.ShouldBe([new TruncateItem("first", 0, 700), new TruncateItem("second", 0, 0)]);
        call.Model.Finishes(response, "cancelled");
        call.Utterance("second").Heard.ShouldBe("");
        call.Utterance("second").Interrupted.ShouldBeTrue();
    }

    [Fact]
    public void Leaves_alone_what_was_heard_to_the_end()
    {
        var call = PhoneCall.Greeted();
        call.Caller.Begins("caller_1");

        call.Truncated.ShouldBeEmpty();
        call.Carrier.Clears.ShouldBe(0);
        call.Utterance("greeting").Interrupted.ShouldBeFalse();
        call.Utterance("greeting").Heard.ShouldBe("Hello, this is Guru.");
    }

    [Fact]
    public void Drops_late_audio_of_the_cut_answer()
    {
        var call = PhoneCall.Greeted();
        var response = call.Model.Begins();
        call.Model.Says(response, "answer", 1000, "words");
        call.Passes(400);
        call.Caller.Begins("caller_1");

        call.Audio("answer", response, 800).Play.ShouldBeFalse();
        call.Audio("another_item", response, 800).Play.ShouldBeFalse();
        call.Model.Finishes(response, "cancelled");
        call.Audio("answer", response, 800).Play.ShouldBeFalse();

        call.Truncated.ShouldBe([new TruncateItem("answer", 0, 400), new TruncateItem("another_item", 0, 0)]);
        call.Carrier.IsSilent(call.NowMs).ShouldBeTrue();
    }

    [Fact]
    public void Cuts_an_answer_that_has_begun_but_not_sounded_yet()
    {
        var call = PhoneCall.Greeted();
        var response = call.Model.Begins();
        call.Caller.Begins("caller_1");

        call.Audio("answer", response, 800).Play.ShouldBeFalse();
        call.Carrier.Clears.ShouldBe(0);
    }

    [Fact]
    public void Records_a_cut_item_once_although_more_of_it_came_after_its_response_was_over()
    {
        var call = PhoneCall.Greeted();
        var response = call.Model.Begins();
        call.Model.Says(response, "answer", 1000, "words that were cut");
        call.Passes(400);
        call.Caller.Begins("caller_1");
        call.Model.Finishes(response, "cancelled");
        call.Audio("answer", response, 800);
        call.Happens(new AgentTranscriptDelta(response, "answer", " and more"));
        call.Model.EndsItem(response, "answer", "words that were cut and more");
        call.Caller.HangsUp();

        call.Utterance("answer").HeardMs.ShouldBe(400);
        call.Truncated.Count.ShouldBe(1);
    }

    [Fact]
    public void Does_not_believe_the_marks_that_the_clear_sent_back()
    {
        var call = PhoneCall.Greeted();
        var response = call.Model.Begins();
        call.Model.Says(response, "answer", 4000, "one two three four");
        call.Passes(1000);
        call.Caller.Begins("caller_1");
        call.Passes(100);
        call.Model.Finishes(response, "cancelled");

        call.Utterance("answer").HeardMs.ShouldBe(1000);
    }

    [Fact]
    public void Does_not_take_a_stale_mark_for_one_of_the_next_answer()
    {
        var call = PhoneCall.Greeted();
        call.Carrier.LatencyMs = 200;
        var response = call.Model.Begins();
        call.Model.Says(response, "answer", 4000, "one two three four");
        call.Passes(1000);
        call.Caller.Begins("caller_1");
        call.Model.Finishes(response, "cancelled");
        call.Caller.Stops("caller_1");
        var next = call.Model.Begins();
        call.Model.Says(next, "next", 4000, "five six seven eight"); // The marks of the clear return while this is played.
        call.Passes(500);
        call.Caller.Begins("caller_2");

        call.Truncated[^1].ItemId.ShouldBe("next");
        call.Truncated[^1].AudioEndMs.ShouldBeLessThanOrEqualTo(500);
    }

    [Fact]
    public void Truncates_at_whole_milliseconds_and_never_beyond_what_was_sent()
    {
        var call = PhoneCall.Greeted();
        var response = call.Model.Begins();
        call.Audio("answer", response, 803);
        call.Passes(5000); // The model is slow: the queue has run dry long ago.
        call.Caller.Begins("caller_1");

        call.Truncated.ShouldHaveSingleItem().ShouldBe(new TruncateItem("answer", 0, 100));
    }

    [Fact]
    public void Counts_from_the_new_audio_when_the_queue_had_run_dry()
    {
        var call = PhoneCall.Greeted();
        var response = call.Model.Begins();
        call.Audio("answer", response, 800);
        call.Passes(2000);
        call.Audio("answer", response, 8000);
        call.Passes(300);
        call.Caller.Begins("caller_1");

        call.Truncated.ShouldHaveSingleItem().AudioEndMs.ShouldBe(400);
    }

    [Fact]
    public void Tells_a_new_model_session_nothing_about_an_item_of_the_old_one()
    {
        var call = PhoneCall.Greeted();
        var response = call.Model.Begins();
        call.Model.Says(response, "answer", 8000, "one two three four");
        call.Passes(1000);
        call.Model.Closes();
        call.Model.IsReady();
        call.Passes(500);
        call.Caller.Begins("caller_1");

        call.Truncated.ShouldBeEmpty();
        call.Carrier.Clears.ShouldBe(1);
        call.Utterance("answer").HeardMs.ShouldBe(1500);
        call.Utterance("answer").Interrupted.ShouldBeTrue();
    }

    [Fact]
    public void Leaves_cancelling_to_the_model()
    {
        var call = PhoneCall.Greeted();
        call.Model.Says(call.Model.Begins(), "answer", 4000, "words");
        call.Passes(500);
        call.Caller.Begins("caller_1");

        call.Told.OfType<CancelResponse>().ShouldBeEmpty();
    }

    [Fact]
    public void Knows_what_the_ear_got_although_receipts_are_on_their_way_for_a_while()
    {
        var call = PhoneCall.Greeted();
        call.Carrier.LatencyMs = 50;
        call.Model.Speaks("answer", 8000, "words");
        call.Passes(3120);
        var really = call.Carrier.ReallyHeardMs("answer", call.NowMs);
        call.Caller.Begins("caller_1");

        Math.Abs(call.Truncated.ShouldHaveSingleItem().AudioEndMs - really).ShouldBeLessThanOrEqualTo(60);
    }

    [Fact]
    public void Places_the_caller_after_what_was_talked_over()
    {
        var call = PhoneCall.Greeted();
        call.Model.Speaks("answer", 2000, "one two three four");
        call.Passes(100); // Less than the voice detection's prefix padding.
        call.Caller.Speaks("caller_1", 500, "wait");

        call.Utterance("caller_1").StartMs.ShouldBeGreaterThan(call.Utterance("answer").StartMs);
        call.Utterance("caller_1").Speaker.ShouldBe(Speaker.Caller);
    }

    [Fact]
    public void Places_the_caller_after_a_word_that_was_just_over()
    {
        var call = PhoneCall.Greeted();
        call.Model.Speaks("answer", 100, "Yes.");
        call.Passes(120); // Heard, and less than the prefix padding ago.
        call.Caller.Speaks("caller_1", 500, "good");

        call.Utterance("caller_1").StartMs.ShouldBeGreaterThan(call.Utterance("answer").StartMs);
    }
}
