using System.Diagnostics;
using Guru.Sandbox.OpenAI;
using Guru.Sandbox.Scenarios;
using Guru.Sandbox.Twilio;

namespace Guru.Sandbox.Commands;

/// <summary>How a scenario went in real time.</summary>
/// <param name="Mistakes">Empty: all is as expected.</param>
/// <param name="Recorded">Null when Guru never heard of the call.</param>
/// <param name="Wav">Both sides of the call, in stereo.</param>
public sealed record ScenarioOutcome(
    Scenario Scenario, IReadOnlyList<string> Mistakes, string CallSid, GuruCall? Recorded, WireFacts Wire, byte[] Wav,
    IReadOnlyCollection<string> Log);

/// <summary>Plays a scenario against a Guru process: both stand-ins, one call, and the comparison at the end.</summary>
public static class ScenarioRun
{
    /// <summary>Guru writes behind the conversation, and the last words may take a while to be transcribed.</summary>
    static readonly TimeSpan RecordLimit = TimeSpan.FromSeconds(12);

    static readonly TimeSpan Settled = TimeSpan.FromSeconds(1);

    /// <param name="watch">Told when Guru is up and the call begins.</param>
    public static async Task<ScenarioOutcome> RunAsync(
        Scenario scenario, Action<Uri, PlacedCall>? watch = null, string? dataFolder = null, CancellationToken cancellationToken = default)
    {
        await using var openai = await OpenAIStandIn.StartAsync(scenario.StandIn(GuruProcess.OpenAIKey), cancellationToken);
        await using var twilio = await TwilioStandIn.StartAsync(cancellationToken: cancellationToken);
        await using var guru = await GuruProcess.StartAsync(openai, twilio, scenario.Guru, dataFolder, cancellationToken);
        twilio.AppUrl = guru.Address;
        var call = twilio.PlaceCall(scenario.Call);
        watch?.Invoke(guru.Address, call);
        await call.Completion.WaitAsync(cancellationToken);

        using var client = new GuruClient(guru.Address, GuruProcess.AnalystKey);
        var started = Stopwatch.GetTimestamp();
        TimeSpan? rightSince = null;
        while (true)
        {
            var recorded = await client.ReadAsync(call.CallSid, cancellationToken);
            var wire = Facts(openai, call);
            IReadOnlyList<string> mistakes = recorded is null ? ["Guru does not know the call."]
                : ExpectationCheck.Check(scenario.Expect, recorded.ToRecord(), wire);
            var now = Stopwatch.GetElapsedTime(started);
            rightSince = mistakes.Count == 0 ? rightSince ?? now : null;

            // Right is only what stays right: a record may also say too much.
            if (now - rightSince >= Settled || now > RecordLimit)
            {
                return new ScenarioOutcome(scenario, mistakes, call.CallSid, recorded, wire, call.ToWav(), [.. guru.Log]);
            }

            await Task.Delay(200, cancellationToken);
        }
    }

    static WireFacts Facts(OpenAIStandIn openai, PlacedCall call) => new(
        [.. openai.Sessions.Entries.SelectMany(session => session.Read(s => s.Truncations.ToList()))],
        call.Heard,
        [.. call.Events.Of<SentenceSaid>().Select(said => said.Text)]);
}
