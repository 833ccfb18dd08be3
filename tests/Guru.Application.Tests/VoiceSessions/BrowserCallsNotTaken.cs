using Guru.Application.Tests.Voice;
using Guru.Application.VoiceSessions;
using Guru.Domain.Callers;
using Guru.Domain.Calls;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Shouldly;

namespace Guru.Application.Tests.VoiceSessions;

public sealed class BrowserCallsNotTaken
{
    private readonly House _house = new(rules => rules.CommitSeconds = 1);

    [Fact]
    public async Task Have_ended_where_the_database_stored_their_start_when_nobody_waited_for_it_any_more()
    {
        var held = new TaskCompletionSource();
        _house.Store.Holds = held.Task;
        var answer = CallAsync();
        await _house.Time.PassUntilAsync(() => answer.IsCompleted, TimeSpan.FromSeconds(2));
        (await answer).ShouldBeNull();
        _house.Store.Of<CallStarted>().ShouldBeEmpty();

        held.SetResult();

        await ShouldHaveEndedAsync();
    }

    [Fact]
    public async Task Have_ended_where_the_database_stored_their_start_and_its_answer_was_lost()
    {
        _house.Store.LosesAnswers = 1;

        (await CallAsync()).ShouldBeNull();

        await ShouldHaveEndedAsync();
    }

    [Fact]
    public async Task Are_not_on_record_where_the_database_did_not_store_them()
    {
        _house.Store.IsDown = true;
        (await CallAsync()).ShouldBeNull();
        var attempts = _house.Store.Attempts;
        await _house.Time.PassUntilAsync(() => _house.Store.Attempts > attempts); // Whether it is there is asked until there is an answer.
        _house.Store.IsDown = false;
        await _house.Time.PassUntilAsync(() => _house.Switchboard.PaperworkDone.IsCompleted);

        _house.Store.Of<object>().ShouldBeEmpty();
        _house.Journal.Facts.ShouldBeEmpty();
    }

    private Task<AnsweredOffer?> CallAsync()
    {
        var calls = new BrowserCalls(_house.Switchboard, _house.Time, NullLogger<BrowserCalls>.Instance);
        var handler = new StartBrowserCallHandler(
            _house.Store, _house.Memory, House.Agents, _house.Browsers, calls, new ServerSecret("a secret of the server"u8.ToArray()), Options.Create(new VoiceSettings()),
            _house.Rules, _house.Time, NullLogger<StartBrowserCallHandler>.Instance);
        return handler.Handle(new StartBrowserCall(CallerId.New(), Address: null, Agent: null, "v=0 m=audio", TimeSpan.FromSeconds(5)), CancellationToken.None);
    }

    private async Task ShouldHaveEndedAsync()
    {
        await ManualTime.UntilAsync(() => _house.Store.Of<CallEnded>().Count > 0);
        _house.Store.Of<CallStarted>().ShouldHaveSingleItem();
        _house.Store.Of<CallEnded>().ShouldHaveSingleItem().Reason.ShouldBe(CallEndReason.Failed);
        _house.Browsers.HungUp.ShouldHaveSingleItem();
    }
}
