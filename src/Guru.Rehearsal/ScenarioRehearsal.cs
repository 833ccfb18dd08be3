using System.Text.Json;
using Guru.Application.Voice;
using Guru.Sandbox.Scenarios;
using Guru.Sandbox.Twilio;
using Microsoft.Extensions.Configuration;

namespace Guru.Rehearsal;

/// <summary>Plays a scenario's file in virtual time and holds the outcome against what it expects.</summary>
public static class ScenarioRehearsal
{
    /// <returns>The call, and everything that is not as it should be.</returns>
    public static (VirtualCallRecord Call, IReadOnlyList<string> Mistakes) Run(Scenario scenario, bool traced = false)
    {
        var call = VirtualCall.Run(new VirtualCallOptions
        {
            Caller = new CallerScript(scenario.Call.Script),
            Rules = Rules(scenario),
            Model = scenario.Session,
            AtMost = scenario.AtMost,
            Traced = traced,
        });

        // Fixed sentences are the carrier's to say, and there is none here.
        var expected = scenario.Expect with { Sentences = null };
        return (call, ExpectationCheck.Check(expected, Record(call), new WireFacts(call.Truncations, PlaybackTruth.Lines(call.Playback), [])));
    }

    private static CallRecord Record(VirtualCallRecord call) => new(
        [.. call.Utterances.Select(said => new RecordedUtterance(
            Name(said.Speaker), said.Said, said.Heard, said.Interrupted, said.StartMs, said.EndMs)
        {
            HeardMs = said.HeardMs,
            Agent = said.Agent,
        })],
        [.. call.Events.Select(@event => @event.GetType().Name)],
        call.EndReason is { } reason ? Name(reason) : null);

    /// <summary>The scenario's environment, such as Guru__Calls__SilenceSeconds.</summary>
    private static CallRules Rules(Scenario scenario)
    {
        var rules = new CallRules();
        new ConfigurationBuilder()
            .AddInMemoryCollection(scenario.Guru.Select(setting => KeyValuePair.Create(setting.Key.Replace("__", ":", StringComparison.Ordinal), (string?)setting.Value)))
            .Build().GetSection("Guru:Calls").Bind(rules);
        return rules;
    }

    private static string Name<T>(T value)
        where T : struct, Enum => JsonNamingPolicy.CamelCase.ConvertName(value.ToString());
}
