using Guru.Application.Calls;
using Guru.Application.Voice;
using Guru.Domain;
using Guru.Domain.Calls;
using Shouldly;

namespace Guru.Application.Tests.Voice;

public sealed class CallsOnTheSwitchboard
{
    [Fact]
    public async Task While_a_caller_is_looked_up_their_keys_are_fetched()
    {
        var house = new House();
        house.Known.Waits = house.Keys.Asked.Task;
        house.Keys.Waits = house.Known.Asked.Task;

        await house.AnswersAsync().WaitAsync(TimeSpan.FromSeconds(20));

        var (caller, kinds) = await house.Keys.Asked.Task;
        caller.ShouldBe(house.Store.Of<CallStarted>().ShouldHaveSingleItem().CallerId);
        kinds.ShouldBe([PersonalDataKind.Contact, PersonalDataKind.Transcript]);
    }

    [Fact]
    public async Task Are_carried_from_the_greeting_to_the_hang_up()
    {
        var house = new House();
        var (line, model, call) = await house.OnTheLineAsync();
        model.Says(new ResponseCreated("r1", "greeting"));
        model.Speaks("r1", "a1", "SGVsbG8=", 800);
        await ManualTime.UntilAsync(() => line.Sent.Contains("SGVsbG8="));
        line.Frame("AAAA", 0);
        await ManualTime.UntilAsync(() => model.Audio.Contains("AAAA"));
        line.Stops();

        (await call).ShouldBeTrue();
        await ManualTime.UntilAsync(() => house.Store.Of<CallEnded>().Count > 0);
        house.Store.Of<MediaStreamConnected>().ShouldHaveSingleItem().StreamSid.ShouldBe("MZ0");
        house.Store.Of<CallEnded>().ShouldHaveSingleItem().Reason.ShouldBe(CallEndReason.CallerHungUp);
        line.IsDisposed.ShouldBeTrue();
        model.IsDisposed.ShouldBeTrue();
        house.Switchboard.ActiveCalls.ShouldBe(0);
    }

    [Fact]
    public async Task Keep_what_the_caller_says_in_order_until_the_model_is_ready_and_has_been_told_what_came_before()
    {
        var house = new House();
        house.Dialer.Holds = new TaskCompletionSource();
        var connect = (await house.AnswersAsync()).ShouldBeOfType<ConnectStream>();
        var line = new ScriptedLine();
        var call = house.ConnectsAsync(line, connect.Token);
        for (var frame = 0; frame < 10; frame++)
        {
            line.Frame($"AA{frame:00}", frame * 20);
        }

        await ManualTime.UntilAsync(() => house.Switchboard.ActiveCalls == 1);
        house.Dialer.Holds.SetResult();
        await ManualTime.UntilAsync(() => house.Dialer.Models.Count == 1 && house.Model.Audio.Count() == 10);

        house.Model.Audio.ShouldBe(Enumerable.Range(0, 10).Select(frame => $"AA{frame:00}"));
        house.Model.Told.First().ShouldBeOfType<CreateResponse>();
        line.Stops();
        await call;
    }

    [Fact]
    public async Task Lose_no_event_and_no_audio_while_the_store_is_away_for_a_minute()
    {
        var house = new House();
        var (line, model, call) = await house.OnTheLineAsync();
        house.Store.IsDown = true;
        for (var turn = 0; turn < 20; turn++)
        {
            model.Says(new SpeechStarted($"c{turn}", turn * 3000));
            line.Frame($"F{turn:000}", turn * 3000);
            model.Says(new SpeechStopped($"c{turn}", (turn * 3000) + 20));
            model.Says(new TurnCommitted($"c{turn}", PreviousItemId: null));
            model.Says(new CallerTranscribed($"c{turn}", $"turn {turn}", Language: null, Usage: null));
            model.Says(new ResponseCreated($"r{turn}", Purpose: null));
            model.Speaks($"r{turn}", $"a{turn}", $"S{turn:000}", 800);
            model.Says(new AgentTranscriptDone($"r{turn}", $"a{turn}", $"answer {turn}"));
            model.Says(new ResponseDone($"r{turn}", Purpose: null, "completed", Reason: null, ErrorCode: null, new ModelUsage(1, 1, 0, 0, 1, 1)));
            await ManualTime.UntilAsync(() => line.Sent.Contains($"S{turn:000}") && model.Audio.Contains($"F{turn:000}"));
            await house.Time.PassAsync(TimeSpan.FromSeconds(3));
        }

        house.Store.Of<UtteranceTranscribed>().ShouldBeEmpty();
        line.Stops();
        await call;
        house.Store.IsDown = false;
        await house.Time.PassUntilAsync(() => house.Store.Of<CallEnded>().Count > 0);

        var said = house.Store.Of<UtteranceTranscribed>();
        said.Where(utterance => utterance.Speaker == Speaker.Caller).Select(utterance => utterance.Said).ShouldBe(Enumerable.Range(0, 20).Select(turn => $"turn {turn}"));
        said.Where(utterance => utterance.Speaker == Speaker.Agent).Select(utterance => utterance.Said).Order(StringComparer.Ordinal)
            .ShouldBe(Enumerable.Range(0, 20).Select(turn => $"answer {turn}").Order(StringComparer.Ordinal));
        house.Store.Of<UsageRecorded>().Count.ShouldBe(20);
        house.Store.Of<MediaStreamConnected>().Count.ShouldBe(1);
    }

