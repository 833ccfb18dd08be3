using Guru.Application.Calls;
using Guru.Application.Tests.Voice;
using Guru.Application.Voice;
using Guru.Domain.Callers;
using Guru.Domain.Calls;
using Shouldly;

namespace Guru.Application.Tests.Calls;

public sealed class AnsweringTheCarrier
{
    [Fact]
    public async Task A_call_is_on_record_before_it_is_answered()
    {
        var house = new House();
        var answer = (await house.AnswersAsync()).ShouldBeOfType<ConnectStream>();

        answer.Address.ShouldBe("+15550001111");
        answer.ToString().ShouldNotContain(answer.Token);
        answer.ToString().ShouldNotContain("5550001111");
        house.Store.Of<CallStarted>().ShouldHaveSingleItem().StreamTokenHash.ShouldBe(StreamToken.Hash(answer.Token));
        house.Store.Of<AgentRouted>().ShouldHaveSingleItem().Agent.ShouldBe("general");
    }

    [Fact]
    public async Task A_call_from_an_alias_is_its_owners_whether_the_webhook_comes_first_or_a_status()
    {
        var owner = CallerId.Parse(new string('1', 32));
        var house = new House();
        house.Aliases.Owners[house.Callers.IdOf(CallerAddress.Parse("+15550001111"))] = owner;

        (await house.AnswersAsync()).ShouldBeOfType<ConnectStream>();
        house.Store.Of<CallStarted>().ShouldHaveSingleItem().CallerId.ShouldBe(owner);

        var early = new House();
        early.Aliases.Owners[early.Callers.IdOf(CallerAddress.Parse("+15550001111"))] = owner;
        await early.HearsAsync("ringing");
        early.Store.Of<CallStatusChanged>().ShouldHaveSingleItem().CallerId.ShouldBe(owner);
    }

    [Fact]
    public async Task A_store_that_is_away_makes_an_apology()
    {
        var house = new House();
        house.Store.IsDown = true;
        (await house.AnswersAsync()).ShouldBe(new SayAndHangUp(FixedSentence.TryAgain, Language: null));
        house.Dialer.Models.ShouldBeEmpty();
    }

    [Fact]
    public async Task A_store_that_does_not_answer_in_time_makes_an_apology()
    {
        var house = new House(rules => rules.CommitSeconds = 1);
        house.Store.IsStuck = true;
        var answer = house.AnswersAsync();
        await house.Time.PassAsync(TimeSpan.FromMilliseconds(900));
        answer.IsCompleted.ShouldBeFalse();
        await house.Time.PassUntilAsync(() => answer.IsCompleted, TimeSpan.FromSeconds(2));
        (await answer).ShouldBe(new SayAndHangUp(FixedSentence.TryAgain, Language: null));
    }

    [Fact]
    public async Task A_store_that_has_answered_while_the_process_stood_still_makes_no_apology()
    {
        var house = new House(rules => rules.CommitSeconds = 1);
        var held = new TaskCompletionSource();
        house.Store.Holds = held.Task;
        var answer = house.AnswersAsync();
        house.Time.Jump(TimeSpan.FromSeconds(2));
        held.SetResult();

        (await answer.WaitAsync(TimeSpan.FromSeconds(20))).ShouldBeOfType<ConnectStream>();
    }

    [Fact]
    public async Task A_store_that_does_not_answer_in_time_makes_an_apology_also_where_the_process_stood_still()
    {
        var house = new House(rules => rules.CommitSeconds = 1);
        house.Store.IsStuck = true;
        var answer = house.AnswersAsync();
        house.Time.Jump(TimeSpan.FromSeconds(2));
        await house.Time.PassUntilAsync(() => answer.IsCompleted);

        (await answer).ShouldBe(new SayAndHangUp(FixedSentence.TryAgain, Language: null));
    }

    [Fact]
    public async Task A_store_that_hangs_and_does_not_answer_that_it_is_to_stop_either_makes_no_other_wait()
    {
        var house = new House(rules => rules.CommitSeconds = 1);
        house.Store.IsStuck = true;
        house.Store.Cancelling.Reset();
        var answer = house.AnswersAsync();
        try
        {
            await house.Time.PassUntilAsync(() => answer.IsCompleted, TimeSpan.FromSeconds(2));
        }
        finally
        {
            house.Store.Cancelling.Set();
        }

        (await answer).ShouldBe(new SayAndHangUp(FixedSentence.TryAgain, Language: null));
    }

