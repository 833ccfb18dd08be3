using Guru.Application.Voice;
using Guru.Domain.Calls;
using Shouldly;

namespace Guru.Application.Tests.Voice;

public sealed class Responses
{
    [Fact]
    public void Are_asked_for_one_at_a_time()
    {
        var call = PhoneCall.Greeted();
        var response = call.Model.Begins("its_own");
        call.Model.Uses(response, "look_up");
        call.Asked.ShouldBe(["greeting"]);

        call.Model.Finishes(response);
        call.Asked.ShouldBe(["greeting", "tool"]);
    }

    [Fact]
    public void Are_asked_for_once_after_several_tools()
    {
        var call = PhoneCall.Greeted();
        var response = call.Model.Begins("its_own");
        call.Model.Uses(response, "look_up", "call_1");
        call.Model.Uses(response, "look_up", "call_2");
        call.Model.Finishes(response);

        call.Told.OfType<AnswerTool>().Select(answer => answer.ToolCallId).ShouldBe(["call_1", "call_2"]);
        call.Asked.ShouldBe(["greeting", "tool"]);
    }

    [Fact]
    public void Wait_while_the_caller_speaks_but_the_tool_is_answered_at_once()
    {
        var call = PhoneCall.Greeted();
        var response = call.Model.Begins("its_own");
        call.Caller.Begins("caller_1");
        call.Model.Uses(response, "look_up");
        call.Model.Finishes(response, "cancelled");
        call.Passes(3000);

        call.Told.OfType<AnswerTool>().Count().ShouldBe(1);
        call.Asked.ShouldBe(["greeting"]);
    }

    [Fact]
    public void Of_the_models_own_serve_for_a_wish()
    {
        var call = PhoneCall.Greeted();
        var response = call.Model.Begins("its_own");
        call.Caller.Begins("caller_1");
        call.Model.Uses(response, "look_up");
        call.Model.Finishes(response, "cancelled");
        call.Passes(1000);
        call.Caller.Stops("caller_1");
        call.Model.Speaks("answer", 500, "It is done.");
        call.Passes(2000);

        call.Asked.ShouldBe(["greeting"]);
    }

    [Fact]
    public void That_were_refused_for_another_are_asked_for_again_after_it()
    {
        var call = PhoneCall.Greeted(rules => rules.SilenceSeconds = 2);
        call.PassesUntil(() => call.Asked.Count == 2);
        call.Model.Refuses("conversation_already_has_active_response");
        call.Passes(1000);

        call.Asked.ShouldBe(["greeting", "reprompt", "reprompt"]);
    }

    [Fact]
    public void That_were_never_confirmed_are_asked_for_again()
    {
        var call = PhoneCall.Answered();
        call.Passes(6000);
        call.Asked.ShouldBe(["greeting", "greeting"]);
    }

    [Fact]
    public void Are_missed_when_the_model_says_nothing_after_a_turn()
    {
        var call = PhoneCall.Greeted(rules => rules.AnswerSeconds = 4);
        call.Caller.Speaks("caller_1", 1000, "Are you there?");
        var ended = call.NowMs;
        call.PassesUntil(() => call.Asked.Count == 2);

        call.Asked[^1].ShouldBe("answer");
        (call.NowMs - ended).ShouldBeInRange(4000, 4010);
    }

    [Fact]
    public void Are_not_asked_for_when_the_model_answers_in_time()
    {
        var call = PhoneCall.Greeted();
        call.Caller.Speaks("caller_1", 1000, "Are you there?");
        call.Passes(7000);
        call.Model.Speaks("answer", 1000, "Yes.");
        call.Passes(5000);

        call.Asked.ShouldBe(["greeting"]);
    }

    [Fact]
    public void That_hit_a_rate_limit_are_asked_for_later()
    {
        var call = PhoneCall.Greeted();
        call.Caller.Speaks("caller_1", 1000, "Are you there?");
        call.Model.Fails("rate_limit_exceeded");
        call.Asked.Count.ShouldBe(1);
        call.Passes(1000);
        call.Asked.Count.ShouldBe(2);
    }