    [Fact]
    public async Task Are_recorded_once_when_the_store_stored_but_its_answer_was_lost()
    {
        var house = new House();
        var (line, model, call) = await house.OnTheLineAsync();
        house.Store.LosesAnswers = 2;
        model.Says(new SpeechStarted("c1", 0));
        model.Says(new TurnCommitted("c1", PreviousItemId: null));
        model.Says(new CallerTranscribed("c1", "hello", Language: null, Usage: null));
        await house.Time.PassUntilAsync(() => house.Store.Of<UtteranceTranscribed>().Count > 0);
        line.Stops();
        await call;
        await house.Time.PassUntilAsync(() => house.Store.Of<CallEnded>().Count > 0);
        var drained = house.Switchboard.DrainAsync(TimeSpan.Zero, CancellationToken.None);
        await house.Time.PassUntilAsync(() => drained.IsCompleted, TimeSpan.FromSeconds(10));

        house.Store.Of<UtteranceTranscribed>().Count.ShouldBe(1);
        house.Store.Of<MediaStreamConnected>().Count.ShouldBe(1);
        house.Store.Of<CallEnded>().Count.ShouldBe(1);
    }

    [Fact]
    public async Task Are_refused_to_a_second_stream_with_a_used_token()
    {
        var house = new House();
        var connect = (await house.AnswersAsync()).ShouldBeOfType<ConnectStream>();
        var line = new ScriptedLine();
        var call = house.ConnectsAsync(line, connect.Token);
        var thief = new ScriptedLine("MZ1");
        (await house.ConnectsAsync(thief, connect.Token)).ShouldBeFalse();
        thief.IsClosed.ShouldBeTrue();

        line.IsClosed.ShouldBeFalse();
        line.Stops();
        (await call).ShouldBeTrue();
        await ManualTime.UntilAsync(() => house.Store.Of<CallEnded>().Count > 0);
        (await house.ConnectsAsync(new ScriptedLine("MZ2"), connect.Token)).ShouldBeFalse();
    }

    [Theory]
    [InlineData("MZ0")]
    [InlineData("MZ1")]
    public async Task Are_refused_to_a_stream_with_a_guessed_token(string streamSid)
    {
        var house = new House();
        var (line, _, call) = await house.OnTheLineAsync();
        await ManualTime.UntilAsync(() => house.Store.Of<MediaStreamConnected>().Count > 0);
        (await house.ConnectsAsync(new ScriptedLine(streamSid), "guessed")).ShouldBeFalse();
        line.Stops();
        (await call).ShouldBeTrue();
    }

    [Fact]
    public async Task Are_refused_on_another_node_to_the_same_stream_once_more()
    {
        var house = new House();
        var connect = (await house.AnswersAsync()).ShouldBeOfType<ConnectStream>();
        var line = new ScriptedLine();
        var call = house.ConnectsAsync(line, connect.Token);
        await ManualTime.UntilAsync(() => house.Store.Of<MediaStreamConnected>().Count > 0);
        var elsewhere = new House(store: house.Store);
        (await elsewhere.ConnectsAsync(new ScriptedLine(), connect.Token)).ShouldBeFalse();
        line.Stops();
        (await call).ShouldBeTrue();
    }

