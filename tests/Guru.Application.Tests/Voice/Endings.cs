using Guru.Application.Voice;
using Guru.Application.VoiceSessions;
using Guru.Domain.Calls;
using Shouldly;

namespace Guru.Application.Tests.Voice;

public sealed class Endings
{
    [Fact]
    public void The_goodbye_of_an_agent_that_ends_the_call_is_heard_to_its_end()
    {
        var call = PhoneCall.Greeted();
        var response = call.Model.Begins("its_own");
        call.Model.Says(response, "goodbye", 4000, "Thank you, goodbye.");
        call.Model.EndsItem(response, "goodbye", "Thank you, goodbye.");
        call.Model.Uses(response, VoiceTools.EndCall);
        call.Model.Finishes(response);
        call.Passes(3900);
        call.Ended.ShouldBeEmpty();
        call.Passes(200);

        call.Ended.ShouldBe([CallEndReason.AgentEnded]);
        call.Count<HangUp>().ShouldBe(1);
        call.Asked.ShouldBe(["greeting"]);
        call.Utterance("goodbye").Heard.ShouldBe("Thank you, goodbye.");
        call.Utterance("goodbye").Interrupted.ShouldBeFalse();
    }

    [Fact]
    public void A_goodbye_is_said_for_an_agent_that_ends_the_call_without_a_word()
    {
        var call = PhoneCall.Greeted();
        var response = call.Model.Begins("its_own");
        call.Model.Uses(response, VoiceTools.EndCall);
        call.Model.Finishes(response);

        call.Told.OfType<AnswerTool>().ShouldHaveSingleItem().Output.ShouldContain("true");
        call.Asked[^1].ShouldBe("goodbye");
        EndsWithAGoodbye(call, CallEndReason.AgentEnded);
    }

    [Fact]
    public void A_goodbye_that_a_failing_session_does_not_say_is_said_by_the_next()
    {
        var call = PhoneCall.Greeted(rules => (rules.MaxDurationSeconds, rules.GoodbyeSeconds) = (30, 20));
        call.PassesUntil(() => call.Asked[^1] == "goodbye");
        call.PassesUntil(() => call.Dialed.Count == 1); // Asked twice, and not answered.
        call.Model.IsReady();
        call.Asked[^1].ShouldBe("goodbye");
        EndsWithAGoodbye(call, CallEndReason.MaxDuration);
    }

    [Theory]
    [InlineData("failed", "server_error")]
    [InlineData("failed", "rate_limit_exceeded")]
    [InlineData("incomplete", null)]
    [InlineData("completed", null)]
    public void A_goodbye_that_ends_before_a_word_is_asked_for_again(string status, string? code)
    {
        var call = AtTheLimit();
        call.Model.Finishes(call.Model.Begins(), status, code);
        call.PassesUntil(() => call.Asked.Count(asked => asked == "goodbye") == 2, atMostMs: 2000);
        call.Ended.ShouldBeEmpty();
        EndsWithAGoodbye(call, CallEndReason.MaxDuration);
    }

    [Fact]
    public void A_goodbye_that_begins_and_stalls_is_asked_for_again()
    {
        var call = AtTheLimit();
        call.Model.Begins();
        call.PassesUntil(() => call.Asked.Count(asked => asked == "goodbye") == 2, atMostMs: 16_000);
        call.Ended.ShouldBeEmpty();
    }

    [Fact]
    public void A_goodbye_of_which_the_model_never_says_a_word_does_not_keep_the_call()
    {
        var call = AtTheLimit();
        call.Model.Finishes(call.Model.Begins(), "incomplete");
        call.Model.Finishes(call.Model.Begins(), "incomplete");

        call.Ended.ShouldBe([CallEndReason.MaxDuration]);
    }

