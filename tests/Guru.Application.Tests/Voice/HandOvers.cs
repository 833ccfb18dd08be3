using Guru.Application.Voice;
using Guru.Application.VoiceSessions;
using Guru.Domain.Calls;
using Shouldly;
using Record = Guru.Application.Voice.Record;

namespace Guru.Application.Tests.Voice;

/// <summary>From general: healthcare has the same voice, legal another.</summary>
public sealed class HandOvers
{
    [Fact]
    public void To_an_agent_with_the_same_voice_stay_in_the_session()
    {
        var call = Asked("healthcare", passOnMs: 2000);
        call.Model.Finishes("passing");

        call.Dialed.ShouldBeEmpty();
        call.Decisions.OfType<ConfigureModel>().ShouldHaveSingleItem().ShouldBe(new ConfigureModel("healthcare", Language: null, IsFresh: false));
        call.HandOffs.ShouldHaveSingleItem().ShouldBe(new AgentHandedOff("general", "healthcare", "a visa", PhoneCall.Zero + call.Now));
        call.Told.OfType<AnswerTool>().ShouldHaveSingleItem().Output.ShouldBe("""{"handedOff":true}""");
        call.Asked[^1].ShouldBe("handOff");
    }

    [Fact]
    public void Let_the_new_agent_go_on_with_its_own_instructions_without_a_greeting_and_without_tools()
    {
        var call = Asked("healthcare", language: "fr");
        call.Model.Finishes("passing");

        var create = call.Told.OfType<CreateResponse>().Last();
        create.ToolsAllowed.ShouldBeFalse();
        create.Instructions!.ShouldStartWith("house\n\nspoken\n\nYou are the healthcare advisor.");
        create.Instructions!.ShouldContain("do not greet");
        create.Instructions!.ShouldContain("in the caller's language, fr");
        create.Instructions!.ShouldEndWith("The caller asks for this: May they stay after the visa ends?");
    }

    [Fact]
    public void Cut_nothing_of_what_is_being_said()
    {
        var call = Asked("healthcare", passOnMs: 2000);
        call.Model.Finishes("passing");
        call.Model.Speaks("new", 1000, "I am the healthcare advisor.");
        call.Passes(4000);

        call.Carrier.Clears.ShouldBe(0);
        (call.Utterance("pass_on").HeardMs, call.Utterance("pass_on").Agent).ShouldBe((2000, "general"));
        (call.Utterance("new").HeardMs, call.Utterance("new").Agent).ShouldBe((1000, "healthcare"));
    }

    [Fact]
    public void To_another_voice_are_dialled_at_once_and_change_the_session_when_what_is_being_said_was_heard()
    {
        var call = Asked("legal", passOnMs: 2000);
        call.Decisions.OfType<DialModel>().ShouldHaveSingleItem().ShouldBe(new DialModel("handOff", "legal", Language: null));
        call.Model.Finishes("passing");
        call.Passes(500);
        call.Model.IsReady();
        call.Count<UseModel>().ShouldBe(1);
        call.HandOffs.ShouldBeEmpty();
        call.Passes(1600);

        call.Count<UseModel>().ShouldBe(2);
        call.Utterance("pass_on").HeardMs.ShouldBe(2000);
        call.HandOffs.ShouldHaveSingleItem().To.ShouldBe("legal");
        call.Reconnects.ShouldHaveSingleItem().ShouldBe(new VoiceModelReconnected("handOff", 1, 0, "sess_2", call.Reconnects[0].At));
        call.Decisions.OfType<ConfigureModel>().ShouldBeEmpty();
    }

    [Fact]
    public void To_another_voice_tell_the_new_session_what_was_said_and_who_said_it()
    {
        var call = InOtherVoice();

        var told = call.Told.OfType<AddSystemItem>().Select(item => item.Text).ToList();
        told[0].ShouldContain("You: Hello, this is Guru.\nCaller: My visa ends.\nYou: I pass you on.\n");
        told[1].ShouldContain("said by the general advisor, who has now handed this call over to you, the legal advisor");
        call.Asked[^1].ShouldBe("handOff");
        call.Told.OfType<CreateResponse>().Last().Instructions!.ShouldContain("You are the legal advisor.");
    }

