using Guru.Application.Voice;
using Guru.Application.VoiceSessions;
using Guru.Domain.Calls;
using Shouldly;

namespace Guru.Application.Tests.Voice;

/// <summary>A call whose audio goes between a browser and the model: the model's side plays, stops, and tells of it.</summary>
public sealed class Sideband
{
    private readonly PhoneCall _call = new(sideband: true) { SendsFrames = false };

    [Fact]
    public void A_turn_is_recorded_when_the_caller_has_heard_it()
    {
        var response = Speaks("greeting", "Hello, this is Guru.");
        _call.Happens(new PlaybackStarted(response));
        _call.Happens(Done(response));
        _call.Passes(1400);
        _call.Utterances.ShouldBeEmpty();
        _call.Happens(new PlaybackStopped(response));

        var greeting = _call.Utterance("greeting");
        (greeting.Heard, greeting.HeardMs, greeting.SaidMs, greeting.Interrupted).ShouldBe(("Hello, this is Guru.", 1400, 1400, false));
    }

    [Fact]
    public void What_was_cut_is_recorded_as_far_as_the_models_side_says_and_nothing_is_truncated_twice()
    {
        Heard("greeting", "Hello, this is Guru.", ms: 1300); // 20 characters: the pace is 65 ms for each.
        var response = Speaks("answer", "One two three four five six seven eight nine ten.");
        _call.Happens(new PlaybackStarted(response));
        _call.Happens(Done(response));
        _call.Passes(1000);
        _call.Caller.Begins("caller_1");
        _call.Happens(new PlaybackCleared(response));
        _call.Utterances.Count.ShouldBe(1, "it is not known yet how much of it was heard");
        _call.Happens(new ItemTruncated("answer", 975));

        var answer = _call.Utterance("answer");
        (answer.HeardMs, answer.Heard, answer.Interrupted).ShouldBe((975, "One two three", true));
        _call.Truncated.ShouldBeEmpty();
        _call.Count<ClearLine>().ShouldBe(0);
    }

    [Fact]
    public void How_far_a_turn_has_come_can_be_asked_at_any_time_and_changes_nothing()
    {
        Heard("greeting", "Hello, this is Guru.", ms: 1300);
        var response = Speaks("answer", "One two three four five six seven eight nine ten.");
        _call.Happens(new PlaybackStarted(response));
        _call.Happens(Done(response));
        long heard = 0;
        for (var second = 0; second < 20; second++)
        {
            _call.Passes(100);
            var unfinished = _call.Session.Unfinished(_call.Now).ShouldHaveSingleItem().ShouldBeOfType<RecordUtterance>().Utterance;
            unfinished.HeardMs.ShouldBe(heard += 100);
            unfinished.SaidMs.ShouldBe(49 * 65, "49 characters at the pace of the greeting.");
        }

        _call.Happens(new PlaybackStopped(response));
        _call.Session.Unfinished(_call.Now).ShouldBeEmpty();
        Heard("last", "Good-bye.", ms: 500);
        _call.Utterance("answer").SaidMs.ShouldBe(2000);
    }

    [Fact]
    public void A_cut_turn_is_recorded_by_the_clock_if_nobody_says_how_much_was_heard()
    {
        var response = Speaks("answer", "One two three four five six seven eight nine ten.");
        _call.Happens(new PlaybackStarted(response));
        _call.Passes(900);
        _call.Caller.Begins("caller_1");
        _call.Happens(new PlaybackCleared(response));
        _call.Happens(Done(response, "cancelled"));
        _call.Passes(1100);

        _call.Utterance("answer").HeardMs.ShouldBe(900);
    }

    [Fact]
    public void A_response_that_was_cancelled_before_it_was_played_was_not_heard()
    {
        var response = Speaks("answer", "One two three.");
        _call.Caller.Begins("caller_1");
        _call.Happens(Done(response, "cancelled"));

        _call.Utterance("answer").Heard.ShouldBe("");
    }