    [Fact]
    public async Task Are_carried_by_a_node_that_never_saw_the_webhook()
    {
        var house = new House();
        var connect = (await house.AnswersAsync()).ShouldBeOfType<ConnectStream>();
        var elsewhere = new House(store: house.Store);
        var line = new ScriptedLine();
        var call = elsewhere.ConnectsAsync(line, connect.Token);
        await ManualTime.UntilAsync(() => elsewhere.Dialer.Models.Count == 1 && elsewhere.Model.Told.OfType<CreateResponse>().Any());
        elsewhere.Model.Told.OfType<CreateResponse>().Single().Purpose.ShouldBe("greeting");
        line.Stops();
        (await call).ShouldBeTrue();
    }

    [Fact]
    public async Task Are_still_the_streams_that_was_refused_since_nobody_could_say_in_time_what_is_known_of_the_caller()
    {
        var house = new House();
        var connect = (await house.AnswersAsync()).ShouldBeOfType<ConnectStream>();
        var elsewhere = new House(rules => rules.CommitSeconds = 1, house.Store);
        var known = new TaskCompletionSource();
        elsewhere.Known.Waits = known.Task;
        var refused = elsewhere.ConnectsAsync(new ScriptedLine(), connect.Token);
        await elsewhere.Known.Asked.Task;
        await elsewhere.Time.PassUntilAsync(() => refused.IsCompleted, TimeSpan.FromSeconds(2));
        (await refused).ShouldBeFalse();
        house.Store.Of<MediaStreamConnected>().ShouldBeEmpty();

        known.SetResult();
        var line = new ScriptedLine("MZ1");
        var call = elsewhere.ConnectsAsync(line, connect.Token);
        await ManualTime.UntilAsync(() => elsewhere.Switchboard.ActiveCalls == 1);
        line.Stops();
        (await call).ShouldBeTrue();
    }

    [Fact]
    public async Task Dial_once_when_the_webhook_is_delivered_twice()
    {
        var house = new House();
        var first = await house.AnswersAsync();
        (await house.AnswersAsync()).ShouldBe(first);
        await ManualTime.UntilAsync(() => house.Dialer.Models.Count > 0);
        await house.Time.PassAsync(TimeSpan.FromMilliseconds(100));

        house.Dialer.Models.Count.ShouldBe(1);
        house.Store.Of<CallStarted>().Count.ShouldBe(1);
    }

    [Fact]
    public async Task Are_expected_with_the_later_token_when_the_carrier_asks_again()
    {
        var house = new House();
        await house.AnswersAsync();
        await ManualTime.UntilAsync(() => house.Dialer.Models.Count == 1);
        var again = (await house.ContinuesAsync()).ShouldBeOfType<ConnectStream>();
        await ManualTime.UntilAsync(() => house.Dialer.Models.Count == 2);
        await ManualTime.UntilAsync(() => house.Dialer.Models[0].IsDisposed);
        var line = new ScriptedLine();
        var call = house.ConnectsAsync(line, again.Token);
        await ManualTime.UntilAsync(() => house.Model.Told.OfType<CreateResponse>().Any());
        line.Stops();
        (await call).ShouldBeTrue();

        house.Dialer.Models.Count.ShouldBe(2);
    }

    [Fact]
    public async Task Let_go_of_a_model_that_no_stream_came_for()
    {
        var house = new House(rules => rules.UnusedModelSeconds = 20);
        await house.AnswersAsync();
        await ManualTime.UntilAsync(() => house.Dialer.Models.Count == 1);
        await house.Time.PassAsync(TimeSpan.FromSeconds(19));
        house.Model.IsDisposed.ShouldBeFalse();
        await house.Time.PassUntilAsync(() => house.Model.IsDisposed, TimeSpan.FromSeconds(2));
    }

