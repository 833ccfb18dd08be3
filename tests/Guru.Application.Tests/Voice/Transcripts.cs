using Guru.Application.Voice;
using Guru.Domain.Calls;
using Shouldly;

namespace Guru.Application.Tests.Voice;

public sealed class Transcripts
{
    [Fact]
    public void Tell_who_said_what_and_when()
    {
        var call = PhoneCall.Greeted();
        call.Caller.Begins("caller_1");
        call.Passes(1500);
        call.Caller.Stops("caller_1");
        call.Caller.IsTranscribed("caller_1", " Bonjour. ", "fr");

        call.Utterance("caller_1").ShouldBe(new UtteranceTranscribed(
            "sess_1:caller_1", Speaker.Caller, "general", "Bonjour.", "Bonjour.", Interrupted: false, TranscriptionOutcome.Completed,
            StartMs: 1220, EndMs: 2520, SaidMs: 1300, HeardMs: 1300, "fr", FirstAudioMs: null, FirstHeardMs: null, PhoneCall.Zero + call.Now));
        var greeting = call.Utterance("greeting");
        (greeting.StartMs, greeting.EndMs, greeting.SaidMs, greeting.HeardMs).ShouldBe((0, 1000, 1000, 1000));
        greeting.UtteranceId.ShouldBe("sess_1:greeting");
    }

    [Theory]
    [InlineData(0)]
    [InlineData(400)] // By a process that has just begun; the timestamps of those behind it tell.
    public void Measure_how_long_the_caller_waited_for_an_answer(double firstFrameIsReadAt)
    {
        var call = PhoneCall.Answered();
        call.SendsFrames = false;
        call.Passes(firstFrameIsReadAt);
        call.SendsFrames = true;
        call.Model.Speaks("greeting", 1000, "Hello, this is Guru.");
        call.Passes(1500);
        call.Carrier.LatencyMs = 70;
        call.Caller.Speaks("caller_1", 1000, "What about my bill?");
        call.Passes(300);
        call.Model.Speaks("answer", 1000, "It is fine.");
        call.Passes(1500);

        // The voice detection waited for 500 ms of silence, which the caller had to wait too.
        call.Utterance("answer").FirstAudioMs!.Value.ShouldBeInRange(780, 820);
        (call.Utterance("answer").FirstHeardMs!.Value - call.Utterance("answer").FirstAudioMs!.Value).ShouldBeInRange(69, 71);
        call.Utterance("greeting").FirstAudioMs.ShouldBeNull();
    }

    [Fact]
    public void That_come_late_and_out_of_order_keep_their_place()
    {
        var call = PhoneCall.Greeted();
        call.Caller.Begins("caller_1");
        call.Passes(1000);
        call.Caller.Stops("caller_1");
        call.Model.Speaks("answer", 1000, "Yes.");
        call.Passes(1500);
        call.Caller.Begins("caller_2");
        call.Passes(1000);
        call.Caller.Stops("caller_2");
        call.Caller.IsTranscribed("caller_2", "second");
        call.Caller.IsTranscribed("caller_1", "first");

        call.Utterances.OrderBy(utterance => utterance.StartMs).Select(utterance => utterance.Said)
            .ShouldBe(["Hello, this is Guru.", "first", "Yes.", "second"]);
    }

    [Fact]
    public void That_fail_keep_the_turn_without_words()
    {
        var call = PhoneCall.Greeted();
        call.Caller.Begins("caller_1");
        call.Passes(1000);
        call.Caller.Stops("caller_1");
        call.Happens(new CallerTranscriptionFailed("caller_1", "audio_unintelligible"));

        var turn = call.Utterance("caller_1");
        (turn.Said, turn.Transcription).ShouldBe(("", TranscriptionOutcome.Failed));
        turn.SaidMs.ShouldBeGreaterThan(0);
    }

    [Fact]
    public void That_are_empty_keep_the_turn()
    {
        var call = PhoneCall.Greeted();
        call.Caller.Speaks("noise", 1000, "");
        call.Utterance("noise").Transcription.ShouldBe(TranscriptionOutcome.Completed);
    }

    [Fact]
    public void That_never_come_keep_the_turn_at_the_end()
    {
        var call = PhoneCall.Greeted();
        call.Caller.Begins("caller_1");
        call.Passes(1000);
        call.Caller.Stops("caller_1");
        call.Caller.HangsUp();
        call.Passes(5000);

        call.Utterance("caller_1").Transcription.ShouldBe(TranscriptionOutcome.Missing);
    }