    [Fact]
    public async Task A_store_that_does_not_answer_the_next_question_in_time_makes_an_apology()
    {
        var house = new House(rules => rules.CommitSeconds = 1);
        await house.AnswersAsync();
        house.Store.IsStuck = true;
        var answer = house.ContinuesAsync();
        await house.Time.PassUntilAsync(() => answer.IsCompleted, TimeSpan.FromSeconds(2));
        (await answer).ShouldBe(new SayAndHangUp(FixedSentence.TechnicalProblem, Language: null));
    }

    [Fact]
    public async Task No_stream_is_on_record_as_asked_for_when_what_is_known_of_the_caller_cannot_be_had_in_time()
    {
        var house = new House(rules => rules.CommitSeconds = 1);
        await house.AnswersAsync();
        house.Known.Waits = new TaskCompletionSource().Task;
        var answer = house.ContinuesAsync();
        await house.Time.PassUntilAsync(() => answer.IsCompleted, TimeSpan.FromSeconds(2));
        (await answer).ShouldBe(new SayAndHangUp(FixedSentence.TechnicalProblem, Language: null));
        house.Store.Of<MediaStreamRequested>().ShouldBeEmpty();
    }

    [Fact]
    public async Task A_house_that_is_full_says_so_and_the_call_has_ended()
    {
        var house = new House(rules => rules.MaxConcurrent = 0);
        (await house.AnswersAsync()).ShouldBe(new SayAndHangUp(FixedSentence.AtCapacity, Language: null));
        (await house.AnswersAsync()).ShouldBe(new SayAndHangUp(FixedSentence.AtCapacity, Language: null));
        house.Store.Of<CallEnded>().ShouldHaveSingleItem().Reason.ShouldBe(CallEndReason.AtCapacity);
    }

    [Fact]
    public async Task A_house_takes_no_more_calls_than_it_has_places_for_however_many_come_at_once()
    {
        var house = new House(rules => rules.MaxConcurrent = 10);
        var held = new TaskCompletionSource();
        house.Store.Holds = held.Task;
        var answers = Enumerable.Range(0, 50).Select(number => house.AnswersAsync($"whatsapp:+1555000{number:D4}", $"CA{number:D32}")).ToList();
        held.SetResult();

        var taken = (await Task.WhenAll(answers)).OfType<ConnectStream>().Count();
        taken.ShouldBe(10);
        answers.Count(answer => answer.Result is SayAndHangUp { Sentence: FixedSentence.AtCapacity }).ShouldBe(40);
    }

    [Fact]
    public async Task The_last_place_is_the_calls_whose_webhook_is_delivered_twice_at_once()
    {
        var house = new House(rules => rules.MaxConcurrent = 1);
        var held = new TaskCompletionSource();
        house.Store.Holds = held.Task;
        var answers = Enumerable.Range(0, 2).Select(_ => house.AnswersAsync()).ToList();
        held.SetResult();

        (await Task.WhenAll(answers)).ShouldAllBe(answer => answer is ConnectStream);
        house.Store.Of<CallEnded>().ShouldBeEmpty();
    }

    [Fact]
    public async Task A_drain_waits_for_a_call_that_is_being_answered()
    {
        var house = new House();
        var held = new TaskCompletionSource();
        house.Store.Holds = held.Task;
        var answer = house.AnswersAsync();
        var drained = house.Switchboard.DrainAsync(TimeSpan.Zero, CancellationToken.None);
        drained.IsCompleted.ShouldBeFalse();

        held.SetResult();
        (await answer).ShouldBeOfType<ConnectStream>();
        await house.Time.PassUntilAsync(() => drained.IsCompleted, TimeSpan.FromSeconds(30)); // No stream comes.
    }

    [Fact]
    public async Task A_call_that_could_not_be_put_on_record_leaves_its_place_to_the_next()
    {
        var house = new House(rules => rules.MaxConcurrent = 1);
        house.Store.IsDown = true;
        await house.AnswersAsync(sid: $"CA{1:D32}");
        house.Store.IsDown = false;
        (await house.AnswersAsync(sid: $"CA{2:D32}")).ShouldBeOfType<ConnectStream>();
    }