    [Fact]
    public async Task Go_on_over_a_new_stream_that_fences_the_old_one()
    {
        var house = new House(rules => rules.SilenceSeconds = 600);
        var (old, model, first) = await house.OnTheLineAsync();
        model.Says(new SpeechStarted("c1", 0));
        model.Says(new TurnCommitted("c1", PreviousItemId: null));
        model.Says(new CallerTranscribed("c1", "I have a bill.", Language: null, Usage: null));
        await ManualTime.UntilAsync(() => house.Store.Of<UtteranceTranscribed>().Count == 1);

        var again = (await house.ContinuesAsync()).ShouldBeOfType<ConnectStream>();
        var line = new ScriptedLine("MZ1");
        var second = house.ConnectsAsync(line, again.Token);
        (await first).ShouldBeTrue();
        old.IsDisposed.ShouldBeTrue();
        await ManualTime.UntilAsync(() => house.Dialer.Models.Count == 2 && house.Model.Told.OfType<CreateResponse>().Any());

        house.Model.Told.OfType<AddSystemItem>().Single().Text.ShouldContain("Caller: I have a bill.");
        house.Model.Told.OfType<CreateResponse>().Single().Purpose.ShouldBe("continue");
        house.Switchboard.ActiveCalls.ShouldBe(1);
        house.Model.Says(new ResponseCreated("r1", "continue"));
        house.Model.Says(new AgentTranscriptDone("r1", "a1", "Sorry, we were cut off for a moment."));
        house.Model.Says(new ResponseDone("r1", Purpose: null, "completed", Reason: null, ErrorCode: null, new ModelUsage(1, 1, 0, 0, 1, 1)));
        await ManualTime.UntilAsync(() => house.Store.Of<UsageRecorded>().Count == 1); // What was said is taken in, or the clock would run ahead of it.
        await house.Time.PassAsync(TimeSpan.FromSeconds(70));
        house.Store.Of<CallEnded>().ShouldBeEmpty();
        house.Store.Of<CallResumed>().Count.ShouldBe(1);
        line.Stops();
        await second;
    }

    [Fact]
    public async Task Go_on_with_the_callers_last_words_though_they_are_transcribed_when_the_stream_is_lost_and_the_next_one_prepared()
    {
        var house = new House(rules => rules.LastWordsSeconds = 3);
        var (lost, model, first) = await house.OnTheLineAsync();
        model.Says(new ResponseCreated("r1", "greeting"));
        model.Says(new SpeechStarted("c1", 0));
        model.Says(new ResponseDone("r1", Purpose: null, "cancelled", Reason: null, ErrorCode: null, Usage: null));
        await ManualTime.UntilAsync(() => KeptUnfinished(house).Count == 1 && house.Store.Of<MediaStreamConnected>().Count == 1);
        lost.Breaks();
        await ManualTime.UntilAsync(() => model.Told.OfType<CommitTurn>().Any());
        var again = (await house.ContinuesAsync()).ShouldBeOfType<ConnectStream>();
        model.Says(new CallerTranscribed("c1", "And my teeth?", Language: null, Usage: null));
        (await first).ShouldBeTrue();

        var line = new ScriptedLine("MZ1");
        var second = house.ConnectsAsync(line, again.Token);
        await ManualTime.UntilAsync(() => house.Dialer.Models.Count == 2 && house.Model.Told.OfType<CreateResponse>().Any());
        house.Model.Told.OfType<AddSystemItem>().ShouldHaveSingleItem().Text.ShouldContain("Caller: And my teeth?");
        line.Stops();
        house.Model.Says(new ResponseCreated("r1", "continue"));
        house.Model.Says(new ResponseDone("r1", Purpose: null, "cancelled", Reason: null, ErrorCode: null, Usage: null));
        await second;
    }

    [Fact]
    public async Task Go_on_with_what_was_heard_of_the_sentence_that_the_new_stream_cuts()
    {
        var house = new House();
        var (halfOpen, model, first) = await house.OnTheLineAsync();
        await HearsHalfASecondAsync(house, halfOpen, model);
        await ManualTime.UntilAsync(() => house.Store.Of<MediaStreamConnected>().Count == 1);

        var again = (await house.ContinuesAsync()).ShouldBeOfType<ConnectStream>();
        var line = new ScriptedLine("MZ1");
        var second = house.ConnectsAsync(line, again.Token);
        (await first).ShouldBeTrue();
        await ManualTime.UntilAsync(() => house.Dialer.Models.Count == 2 && house.Model.Told.OfType<CreateResponse>().Any());
        house.Model.Told.OfType<AddSystemItem>().ShouldHaveSingleItem().Text.ShouldContain("You: Hello");
        line.Stops();
        await second;
    }