    [Fact]
    public void That_hit_a_rate_limit_are_asked_for_when_it_is_said_to_be_over()
    {
        var call = Asked();
        foreach (var told in (double[])[6.2, 4, 0.02])
        {
            var failed = call.NowMs;
            var asked = call.Asked.Count;
            call.Model.Fails("rate_limit_exceeded", TimeSpan.FromSeconds(told));
            call.PassesUntil(() => call.Asked.Count > asked);
            (call.NowMs - failed).ShouldBeInRange(told * 1000, Math.Max(told, 2) * 1000 + 10, "It is no less than the pause that grows.");
        }

        call.Model.Speaks("answer", 500, "Here I am.");
        call.Passes(10_000);
        call.Model.Fails("rate_limit_exceeded", TimeSpan.FromSeconds(14)); // Another one.
        call.Ended.ShouldBeEmpty();
    }

    [Fact]
    public void That_hit_a_rate_limit_are_waited_for_anew_when_the_caller_has_spoken_meanwhile()
    {
        var call = Asked();
        call.Model.Fails("rate_limit_exceeded", TimeSpan.FromSeconds(2));
        call.Caller.Begins("caller_2");
        call.Passes(16_000);
        call.Caller.Stops("caller_2");
        call.Model.Fails("rate_limit_exceeded", TimeSpan.FromSeconds(1));

        call.Passes(1000);
        call.Ended.ShouldBeEmpty();
    }

    [Fact]
    public void That_hit_a_rate_limit_are_not_asked_for_where_the_model_has_answered_meanwhile()
    {
        var call = Asked();
        call.Model.Fails("rate_limit_exceeded", TimeSpan.FromSeconds(10));
        call.Passes(2000);
        call.Model.Speaks("answer", 500, "Here I am.");
        call.Passes(12_000);

        call.Asked.ShouldBe(["greeting"]);
    }

    [Fact]
    public void That_hit_a_rate_limit_again_and_again_are_given_up_when_a_lost_model_is()
    {
        var call = Asked();
        var since = call.NowMs;
        while (call.Ended.Count == 0)
        {
            var asked = call.Asked.Count;
            call.Model.Fails("rate_limit_exceeded");
            call.PassesUntil(() => call.Asked.Count > asked || call.Ended.Count > 0);
        }

        call.Ended.ShouldBe([CallEndReason.ModelUnavailable]);
        (call.NowMs - since).ShouldBeInRange(12_000, 15_000);
        call.Asked.Count.ShouldBe(7);
    }

    [Fact]
    public void That_hit_a_rate_limit_which_lasts_are_not_waited_for_in_silence()
    {
        var call = Asked();
        call.Model.Fails("rate_limit_exceeded", TimeSpan.FromSeconds(50));

        call.Ended.ShouldBe([CallEndReason.ModelUnavailable]);
    }

    [Fact]
    public void That_fail_are_asked_for_once_more_then_of_a_new_session_then_no_more()
    {
        var call = PhoneCall.Greeted();
        call.Caller.Speaks("caller_1", 1000, "Are you there?");
        call.Model.Fails("server_error");
        call.Asked.Count.ShouldBe(2);
        call.Model.Fails("server_error");
        call.Dialed.ShouldBe(["error"]);

        call.Model.IsReady();
        call.Asked[^1].ShouldBe("continue");
        call.Reconnects.ShouldHaveSingleItem().Reason.ShouldBe("error");

        call.Model.Fails("server_error");
        call.Model.IsReady();
        call.Model.Fails("server_error");
        call.Ended.ShouldBe([CallEndReason.ModelUnavailable]);
    }