    [Fact]
    public void Give_the_new_session_the_moment_before_it_so_that_no_word_is_lost_that_had_just_begun()
    {
        var call = InOtherVoice();
        var changed = call.TimeOf(decision => decision is Record { Fact: RecordHandOff });
        call.Decisions.OfType<RewindCaller>().ShouldHaveSingleItem().FromMs.ShouldBeInRange((long)changed - 501, (long)changed - 499);
    }

    [Fact]
    public void Are_told_by_whom_each_utterance_was_said_and_heard()
    {
        var call = InOtherVoice();
        call.Model.Speaks("new", 1000, "I am the legal advisor.");
        call.Passes(1500);
        call.Caller.Speaks("caller_2", 700, "Thank you.");

        call.Utterances.Select(said => (said.Said, said.Agent)).ShouldBe(
        [
            ("Hello, this is Guru.", "general"), ("My visa ends.", "general"), ("I pass you on.", "general"),
            ("I am the legal advisor.", "legal"), ("Thank you.", "legal"),
        ]);
    }

    [Fact]
    public void Stand_when_the_caller_speaks_meanwhile_and_the_new_agent_answers()
    {
        var call = Asked("legal", passOnMs: 2000);
        call.Model.Finishes("passing");
        call.Passes(500);
        call.Caller.Begins("caller_2");
        call.Model.IsReady();
        call.Passes(800);
        call.Caller.Stops("caller_2");
        call.Count<UseModel>().ShouldBe(1, "The words of the caller are not known yet.");
        call.Caller.IsTranscribed("caller_2", "Is that free?");

        call.Count<UseModel>().ShouldBe(2);
        call.Utterance("pass_on").Interrupted.ShouldBeTrue();
        call.Told.OfType<AddSystemItem>().First().Text.ShouldContain("Caller: Is that free?");
        call.Asked[^1].ShouldBe("handOff");
    }

    [Fact]
    public void Do_not_let_the_agent_before_answer_what_the_caller_says_meanwhile()
    {
        var call = Asked("legal", passOnMs: 500);
        call.Model.Finishes("passing");
        call.Caller.Speaks("caller_2", 800, "Is that free?");
        var answer = call.Model.Begins("its_own");

        call.Told.OfType<CancelResponse>().ShouldHaveSingleItem().ResponseId.ShouldBe(answer);
        call.Audio("late", answer, 800).Play.ShouldBeFalse();
        call.Model.Finishes(answer, "cancelled");
        call.Model.IsReady();
        call.HandOffs.ShouldHaveSingleItem().To.ShouldBe("legal");
    }

    [Fact]
    public void Leave_words_that_are_never_transcribed_to_the_new_session_to_hear()
    {
        var call = Asked("legal", passOnMs: 500, transcribed: false);
        call.Model.Finishes("passing");
        call.Model.IsReady();
        call.Passes(5000);
        call.Count<UseModel>().ShouldBe(1);
        call.Passes(1500);

        call.Count<UseModel>().ShouldBe(2);
        call.Decisions.OfType<RewindCaller>().ShouldHaveSingleItem().FromMs.ShouldBeLessThan((long)call.TimeOf(decision => decision is DialModel) - 1000);
        call.Asked.ShouldBe(["greeting"], "It answers what it hears.");
        call.Utterances.ShouldAllBe(said => said.Speaker == Speaker.Agent);
    }

    [Fact]
    public void In_the_same_session_leave_the_answer_to_the_new_agent_when_the_caller_speaks_first()
    {
        var call = Asked("healthcare");
        call.Caller.Begins("caller_2");
        call.Model.Finishes("passing", "cancelled");
        call.HandOffs.Count.ShouldBe(1);
        call.Passes(800);
        call.Caller.Stops("caller_2");
        call.Caller.IsTranscribed("caller_2", "Is that free?");
        call.Model.Begins("its_own");
        call.Model.Says("its_own", "answer", 500, "Yes.");
        call.Model.EndsItem("its_own", "answer", "Yes.");
        call.Model.Finishes("its_own");
        call.Passes(1000);

        call.Asked.ShouldBe(["greeting"]);
        call.Utterance("answer").Agent.ShouldBe("healthcare");
    }