    [Fact]
    public async Task Have_ended_when_a_lost_stream_is_followed_by_nothing()
    {
        var house = new House();
        var (line, _, call) = await house.OnTheLineAsync();
        line.Breaks();
        await call;
        await house.Time.PassAsync(TimeSpan.FromSeconds(14));
        house.Store.Of<CallEnded>().ShouldBeEmpty();
        await house.Time.PassUntilAsync(() => house.Store.Of<CallEnded>().Count > 0, TimeSpan.FromSeconds(3));
        house.Store.Of<CallEnded>().Single().Reason.ShouldBe(CallEndReason.StreamLost);
    }

    [Fact]
    public async Task Let_go_of_a_model_that_is_dialled_when_the_stream_is_over_though_the_store_is_away()
    {
        var house = new House();
        house.Dialer.Holds = new TaskCompletionSource();
        var connect = (await house.AnswersAsync()).ShouldBeOfType<ConnectStream>();
        var line = new ScriptedLine();
        var call = house.ConnectsAsync(line, connect.Token);
        await ManualTime.UntilAsync(() => house.Switchboard.ActiveCalls == 1);
        house.Store.IsDown = true;
        line.Breaks();
        (await call).ShouldBeTrue();

        house.Dialer.Holds.SetResult();
        await ManualTime.UntilAsync(() => house.Dialer.Models.Count == 1 && house.Model.IsDisposed);
    }

    [Fact]
    public async Task Are_told_in_the_log_when_what_is_left_to_do_behind_them_fails()
    {
        var house = new House();
        var (line, _, call) = await house.OnTheLineAsync();
        line.Breaks();
        await call;
        house.Journal.Fails = new InvalidOperationException("A fault of ours.");
        await house.Time.PassUntilAsync(() => house.Log.Lines.Any(told => told.Contains("A fault of ours.")), TimeSpan.FromSeconds(16));

        house.Log.Lines.Single(told => told.Contains("A fault of ours.")).ShouldStartWith($"Call {House.Sid}: what was left to do behind it failed");
        house.Journal.Fails = null;
        house.Switchboard.TryRecord(House.CallSid, new EndCall(CallEndReason.StreamLost, house.Time.GetUtcNow())).ShouldBeFalse("Nobody is there any more to store it behind the call.");
    }

    [Fact]
    public async Task End_by_the_carriers_word_although_the_socket_says_nothing()
    {
        var house = new House();
        var (_, _, call) = await house.OnTheLineAsync();
        await house.HearsAsync("completed");
        (await call).ShouldBeTrue();
        await house.Switchboard.PaperworkDone;
        house.Store.Of<CallEnded>().ShouldHaveSingleItem().Reason.ShouldBe(CallEndReason.CallerHungUp);
    }

    [Fact]
    public async Task Are_in_the_journal_until_they_are_on_record()
    {
        var house = new House();
        var (line, _, call) = await house.OnTheLineAsync();
        await ManualTime.UntilAsync(() => house.Store.Of<MediaStreamConnected>().Count > 0 && house.Journal.Facts.Count == 0);
        house.Store.IsDown = true;
        line.Stops();
        (await call).ShouldBeTrue();

        house.Journal.Facts.OfType<EndCall>().ShouldHaveSingleItem();
        house.Store.IsDown = false;
        await house.Time.PassUntilAsync(() => house.Journal.Facts.Count == 0, TimeSpan.FromSeconds(5));
        house.Store.Of<CallEnded>().ShouldHaveSingleItem();
    }