    [Fact]
    public void A_goodbye_that_the_caller_speaks_into_before_a_word_is_said_when_they_are_answered()
    {
        var call = AtTheLimit();
        var response = call.Model.Begins();
        call.Caller.Begins("caller_1");
        call.Model.Finishes(response, "cancelled");
        call.Passes(900);
        call.Caller.Stops("caller_1");
        call.Asked.Count(asked => asked == "goodbye").ShouldBe(1);
        call.Ended.ShouldBeEmpty();

        call.Model.Speaks("answer", 1000, "Yes, of course.");
        call.Asked.Count(asked => asked == "goodbye").ShouldBe(2);
        EndsWithAGoodbye(call, CallEndReason.MaxDuration, afterMs: 1000);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Words_of_a_goodbye_that_were_not_sent_to_the_caller_are_not_a_goodbye(bool lateAudio)
    {
        var call = AtTheLimit();
        var response = call.Model.Begins();
        call.Happens(new OutputItemAdded(response, "unheard", "message"));
        if (!lateAudio)
        {
            call.Happens(new AgentTranscriptDelta(response, "unheard", "Our"));
        }

        call.Caller.Begins("caller_1");
        if (lateAudio)
        {
            call.Audio("unheard", response, 1600).Play.ShouldBeFalse();
        }

        call.Model.EndsItem(response, "unheard", "Our");
        call.Model.Finishes(response, "cancelled");
        call.Ended.ShouldBeEmpty();
        call.Passes(900);
        call.Caller.Stops("caller_1");
        call.Model.Speaks("answer", 1000, "Yes?");
        call.Asked.Count(asked => asked == "goodbye").ShouldBe(2);
    }

    [Fact]
    public void A_goodbye_that_waits_for_a_rate_limit_is_not_forgotten_over_what_the_caller_says()
    {
        var call = AtTheLimit();
        call.Model.Fails("rate_limit_exceeded", TimeSpan.FromSeconds(3));
        call.Caller.Speaks("caller_1", 700, "Wait.");
        call.Model.Speaks("answer", 1000, "Yes?");

        call.Asked.Count(asked => asked == "goodbye").ShouldBe(2);
    }

    [Fact]
    public void A_goodbye_that_is_given_up_while_the_caller_speaks_is_asked_for_when_they_are_answered()
    {
        var call = AtTheLimit();
        call.Passes(4500);
        call.Caller.Begins("caller_1");
        call.Passes(1500); // Nothing has confirmed it for five seconds.
        call.Caller.Stops("caller_1");
        call.Happens(new ResponseCreated("own", Purpose: null));
        call.Model.Finishes("own");

        call.Asked.Count(asked => asked == "goodbye").ShouldBe(2);
    }

    [Fact]
    public void A_session_that_failed_twice_and_answers_the_caller_says_the_goodbye()
    {
        var call = AtTheLimit();
        call.Model.Fails("server_error");
        call.Model.Fails("server_error");
        call.Dialed.ShouldBe(["error"]);
        call.Caller.Speaks("caller_1", 300, "Wait.");
        call.Model.Speaks("answer", 1000, "Yes?");

        call.Asked.Count(asked => asked == "goodbye").ShouldBe(3);
    }

    [Fact]
    public void A_goodbye_after_silence_that_waits_for_a_rate_limit_does_not_take_the_place_of_an_answer()
    {
        var call = PhoneCall.Greeted(rules => (rules.SilenceSeconds, rules.Reprompts) = (5, 0));
        call.PassesUntil(() => call.Asked[^1] == "goodbye");
        call.Model.Fails("rate_limit_exceeded", TimeSpan.FromSeconds(5));
        call.Passes(1000);
        call.Caller.Speaks("caller_1", 700, "I am still here.");
        call.Passes(8500);

        call.Asked[^1].ShouldBe("answer");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_caller_who_has_said_goodbye_is_not_told_that_the_model_is_unavailable(bool lasting)
    {
        var call = PhoneCall.Greeted();
        call.Caller.Speaks("caller_1", 700, "Thank you, goodbye.");
        var response = call.Model.Begins("its_own");
        call.Model.Uses(response, VoiceTools.EndCall);
        call.Model.Finishes(response);
        call.Model.Fails(lasting ? "insufficient_quota" : "rate_limit_exceeded", lasting ? null : TimeSpan.FromSeconds(20), lasting);

        call.Ended.ShouldBe([CallEndReason.AgentEnded]);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void An_agent_that_says_goodbye_by_itself_at_the_limit_is_not_asked_for_another(bool whileTheCallerSpeaks)
    {
        var call = PhoneCall.Greeted(rules => (rules.MaxDurationSeconds, rules.SilenceSeconds) = (30, 600));
        call.Passes(whileTheCallerSpeaks ? 28_000 : 27_500);
        call.Caller.Speaks("caller_1", whileTheCallerSpeaks ? 1000 : 100, "That is all, thank you.");
        call.PassesUntil(() => call.Now >= TimeSpan.FromSeconds(30.2));
        var response = call.Model.Begins("own");
        call.Model.Says(response, "goodbye", 2000, "You are welcome, goodbye.");
        call.Model.EndsItem(response, "goodbye", "You are welcome, goodbye.");
        call.Model.Uses(response, VoiceTools.EndCall);
        call.Model.Finishes(response);
        call.Passes(2100);

        call.Asked.ShouldBe(["greeting"]);
        call.Ended.ShouldBe([CallEndReason.MaxDuration]);
        call.Utterance("goodbye").HeardMs.ShouldBe(2000);
    }

    [Fact]
    public void A_call_that_ends_before_anybody_was_greeted_ends_with_a_goodbye()
    {
        var call = PhoneCall.Answered();
        call.Model.Begins();
        call.Happens(new DrainBegan(TimeSpan.Zero));
        call.Model.Closes();
        call.Model.IsReady();

        call.Asked.ShouldBe(["greeting", "goodbye"]);
    }

    [Fact]
    public void A_goodbye_that_waited_behind_an_answer_is_said_after_what_cut_them_both()
    {
        var call = PhoneCall.Greeted(rules => (rules.MaxDurationSeconds, rules.SilenceSeconds) = (30, 600));
        call.Passes(27_000);
        call.Caller.Speaks("caller_1", 400, "What is a deductible?");
        call.Model.Speaks("answer", 15_000, "It is a long story that takes a while to tell.");
        call.PassesUntil(() => call.Asked[^1] == "goodbye");
        call.Model.Speaks("unheard", 2000, "Our time is over, goodbye.");
        call.Passes(3000);
        call.Caller.Speaks("caller_2", 400, "Wait.");
        call.Ended.ShouldBeEmpty();

        call.Model.Speaks("own", 1000, "Yes?");
        EndsWithAGoodbye(call, CallEndReason.MaxDuration, afterMs: 1000);
        call.Utterance("unheard").Heard.ShouldBe("");
    }

    [Fact]
    public void A_goodbye_that_crosses_the_callers_words_is_said_when_they_are_answered()
    {
        var call = AtTheLimit();
        call.Caller.Begins("caller_1");
        var crossing = call.Model.Begins();
        call.Told[^1].ShouldBe(new CancelResponse(crossing));
        call.Model.Finishes(crossing, "cancelled");
        call.Passes(900);
        call.Caller.Stops("caller_1");
        call.Model.Speaks("answer", 1000, "Yes, of course.");
        call.Asked.Count(asked => asked == "goodbye").ShouldBe(2);
        EndsWithAGoodbye(call, CallEndReason.MaxDuration, afterMs: 1000);
    }

    [Fact]
    public void A_goodbye_that_was_never_begun_is_not_asked_for_again_when_the_caller_has_spoken()
    {
        var call = PhoneCall.Greeted(rules => rules.Reprompts = 0);
        call.PassesUntil(() => call.Asked[^1] == "goodbye");
        call.Passes(2000);
        call.Caller.Speaks("caller_1", 400, "I am still here.");
        call.PassesUntil(() => call.Asked.Count == 3);

        call.Asked.ShouldBe(["greeting", "goodbye", "answer"]);
    }

    [Fact]
    public void A_goodbye_is_followed_by_nothing()
    {
        var call = PhoneCall.Greeted();
        var response = call.Model.Begins("its_own");
        call.Model.Says(response, "goodbye", 1000, "Thank you, goodbye.");
        call.Model.Uses(response, VoiceTools.EndCall);
        call.Model.Uses(response, "look_up", "call_2");
        call.Model.Finishes(response);
        call.Passes(1100);

        call.Asked.ShouldBe(["greeting"]);
        call.Ended.ShouldBe([CallEndReason.AgentEnded]);
    }

    [Fact]
    public void A_goodbye_that_comes_to_nothing_after_an_answer_that_did_is_asked_for_again_all_the_same()
    {
        var call = PhoneCall.Greeted(rules => (rules.MaxDurationSeconds, rules.SilenceSeconds) = (30, 600));
        call.Passes(27_000);
        call.Caller.Speaks("caller_1", 100, "What is a deductible?");
        call.Model.Finishes(call.Model.Begins("its_own"), "incomplete");
        call.Model.Finishes(call.Model.Begins());
        call.PassesUntil(() => call.Asked[^1] == "goodbye");
        call.Model.Finishes(call.Model.Begins(), "incomplete");

        call.Asked.Count(asked => asked == "goodbye").ShouldBe(2);
        call.Ended.ShouldBeEmpty();
    }

    [Fact]
    public void A_goodbye_for_an_agent_that_ended_the_call_without_a_word_is_asked_for_again_although_the_agent_came_to_nothing_before()
    {
        var call = PhoneCall.Greeted();
        call.Caller.Speaks("caller_1", 400, "That was all.");
        call.Model.Finishes(call.Model.Begins("its_own"), "incomplete");
        var response = call.Model.Begins();
        call.Model.Uses(response, VoiceTools.EndCall);
        call.Model.Finishes(response);
        call.Model.Finishes(call.Model.Begins(), "incomplete");

        call.Asked.ShouldBe(["greeting", "answer", "goodbye", "goodbye"]);
        call.Ended.ShouldBeEmpty();
    }

    [Fact]
    public void A_goodbye_of_which_the_caller_heard_a_part_is_not_said_again()
    {
        var call = AtTheLimit();
        call.Model.Speaks("goodbye", 2000, "Our time is over, goodbye.");
        call.Passes(1000);
        call.Caller.Begins("caller_1");

        call.Ended.ShouldBe([CallEndReason.MaxDuration]);
        call.Asked.Count(asked => asked == "goodbye").ShouldBe(1);
    }

    [Fact]
    public void The_models_own_answer_is_not_taken_for_the_goodbye()
    {
        var call = PhoneCall.Greeted(rules => (rules.MaxDurationSeconds, rules.SilenceSeconds) = (30, 600));
        call.Passes(27_500);
        call.Caller.Speaks("caller_1", 100, "What is a deductible?");
        call.PassesUntil(() => call.Now >= TimeSpan.FromSeconds(30.2)); // The model has not told of its answer yet.
        call.Model.Speaks("answer", 1000, "It is what you pay yourself.");
        call.Ended.ShouldBeEmpty();
        call.Asked[^1].ShouldBe("goodbye");
        EndsWithAGoodbye(call, CallEndReason.MaxDuration, afterMs: 1000);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void An_agents_goodbye_is_not_followed_by_another_when_a_limit_passes_meanwhile(bool drains)
    {
        var call = PhoneCall.Greeted(rules => (rules.MaxDurationSeconds, rules.SilenceSeconds) = (drains ? 600 : 30, 600));
        call.Passes(26_500);
        if (drains)
        {
            call.Happens(new DrainBegan(TimeSpan.FromSeconds(2)));
        }

        var response = call.Model.Begins("its_own");
        call.Model.Says(response, "goodbye", 4000, "Thank you, goodbye.");
        call.Model.EndsItem(response, "goodbye", "Thank you, goodbye.");
        call.Model.Uses(response, VoiceTools.EndCall);
        call.Model.Finishes(response);
        call.Passes(4100);

        call.Asked.ShouldBe(["greeting"]);
        call.Ended.ShouldBe([CallEndReason.AgentEnded]);
    }

    [Fact]
    public void A_goodbye_that_is_longer_than_its_limit_is_heard_to_its_end_all_the_same()
    {
        var call = PhoneCall.Greeted(rules => rules.GoodbyeSeconds = 2);
        var response = call.Model.Begins("its_own");
        call.Model.Says(response, "goodbye", 6000, "A very long goodbye.");
        call.Model.Uses(response, VoiceTools.EndCall);
        call.Model.Finishes(response);
        call.Passes(5900);
        call.Ended.ShouldBeEmpty();
        call.Passes(200);
        call.Ended.ShouldBe([CallEndReason.AgentEnded]);
        call.Utterance("goodbye").HeardMs.ShouldBe(6000);
    }

    [Fact]
    public void A_goodbye_whose_marks_never_return_ends_the_call_a_little_later()
    {
        var call = PhoneCall.Greeted();
        call.Carrier.LosesMarks = true;
        var response = call.Model.Begins("its_own");
        call.Model.Says(response, "goodbye", 2000, "Goodbye.");
        call.Model.Uses(response, VoiceTools.EndCall);
        call.Model.Finishes(response);
        call.Passes(2100);
        call.Ended.ShouldBeEmpty();
        call.Passes(3000);
        call.Ended.ShouldBe([CallEndReason.AgentEnded]);
        call.Utterance("goodbye").HeardMs.ShouldBe(2000);
    }

    [Fact]
    public void A_caller_who_speaks_into_the_goodbye_goes_on()
    {
        var call = PhoneCall.Greeted();
        var response = call.Model.Begins("its_own");
        call.Model.Says(response, "goodbye", 4000, "Thank you, goodbye.");
        call.Model.Uses(response, VoiceTools.EndCall);
        call.Model.Finishes(response);
        call.Passes(1000);
        call.Caller.Speaks("caller_1", 1000, "Wait, one more thing.");
        call.Model.Speaks("answer", 1000, "Of course.");
        call.Passes(5000);

        call.Ended.ShouldBeEmpty();
        call.Told.OfType<AnswerTool>().ShouldHaveSingleItem().Output.ShouldContain("false");
    }

    [Fact]
    public void An_agent_may_not_end_the_call_while_the_caller_speaks()
    {
        var call = PhoneCall.Greeted();
        var response = call.Model.Begins("its_own");
        call.Caller.Begins("caller_1");
        call.Model.Uses(response, VoiceTools.EndCall);
        call.Model.Finishes(response, "cancelled");
        call.Passes(5000);

        call.Ended.ShouldBeEmpty();
        call.Told.OfType<AnswerTool>().ShouldHaveSingleItem().Output.ShouldContain("false");
    }

    [Fact]
    public void After_silence_the_agent_asks_then_says_goodbye_then_the_call_ends()
    {
        var call = PhoneCall.Greeted(rules => rules.SilenceSeconds = 5);
        call.PassesUntil(() => call.Asked.Count == 2);
        call.NowMs.ShouldBeInRange(6000, 6030);
        call.Asked[^1].ShouldBe("reprompt");
        call.Model.Speaks("reprompt", 1000, "Are you still there?");
        call.PassesUntil(() => call.Asked.Count == 3);
        call.NowMs.ShouldBeInRange(12_000, 12_060);
        call.Asked[^1].ShouldBe("goodbye");
        call.Told.OfType<CreateResponse>().Last().ToolsAllowed.ShouldBeFalse();
        EndsWithAGoodbye(call, CallEndReason.Silence);
    }

    [Fact]
    public void A_caller_who_speaks_again_is_asked_again_after_the_next_silence()
    {
        var call = PhoneCall.Greeted(rules => rules.SilenceSeconds = 5);
        call.PassesUntil(() => call.Asked.Count == 2);
        call.Model.Speaks("reprompt", 1000, "Are you still there?");
        call.Passes(2000);
        call.Caller.Speaks("caller_1", 500, "Yes.");
        call.Model.Speaks("answer", 1000, "Good.");
        call.PassesUntil(() => call.Asked.Count == 3);

        call.Asked[^1].ShouldBe("reprompt");
    }

    [Fact]
    public void A_pending_goodbye_after_silence_is_dropped_when_the_caller_speaks()
    {
        var call = PhoneCall.Greeted(rules => (rules.SilenceSeconds, rules.Reprompts) = (5, 0));
        call.PassesUntil(() => call.Asked.Count == 2);
        call.Caller.Begins("caller_1");
        var goodbye = call.Model.Begins(); // It had been asked for.
        call.Told.OfType<CancelResponse>().ShouldHaveSingleItem().ResponseId.ShouldBe(goodbye);
        call.Model.Finishes(goodbye, "cancelled");
        call.Passes(1000);
        call.Caller.Stops("caller_1");
        call.Model.Speaks("answer", 1000, "Good.");
        call.Passes(3000);

        call.Ended.ShouldBeEmpty();
    }

    [Fact]
    public void A_goodbye_that_was_dropped_is_not_said_although_it_comes_late()
    {
        var call = PhoneCall.Greeted(rules => (rules.SilenceSeconds, rules.Reprompts) = (5, 0));
        call.PassesUntil(() => call.Asked.Count == 2);
        call.Caller.Speaks("caller_1", 300, "Yes?");
        var goodbye = call.Model.Begins();

        call.Audio("goodbye", goodbye, 800).Play.ShouldBeFalse();
        call.Told.OfType<CancelResponse>().ShouldHaveSingleItem().ResponseId.ShouldBe(goodbye);
    }

    [Fact]
    public void Silence_is_not_counted_while_the_agent_is_heard()
    {
        var call = PhoneCall.Greeted(rules => rules.SilenceSeconds = 5);
        call.Model.Speaks("answer", 30_000, "A very long answer.");
        call.Passes(34_000);
        call.Asked.ShouldBe(["greeting"]);
        call.Passes(2000);
        call.Asked[^1].ShouldBe("reprompt");
    }

    [Fact]
    public void Keys_break_the_silence_and_are_answered_when_no_further_one_is_pressed()
    {
        var call = PhoneCall.Greeted(rules => rules.SilenceSeconds = 5);
        call.Passes(4000);
        call.Happens(new DigitPressed('7'));
        call.Passes(2000);
        call.Happens(new DigitPressed('2'));
        call.Passes(2900);
        call.Asked.ShouldBe(["greeting"]);
        call.Told.OfType<AddSystemItem>().Select(item => item.Text).ShouldBe(["The caller pressed the key 7.", "The caller pressed the key 2."]);

        call.Passes(200);
        call.Told.OfType<CreateResponse>().Last().ShouldBe(new CreateResponse("answer", Instructions: null, ToolsAllowed: true));
    }

    [Fact]
    public void A_key_is_not_answered_twice_by_a_model_that_answers_what_the_caller_says()
    {
        var call = PhoneCall.Greeted();
        call.Happens(new DigitPressed('7'));
        call.Caller.Speaks("caller_1", 500, "Seven.");
        call.Model.Speaks("answer", 500, "Seven it is.");
        call.Passes(5000);

        call.Asked.ShouldBe(["greeting"]);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_key_that_a_lost_model_has_not_answered_is_told_to_the_next_one(bool before)
    {
        var call = PhoneCall.Greeted();
        if (before)
        {
            call.Happens(new DigitPressed('7'));
        }

        call.Model.Closes();
        if (!before)
        {
            call.Happens(new DigitPressed('7'));
        }

        call.Passes(300);
        call.Model.IsReady();
        call.Told[^1].ShouldBe(new AddSystemItem("The caller pressed the key 7."));
        call.PassesUntil(() => call.Asked[^1] == "answer", atMostMs: 3500);

        call.Model.Speaks("answer", 500, "Seven it is.");
        call.Passes(1000);
        call.Model.Closes();
        call.Model.IsReady();
        call.Told.Count(command => command is AddSystemItem { Text: "The caller pressed the key 7." }).ShouldBe(before ? 2 : 1, "It was answered.");
    }

    [Fact]
    public void A_key_that_crosses_a_response_on_the_wire_is_answered_after_it()
    {
        var call = PhoneCall.Answered();
        call.Happens(new DigitPressed('7'));
        call.Model.Speaks("greeting", 500, "Hello, this is Guru.");
        call.Passes(4000);

        call.Asked.ShouldBe(["greeting", "answer"]);
    }

    [Fact]
    public void A_model_that_never_answers_anything_does_not_keep_the_caller_in_silence()
    {
        var call = PhoneCall.Greeted(rules => rules.SilenceSeconds = 5);
        call.PassesUntil(() => call.Ended.Count > 0 || call.Dialed.Count > 0, 60_000);
    }

    [Fact]
    public void A_model_that_begins_an_answer_and_stalls_does_not_keep_the_caller_in_silence()
    {
        var call = PhoneCall.Greeted();
        call.Caller.Speaks("caller_1", 1000, "Are you there?");
        call.Model.Begins();
        call.PassesUntil(() => call.Ended.Count > 0 || call.Dialed.Count > 0 || call.Asked.Count > 1, 60_000);
    }

    [Fact]
    public void At_the_longest_duration_the_agent_says_so_and_the_call_ends()
    {
        var call = PhoneCall.Greeted(rules => (rules.MaxDurationSeconds, rules.SilenceSeconds) = (30, 600));
        call.PassesUntil(() => call.Asked.Count == 2);
        call.NowMs.ShouldBeInRange(30_000, 30_010);
        EndsWithAGoodbye(call, CallEndReason.MaxDuration);
    }

    [Fact]
    public void At_the_longest_duration_the_call_ends_although_the_caller_goes_on_speaking()
    {
        var call = PhoneCall.Greeted(rules => (rules.MaxDurationSeconds, rules.GoodbyeSeconds) = (30, 10));
        call.Passes(27_000);
        call.Caller.Begins("caller_1");
        call.Passes(11_000);
        call.Ended.ShouldBeEmpty();
        call.Passes(600);
        call.Ended.ShouldBe([CallEndReason.MaxDuration]);
    }

    [Fact]
    public void At_the_longest_duration_a_tool_does_not_take_the_place_of_the_goodbye()
    {
        var call = PhoneCall.Greeted(rules => (rules.MaxDurationSeconds, rules.SilenceSeconds) = (30, 600));
        call.Passes(27_000);
        var response = call.Model.Begins("its_own");
        call.Passes(1000);
        call.Model.Uses(response, "look_up");
        call.Model.Finishes(response);
        call.Asked.ShouldBe(["greeting", "tool"]);
        response = call.Model.Begins();
        call.Passes(1000);
        call.Model.Uses(response, "look_up", "call_2");
        call.Model.Finishes(response);

        call.Asked.ShouldBe(["greeting", "tool", "goodbye"]);
    }

    [Fact]
    public void A_drain_lets_the_call_go_on_then_the_agent_says_so()
    {
        var call = PhoneCall.Greeted(rules => rules.SilenceSeconds = 600);
        call.Happens(new DrainBegan(TimeSpan.FromSeconds(10)));
        call.Passes(9900);
        call.Asked.ShouldBe(["greeting"]);
        call.Passes(200);
        call.Asked[^1].ShouldBe("goodbye");
        EndsWithAGoodbye(call, CallEndReason.ShuttingDown);
    }

    [Fact]
    public void A_goodbye_at_a_limit_that_is_reached_without_a_model_is_said_by_the_next()
    {
        var call = PhoneCall.Greeted(rules => (rules.MaxDurationSeconds, rules.SilenceSeconds) = (30, 600));
        call.PassesUntil(() => call.NowMs >= 29_900);
        call.Model.Closes();
        call.Passes(500);
        call.Ended.ShouldBeEmpty();
        call.Model.IsReady();
        call.Asked.ShouldBe(["greeting", "goodbye"]);
        EndsWithAGoodbye(call, CallEndReason.MaxDuration);
    }

    [Fact]
    public void A_shutdown_that_is_due_without_a_model_ends_the_call_at_once()
    {
        var call = PhoneCall.Greeted();
        call.Happens(new DrainBegan(TimeSpan.FromSeconds(1)));
        call.Model.Closes();
        call.Passes(1100);
        call.Ended.ShouldBe([CallEndReason.ShuttingDown]);
    }

    [Fact]
    public void A_goodbye_that_was_sent_is_heard_although_the_model_is_gone()
    {
        var call = PhoneCall.Greeted();
        var response = call.Model.Begins("its_own");
        call.Model.Says(response, "goodbye", 3000, "Thank you, goodbye.");
        call.Model.Uses(response, VoiceTools.EndCall);
        call.Model.Closes();
        call.Ended.ShouldBeEmpty();
        call.Passes(3100);

        call.Ended.ShouldBe([CallEndReason.AgentEnded]);
        call.Utterance("goodbye").HeardMs.ShouldBe(3000);
    }

    [Theory]
    [InlineData("none")]
    [InlineData("ready")]
    [InlineData("refused")]
    [InlineData("closed for good")]
    public void A_goodbye_that_is_being_heard_is_heard_whatever_becomes_of_the_sessions(string next)
    {
        var call = new PhoneCall();
        call.Model.IsReady(forMs: next is "ready" or "refused" ? 60_000 : 3_600_000);
        call.Model.Speaks("greeting", 1000, "Hello, this is Guru.");
        call.PassesUntil(() => next is "none" or "closed for good" ? call.NowMs >= 1500 : call.Dialed.Count == 1);
        var asked = call.Asked;
        var response = call.Model.Begins("its_own");
        call.Model.Says(response, "goodbye", 3000, "Thank you, goodbye.");
        call.Model.Uses(response, VoiceTools.EndCall);
        call.Model.Closes(next == "closed for good" ? 3000 : null);
        call.Passes(800);
        if (next == "ready")
        {
            call.Model.IsReady();
        }
        else if (next == "refused")
        {
            call.Model.CannotBeReached("401", transient: false);
        }

        call.Passes(2300);
        call.Asked.ShouldBe(asked);
        call.Dialed.Count.ShouldBe(next is "ready" or "refused" ? 1 : 0);
        call.Ended.ShouldBe([CallEndReason.AgentEnded]);
        call.Utterance("goodbye").HeardMs.ShouldBe(3000);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_goodbye_of_which_a_lost_session_has_not_said_a_word_is_said_by_the_next(bool began)
    {
        var call = AtTheLimit();
        if (began)
        {
            call.Model.Begins();
        }

        call.Model.Closes();
        call.Passes(800);
        call.Ended.ShouldBeEmpty();
        call.Model.IsReady();
        call.Asked[^1].ShouldBe("goodbye");
        EndsWithAGoodbye(call, CallEndReason.MaxDuration);
    }

    [Fact]
    public void A_goodbye_that_has_begun_when_its_time_is_over_is_said_to_its_end()
    {
        var call = AtTheLimit();
        call.PassesUntil(() => call.NowMs >= 49_900);
        var response = call.Model.Begins();
        call.Model.Says(response, "goodbye", 1000, "Our time is over,");
        call.Passes(500);
        call.Ended.ShouldBeEmpty();
        call.Model.Says(response, "goodbye", 1000, " goodbye.");
        call.Model.EndsItem(response, "goodbye", "Our time is over, goodbye.");
        call.Model.Finishes(response);
        call.Passes(1600);

        call.Ended.ShouldBe([CallEndReason.MaxDuration]);
        call.Utterance("goodbye").HeardMs.ShouldBe(2000);
    }

    [Fact]
    public void A_goodbye_that_has_begun_and_stalls_does_not_keep_the_call()
    {
        var call = AtTheLimit();
        call.PassesUntil(() => call.NowMs >= 49_900);
        call.Model.Says(call.Model.Begins(), "goodbye", 1000, "Our time");
        call.PassesUntil(() => call.Ended.Count > 0);

        call.NowMs.ShouldBe(64_900, tolerance: 3500);
    }

    [Fact]
    public void A_goodbye_that_no_session_comes_for_is_waited_for_until_its_limit()
    {
        var call = AtTheLimit();
        call.Model.Closes();
        call.PassesUntil(() => call.Ended.Count > 0);

        call.Ended.ShouldBe([CallEndReason.MaxDuration]);
        call.NowMs.ShouldBe(50_000, tolerance: 100);
    }

    [Fact]
    public void An_agent_that_ended_the_call_without_a_word_and_was_lost_is_spoken_for_by_the_next()
    {
        var call = PhoneCall.Greeted();
        call.Model.Uses(call.Model.Begins("its_own"), VoiceTools.EndCall);
        call.Model.Closes();
        call.Ended.ShouldBeEmpty();
        call.Model.IsReady();
        EndsWithAGoodbye(call, CallEndReason.AgentEnded);
        call.Asked[^1].ShouldBe("goodbye");
    }

    [Fact]
    public void A_caller_who_hangs_up_in_mid_word_heard_less_than_was_said()
    {
        var call = PhoneCall.Greeted();
        call.Model.Speaks("answer", 8000, "one two three four five six seven eight");
        call.Passes(4000);
        call.Caller.HangsUp();

        var answer = call.Utterance("answer");
        answer.Said.ShouldBe("one two three four five six seven eight");
        answer.Heard.ShouldBe("one two three four");
        (answer.SaidMs, answer.HeardMs, answer.Interrupted).ShouldBe((8000, 4000, true));
        call.Ended.ShouldBe([CallEndReason.CallerHungUp]);
        call.Count<HangUp>().ShouldBe(0);
        call.IsOver.ShouldBeTrue();
    }

    [Fact]
    public void The_last_words_of_a_caller_who_hangs_up_are_waited_for()
    {
        var call = PhoneCall.Greeted();
        call.Caller.Begins("caller_1");
        call.Passes(800);
        call.Caller.HangsUp();
        call.Told.OfType<CommitTurn>().Count().ShouldBe(1);
        call.IsOver.ShouldBeFalse();
        call.Happens(new TurnCommitted("caller_1", PreviousItemId: null));
        call.Passes(700);
        call.Caller.IsTranscribed("caller_1", "thanks, bye");

        call.IsOver.ShouldBeTrue();
        call.Utterance("caller_1").Said.ShouldBe("thanks, bye");
        call.Decisions[^1].ShouldBe(new Finish(CallEndReason.CallerHungUp));
    }

    [Fact]
    public void The_last_words_are_not_waited_for_for_ever()
    {
        var call = PhoneCall.Greeted(rules => rules.LastWordsSeconds = 3);
        call.Caller.Begins("caller_1");
        call.Passes(800);
        call.Caller.HangsUp();
        call.Passes(3100);

        call.IsOver.ShouldBeTrue();
        call.Utterance("caller_1").Transcription.ShouldBe(TranscriptionOutcome.Missing);
    }

    [Fact]
    public void Nothing_is_said_to_a_caller_who_has_hung_up()
    {
        var call = PhoneCall.Greeted();
        call.Caller.Begins("caller_1");
        call.Passes(800);
        call.Caller.HangsUp();
        call.Happens(new TurnCommitted("caller_1", PreviousItemId: null));
        var response = call.Model.Begins("its_own");
        call.Audio("answer", response, 800).Play.ShouldBeFalse();

        call.Told.OfType<CancelResponse>().ShouldHaveSingleItem().ResponseId.ShouldBe("its_own");
    }

    [Fact]
    public void An_answer_in_the_making_is_cancelled_when_the_caller_hangs_up()
    {
        var call = PhoneCall.Greeted();
        call.Caller.Begins("caller_1");
        call.Passes(500);
        call.Caller.Stops("caller_1");
        var response = call.Model.Begins();
        call.Caller.HangsUp();

        call.Told.OfType<CancelResponse>().ShouldHaveSingleItem().ResponseId.ShouldBe(response);
    }

    [Fact]
    public void A_line_lost_without_a_word_leaves_the_call_open()
    {
        var call = PhoneCall.Greeted();
        call.Model.Speaks("answer", 4000, "one two three four");
        call.Passes(2000);
        call.Happens(new LineLost());

        call.Ended.ShouldBeEmpty();
        call.Decisions[^1].ShouldBe(new Finish(Reason: null));
        call.Utterance("answer").HeardMs.ShouldBe(2000);
        call.Utterance("answer").Heard.ShouldBe("one two");
    }

    [Fact]
    public void The_first_reason_stands()
    {
        var call = PhoneCall.Greeted();
        call.Caller.Begins("caller_1");
        call.Caller.HangsUp();
        call.Happens(new LineLost());
        call.Caller.HangsUp();
        call.Model.Closes(4000);

        call.Ended.ShouldBe([CallEndReason.CallerHungUp]);
        call.Count<Finish>().ShouldBe(1);
    }

    [Fact]
    public void Nothing_is_decided_after_the_end()
    {
        var call = PhoneCall.Greeted();
        call.Caller.HangsUp();
        var decided = call.Decisions.Count;
        call.Model.IsReady();
        call.Caller.Begins("caller_1");
        call.Model.Speaks("answer", 1000, "Hello?");
        call.Happens(new DeadlineCame());

        call.Decisions.Count.ShouldBe(decided);
        call.Session.Deadline.ShouldBeNull();
    }

    [Theory]
    [InlineData(150)]
    [InlineData(950)]
    public void A_caller_who_hangs_up_has_heard_nothing_of_what_was_stuck_on_its_way(int arrivedMs)
    {
        var call = PhoneCall.Greeted();
        var response = call.Model.Begins();
        call.Model.Says(response, "answer", arrivedMs, "I can");
        call.Carrier.IsStuck = true;
        call.Model.Says(response, "answer", 3000, " help you with that.");
        call.Passes(arrivedMs + 560);
        call.Caller.HangsUp();

        call.Utterance("answer").HeardMs.ShouldBeLessThanOrEqualTo(arrivedMs);
        call.Utterance("answer").HeardMs.ShouldBeGreaterThanOrEqualTo(arrivedMs - 250);
    }

    /// <summary>It is said in full, and the call ends when it has been heard.</summary>
    /// <param name="afterMs">What plays before it.</param>
    private static void EndsWithAGoodbye(PhoneCall call, CallEndReason reason, int afterMs = 0)
    {
        call.Model.Speaks("goodbye", 1000, "Goodbye.");
        call.Passes(afterMs + 900);
        call.Ended.ShouldBeEmpty();
        call.Passes(200);
        call.Ended.ShouldBe([reason]);
        call.Utterance("goodbye").Heard.ShouldBe("Goodbye.");
    }

    /// <summary>After 30 s, with the goodbye asked for, and 20 s for it.</summary>
    private static PhoneCall AtTheLimit()
    {
        var call = PhoneCall.Greeted(rules => (rules.MaxDurationSeconds, rules.SilenceSeconds, rules.GoodbyeSeconds) = (30, 600, 20));
        call.PassesUntil(() => call.Asked[^1] == "goodbye");
        return call;
    }
}