    [Fact]
    public void That_come_twice_are_recorded_once()
    {
        var call = PhoneCall.Greeted();
        call.Caller.Speaks("caller_1", 1000, "hello");
        call.Caller.IsTranscribed("caller_1", "hello");
        call.Happens(new TurnCommitted("caller_1", PreviousItemId: null));
        call.Caller.HangsUp();
        call.Passes(5000);

        call.Utterance("caller_1").Said.ShouldBe("hello");
    }

    [Fact]
    public void Of_the_agent_wait_for_the_final_words()
    {
        var call = PhoneCall.Greeted();
        var response = call.Model.Begins();
        call.Model.Says(response, "answer", 500, "It is");
        call.Happens(new ItemDone("answer", PreviousItemId: null));
        call.Passes(2000);
        call.Utterances.Count.ShouldBe(1);
        call.Happens(new AgentTranscriptDone(response, "answer", "It is fine."));
        call.Model.Finishes(response);

        call.Utterance("answer").Said.ShouldBe("It is fine.");
        call.Utterance("answer").Heard.ShouldBe("It is fine.");
    }

    [Fact]
    public void Of_the_agent_have_the_words_of_all_parts_of_an_item_also_of_one_that_begins_when_the_one_before_was_heard()
    {
        var call = PhoneCall.Greeted();
        var response = InTwoParts(call, between: 2000);
        call.Model.EndsItem(response, "answer", "First ask.");
        call.Model.Finishes(response);
        call.Passes(2000);

        var answer = call.Utterance("answer");
        (answer.Said, answer.Heard, answer.SaidMs, answer.HeardMs).ShouldBe(("First ask. Then pay.", "First ask. Then pay.", 2000, 2000));
    }

    [Fact]
    public void Of_the_agent_in_two_parts_are_cut_in_the_part_that_was_being_heard()
    {
        var call = PhoneCall.Greeted();
        InTwoParts(call, between: 0);
        call.Passes(600);
        call.Caller.Begins("caller_1");

        call.Truncated.ShouldBe([new TruncateItem("answer", 0, 600), new TruncateItem("answer", 1, 0)]);
        call = PhoneCall.Greeted();
        InTwoParts(call, between: 0);
        call.Passes(1600);
        call.Caller.Begins("caller_1");

        call.Truncated.ShouldBe([new TruncateItem("answer", 1, 600)]);
    }

    [Fact]
    public void Of_the_agent_count_what_was_made_and_not_sent()
    {
        var call = PhoneCall.Greeted();
        var response = call.Model.Begins();
        call.Model.Says(response, "answer", 1000, "one two three four");
        call.Passes(500);
        call.Caller.Begins("caller_1");
        call.Audio("answer", response, 8000);
        call.Model.Finishes(response, "cancelled");

        (call.Utterance("answer").SaidMs, call.Utterance("answer").HeardMs).ShouldBe((2000, 500));
    }

    /// <summary>An item of two parts of a second each.</summary>
    private static string InTwoParts(PhoneCall call, int between)
    {
        var response = call.Model.Begins();
        call.Model.Says(response, "answer", 1000, "First");
        call.Happens(new AgentAudioDone(response, "answer"));
        call.Happens(new AgentTranscriptDone(response, "answer", "First ask."));
        call.Passes(between);
        call.Audio("answer", response, 8000, part: 1);
        call.Happens(new AgentTranscriptDelta(response, "answer", "Then pay.", ContentIndex: 1));
        call.Happens(new AgentAudioDone(response, "answer", ContentIndex: 1));
        return response;
    }

    [Fact]
    public void Are_priced_by_tokens_or_by_time()
    {
        var call = PhoneCall.Greeted();
        call.Happens(new CallerTranscribed("caller_1", "hello", Language: null, new ModelUsage(0, 0, 0, 0, 0, 0, Seconds: 3.7)));

        var usage = call.Facts.OfType<RecordUsage>().ShouldHaveSingleItem().Usage;
        (usage.Kind, usage.Model, usage.Seconds, usage.UsageId).ShouldBe(("transcription", "transcription-model", 3.7, "sess_1:caller_1"));
    }
}