    [Fact]
    public async Task Have_what_is_being_said_in_the_journal_until_it_is_on_record()
    {
        var house = new House();
        var (line, model, call) = await house.OnTheLineAsync();
        await HearsHalfASecondAsync(house, line, model, () => KeptUnfinished(house).ShouldBeEmpty("Nothing of it was heard yet."));
        Kept().Heard.ShouldNotBeEmpty();
        var (before, heard) = (Kept().HeardMs, Kept().Heard);
        await house.Time.PassAsync(TimeSpan.FromSeconds(0.5));
        Kept().HeardMs.ShouldBe(before + 500);
        Kept().Heard.ShouldStartWith(heard);
        Kept().Said.ShouldBe("Hello, this is Guru. How can I help you today?");

        model.Says(new SpeechStarted("c1", 1000));
        model.Says(new ResponseDone("r1", Purpose: null, "cancelled", Reason: null, ErrorCode: null, Usage: null));
        await ManualTime.UntilAsync(() => house.Store.Of<UtteranceTranscribed>().Count > 0);
        var recorded = house.Store.Of<UtteranceTranscribed>().ShouldHaveSingleItem();
        var caller = KeptUnfinished(house).ShouldHaveSingleItem().ShouldBeOfType<RecordUtterance>().Utterance;
        (caller.Speaker, caller.Transcription).ShouldBe((Speaker.Caller, TranscriptionOutcome.Missing));

        line.Stops();
        await call;
        house.Journal.Unfinished.ShouldBeEmpty();
        recorded.HeardMs.ShouldBeGreaterThanOrEqualTo(before + 500);

        UtteranceTranscribed Kept() => KeptUnfinished(house).ShouldHaveSingleItem().ShouldBeOfType<RecordUtterance>().Utterance;
    }

    [Fact]
    public async Task Have_what_was_being_said_on_record_when_a_fault_of_ours_ends_their_stream()
    {
        var house = new House();
        var (line, model, call) = await house.OnTheLineAsync();
        await HearsHalfASecondAsync(house, line, model);
        model.Fails = new InvalidOperationException("A fault of ours.");
        line.Comes(new LineMessage(LineMessageKind.Dtmf, Digit: '1'));
        (await call).ShouldBeTrue();

        await ManualTime.UntilAsync(() => house.Store.Of<UtteranceTranscribed>().Count == 1);
        var said = house.Store.Of<UtteranceTranscribed>().Single();
        (said.Speaker, said.HeardMs).ShouldBe((Speaker.Agent, 500));
        house.Journal.Unfinished.ShouldBeEmpty();
    }

    [Fact]
    public async Task Have_on_record_what_was_decided_together_with_what_could_not_be_done()
    {
        var house = new House();
        var (line, model, call) = await house.OnTheLineAsync();
        await HearsHalfASecondAsync(house, line, model);
        model.Says(new ResponseDone("r1", Purpose: null, "completed", Reason: null, ErrorCode: null, new ModelUsage(1, 1, 0, 0, 1, 1)));
        await ManualTime.UntilAsync(() => house.Store.Of<UsageRecorded>().Count == 1);
        model.Fails = new InvalidOperationException("A fault of ours.");
        model.Says(new SpeechStarted("c1", 500)); // The model is to be told what was heard.
        (await call).ShouldBeTrue();

        await ManualTime.UntilAsync(() => house.Store.Of<UtteranceTranscribed>().Count == 2);
        house.Store.Of<UtteranceTranscribed>().Select(said => (said.Speaker, said.Interrupted, said.Transcription)).ShouldBe(
            [(Speaker.Agent, true, TranscriptionOutcome.Completed), (Speaker.Caller, false, TranscriptionOutcome.Missing)]);
    }

    [Fact]
    public async Task Go_on_record_behind_a_fact_that_the_database_will_never_take()
    {
        var house = new House();
        house.Store.Refuses = data => data is UsageRecorded;
        var (line, model, call) = await house.OnTheLineAsync();
        model.Says(new ResponseCreated("r1", "greeting"));
        model.Says(new ResponseDone("r1", Purpose: null, "completed", Reason: null, ErrorCode: null, new ModelUsage(1, 2, 0, 0, 3, 4)));
        await ManualTime.UntilAsync(() => house.Journal.SetAside == 1);
        line.Stops();
        (await call).ShouldBeTrue();
        await house.Switchboard.PaperworkDone;

        house.Journal.SetAside.ShouldBe(1);
        house.Journal.Facts.ShouldHaveSingleItem().ShouldBeOfType<RecordUsage>();
        house.Store.Of<CallEnded>().ShouldHaveSingleItem().Reason.ShouldBe(CallEndReason.CallerHungUp);
    }

    [Fact]
    public async Task Tell_the_caller_when_no_model_can_be_had()
    {
        var house = new House();
        house.Dialer.Fails = new VoiceModelException("insufficient_quota", transient: false);
        var connect = (await house.AnswersAsync()).ShouldBeOfType<ConnectStream>();
        var line = new ScriptedLine();
        await house.ConnectsAsync(line, connect.Token);

        line.IsClosed.ShouldBeTrue();
        house.Store.Of<CallEnded>().ShouldHaveSingleItem().Reason.ShouldBe(CallEndReason.ModelUnavailable);
        (await house.ContinuesAsync()).ShouldBe(new SayAndHangUp(FixedSentence.ModelUnavailable, Language: null));
    }