    [Fact]
    public void A_complete_response_is_taken_for_heard_if_nobody_tells_of_its_playing()
    {
        var response = Speaks("answer", "One two three.");
        _call.Happens(Done(response));
        _call.Passes(10_000);

        _call.Utterance("answer").Heard.ShouldBe("One two three.");
    }

    [Fact]
    public void Silence_is_counted_from_the_end_of_what_is_heard()
    {
        var response = Speaks("greeting", "Hello, this is Guru.");
        _call.Happens(new PlaybackStarted(response));
        _call.Happens(Done(response));
        _call.Passes(25_000);
        _call.Asked.ShouldBe(["greeting"]);
        _call.Happens(new PlaybackStopped(response));
        _call.Passes(20_100);

        _call.Asked.ShouldBe(["greeting", "reprompt"]);
    }

    [Fact]
    public void A_lost_sideband_is_attached_again_without_a_second_greeting_and_what_is_missing_is_asked_for()
    {
        Heard("greeting", "Hello, this is Guru.", ms: 1300);
        _call.Caller.Begins("caller_1");
        _call.Model.Closes();
        _call.Dialed.ShouldBe(["dropped"]);
        _call.Passes(300);
        _call.Model.IsReady();

        _call.Asked.ShouldBe(["greeting"]);
        _call.Told[^1].ShouldBe(new RetrieveItem("caller_1"));
        _call.Happens(new ItemRetrieved("caller_1", "user", "I have a question."));
        _call.Utterance("caller_1").Said.ShouldBe("I have a question.");
        _call.Reconnects.ShouldHaveSingleItem().GapMs.ShouldBe(300);
    }

    [Fact]
    public void An_item_that_nobody_saw_is_asked_for_when_the_next_one_names_it()
    {
        Heard("greeting", "Hello, this is Guru.", ms: 1300);
        _call.Happens(new ItemDone("later", "never_seen"));
        _call.Told.OfType<RetrieveItem>().ShouldBeEmpty("nothing can be missing");
        _call.Model.Closes();
        _call.Model.IsReady();
        _call.Happens(new ItemDone("later", "never_seen"));
        _call.Told[^1].ShouldBe(new RetrieveItem("never_seen"));
        _call.Happens(new ItemRetrieved("never_seen", "assistant", "You can stay."));

        _call.Utterance("never_seen").Heard.ShouldBe("You can stay.");
    }

    [Fact]
    public void An_item_that_may_have_ended_the_sideband_is_not_asked_for_again()
    {
        Heard("greeting", "Hello, this is Guru.", ms: 1300);
        _call.Caller.Begins("caller_1");
        for (var i = 0; i < 3; i++)
        {
            _call.Model.Closes();
            _call.Passes(3000);
            _call.Model.IsReady();
        }

        _call.Told.OfType<RetrieveItem>().ShouldHaveSingleItem().ItemId.ShouldBe("caller_1");
    }

    [Fact]
    public void An_item_whose_words_were_not_known_yet_is_asked_for_again()
    {
        Heard("greeting", "Hello, this is Guru.", ms: 1300);
        _call.Caller.Begins("caller_1");
        _call.Model.Closes();
        _call.Model.IsReady();
        _call.Happens(new ItemRetrieved("caller_1", "user", Text: null));
        _call.Passes(10_000);
        _call.Model.Closes();
        _call.Model.IsReady();

        _call.Told.OfType<RetrieveItem>().Count().ShouldBe(2);
    }

