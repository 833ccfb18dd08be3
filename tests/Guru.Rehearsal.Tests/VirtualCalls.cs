using Guru.Application.Voice;
using Guru.Domain.Calls;
using Guru.Sandbox.Scenarios;
using Guru.Sandbox.Twilio;
using Shouldly;

namespace Guru.Rehearsal.Tests;

public sealed class VirtualCalls
{
    public static TheoryData<string> Shipped => [.. ScenarioFile.Shipped().Select(scenario => scenario.Name)];

    [Theory]
    [MemberData(nameof(Shipped))]
    public void Every_shipped_scenario_goes_as_expected_in_virtual_time(string scenario) =>
        ScenarioRehearsal.Run(ScenarioFile.Load(scenario)).Mistakes.ShouldBeEmpty();

    [Fact]
    public void The_same_call_takes_the_same_decisions_every_time()
    {
        var scenario = ScenarioFile.Load("barge-in-twice");

        var first = ScenarioRehearsal.Run(scenario).Call;
        var second = ScenarioRehearsal.Run(scenario).Call;

        second.Decisions.ShouldBe(first.Decisions);
        second.Events.ShouldBe(first.Events);
    }

    [Fact]
    public void An_hour_on_the_line_outlives_the_models_session_without_a_second_greeting()
    {
        var caller = Enumerable.Range(0, 160).SelectMany(_ => new[]
        {
            new CallerTurn(new AgentFinished(TimeSpan.FromMilliseconds(800)), new Say("visa-en")),
            new CallerTurn(new After(TimeSpan.FromSeconds(15)), new Say("yes-en")),
        });

        var call = VirtualCall.Run(new VirtualCallOptions
        {
            Caller = new CallerScript(caller.Append(new CallerTurn(new AgentFinished(TimeSpan.FromSeconds(1)), new Sandbox.Twilio.HangUp()))),
            Rules = new CallRules { MaxDurationSeconds = 2 * 3600, SilenceSeconds = 60 },
            AtMost = TimeSpan.FromHours(3),
        });

        call.Events.OfType<CallEnded>().Single().At.ShouldBeGreaterThan(call.Events[0].At.AddMinutes(60));
        call.Events.OfType<VoiceModelReconnected>().ShouldAllBe(reconnected => reconnected.Reason == "expiring" && reconnected.GapMs == 0);
        call.Events.OfType<VoiceModelReconnected>().ShouldNotBeEmpty();
        call.Utterances.Count(said => said.Said.StartsWith("Hello, this is Guru", StringComparison.Ordinal)).ShouldBe(1);
        call.Truncations.ShouldAllBe(cut => cut.Accepted);
    }
}
