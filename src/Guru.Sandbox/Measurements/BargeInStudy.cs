using System.Text.Json;
using Guru.Sandbox.Audio;
using Guru.Sandbox.OpenAI;
using Guru.Sandbox.Twilio;

namespace Guru.Sandbox.Measurements;

/// <summary>One turn of the agent that the caller cut off: what the application says was heard, and what the carrier played.</summary>
/// <param name="Heard">As recorded by the application.</param>
/// <param name="Played">As played by the carrier, by its own log.</param>
/// <param name="Sent">As it arrived at the carrier, what came too late included.</param>
public sealed record CutTurn(string CallSid, TimeSpan Heard, TimeSpan Played, TimeSpan Sent)
{
    public TimeSpan Error => (Heard - Played).Duration();
}

/// <param name="Mistakes">What must never happen, in words; empty when all is well.</param>
public sealed record BargeInReport(IReadOnlyList<CutTurn> Cuts, IReadOnlyList<string> Mistakes)
{
    public TimeSpan ErrorAt(double share)
    {
        var errors = Cuts.Select(cut => cut.Error).Order().ToList();
        return errors.Count == 0 ? TimeSpan.MaxValue : errors[Math.Min(errors.Count - 1, (int)Math.Ceiling(share * errors.Count) - 1)];
    }
}

/// <summary>
/// Callers who interrupt at random moments, many at once, in real time. What the application recorded as heard is compared with
/// what the carrier played.
/// </summary>
public static class BargeInStudy
{
    private static readonly TimeSpan Least = TimeSpan.FromMilliseconds(400);
    private static readonly TimeSpan Most = TimeSpan.FromMilliseconds(5000);

    /// <param name="transcriptOf">The application's transcript of a call, complete, in the shape of GET /api/calls/{callSid}/transcript.</param>
    public static async Task<BargeInReport> RunAsync(
        TwilioStandIn twilio, OpenAIStandIn openAI, Func<PlacedCall, Task<JsonElement>> transcriptOf, int calls, int bargeIns, int seed)
    {
        var random = new Random(seed);
        var placed = Enumerable.Range(0, calls).Select(number => twilio.PlaceCall(Caller(number, bargeIns, random))).ToList();
        await Task.WhenAll(placed.Select(call => call.Completion));

        var cuts = new List<CutTurn>();
        var mistakes = new List<string>();
        var spoken = openAI.Sessions.Entries.SelectMany(session => session.Read(core =>
            core.Items.Where(item => item.IsAgentAudio).Select(item => $"{core.Id}:{item.Id}").ToList())).ToList();
        foreach (var call in placed)
        {
            Compare(call, await transcriptOf(call), spoken, cuts, mistakes);
        }

        var refused = openAI.Sessions.Entries.SelectMany(session => session.Read(core => core.Truncations.Where(cut => !cut.Accepted).ToList())).Count();
        if (refused > 0)
        {
            mistakes.Add($"The model refused {refused} truncates.");
        }

        return new BargeInReport(cuts, mistakes);
    }

    private static CallOptions Caller(int number, int bargeIns, Random random) => new()
    {
        From = $"whatsapp:+23320{number:D7}",
        Script =
        [
            new CallerTurn(new AgentFinished(TimeSpan.FromMilliseconds(200 + random.Next(1500))), new Say("bill-en")),
            .. Enumerable.Range(0, bargeIns).Select(_ => new CallerTurn(
                new AgentSpeaking(Least + (random.NextDouble() * (Most - Least))), new Say("bill-en"))),
            new CallerTurn(new AgentSpeaking(TimeSpan.FromSeconds(1)), new HangUp()),
        ],
        AtMost = TimeSpan.FromMinutes(3),
    };

    /// <param name="spoken">The utterances of the agent in the order in which the model made them, which is that of their audio on the line.</param>
    private static void Compare(PlacedCall call, JsonElement transcript, List<string> spoken, List<CutTurn> cuts, List<string> mistakes)
    {
        var utterances = transcript.GetProperty("utterances").EnumerateArray().ToList();
        var starts = utterances.Select(turn => turn.GetProperty("startMs").GetInt64()).ToList();
        if (!starts.SequenceEqual(starts.Order()))
        {
            mistakes.Add($"{call.CallSid}: the transcript is not in order.");
        }

        var lines = call.Heard.Where(line => line.ReceivedBytes > 0).ToList();
        var turns = utterances.Where(turn => turn.GetProperty("speaker").GetString() == "agent" && turn.GetProperty("saidMs").GetInt64() > 0)
            .OrderBy(turn => spoken.IndexOf(turn.GetProperty("id").GetString()!)).ToList();
        if (turns.Count != lines.Count)
        {
            mistakes.Add($"{call.CallSid}: {turns.Count} turns of the agent are recorded, {lines.Count} were sent.");
            return;
        }

        foreach (var (line, turn) in lines.Zip(turns))
        {
            // What was on its way when the caller hung up belongs to the last of them.
            var sent = MuLaw.Duration(line.ReceivedBytes + (line == lines[^1] ? call.LateBytes : 0));
            var heard = TimeSpan.FromMilliseconds(turn.GetProperty("heardMs").GetInt64());
            if (heard > sent)
            {
                mistakes.Add($"{call.CallSid}: {heard} recorded as heard, {sent} sent.");
            }

            if (turn.GetProperty("interrupted").GetBoolean())
            {
                cuts.Add(new CutTurn(call.CallSid, heard, line.Heard, sent));
            }
        }
    }
}