    [Fact]
    public async Task Are_heard_no_further_than_is_on_record_while_the_hang_up_waits_for_it()
    {
        var house = new House();
        var (line, model, call) = await house.OnTheLineAsync();
        model.Says(new ResponseCreated("r1", "greeting"));
        model.Speaks("r1", "a1", "SGVsbG8=", 80_000);
        await ManualTime.UntilAsync(() => line.Sent.Contains("SGVsbG8="));
        house.Store.IsDown = true;
        model.Closes(3000);
        await ManualTime.UntilAsync(() => house.Switchboard.EndingOf(House.CallSid) is not null);

        line.Sent.Last().ShouldBe("clear");
        line.IsClosed.ShouldBeFalse();
        await house.Time.PassUntilAsync(() => line.IsClosed);
        (await call).ShouldBeTrue();
    }

    [Fact]
    public async Task Keep_the_beginning_of_a_turn_of_which_the_model_told_while_the_process_stood_still()
    {
        var house = new House();
        var (line, model, call) = await house.OnTheLineAsync();
        for (var frame = 0; frame < 50; frame++)
        {
            await SaysAsync(frame);
            house.Time.Jump(TimeSpan.FromMilliseconds(20));
        }

        house.Time.Jump(TimeSpan.FromSeconds(2));
        for (var frame = 50; frame < 150; frame++)
        {
            await SaysAsync(frame);
        }

        model.Says(new SpeechStarted("c1", AudioStartMs: 500));
        model.Closes();
        await ManualTime.UntilAsync(() => house.Dialer.Models.Count == 2 && house.Model.Audio.Contains("A149"));

        house.Model.Audio.ShouldBe(Enumerable.Range(25, 125).Select(frame => $"A{frame:000}"));
        line.Stops();
        (await call).ShouldBeTrue();

        async Task SaysAsync(int frame)
        {
            line.Frame($"A{frame:000}", frame * 20);
            await ManualTime.UntilAsync(() => model.Audio.Contains($"A{frame:000}"));
        }
    }

    [Fact]
    public async Task Drain_before_the_process_stops()
    {
        var house = new House();
        var (line, model, call) = await house.OnTheLineAsync();
        model.Says(new ResponseCreated("r1", "greeting"));
        model.Says(new ResponseDone("r1", Purpose: null, "completed", Reason: null, ErrorCode: null, Usage: null));
        var began = house.Time.GetUtcNow();
        var drained = house.Switchboard.DrainAsync(TimeSpan.FromSeconds(5), CancellationToken.None);
        house.Switchboard.TakePlace(callSid: null, out var refusal).Dispose();
        refusal.ShouldBe(CallEndReason.ShuttingDown);
        await house.Time.PassUntilAsync(() => AsksForGoodbye(model), TimeSpan.FromSeconds(6));
        (house.Time.GetUtcNow() - began).ShouldBeGreaterThanOrEqualTo(TimeSpan.FromSeconds(5));
        (line.IsClosed, drained.IsCompleted).ShouldBe((false, false));
        model.Says(new ResponseCreated("r2", "goodbye"));
        model.Says(new ResponseDone("r2", Purpose: null, "completed", Reason: null, ErrorCode: null, Usage: null));
        model.Says(new ResponseCreated("r3", "goodbye")); // Asked for once more, and empty again.
        model.Says(new ResponseDone("r3", Purpose: null, "completed", Reason: null, ErrorCode: null, Usage: null));
        await call;
        house.Switchboard.CarrierAsked(House.CallSid);
        await drained.WaitAsync(TimeSpan.FromSeconds(20));

        line.IsClosed.ShouldBeTrue();
        house.Store.Of<CallEnded>().ShouldHaveSingleItem().Reason.ShouldBe(CallEndReason.ShuttingDown);
    }