    [Fact]
    public void That_fail_for_good_end_the_call_at_once()
    {
        var call = PhoneCall.Greeted();
        call.Model.Fails("a_limit_of_next_year", lasting: true);
        call.Ended.ShouldBe([CallEndReason.ModelUnavailable]);

        call = PhoneCall.Greeted();
        call.Model.Refuses("a_limit_of_next_year", lasting: true);
        call.Ended.ShouldBe([CallEndReason.ModelUnavailable]);
    }

    [Theory]
    [InlineData("incomplete")]
    [InlineData("completed")]
    public void In_which_nothing_was_said_are_asked_for_again_at_once(string status)
    {
        var call = Asked();
        call.Model.Finishes(call.Model.Begins(), status);
        call.Asked.ShouldBe(["greeting", "answer"]);

        call.Model.Speaks("answer", 500, "Here I am.");
        call.PassesUntil(() => call.Asked[^1] == "reprompt");
        call.Asked.ShouldBe(["greeting", "answer", "reprompt"]);
    }

    [Fact]
    public void That_are_cut_off_before_their_first_word_again_leave_the_caller_with_a_word_and_the_call_goes_on()
    {
        var call = Asked();
        Times(3, () => call.Model.Finishes(call.Model.Begins(), "incomplete"));
        call.Asked.ShouldBe(["greeting", "answer", "noAnswer"]);
        call.Told.OfType<CreateResponse>().Last().Instructions!.ShouldContain("ask them to say it in other words");
        call.PassesUntil(() => call.Asked[^1] == "reprompt");
        call.Model.Speaks("still_there", 500, "Are you still there?");
        call.Passes(1000);

        call.Caller.Speaks("caller_2", 1000, "What about my bill?");
        call.Model.Finishes(call.Model.Begins(), "incomplete");
        call.Asked[^1].ShouldBe("answer", "It is another question.");
        (call.Ended.Count, call.Dialed.Count).ShouldBe((0, 0));
    }

    [Fact]
    public void That_are_cut_off_before_their_first_word_again_are_asked_for_as_they_were_where_the_caller_has_asked_nothing()
    {
        var call = PhoneCall.Answered();
        Times(3, () => call.Model.Finishes(call.Model.Begins(), "incomplete"));
        call.Passes(5000);

        call.Asked.ShouldBe(["greeting", "greeting", "greeting"]);
        call.Told.OfType<CreateResponse>().ShouldAllBe(asked => asked.Instructions == PhoneCall.Greeting);
    }

    [Fact]
    public void That_are_empty_once_more_are_taken_for_meant()
    {
        var call = Asked();
        Times(2, () => call.Model.Finishes(call.Model.Begins()));
        call.Passes(10_000);
        call.Asked.ShouldBe(["greeting", "answer"]);

        call.PassesUntil(() => call.Asked.Count > 2);
        call.Asked[^1].ShouldBe("reprompt");
        call.Ended.ShouldBeEmpty();
    }

    [Fact]
    public void In_which_nothing_was_said_are_not_asked_for_again_where_the_caller_speaks_or_a_tool_was_used()
    {
        var call = Asked();
        call.Model.Begins("cut");
        call.Caller.Begins("caller_2");
        call.Model.Finishes("cut", "incomplete");
        call.Passes(800);
        call.Caller.Stops("caller_2");
        call.Model.Uses(call.Model.Begins("used"), "look_up");
        call.Model.Finishes("used");

        call.Asked.ShouldBe(["greeting", "tool"]);
    }

    [Fact]
    public void Are_forgiven_their_failures_once_one_was_completed()
    {
        var call = PhoneCall.Greeted();
        for (var turn = 1; turn <= 5; turn++)
        {
            call.Model.Fails("server_error");
            call.Model.Speaks($"answer_{turn}", 500, "Here I am.");
            call.Passes(1000);
        }

        call.Ended.ShouldBeEmpty();
        call.Dialed.ShouldBeEmpty();
    }