    [Fact]
    public void An_item_of_several_parts_has_each_word_once_however_far_it_had_come_when_the_sideband_was_lost()
    {
        Heard("greeting", "Hello, this is Guru.", ms: 1300);
        var response = Speaks("answer", "You can stay.");
        _call.Happens(new PlaybackStarted(response));
        _call.Happens(new AgentTranscriptDelta(response, "answer", "You ", ContentIndex: 1));
        _call.Model.Closes();
        _call.Model.IsReady();
        _call.Told[^1].ShouldBe(new RetrieveItem("answer"));
        _call.Happens(new ItemRetrieved("answer", "assistant", "You can stay. You need"));
        _call.Happens(new AgentTranscriptDelta(response, "answer", " a form.", ContentIndex: 1));
        _call.Happens(new AgentTranscriptDone(response, "answer", "You need a form.", ContentIndex: 1));
        _call.Happens(new ItemDone("answer", PreviousItemId: null));
        _call.Told.OfType<RetrieveItem>().Count().ShouldBe(2);
        _call.Happens(new ItemRetrieved("answer", "assistant", "You can stay. You need a form."));
        _call.Happens(Done(response));
        _call.Passes(1400);
        _call.Happens(new PlaybackStopped(response));

        _call.Utterance("answer").Said.ShouldBe("You can stay. You need a form.");
    }

    [Fact]
    public void A_sideband_that_is_lost_again_and_again_is_attached_less_and_less_often_and_at_once_when_it_has_held()
    {
        Heard("greeting", "Hello, this is Guru.", ms: 1300);
        var waits = new List<double>();
        for (var i = 0; i < 9; i++)
        {
            LosesSideband();
        }

        _call.Passes(10_000);
        LosesSideband();
        waits.ShouldBe([0, 200, 400, 800, 1600, 3000, 3000, 3000, 3000, 0]);
        _call.Ended.ShouldBeEmpty();

        void LosesSideband()
        {
            var (lost, dialed) = (_call.NowMs, _call.Dialed.Count);
            _call.Model.Closes();
            _call.PassesUntil(() => _call.Dialed.Count > dialed);
            waits.Add(_call.NowMs - lost);
            _call.Model.IsReady();
        }
    }

    [Fact]
    public void A_call_whose_sideband_never_holds_is_hung_up()
    {
        Heard("greeting", "Hello, this is Guru.", ms: 1300);
        _call.Passes(10_000);
        while (_call.Ended.Count == 0)
        {
            var dialed = _call.Dialed.Count;
            _call.Model.Closes();
            _call.PassesUntil(() => _call.Dialed.Count > dialed || _call.Ended.Count > 0);
            if (_call.Ended.Count == 0)
            {
                _call.Model.IsReady();
            }
        }

        _call.Ended.ShouldBe([CallEndReason.ModelUnavailable]);
        _call.Dialed.Count.ShouldBe(9);
    }

    [Fact]
    public void A_goodbye_that_the_browser_hears_goes_on_when_the_sideband_is_lost()
    {
        Heard("greeting", "Hello, this is Guru.", ms: 1300);
        var response = Speaks("goodbye", "Thank you for your call, goodbye.");
        _call.Happens(new PlaybackStarted(response));
        _call.Model.Uses(response, VoiceTools.EndCall);
        _call.Passes(200);
        _call.Model.Closes();
        _call.Ended.ShouldBeEmpty();
        _call.Model.IsReady();
        _call.Passes(1000);
        _call.Ended.ShouldBeEmpty();
        _call.Happens(new PlaybackStopped(response));

        _call.Ended.ShouldBe([CallEndReason.AgentEnded]);
        _call.Utterance("goodbye").HeardMs.ShouldBe(1200);
    }

    [Fact]
    public void Words_of_a_goodbye_that_is_cancelled_before_it_is_played_are_not_a_goodbye()
    {
        Heard("greeting", "Hello, this is Guru.", ms: 1300);
        _call.Happens(new DrainBegan(TimeSpan.FromSeconds(1)));
        _call.Passes(1000);
        _call.Asked[^1].ShouldBe("goodbye");
        var response = Speaks("unheard", "We have to");
        _call.Caller.Begins("caller_1");
        _call.Happens(Done(response, "cancelled"));

        _call.Ended.ShouldBeEmpty();
    }