    [Theory]
    [InlineData("""{"agent":"astrology","reason":"r","request":"q"}""", "There is no such advisor.")]
    [InlineData("""{"agent":"general","reason":"r","request":"q"}""", "You are this advisor yourself: go on with the call.")]
    [InlineData("""{"agent":7}""", "There is no such advisor.")]
    [InlineData("""["legal"]""", "There is no such advisor.")]
    [InlineData("""{"agent":"leg""", "There is no such advisor.")]
    public void To_nobody_are_refused_and_the_model_goes_on(string arguments, string because)
    {
        var call = PhoneCall.Greeted();
        var response = call.Model.Begins();
        call.Model.Uses(response, VoiceTools.HandOff, arguments: arguments);
        call.Model.Finishes(response);

        call.Told.OfType<AnswerTool>().ShouldHaveSingleItem().Output.ShouldBe($$"""{"handedOff":false,"because":"{{because}}"}""");
        call.Told.OfType<CreateResponse>().Last().ShouldBe(new CreateResponse("tool", Instructions: null, ToolsAllowed: false), "It speaks before it tries again.");
        call.HandOffs.ShouldBeEmpty();
        call.Dialed.ShouldBeEmpty();
    }

    [Fact]
    public void Of_a_response_that_the_caller_has_cut_off_are_refused()
    {
        var call = PhoneCall.Greeted();
        var response = call.Model.Begins();
        call.Caller.Begins("caller_1");
        call.Model.HandsOff(response, "legal");

        call.Told.OfType<AnswerTool>().ShouldHaveSingleItem().Output.ShouldContain("The caller went on speaking.");
        call.Dialed.ShouldBeEmpty();
    }

    [Fact]
    public void Come_one_at_a_time()
    {
        var call = Asked("legal");
        call.Model.HandsOff("passing", "healthcare", "call_2");
        call.Model.Uses("passing", VoiceTools.EndCall, "call_3");
        call.Model.Finishes("passing");
        call.Model.IsReady();
        call.Passes(1000);

        call.Told.OfType<AnswerTool>().Select(answer => answer.ToolCallId).ShouldBe(["call_2", "call_3"]);
        call.HandOffs.ShouldHaveSingleItem().To.ShouldBe("legal");
        call.Ended.ShouldBeEmpty();
    }

    [Fact]
    public void Can_go_on_and_back()
    {
        var call = InOtherVoice();
        call.Model.Speaks("new", 500, "I am the legal advisor.");
        call.Passes(1000);
        HandsOver(call, "second", "healthcare");
        call.Model.IsReady();
        call.Passes(1000);
        call.Model.Speaks("health", 500, "I am the healthcare advisor.");
        call.Passes(1000);
        HandsOver(call, "third", "general");

        call.HandOffs.Select(handOff => (handOff.From, handOff.To)).ShouldBe([("general", "legal"), ("legal", "healthcare"), ("healthcare", "general")]);
        call.Dialed.ShouldBe(["handOff", "handOff"], "The last two share a voice.");
    }

