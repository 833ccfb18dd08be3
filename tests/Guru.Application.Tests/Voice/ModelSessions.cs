using Guru.Application.Voice;
using Guru.Domain.Calls;
using Shouldly;

namespace Guru.Application.Tests.Voice;

public sealed class ModelSessions
{
    [Fact]
    public void That_drop_in_mid_answer_are_replaced_and_the_answer_goes_on()
    {
        var call = PhoneCall.Greeted();
        call.Caller.Speaks("caller_1", 1000, "What about my bill?");
        call.Model.Says(call.Model.Begins(), "answer", 2000, "First you ask for");
        call.Passes(500);
        call.Model.Closes();
        call.Dialed.ShouldBe(["dropped"]);
        call.Passes(300);
        call.Model.IsReady();

        call.Reconnects.ShouldHaveSingleItem().ShouldBe(new VoiceModelReconnected("dropped", 1, 300, "sess_2", PhoneCall.Zero + call.Now));
        var told = call.Told.OfType<AddSystemItem>().ShouldHaveSingleItem().Text;
        told.ShouldContain("You: Hello, this is Guru.\nCaller: What about my bill?\nYou: First you ask for\n");
        call.Asked[^1].ShouldBe("continue");
    }

    [Fact]
    public void May_number_their_responses_as_the_one_before_did()
    {
        var call = PhoneCall.Greeted();
        call.Model.Says(call.Model.Begins("resp_1"), "item_1", 3000, "First you ask for");
        call.Caller.Speaks("caller_1", 800, "Wait.");
        call.Model.Closes();
        call.Model.IsReady();

        call.Model.Says(call.Model.Begins("resp_1"), "item_1", 1000, "Yes?");
        call.Model.Finishes("resp_1");
        call.Passes(2000);

        call.Utterances[^1].ShouldSatisfyAllConditions(said => said.Said.ShouldBe("Yes?"), said => said.HeardMs.ShouldBe(1000), said => said.Interrupted.ShouldBeFalse());
    }