    [Fact]
    public async Task A_house_that_closes_takes_no_call()
    {
        var house = new House();
        await house.Switchboard.DrainAsync(TimeSpan.Zero, CancellationToken.None);
        (await house.AnswersAsync()).ShouldBe(new SayAndHangUp(FixedSentence.ShuttingDown, Language: null));
    }

    [Fact]
    public async Task A_status_may_come_before_the_webhook()
    {
        var house = new House();
        await house.HearsAsync("ringing");
        await house.HearsAsync("initiated");
        (await house.AnswersAsync()).ShouldBeOfType<ConnectStream>();
        house.Store.Of<CallStatusChanged>().ShouldHaveSingleItem().Status.ShouldBe(CallStatus.Ringing);
    }

    [Fact]
    public async Task A_call_that_ended_before_the_webhook_is_hung_up()
    {
        var house = new House();
        await house.HearsAsync("canceled");
        (await house.AnswersAsync()).ShouldBe(new JustHangUp());
        house.Store.Of<CallStarted>().Count.ShouldBe(1);
        house.Store.Of<CallEnded>().ShouldHaveSingleItem().Reason.ShouldBe(CallEndReason.Canceled);
    }

    [Theory]
    [InlineData("no-answer", CallEndReason.NoAnswer)]
    [InlineData("busy", CallEndReason.Busy)]
    [InlineData("failed", CallEndReason.Failed)]
    [InlineData("completed", CallEndReason.CallerHungUp)]
    public async Task A_final_status_ends_the_call_and_lets_go_of_the_model_that_waited_for_it(string status, CallEndReason reason)
    {
        var house = new House();
        await house.AnswersAsync();
        await ManualTime.UntilAsync(() => house.Dialer.Models.Count == 1);
        await house.HearsAsync(status);
        await house.HearsAsync(status);
        house.Store.Of<CallEnded>().ShouldHaveSingleItem().Reason.ShouldBe(reason);
        await ManualTime.UntilAsync(() => house.Model.IsDisposed);
    }

    [Fact]
    public async Task A_status_that_the_store_cannot_take_is_taken_all_the_same_and_stored_when_it_can()
    {
        var house = new House();
        house.Store.IsDown = true;
        await house.HearsAsync("busy");
        house.Store.IsDown = false;

        await house.Time.PassUntilAsync(() => house.Store.Of<CallEnded>().Count > 0);
        house.Store.Of<CallEnded>().Single().Reason.ShouldBe(CallEndReason.Busy);
    }

    [Fact]
    public async Task A_final_status_that_could_not_be_put_on_record_lets_go_of_the_model_all_the_same()
    {
        var house = new House();
        await house.AnswersAsync();
        await ManualTime.UntilAsync(() => house.Dialer.Models.Count == 1);
        house.Store.IsStuck = true;
        using var stopping = new CancellationTokenSource();
        var heard = house.HearsAsync("completed", stopping.Token);
        await stopping.CancelAsync();

        await Should.ThrowAsync<OperationCanceledException>(heard);
        await ManualTime.UntilAsync(() => house.Model.IsDisposed);
    }

    [Fact]
    public async Task A_question_about_a_call_that_is_over_makes_no_new_stream()
    {
        var house = new House();
        await house.AnswersAsync();

        (await house.ContinuesAsync("completed")).ShouldBe(new JustHangUp());
        house.Store.Of<MediaStreamRequested>().ShouldBeEmpty();
    }

    [Fact]
    public async Task A_status_that_nobody_knows_is_ignored()
    {
        var house = new House();
        await house.HearsAsync("on-the-moon");
        house.Store.Of<CallStatusChanged>().ShouldBeEmpty();
    }

    [Fact]
    public async Task A_lost_stream_is_replaced_a_few_times_then_the_caller_is_told()
    {
        var house = new House(rules => rules.MostResumes = 2);
        var first = (await house.AnswersAsync()).ShouldBeOfType<ConnectStream>();
        var second = (await house.ContinuesAsync()).ShouldBeOfType<ConnectStream>();
        var third = (await house.ContinuesAsync()).ShouldBeOfType<ConnectStream>();
        new[] { first.Token, second.Token, third.Token }.ShouldBeUnique();

        (await house.ContinuesAsync()).ShouldBe(new SayAndHangUp(FixedSentence.TechnicalProblem, Language: null));
        house.Store.Of<CallEnded>().ShouldHaveSingleItem().Reason.ShouldBe(CallEndReason.StreamLost);
        (await house.ContinuesAsync()).ShouldBe(new SayAndHangUp(FixedSentence.TechnicalProblem, Language: null));
    }