    [Fact]
    public void A_goodbye_that_the_browser_hears_is_attended_to_again_also_when_that_fails_at_first()
    {
        Heard("greeting", "Hello, this is Guru.", ms: 1300);
        _call.Passes(10_000);
        var response = Speaks("goodbye", "Thank you for your call, goodbye.");
        _call.Happens(new PlaybackStarted(response));
        _call.Model.Uses(response, VoiceTools.EndCall);
        _call.Passes(200);
        _call.Model.Closes();
        _call.Model.CannotBeReached();
        _call.PassesUntil(() => _call.Dialed.Count == 2, atMostMs: 1000);
        _call.Model.IsReady();
        _call.Happens(new PlaybackStopped(response));

        _call.Ended.ShouldBe([CallEndReason.AgentEnded]);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_goodbye_that_is_cleared_before_it_is_heard_is_said_when_the_caller_is_answered(bool truncatedFirst)
    {
        Heard("greeting", "Hello, this is Guru.", ms: 1300);
        _call.Happens(new DrainBegan(TimeSpan.FromSeconds(1)));
        _call.Passes(1000);
        _call.Asked[^1].ShouldBe("goodbye");
        var response = Speaks("unheard", "We have to close, goodbye.");
        _call.Happens(Done(response));
        _call.Caller.Begins("caller_1");
        if (truncatedFirst)
        {
            _call.Happens(new ItemTruncated("unheard", 0));
        }

        _call.Happens(new PlaybackCleared(response));
        _call.Passes(400);
        _call.Ended.ShouldBeEmpty();
        _call.Caller.Stops("caller_1");
        _call.Model.Finishes(_call.Model.Begins("own"));

        _call.Asked.Count(asked => asked == "goodbye").ShouldBe(2);
        _call.Ended.ShouldBeEmpty();
    }

    [Fact]
    public void A_sideband_that_takes_the_place_of_one_that_could_not_be_changed_is_attached_once()
    {
        Heard("greeting", "Hello, this is Guru.", ms: 1300);
        _call.Happens(new ModelErrored("invalid_value", "configure-7"));
        _call.Model.CannotBeReached();
        _call.Passes(15_000);
        Heard("more", "Anything else?", ms: 900);
        _call.PassesUntil(() => _call.Dialed.Count == 2);
        _call.Model.IsReady();
        _call.Passes(1000);

        _call.Dialed.Count.ShouldBe(2);
    }

    [Fact]
    public void A_turn_that_nobody_heard_being_said_tells_nothing_of_how_fast_the_agent_speaks()
    {
        Heard("greeting", "Hello, this is Guru.", ms: 1300); // 65 ms a character.
        _call.Model.Closes();
        _call.Model.IsReady();
        _call.Happens(new ItemDone("later", "missed"));
        _call.Happens(new ItemRetrieved("missed", "assistant", new string('a', 400)));
        var response = Speaks("answer", "One two three four five six seven eight nine ten.");
        _call.Happens(new PlaybackStarted(response));
        _call.Happens(Done(response));
        _call.Passes(1000);
        _call.Caller.Begins("caller_2");
        _call.Happens(new PlaybackCleared(response));
        _call.Happens(new ItemTruncated("answer", 975));

        _call.Utterance("answer").Heard.ShouldBe("One two three");
    }

    [Fact]
    public void A_sideband_that_is_lost_while_another_is_attached_in_its_place_is_attached_once()
    {
        Heard("greeting", "Hello, this is Guru.", ms: 1300);
        for (var times = 1; times <= 2; times++)
        {
            _call.Happens(new ModelErrored("invalid_value", "configure-7"));
            _call.Model.Closes();
            _call.Passes(1000);
            _call.Dialed.Count.ShouldBe(times);
            _call.Model.IsReady();
        }

        _call.Reconnects.Select(reconnect => reconnect.Reason).ShouldBe(["error", "error"]);
    }

    [Theory]
    [InlineData(1000, CallEndReason.CallerHungUp)]
    [InlineData(null, CallEndReason.StreamLost)]
    public void A_call_that_is_over_on_the_models_side_ends(int? closeCode, CallEndReason reason)
    {
        Heard("greeting", "Hello, this is Guru.", ms: 1300);
        _call.Model.Closes(closeCode);
        _call.Model.CannotBeReached(VoiceModelException.CallOver, transient: false);

        _call.Ended.ShouldBe([reason]);
        _call.IsOver.ShouldBeTrue();
    }

    [Fact]
    public void A_call_that_cannot_be_attended_any_more_is_hung_up()
    {
        Heard("greeting", "Hello, this is Guru.", ms: 1300);
        _call.Model.Closes();
        for (var i = 0; i < 100 && _call.Ended.Count == 0; i++)
        {
            _call.Model.CannotBeReached();
            _call.Passes(3000);
        }

        _call.Ended.ShouldBe([CallEndReason.ModelUnavailable]);
        _call.Count<HangUp>().ShouldBe(1);
    }

    [Fact]
    public void The_longest_session_of_the_model_ends_the_call()
    {
        Heard("greeting", "Hello, this is Guru.", ms: 1300);
        _call.Model.Refuses("session_expired");
        _call.Model.Closes(1001);

        _call.Ended.ShouldBe([CallEndReason.MaxDuration]);
    }

    [Fact]
    public void A_browser_that_is_gone_leaves_a_lost_stream() =>
        Ends(new LineLost()).ShouldBe([CallEndReason.StreamLost]);

    [Fact]
    public void Another_agent_takes_the_call_in_the_same_session_and_keeps_its_voice()
    {
        Heard("greeting", "Hello, this is Guru.", ms: 1300);
        var response = _call.Model.Begins("its_own");
        _call.Happens(new ToolCalled(response, "tool", "call_1", VoiceTools.HandOff, """{"agent":"legal","reason":"A visa.","request":"To stay."}"""));
        _call.Happens(Done(response));

        _call.Facts.OfType<RecordHandOff>().ShouldHaveSingleItem().HandOff.To.ShouldBe("legal");
        _call.Decisions.OfType<ConfigureModel>().ShouldHaveSingleItem().Agent.ShouldBe("legal");
        _call.Dialed.ShouldBeEmpty();
        _call.Asked[^1].ShouldBe("handOff");
    }

    [Fact]
    public void What_goes_over_the_sideband_does_not_matter_to_a_call_on_the_phone()
    {
        var call = PhoneCall.Greeted();
        call.Happens(new PlaybackStarted("resp_1"));
        call.Happens(new PlaybackCleared("resp_1"));
        call.Happens(new ItemTruncated("greeting", 10));
        call.Happens(new ItemRetrieved("x", "assistant", "x"));

        call.Utterances.ShouldHaveSingleItem().Interrupted.ShouldBeFalse();
    }

    private IReadOnlyList<CallEndReason> Ends(CallInput input)
    {
        Heard("greeting", "Hello, this is Guru.", ms: 1300);
        _call.Happens(input);
        return _call.Ended;
    }

    /// <summary>Generated at once, and not yet played.</summary>
    private string Speaks(string item, string words)
    {
        if (_call.Told.Count == 0)
        {
            _call.Model.IsReady();
        }

        var response = _call.Model.Begins();
        _call.Happens(new OutputItemAdded(response, item, "message"));
        _call.Happens(new AgentTranscriptDone(response, item, words));
        return response;
    }

    private void Heard(string item, string words, double ms)
    {
        var response = Speaks(item, words);
        _call.Happens(new PlaybackStarted(response));
        _call.Happens(Done(response));
        _call.Passes(ms);
        _call.Happens(new PlaybackStopped(response));
    }

    private static ResponseDone Done(string response, string status = "completed") =>
        new(response, Purpose: null, status, Reason: null, ErrorCode: null, Usage: null);
}
