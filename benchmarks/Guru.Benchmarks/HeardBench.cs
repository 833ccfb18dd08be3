using System.Text.Json;
using Guru.Sandbox.Commands;
using Guru.Sandbox.Measurements;
using Guru.Sandbox.OpenAI;
using Guru.Sandbox.Twilio;

namespace Guru.Benchmarks;

/// <summary>The precision of "heard": a Guru process of its own, both stand-ins, real-time playback.</summary>
internal static class HeardBench
{
    private static readonly TimeSpan RecordLimit = TimeSpan.FromSeconds(15);

    public static async Task<int> RunAsync(int calls, int bargeIns, int seed)
    {
        await using var openAI = await OpenAIStandIn.StartAsync(new OpenAIStandInOptions { ApiKey = GuruProcess.OpenAIKey });
        await using var twilio = await TwilioStandIn.StartAsync();
        await using var guru = await GuruProcess.StartAsync(openAI, twilio);
        twilio.AppUrl = guru.Address;
        using var client = new HttpClient { BaseAddress = guru.Address };
        client.DefaultRequestHeaders.Authorization = new("Bearer", GuruProcess.AnalystKey);

        Console.WriteLine($"{calls} calls at once, {bargeIns} barge-ins each at random times, seed {seed}");
        var report = await BargeInStudy.RunAsync(twilio, openAI, call => TranscriptAsync(client, call), calls, bargeIns, seed);

        Console.WriteLine($"turns cut off                          {report.Cuts.Count}");
        Console.WriteLine($"heard against played, p50              {report.ErrorAt(0.50).TotalMilliseconds,6:F1} ms");
        Console.WriteLine($"heard against played, p95              {report.ErrorAt(0.95).TotalMilliseconds,6:F1} ms   (goal: less than 60)");
        Console.WriteLine($"heard against played, most             {report.ErrorAt(1.00).TotalMilliseconds,6:F1} ms");
        foreach (var mistake in report.Mistakes)
        {
            Console.WriteLine($"wrong: {mistake}");
        }

        return report.Mistakes.Count == 0 ? 0 : 1;
    }

    /// <summary>Guru writes behind the conversation; the transcript is complete when it stops growing after the call has ended.</summary>
    private static async Task<JsonElement> TranscriptAsync(HttpClient client, PlacedCall call)
    {
        var deadline = DateTime.UtcNow + RecordLimit;
        for (var before = -1; ;)
        {
            var transcript = JsonDocument.Parse(await client.GetStringAsync($"/api/calls/{call.CallSid}/transcript")).RootElement;
            var length = transcript.GetProperty("utterances").GetArrayLength();
            if ((length == before && transcript.GetProperty("status").GetString() == "completed") || DateTime.UtcNow > deadline)
            {
                return transcript;
            }

            before = length;
            await Task.Delay(TimeSpan.FromSeconds(4));
        }
    }
}