    [Fact]
    public async Task That_are_ended_leave_the_carrier_a_few_seconds_to_ask_what_is_next()
    {
        var house = new House();
        var (_, _, call) = await house.OnTheLineAsync();
        var stopped = house.Switchboard.StopAsync(TimeSpan.FromSeconds(30));
        await call;

        var hungUp = house.Time.GetUtcNow();
        await house.Time.PassUntilAsync(() => stopped.IsCompleted, TimeSpan.FromSeconds(6));
        (house.Time.GetUtcNow() - hungUp).ShouldBeGreaterThanOrEqualTo(TimeSpan.FromSeconds(5));
    }

    [Fact]
    public async Task That_the_caller_has_ended_are_not_asked_after()
    {
        var house = new House();
        var (line, _, call) = await house.OnTheLineAsync();
        line.Stops();
        await call;

        await house.Switchboard.StopAsync(TimeSpan.FromSeconds(30)).WaitAsync(TimeSpan.FromSeconds(20));
    }

    [Theory]
    [InlineData(12, 15)]
    [InlineData(16, 19)]
    public async Task That_come_late_in_a_drain_have_what_is_left_of_its_time_but_at_least_a_moment(int comes, int goodbye)
    {
        var house = new House();
        var connect = (await house.AnswersAsync()).ShouldBeOfType<ConnectStream>();
        var began = house.Time.GetUtcNow();
        var drained = house.Switchboard.DrainAsync(TimeSpan.FromSeconds(15), CancellationToken.None);
        house.Time.Jump(TimeSpan.FromSeconds(comes));
        var line = new ScriptedLine();
        var call = house.ConnectsAsync(line, connect.Token);
        await ManualTime.UntilAsync(() => house.Dialer.Models.Count > 0 && house.Model.Told.OfType<CreateResponse>().Any());
        house.Model.Says(new ResponseCreated("r1", "greeting"));
        house.Model.Says(new AgentTranscriptDone("r1", "a1", "Hello, this is Guru."));
        house.Model.Says(new ResponseDone("r1", Purpose: null, "completed", Reason: null, ErrorCode: null, Usage: null));

        await house.Time.PassUntilAsync(() => AsksForGoodbye(house.Model), TimeSpan.FromSeconds(4));
        (house.Time.GetUtcNow() - began).ShouldBeGreaterThanOrEqualTo(TimeSpan.FromSeconds(goodbye));
        line.Stops();
        await call;
        await house.Time.PassUntilAsync(() => drained.IsCompleted);
    }

    [Fact]
    public async Task Drain_without_waiting_longer_for_a_call_whose_end_is_on_record()
    {
        var house = new House();
        var (line, _, call) = await house.OnTheLineAsync();
        line.Breaks();
        await call;
        var drained = house.Switchboard.DrainAsync(TimeSpan.Zero, CancellationToken.None);
        await house.Time.PassUntilAsync(() => house.Store.Of<CallEnded>().Count > 0, TimeSpan.FromSeconds(16));
        await house.Time.PassUntilAsync(() => drained.IsCompleted, TimeSpan.FromSeconds(1));
    }

    /// <summary>What the journal has of those who are speaking.</summary>
    private static IReadOnlyList<CallCommand> KeptUnfinished(House house)
    {
        house.Switchboard.KeepUnfinished(remainder: 0, divisor: 1);
        return house.Journal.Unfinished;
    }

    /// <summary>The agent greets, which takes two seconds, and the caller has heard the first half of one.</summary>
    private static async Task HearsHalfASecondAsync(House house, ScriptedLine line, ScriptedModel model, Action? unheard = null)
    {
        model.Says(new ResponseCreated("r1", "greeting"));
        model.Says(new AgentTranscriptDone("r1", "a1", "Hello, this is Guru. How can I help you today?"));
        model.Speaks("r1", "a1", "SGVsbG8=", 16_000);
        await ManualTime.UntilAsync(() => line.Sent.Contains("SGVsbG8="));
        unheard?.Invoke();
        line.Comes(new LineMessage(LineMessageKind.Mark, Mark: new PlaybackMark(Generation: 0, Position: 0)));
        line.Frame("AAAA", 0);
        await ManualTime.UntilAsync(() => model.Audio.Contains("AAAA")); // Behind the receipt.
        await house.Time.PassAsync(TimeSpan.FromSeconds(0.5));
    }

    private static bool AsksForGoodbye(ScriptedModel model) => model.Told.OfType<CreateResponse>().Any(create => create.Purpose == "goodbye");
}