    [Fact]
    public void Are_heard_out_on_what_an_answer_used_after_the_caller_hung_up()
    {
        var call = PhoneCall.Greeted();
        call.Model.Says(call.Model.Begins("resp_1"), "item_1", 3000, "First you ask for");
        call.Caller.HangsUp();
        call.IsOver.ShouldBeFalse();

        call.Happens(new ResponseDone("resp_1", Purpose: null, "cancelled", "client_cancelled", ErrorCode: null, new ModelUsage(1, 2, 0, 0, 3, 4)));

        call.Facts.OfType<RecordUsage>().ShouldContain(fact => fact.Usage.UsageId.EndsWith(":resp_1", StringComparison.Ordinal));
        call.IsOver.ShouldBeTrue();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Are_heard_out_on_what_a_response_used_that_begins_after_the_caller_hung_up(bool askedFor)
    {
        var call = askedFor ? PhoneCall.Answered() : PhoneCall.Greeted();
        if (!askedFor)
        {
            call.Caller.Begins("caller_1");
            call.Passes(700);
            call.Caller.Stops("caller_1");
        }

        call.Caller.HangsUp();
        var response = call.Model.Begins();
        call.Caller.IsTranscribed("caller_1", "Never mind.");
        call.IsOver.ShouldBeFalse();
        call.Told.OfType<CancelResponse>().ShouldHaveSingleItem().ResponseId.ShouldBe(response);
        call.Happens(new ResponseDone(response, Purpose: null, "cancelled", "client_cancelled", ErrorCode: null, new ModelUsage(1, 2, 0, 0, 0, 0)));

        call.Facts.OfType<RecordUsage>().ShouldHaveSingleItem().Usage.UsageId.ShouldBe($"sess_1:{response}");
        call.IsOver.ShouldBeTrue();
    }

    [Fact]
    public void Are_not_waited_for_after_the_hang_up_when_they_refuse_what_they_were_asked_nor_for_long()
    {
        var refused = PhoneCall.Answered();
        refused.Caller.HangsUp();
        refused.IsOver.ShouldBeFalse();
        refused.Happens(new ModelErrored("invalid_value", "response-1"));
        refused.IsOver.ShouldBeTrue();

        var silent = PhoneCall.Answered();
        silent.Caller.HangsUp();
        silent.Passes(2900);
        silent.IsOver.ShouldBeFalse();
        silent.Passes(200);
        silent.IsOver.ShouldBeTrue();
    }

    [Fact]
    public void That_drop_let_what_was_sent_be_heard_to_its_end()
    {
        var call = PhoneCall.Greeted();
        call.Model.Says(call.Model.Begins(), "answer", 2000, "First you ask for");
        call.Model.Closes();
        call.Passes(3000);

        call.Carrier.Clears.ShouldBe(0);
        call.Utterance("answer").HeardMs.ShouldBe(2000);
        call.Utterance("answer").Interrupted.ShouldBeFalse();
    }

    [Fact]
    public void That_drop_while_the_caller_speaks_leave_the_turn_to_the_next_one_from_its_start()
    {
        var call = PhoneCall.Greeted();
        call.Caller.Begins("caller_1");
        call.Passes(700);
        call.Model.Closes();
        call.Passes(300);
        call.Model.IsReady();

        call.Decisions.OfType<RewindCaller>().ShouldHaveSingleItem().FromMs.ShouldBeLessThan((long)call.NowMs - 900);
        call.Asked.ShouldBe(["greeting"]);
    }

    [Fact]
    public void That_drop_leave_every_turn_to_the_next_one_that_was_neither_answered_nor_transcribed()
    {
        var call = TwoTurnsLeft(out var from);
        call.Decisions.OfType<RewindCaller>().ShouldHaveSingleItem().FromMs.ShouldBe(from);
        Hears(call, "again_1", 0, 1200);
        Hears(call, "again_2", 1400, 2400);
        call.Caller.HangsUp();

        var heard = call.Utterances.Where(utterance => utterance.Speaker == Speaker.Caller).ToList();
        heard.Select(utterance => utterance.UtteranceId).ShouldBe(["sess_2:again_1", "sess_2:again_2"]);
        heard[0].StartMs.ShouldBe(from);
        (heard[1].StartMs - from).ShouldBeInRange(1000, 1600);
    }

    [Fact]
    public void That_drop_leave_two_turns_which_may_be_one_for_the_next()
    {
        var call = TwoTurnsLeft(out var from);
        Hears(call, "again", 0, 2400);
        call.Caller.HangsUp();

        call.Utterances.Where(utterance => utterance.Speaker == Speaker.Caller).ShouldHaveSingleItem().StartMs.ShouldBe(from);
    }

    [Fact]
    public void That_drop_before_they_have_heard_what_was_left_to_them_leave_it_to_the_next()
    {
        var call = TwoTurnsLeft(out var from);
        call.Model.Closes();
        call.Model.IsReady();

        call.Decisions.OfType<RewindCaller>().Select(rewind => rewind.FromMs).ShouldBe([from, from]);
        call.Asked.ShouldBe(["greeting"]);
    }

    [Fact]
    public void That_fail_to_answer_what_is_not_transcribed_leave_it_to_the_one_in_their_place()
    {
        var call = PhoneCall.Greeted();
        call.Caller.Begins("caller_1");
        call.Passes(700);
        call.Caller.Stops("caller_1");
        call.Model.Fails("server_error");
        call.Model.Fails("server_error");
        call.Model.IsReady();

        call.Decisions.OfType<RewindCaller>().ShouldHaveSingleItem().FromMs.ShouldBeLessThan((long)call.NowMs - 700);
        call.Asked.ShouldNotContain("continue", "It answers what it hears.");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void That_fail_to_answer_while_their_renewal_is_dialled_or_waits_are_replaced_by_it_which_answers(bool waits)
    {
        var call = PhoneCall.Greeted(rules => (rules.MaxDurationSeconds, rules.SilenceSeconds) = (7200, 6000));
        call.Passes(53 * 60_000);
        call.Caller.Begins("caller_1");
        if (waits)
        {
            call.Model.IsReady();
        }

        call.Passes(700);
        call.Caller.Stops("caller_1");
        call.Caller.IsTranscribed("caller_1", "Are you there?");
        call.Model.Fails("server_error");
        call.Model.Fails("server_error");
        if (!waits)
        {
            call.Model.IsReady();
        }

        call.Asked[^1].ShouldBe("continue");
        call.Count<UseModel>().ShouldBe(2);
        call.Dialed.ShouldBe(["expiring"]);
        call.Reconnects.ShouldHaveSingleItem().Reason.ShouldBe("error");
    }

    [Fact]
    public void That_do_not_begin_to_answer_beside_their_renewal_are_replaced_by_it_at_once()
    {
        var call = PhoneCall.Greeted(rules => (rules.MaxDurationSeconds, rules.SilenceSeconds) = (7200, 6000));
        call.Passes(53 * 60_000);
        call.Caller.Begins("caller_1");
        call.Model.IsReady();
        call.Passes(700);
        call.Caller.Stops("caller_1");
        call.Caller.IsTranscribed("caller_1", "Are you there?");
        call.Model.Fails("server_error");
        call.Passes(12_000); // What was asked for again is not begun.

        call.Count<UseModel>().ShouldBe(2);
        call.Asked[^1].ShouldBe("continue");
    }

    [Fact]
    public void That_answer_without_having_heard_what_was_left_to_them_leave_it_to_nobody()
    {
        var call = TwoTurnsLeft(out _);
        call.Model.Speaks("answer", 500, "Sorry?");

        call.Session.KeepsCaller.ShouldBeFalse();
        call.Utterances.Count(utterance => utterance.Transcription == TranscriptionOutcome.Missing).ShouldBe(2);
    }

    /// <summary>The caller cut an answer off, and the session drops before either turn has been transcribed; the next one is there.</summary>
    private static PhoneCall TwoTurnsLeft(out long from)
    {
        var call = PhoneCall.Greeted();
        from = call.AppendedMs - 300;
        call.Caller.Begins("caller_1");
        call.Passes(900);
        call.Caller.Stops("caller_1");
        call.Model.Says(call.Model.Begins("cut"), "cut", 2000, "First you ask for");
        call.Passes(500);
        call.Caller.Begins("caller_2");
        call.Model.Finishes("cut", "cancelled");
        call.Passes(700);
        call.Model.Closes();
        call.Model.IsReady();
        call.Session.Appended((int)(call.NowMs - from) * 8, from); // As the tape has it.
        return call;
    }

    [Fact]
    public void That_drop_leave_turns_to_be_heard_in_the_order_in_which_they_were_said()
    {
        var call = PhoneCall.Greeted();
        var from = call.AppendedMs + 1000 - 300;
        Says("caller_1");
        Says("caller_2");
        call.Caller.IsTranscribed("caller_1", "Hello?");
        Says("caller_3");
        call.Model.Closes();
        call.Model.IsReady();
        call.Session.Appended((int)(call.NowMs - from) * 8, from); // As the tape has it.
        Hears(call, "again_2", 0, 800);
        Hears(call, "again_3", 1000, 1800);
        call.Caller.HangsUp();

        call.Utterances.Where(utterance => utterance.Speaker == Speaker.Caller).Select(utterance => utterance.UtteranceId).ShouldBe(["sess_1:caller_1", "sess_2:again_2", "sess_2:again_3"]);
        (call.Utterance("again_2").SaidMs, call.Utterance("again_3").SaidMs).ShouldSatisfyAllConditions(
            said => said.Item1.ShouldBeInRange(100, 800), said => said.Item2.ShouldBeInRange(100, 800));

        void Says(string item)
        {
            call.Caller.Begins(item);
            call.Passes(1000);
            call.Caller.Stops(item);
        }
    }

    /// <summary>Tells of a turn in what was heard again.</summary>
    private static void Hears(PhoneCall call, string item, long beginMs, long endMs)
    {
        call.Happens(new SpeechStarted(item, beginMs));
        call.Happens(new SpeechStopped(item, endMs));
        call.Caller.IsTranscribed(item, "words");
    }

    [Fact]
    public void Need_what_a_caller_said_until_its_words_are_known_or_it_is_answered()
    {
        var call = PhoneCall.Greeted();
        call.Caller.Begins("caller_1");
        call.Passes(700);
        call.Caller.Stops("caller_1");
        var response = call.Model.Begins();
        call.Session.KeepsCaller.ShouldBeTrue();

        call.Caller.IsTranscribed("caller_1", "What is a deductible?");
        call.Session.KeepsCaller.ShouldBeFalse();

        call.Caller.Begins("caller_2");
        call.Passes(700);
        call.Caller.Stops("caller_2");
        call.Model.Finishes(response, "cancelled");
        call.Session.KeepsCaller.ShouldBeTrue();
        call.Model.Finishes(call.Model.Begins());
        call.Session.KeepsCaller.ShouldBeTrue("Nothing was said to it.");
        call.Model.Speaks("answer", 500, "It is what you pay yourself.");
        call.Session.KeepsCaller.ShouldBeFalse();
    }

    [Fact]
    public void That_hear_nothing_in_what_was_left_to_them_are_asked_to_answer_and_the_turn_stays_without_words()
    {
        var call = PhoneCall.Greeted();
        call.Caller.Begins("caller_1");
        call.Passes(700);
        call.Model.Closes();
        call.Model.IsReady();
        call.Passes(9000);
        call.Caller.HangsUp();
        call.Passes(5000);

        call.Asked.ShouldBe(["greeting", "answer"]);
        call.Utterance("caller_1").Transcription.ShouldBe(TranscriptionOutcome.Missing);
    }

    [Fact]
    public void That_answer_no_ping_between_turns_are_replaced_by_one_that_says_so_since_the_caller_may_have_spoken()
    {
        var call = PhoneCall.Greeted();
        call.Model.Closes(reason: ModelClosed.Silent);
        call.Model.IsReady();

        call.Asked.ShouldBe(["greeting", "continue"]);
    }

    [Fact]
    public void That_answer_no_ping_while_the_caller_speaks_leave_the_turn_to_the_next_one_which_answers_it_and_nothing_else()
    {
        var call = PhoneCall.Greeted();
        call.Caller.Begins("caller_1");
        call.Passes(700);
        call.Model.Closes(reason: ModelClosed.Silent);
        call.Model.IsReady();

        call.Decisions.OfType<RewindCaller>().ShouldHaveSingleItem();
        call.Asked.ShouldBe(["greeting"]);
    }

    [Fact]
    public void That_drop_between_turns_are_replaced_in_silence()
    {
        var call = PhoneCall.Greeted();
        call.Model.Closes();
        call.Model.IsReady();
        call.Passes(2000);

        call.Asked.ShouldBe(["greeting"]);
        call.Reconnects.Count.ShouldBe(1);
    }

    [Fact]
    public void Get_the_audio_of_the_gap_and_place_it_on_the_calls_clock()
    {
        var call = PhoneCall.Greeted();
        call.Model.Closes();
        call.Passes(1000); // The caller speaks meanwhile.
        call.Model.IsReady();
        call.AppendedMs.ShouldBeInRange(980, 1020);
        call.Happens(new SpeechStarted("caller_1", 100));
        call.Happens(new SpeechStopped("caller_1", 900));
        call.Caller.IsTranscribed("caller_1", "hello");

        call.Utterance("caller_1").StartMs.ShouldBeInRange(1580, 1620);
        call.Utterance("caller_1").EndMs.ShouldBeInRange(1880, 1920);
    }

    [Fact]
    public void Are_dialled_again_and_again_with_growing_pauses_until_the_caller_is_told()
    {
        var call = PhoneCall.Greeted(rules => rules.ModelGoneSeconds = 15);
        var gone = call.NowMs;
        call.Model.Closes();
        var dials = new List<double> { call.NowMs - gone };
        while (call.Ended.Count == 0)
        {
            var before = call.Dialed.Count;
            call.Model.CannotBeReached();
            if (call.Ended.Count == 0)
            {
                call.PassesUntil(() => call.Dialed.Count > before);
                dials.Add(call.NowMs - gone);
            }
        }

        call.Ended.ShouldBe([CallEndReason.ModelUnavailable]);
        dials.Count.ShouldBeInRange(6, 12);
        dials.Zip(dials.Skip(1), (a, b) => b - a).ShouldAllBe(pause => pause >= 200 && pause <= 3010);
        dials[^1].ShouldBeInRange(12_000, 19_000);
        call.Decisions.OfType<HangUp>().ShouldHaveSingleItem();
    }

    [Fact]
    public void Are_dialled_again_when_the_refusal_says_and_as_ever_where_that_is_longer_than_a_call_can_wait()
    {
        var call = PhoneCall.Greeted(rules => rules.ModelGoneSeconds = 15);
        var gone = call.NowMs;
        call.Model.Closes();
        call.Model.CannotBeReached("429", retryAfter: TimeSpan.FromSeconds(5));
        call.PassesUntil(() => call.Dialed.Count == 2);
        (call.NowMs - gone).ShouldBeInRange(5000, 5010);
        while (call.Ended.Count == 0)
        {
            var dialed = call.Dialed.Count;
            call.Model.CannotBeReached("429", retryAfter: TimeSpan.FromSeconds(60));
            call.PassesUntil(() => call.Dialed.Count > dialed || call.Ended.Count > 0);
        }

        call.Ended.ShouldBe([CallEndReason.ModelUnavailable]);
        call.Dialed.Count.ShouldBeGreaterThan(4);
        (call.NowMs - gone).ShouldBeInRange(15_000, 18_000);
    }

    [Fact]
    public void Are_dialled_again_although_the_call_is_an_hour_old_when_its_next_stream_finds_none()
    {
        var call = new PhoneCall(rules => rules.MaxDurationSeconds = 7200, resumed: true, soFar: [new(Speaker.Agent, "Hello.", Cut: false, 0)], startsAt: 3_600_000);
        call.Model.CannotBeReached();
        call.Ended.ShouldBeEmpty();
        call.Passes(250);
        call.Dialed.Count.ShouldBe(1);
    }

    [Fact]
    public void That_can_never_be_had_are_not_dialled_again()
    {
        var call = new PhoneCall();
        call.Model.CannotBeReached("invalid_api_key", transient: false);
        call.Ended.ShouldBe([CallEndReason.ModelUnavailable]);
        call.Dialed.ShouldBeEmpty();
    }

    [Theory]
    [InlineData(1000)]
    [InlineData(1001)]
    [InlineData(1011)]
    [InlineData(null)]
    public void Is_replaced_after_any_close_that_is_not_final(int? code)
    {
        var call = PhoneCall.Greeted();
        call.Model.Closes(code);
        call.Dialed.ShouldBe(["dropped"]);
        call.Model.IsReady();

        call.Ended.ShouldBeEmpty();
        call.Reconnects.ShouldHaveSingleItem().Reason.ShouldBe("dropped");
    }

    [Theory]
    [InlineData(3000)]
    [InlineData(4000)]
    public void That_are_closed_for_good_end_the_call(int code)
    {
        var call = PhoneCall.Greeted();
        call.Model.Closes(code);
        call.Ended.ShouldBe([CallEndReason.ModelUnavailable]);
        call.Dialed.ShouldBeEmpty();
    }

    [Fact]
    public void Are_renewed_before_they_expire_between_turns_and_in_silence()
    {
        var call = PhoneCall.Greeted(rules => (rules.MaxDurationSeconds, rules.SilenceSeconds) = (7200, 6000));
        call.Passes(52 * 60_000);
        call.Dialed.ShouldBeEmpty();
        call.Passes(120_000);
        call.Dialed.ShouldBe(["expiring"]);

        call.Model.Says(call.Model.Begins("its_own"), "answer", 2000, "one two");
        call.Model.IsReady();
        call.Count<UseModel>().ShouldBe(1);
        call.Model.EndsItem("its_own", "answer", "one two");
        call.Model.Finishes("its_own");
        call.Count<UseModel>().ShouldBe(1);
        call.Passes(2100);

        call.Count<UseModel>().ShouldBe(2);
        call.Reconnects.ShouldHaveSingleItem().ShouldBe(new VoiceModelReconnected("expiring", 1, 0, "sess_2", call.Reconnects[0].At));
        call.Asked.Count(purpose => purpose == "continue").ShouldBe(0);
    }

    [Fact]
    public void Are_not_renewed_over_a_transcript_that_is_on_its_way()
    {
        var call = PhoneCall.Greeted(rules => (rules.MaxDurationSeconds, rules.SilenceSeconds) = (7200, 6000));
        call.Passes(53 * 60_000);
        call.Caller.Begins("caller_1");
        call.Passes(1000);
        call.Caller.Stops("caller_1");
        call.Model.Speaks("answer", 500, "Yes.");
        call.Passes(1000);
        call.Model.IsReady();
        call.Count<UseModel>().ShouldBe(1);
        call.Caller.IsTranscribed("caller_1", "the last words");

        call.Count<UseModel>().ShouldBe(2);
        call.Utterance("caller_1").Said.ShouldBe("the last words");
    }

    [Fact]
    public void Do_not_go_on_by_themselves_after_a_renewal_because_one_dropped_long_ago()
    {
        var call = PhoneCall.Greeted(rules => (rules.MaxDurationSeconds, rules.SilenceSeconds) = (9000, 6000));
        call.Model.Says(call.Model.Begins(), "answer", 500, "one two");
        call.Model.Closes();
        call.Model.IsReady();
        call.Model.Speaks("rest", 500, "three four");
        call.Passes(54 * 60_000);
        call.Dialed.ShouldBe(["dropped", "expiring"]);
        var asked = call.Asked.Count;
        call.Model.IsReady();

        call.Count<UseModel>().ShouldBe(3);
        call.Asked.Count.ShouldBe(asked);
    }

    [Fact]
    public void That_live_shorter_than_the_margin_are_not_renewed_all_the_time()
    {
        var call = new PhoneCall(rules => (rules.MaxDurationSeconds, rules.SilenceSeconds) = (7200, 6000));
        call.Model.IsReady(forMs: 300_000);
        call.Model.Speaks("greeting", 500, "Hello.");
        call.Passes(100_000);
        call.Dialed.ShouldBeEmpty();
        call.PassesUntil(() => call.Dialed.Count > 0, 200_000);
        call.Dialed.ShouldBe(["expiring"]);
    }

    [Fact]
    public void Whose_renewal_fails_stay_in_use_and_are_renewed_later()
    {
        var call = PhoneCall.Greeted(rules => (rules.MaxDurationSeconds, rules.SilenceSeconds) = (7200, 6000));
        call.Passes(53 * 60_000);
        call.Model.CannotBeReached("429");
        call.Ended.ShouldBeEmpty();
        call.Passes(31_000);
        call.Dialed.ShouldBe(["expiring", "expiring"]);
    }

    [Fact]
    public void That_expire_in_mid_answer_are_replaced_like_any_other()
    {
        var call = PhoneCall.Greeted();
        call.Model.Says(call.Model.Begins(), "answer", 2000, "one two");
        call.Model.Refuses("session_expired");
        call.Model.Closes(1001);
        call.Model.IsReady();

        call.Reconnects.ShouldHaveSingleItem().Reason.ShouldBe("expired");
        call.Asked[^1].ShouldBe("continue");
    }

    [Fact]
    public void That_drop_while_their_renewal_is_dialled_wait_for_that_one()
    {
        var call = PhoneCall.Greeted(rules => (rules.MaxDurationSeconds, rules.SilenceSeconds) = (7200, 6000));
        call.Passes(53 * 60_000);
        call.Model.Closes(1001);
        call.Dialed.ShouldBe(["expiring"]);
        call.Passes(400);
        call.Model.IsReady();
        call.Reconnects.ShouldHaveSingleItem().GapMs.ShouldBe(400);
    }

    [Fact]
    public void Are_told_what_was_cut()
    {
        var call = PhoneCall.Greeted();
        call.Model.Speaks("answer", 4000, "one two three four five six seven eight");
        call.Passes(2000);
        call.Caller.Speaks("caller_1", 500, "stop");
        call.Model.Closes();
        call.Model.IsReady();

        call.Told.OfType<AddSystemItem>().ShouldHaveSingleItem().Text
            .ShouldContain("You: one two three four [cut off by the caller]\nCaller: stop\n");
    }
}
