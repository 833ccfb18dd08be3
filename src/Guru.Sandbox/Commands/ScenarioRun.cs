using System.Collections.Immutable;
using System.Diagnostics;
using Guru.Sandbox.OpenAI;
using Guru.Sandbox.Scenarios;
using Guru.Sandbox.Timing;
using Guru.Sandbox.Twilio;

namespace Guru.Sandbox.Commands;

/// <summary>How a scenario went in real time.</summary>
/// <param name="Mistakes">Empty: all is as expected.</param>
/// <param name="CallSid">Of the scenario's own call; empty when it has none.</param>
/// <param name="Recorded">Null when Guru never heard of the call.</param>
/// <param name="Wav">Both sides of the call, in stereo; empty when there was none.</param>
public sealed record ScenarioOutcome(
    Scenario Scenario, IReadOnlyList<string> Mistakes, string CallSid, GuruCall? Recorded, WireFacts Wire, byte[] Wav,
    IReadOnlyCollection<string> Log)
{
    /// <summary>The messages as Guru has them; null when the scenario has none.</summary>
    public ConversationRecord? Conversation { get; init; }

    /// <summary>How late the machine was, at worst.</summary>
    public TimeSpan Lateness { get; init; }
}

/// <summary>Plays a scenario against a Guru process: both stand-ins, the person's messages and calls, and the comparison at the end.</summary>
public static class ScenarioRun
{
    /// <summary>Guru writes behind the conversation, and the last words may take a while to be transcribed.</summary>
    static readonly TimeSpan RecordLimit = TimeSpan.FromSeconds(12);

    static readonly TimeSpan Settled = TimeSpan.FromSeconds(1);

    /// <param name="watch">Given Twilio's side once Guru is up, before anything happens.</param>
    /// <param name="settings">Guru's, besides those of the scenario; without a DATABASE_URL among them it has a PostgreSQL of its own.</param>
    public static async Task<ScenarioOutcome> RunAsync(
        Scenario scenario, Action<TwilioStandIn>? watch = null, IReadOnlyDictionary<string, string>? settings = null, CancellationToken cancellationToken = default)
    {
        await using var probe = new LatenessProbe();
        await using var openai = await OpenAIStandIn.StartAsync(scenario.StandIn(GuruProcess.OpenAIKey), cancellationToken);
        await using var twilio = await TwilioStandIn.StartAsync(cancellationToken: cancellationToken);
        await using var guru = await GuruProcess.StartAsync(
            openai, twilio, (settings ?? ImmutableDictionary<string, string>.Empty).Concat(scenario.Guru).ToDictionary(StringComparer.Ordinal), cancellationToken: cancellationToken);
        twilio.AppUrl = guru.Address;
        var play = new ScenarioPlay(scenario, twilio);
        play.Arrange(openai);
        watch?.Invoke(twilio);
        await play.RunAsync(cancellationToken);

        using var client = new GuruClient(guru.Address, GuruProcess.AnalystKey);
        var started = Stopwatch.GetTimestamp();
        TimeSpan? rightSince = null;
        while (true)
        {
            var outcome = await CompareAsync(scenario, play, client, openai, twilio, cancellationToken);
            var now = Stopwatch.GetElapsedTime(started);
            rightSince = outcome.Mistakes.Count == 0 ? rightSince ?? now : null;

            // Right is only what stays right: a record may also say too much.
            if (now - rightSince >= Settled || now > RecordLimit)
            {
                return outcome with { Wav = play.OwnCall?.ToWav() ?? [], Log = [.. guru.Log], Lateness = probe.Worst };
            }

            await Task.Delay(200, cancellationToken);
        }
    }

    private static async Task<ScenarioOutcome> CompareAsync(
        Scenario scenario, ScenarioPlay play, GuruClient client, OpenAIStandIn openai, TwilioStandIn twilio, CancellationToken cancellationToken)
    {
        var mistakes = new List<string>(play.Mistakes);
        var recordedCalls = new List<CallRecord>();
        var outcome = new ScenarioOutcome(scenario, mistakes, play.OwnCall?.CallSid ?? "", Recorded: null, new WireFacts([], [], []), [], []);
        foreach (var (call, expected) in play.Calls)
        {
            var recorded = await client.ReadAsync(call.CallSid, cancellationToken);

            // With several calls nobody can tell whose the truncations of the model's sessions are.
            var wire = Facts(openai, call) is var facts && play.Calls.Count == 1 ? facts : null;
            if (recorded is null)
            {
                mistakes.Add("Guru does not know the call.");
                continue;
            }

            mistakes.AddRange(ExpectationCheck.Check(expected, recorded.ToRecord(), wire));
            recordedCalls.Add(recorded.ToRecord());
            outcome = call == play.OwnCall ? outcome with { Recorded = recorded, Wire = facts } : outcome;
        }

        if (scenario.Messages.IsEmpty)
        {
            return outcome;
        }

        var conversation = await client.ReadConversationAsync(scenario.Call.From, cancellationToken);
        mistakes.AddRange(conversation is null ? ["Guru does not know the conversation."]
            : ConversationCheck.Check(scenario.Expect.Conversation, conversation, MessageFacts.Of(twilio.Messaging), recordedCalls));
        return outcome with { Conversation = conversation };
    }

    static WireFacts Facts(OpenAIStandIn openai, PlacedCall call) => new(
        [.. openai.Sessions.Entries.SelectMany(session => session.Read(s => s.Truncations.ToList()))],
        call.Heard,
        [.. call.Events.Of<SentenceSaid>().Select(said => said.Text)]);
}