    [Fact]
    public void Of_a_session_that_was_replaced_do_not_block_the_new_one()
    {
        var call = PhoneCall.Greeted();
        call.Model.Fails("server_error");
        call.Model.Fails("server_error");
        var stuck = call.Model.Begins("stuck");
        call.Model.Closes();
        call.Model.IsReady();

        call.Asked[^1].ShouldBe("continue");
        call.Model.Finishes(stuck); // Of a session long gone.
        call.Model.Speaks("answer", 500, "Here I am.");
        call.Passes(1000);
        call.Utterance("answer").Heard.ShouldBe("Here I am.");
    }

    [Fact]
    public void Are_still_asked_for_when_a_new_session_cannot_be_had_after_failures()
    {
        var call = PhoneCall.Greeted();
        call.Caller.Speaks("caller_1", 1000, "Are you there?");
        call.Model.Fails("server_error");
        call.Model.Fails("server_error");
        var asked = call.Asked.Count;
        call.Model.CannotBeReached();
        call.Passes(5000);

        (call.Asked.Count > asked || call.Dialed.Count > 1).ShouldBeTrue("The caller waits, and nothing is done.");
    }

    [Fact]
    public void Are_let_finish_before_a_new_session_takes_over_from_a_failing_one()
    {
        var call = PhoneCall.Greeted();
        call.Caller.Speaks("caller_1", 1000, "Are you there?");
        call.Model.Fails("server_error");
        call.Model.Fails("server_error");
        var recovered = call.Model.Begins("its_own");
        call.Model.Says(recovered, "answer", 2000, "Here I am again.");
        call.Model.IsReady();
        call.Count<UseModel>().ShouldBe(1);

        call.Model.EndsItem(recovered, "answer", "Here I am again.");
        call.Model.Finishes(recovered);
        call.Passes(5000);
        call.Asked.ShouldNotContain("continue"); // It has recovered: nothing is open.
        call.Utterance("answer").Heard.ShouldBe("Here I am again.");
    }

    [Fact]
    public void That_are_told_what_to_say_are_told_who_says_it_and_how_since_that_takes_the_place_of_what_the_session_was_told()
    {
        var call = PhoneCall.Greeted();
        call.Model.Says(call.Model.Begins(), "answer", 2000, "First you ask for");
        call.Model.Closes();
        call.Model.IsReady();
        call.Model.Speaks("rest", 500, "an itemized bill.");
        call.PassesUntil(() => call.Asked[^1] == "reprompt");
        call.Model.Speaks("still_there", 500, "Are you still there?");
        call.PassesUntil(() => call.Asked[^1] == "goodbye");

        call.Asked.ShouldBe(["greeting", "continue", "reprompt", "goodbye"]);
        call.Told.OfType<CreateResponse>().ShouldAllBe(asked => asked.Instructions!.StartsWith("house\n\nspoken\n\nYou are the general advisor.", StringComparison.Ordinal));
    }

    /// <summary>A call whose caller waits for an answer.</summary>
    private static PhoneCall Asked()
    {
        var call = PhoneCall.Greeted();
        call.Caller.Speaks("caller_1", 1000, "Are you there?");
        return call;
    }

    private static void Times(int times, Action action)
    {
        for (var time = 0; time < times; time++)
        {
            action();
        }
    }

    [Fact]
    public void Are_counted_in_tokens_each_once()
    {
        var call = PhoneCall.Greeted();
        var usage = new ModelUsage(10, 20, 5, 6, 30, 40);
        call.Happens(new ResponseDone("resp_9", Purpose: null, "completed", Reason: null, ErrorCode: null, usage));

        call.Facts.OfType<RecordUsage>().ShouldHaveSingleItem().Usage.ShouldBe(new UsageRecorded(
            "sess_1:resp_9", "response", "voice-model", "general", new TokenUsage(10, 20, 5, 6, 30, 40), Seconds: null, PhoneCall.Zero + call.Now));
    }
}