    [Fact]
    public void Are_not_possible_without_end()
    {
        var call = PhoneCall.Greeted(rules => rules.MostHandOffs = 2);
        foreach (var (to, number) in new[] { ("healthcare", 1), ("general", 2), ("healthcare", 3) })
        {
            HandsOver(call, $"response_{number}", to);
        }

        call.HandOffs.Count.ShouldBe(2);
        call.Told.OfType<AnswerTool>().Last().Output.ShouldContain("too often");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void That_find_nobody_leave_the_call_to_the_agent_who_has_it(bool transient)
    {
        var call = Asked("legal");
        call.Model.Finishes("passing");
        call.Model.CannotBeReached("invalid_value", transient);
        call.Passes(1000);

        call.Ended.ShouldBeEmpty();
        call.HandOffs.ShouldBeEmpty();
        call.Told.OfType<AnswerTool>().ShouldHaveSingleItem().Output.ShouldContain("cannot be reached");
        call.Asked[^1].ShouldBe("tool");
        call.Model.Speaks("present", 500, "I help you myself.");
        call.Passes(1000);
        call.Utterance("present").Agent.ShouldBe("general");
    }

    [Fact]
    public void That_find_nobody_while_a_rate_limit_passes_are_followed_by_one_answer_when_it_has_passed()
    {
        var call = Asked("legal");
        call.Model.Finishes("passing");
        call.Caller.Speaks("caller_2", 800, "Hello?");
        var limited = call.NowMs;
        call.Model.Fails("rate_limit_exceeded", TimeSpan.FromSeconds(10));
        call.Passes(2000);
        call.Model.CannotBeReached();
        call.PassesUntil(() => call.Asked.Count > 1);
        (call.NowMs - limited).ShouldBeInRange(10_000, 10_020);

        call.Model.Speaks("present", 500, "I help you myself.");
        call.Passes(5000);
        call.Asked.ShouldBe(["greeting", "tool"]);
    }

    [Fact]
    public void Wait_for_the_other_session_only_so_long_and_drop_one_that_comes_later()
    {
        var call = Asked("legal");
        call.Model.Finishes("passing");
        call.Passes(6500);
        call.Told.OfType<AnswerTool>().ShouldHaveSingleItem().Output.ShouldContain("cannot be reached");
        call.Count<DropModel>().ShouldBe(0);
        call.Model.IsReady();

        call.Count<DropModel>().ShouldBe(1);
        call.Count<UseModel>().ShouldBe(1);
        call.HandOffs.ShouldBeEmpty();
    }

    [Fact]
    public void Use_a_session_that_came_too_late_when_the_one_in_use_is_gone_by_then()
    {
        var call = Asked("legal");
        call.Model.Finishes("passing");
        call.Passes(6500);
        call.Model.Closes();
        call.Model.IsReady();

        call.Count<UseModel>().ShouldBe(2);
        call.HandOffs.ShouldBeEmpty();
        call.Decisions.OfType<ConfigureModel>().ShouldHaveSingleItem().ShouldBe(new ConfigureModel("general", Language: null, IsFresh: true));
    }

    [Fact]
    public void Are_made_with_the_next_session_when_the_one_in_use_is_lost_meanwhile()
    {
        var call = Asked("legal");
        call.Model.Closes();
        call.Dialed.ShouldBe(["handOff"]);
        call.Passes(400);
        call.Model.IsReady();

        call.HandOffs.ShouldHaveSingleItem().To.ShouldBe("legal");
        call.Reconnects.ShouldHaveSingleItem().GapMs.ShouldBe(400);
        call.Asked[^1].ShouldBe("handOff");
    }

    [Fact]
    public void In_the_same_voice_are_made_with_the_next_session_too()
    {
        var call = Asked("healthcare");
        call.Model.Closes();
        call.Model.CannotBeReached();
        call.Passes(300);
        call.Decisions.OfType<DialModel>().ShouldAllBe(dial => dial.Agent == "healthcare");
        call.Model.IsReady();

        call.HandOffs.ShouldHaveSingleItem().To.ShouldBe("healthcare");
        call.Decisions.OfType<ConfigureModel>().ShouldBeEmpty();
    }

    [Fact]
    public void Are_given_up_for_a_session_of_the_present_agent_when_both_are_gone()
    {
        var call = Asked("legal");
        call.Model.Closes();
        call.Model.CannotBeReached("invalid_value", transient: false);

        call.Ended.ShouldBeEmpty();
        call.Decisions.OfType<DialModel>().Last().ShouldBe(new DialModel("dropped", "general", Language: null));
        call.Model.IsReady();
        call.HandOffs.ShouldBeEmpty();
        call.Count<UseModel>().ShouldBe(2);
    }

    [Fact]
    public void Take_the_session_that_is_being_dialled_to_renew_and_make_it_the_other_agents()
    {
        var call = PhoneCall.Greeted(rules => (rules.MaxDurationSeconds, rules.SilenceSeconds) = (7200, 6000));
        call.Passes(53 * 60_000);
        call.Dialed.ShouldBe(["expiring"]);
        HandsOver(call, "passing", "legal");
        call.Dialed.ShouldBe(["expiring"]);
        call.Model.IsReady();
        call.Passes(1000);

        call.HandOffs.ShouldHaveSingleItem().To.ShouldBe("legal");
        call.Decisions.OfType<ConfigureModel>().ShouldHaveSingleItem().ShouldBe(new ConfigureModel("legal", Language: null, IsFresh: true));
    }

    [Fact]
    public void Are_remembered_by_a_session_that_replaces_the_new_agents()
    {
        var call = InOtherVoice();
        call.Model.Speaks("new", 500, "I am the legal advisor.");
        call.Passes(1000);
        call.Model.Closes();

        call.Decisions.OfType<DialModel>().Last().ShouldBe(new DialModel("dropped", "legal", Language: null));
    }

    [Fact]
    public void Do_not_delay_the_end_of_a_call_at_its_limit()
    {
        var call = Asked("legal", rules: rules => (rules.MaxDurationSeconds, rules.HandOffSeconds) = (10, 20));
        call.Model.Finishes("passing");
        call.PassesUntil(() => call.Asked.Contains("goodbye"));
        call.Told.OfType<AnswerTool>().ShouldNotBeEmpty();
        call.Model.IsReady();
        call.Model.Speaks("bye", 500, "Goodbye.");
        call.Passes(2000);

        call.Ended.ShouldBe([CallEndReason.MaxDuration]);
        call.HandOffs.ShouldBeEmpty();
        call.Count<DropModel>().ShouldBe(1);
    }

    [Fact]
    public void Are_not_on_record_when_the_caller_hangs_up_first()
    {
        var call = Asked("legal");
        call.Caller.HangsUp();
        call.Model.IsReady();
        call.Passes(5000);

        call.IsOver.ShouldBeTrue();
        call.HandOffs.ShouldBeEmpty();
    }

    [Fact]
    public void Are_no_silence_of_the_caller()
    {
        var call = Asked("legal", rules: rules => (rules.SilenceSeconds, rules.HandOffSeconds) = (2, 20));
        call.Model.Finishes("passing");
        call.Passes(8000);
        call.Asked.ShouldBe(["greeting"]);
    }

    [Fact]
    public void That_the_session_refuses_get_one_of_their_own()
    {
        var call = Asked("healthcare");
        call.Model.Finishes("passing");
        call.Happens(new ModelErrored("invalid_value", "configure-7"));
        call.Decisions.OfType<DialModel>().ShouldHaveSingleItem().ShouldBe(new DialModel("error", "healthcare", Language: null));
        call.Model.Speaks("new", 500, "I am the healthcare advisor.");
        call.Passes(1000);
        call.Model.IsReady();

        call.Count<UseModel>().ShouldBe(2);
        call.Ended.ShouldBeEmpty();
    }

    [Fact]
    public void Of_which_nothing_came_leave_their_session_to_an_agent_that_fails_to_answer()
    {
        var call = Asked("legal");
        call.Model.Finishes("passing");
        call.PassesUntil(() => call.Asked[^1] == "tool");
        call.Model.Fails("server_error");
        call.Model.Fails("server_error");
        call.Model.IsReady();

        (call.Count<UseModel>(), call.Count<DropModel>()).ShouldBe((2, 0));
        call.Decisions.OfType<ConfigureModel>().ShouldHaveSingleItem().ShouldBe(new ConfigureModel("general", Language: null, IsFresh: true));
        call.Asked[^1].ShouldBe("continue");
    }

    /// <summary>The caller has said what they want, and the general agent hands over; its response is not done yet.</summary>
    private static PhoneCall Asked(
        string to, int passOnMs = 300, bool transcribed = true, string? language = null, Action<CallRules>? rules = null)
    {
        var call = new PhoneCall(rules, language: language);
        call.Model.IsReady();
        call.Model.Speaks("greeting", 1000, "Hello, this is Guru.");
        call.Passes(1500);
        call.Caller.Begins("caller_1");
        call.Passes(1500);
        call.Caller.Stops("caller_1");
        if (transcribed)
        {
            call.Caller.IsTranscribed("caller_1", "My visa ends.");
        }

        call.Model.Begins("passing");
        call.Model.Says("passing", "pass_on", passOnMs, "I pass you on.");
        call.Model.EndsItem("passing", "pass_on", "I pass you on.");
        call.Model.HandsOff("passing", to);
        return call;
    }

    private static PhoneCall InOtherVoice()
    {
        var call = Asked("legal", passOnMs: 800);
        call.Model.Finishes("passing");
        call.Model.IsReady();
        call.Passes(1000);
        return call;
    }

    private static void HandsOver(PhoneCall call, string response, string to)
    {
        call.Model.Begins(response);
        call.Model.HandsOff(response, to, $"call_of_{response}");
        call.Model.Finishes(response);
    }
}