    [Fact]
    public async Task A_stream_that_is_prepared_while_somebody_else_writes_to_the_record_knows_what_they_wrote()
    {
        var house = new House();
        var first = (await house.AnswersAsync()).ShouldBeOfType<ConnectStream>();
        var log = new CallLog(house.Store, House.CallSid);
        await log.AppendAsync(new ConnectMediaStream("MZ0", StreamToken.Hash(first.Token), "another node", ManualTime.Start), CancellationToken.None);
        var held = new TaskCompletionSource();
        house.Store.Holds = held.Task;
        var asked = house.ContinuesAsync();
        house.Store.Holds = Task.CompletedTask;
        await log.AppendAsync(
            new RecordUtterance(new UtteranceTranscribed(
                "sess_1:c1", Speaker.Caller, "general", "And my teeth?", "And my teeth?", Interrupted: false, TranscriptionOutcome.Completed,
                StartMs: 0, EndMs: 800, SaidMs: 800, HeardMs: 800, Language: null, FirstAudioMs: null, FirstHeardMs: null, ManualTime.Start)),
            CancellationToken.None);
        held.SetResult();

        var line = new ScriptedLine("MZ1");
        var call = house.ConnectsAsync(line, (await asked).ShouldBeOfType<ConnectStream>().Token);
        await ManualTime.UntilAsync(() => house.Dialer.Models.Count > 1 && house.Model.Told.OfType<AddSystemItem>().Any());
        house.Model.Told.OfType<AddSystemItem>().ShouldHaveSingleItem().Text.ShouldContain("Caller: And my teeth?");
        line.Stops();
        await call;
    }

    [Fact]
    public async Task A_call_that_nobody_knows_is_hung_up() => (await new House().ContinuesAsync()).ShouldBe(new JustHangUp());

    [Theory]
    [InlineData(CallEndReason.ModelUnavailable, FixedSentence.ModelUnavailable)]
    [InlineData(CallEndReason.ShuttingDown, FixedSentence.ShuttingDown)]
    [InlineData(CallEndReason.StreamLost, FixedSentence.TechnicalProblem)]
    public async Task A_caller_hears_why_the_call_is_over(CallEndReason reason, FixedSentence sentence)
    {
        var house = new House();
        await house.AnswersAsync();
        await new CallLog(house.Store, House.CallSid).AppendAsync(new EndCall(reason, ManualTime.Start), CancellationToken.None);
        (await house.ContinuesAsync()).ShouldBe(new SayAndHangUp(sentence, Language: null));
    }

    [Theory]
    [InlineData(CallEndReason.AgentEnded)]
    [InlineData(CallEndReason.Silence)]
    [InlineData(CallEndReason.MaxDuration)]
    [InlineData(CallEndReason.CallerHungUp)]
    public async Task A_caller_who_was_told_by_the_agent_hears_nothing_more(CallEndReason reason)
    {
        var house = new House();
        await house.AnswersAsync();
        await new CallLog(house.Store, House.CallSid).AppendAsync(new EndCall(reason, ManualTime.Start), CancellationToken.None);
        (await house.ContinuesAsync()).ShouldBe(new JustHangUp());
    }

    [Theory]
    [InlineData(null, "whatsapp:+15550001111")]
    [InlineData("CA1", "whatsapp:+15550001111")]
    [InlineData(House.Sid, null)]
    [InlineData(House.Sid, "whatsapp:")]
    [InlineData(House.Sid, "sip:someone@example.org")]
    public void A_request_without_a_call_or_a_caller_is_refused(string? callSid, string? from) =>
        new AnswerCallValidator().Validate(new AnswerCall(callSid, from, "whatsapp:+15550009999", "inbound")).IsValid.ShouldBeFalse();

    [Fact]
    public void A_call_that_guru_placed_has_its_caller_at_the_other_end() =>
        new AnswerCallValidator().Validate(new AnswerCall(House.Sid, "nobody", "whatsapp:+15550001111", "outbound-api")).IsValid.ShouldBeTrue();
}
