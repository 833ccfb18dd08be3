using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using Guru.Application.Recordings;
using Guru.Application.Traces;
using Guru.Domain.Calls;
using Guru.Sandbox.Twilio;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace Guru.EndToEnd.Tests;

public sealed class WorldThatRecords : World
{
    protected override Dictionary<string, string?> Settings => new()
    {
        ["Guru:Recording:Enabled"] = "true",
        ["Guru:Traces:Enabled"] = "true",
    };
}

/// <summary>A call over two streams, with a barge-in: its sound against what the carrier sent and played, and its course against today's rules.</summary>
[Collection(InRealTime.Name)]
public sealed class RecordedCalls(WorldThatRecords world) : IClassFixture<WorldThatRecords>
{
    private const int HeaderBytes = 58;

    /// <summary>Between the carrier's clock and Guru's, on a machine that may be busy.</summary>
    private const int ToleranceMs = 1000;

    [Fact]
    public async Task Hold_what_the_carrier_sent_and_what_the_caller_heard_on_the_clock_of_the_call()
    {
        var call = await world.Twilio.PlaceCallAsync(new CallOptions
        {
            Script =
            [
                new CallerTurn(new AgentSpeaking(TimeSpan.FromSeconds(1)), new Say("itemized-en")),
                new CallerTurn(new AgentSpeaking(TimeSpan.FromSeconds(1)), new LoseStream()),
                new CallerTurn(new AgentFinished(TimeSpan.FromMilliseconds(400)), new HangUp()),
            ],
        });
        var record = await world.RecordOf(call);
        var wav = await world.Analyst.GetByteArrayAsync($"/api/calls/{call.CallSid}/recording");

        // The caller was told, once, before the first stream.
        call.Events.Of<SentenceSaid>().Select(said => said.Text).ShouldBe(["This call is recorded."]);
        call.Events.Of<SentenceSaid>()[0].At.ShouldBeLessThan(call.Events.Of<StreamOpened>()[0].At);

        var (left, right) = (Side(wav, 0), Side(wav, 1));
        var recording = record.Call.GetProperty("recording");
        recording.GetProperty("durationMs").GetInt64().ShouldBe((wav.Length - HeaderBytes) / 16);
        record.EventTypes.Count(type => type == "RecordingStored").ShouldBe(2);

        // Every sample that the caller said, where the transcript says.
        var asked = call.CallerSaid.Single();
        var askedAt = left.AsSpan().IndexOf(asked.Audio.Span);
        askedAt.ShouldBeGreaterThan(0);
        (askedAt / 8.0).ShouldBe(Utterance(record, "caller", 0).GetProperty("startMs").GetInt64(), ToleranceMs);

        // Every sample that the carrier played, and none that it dropped.
        var spans = call.Read(playback => playback.Played.Select(span => (span, Audio: playback.Received[(int)span.From..].ToArray())).ToList());
        var cuts = call.Read(playback => playback.Cleared.Select(cleared => cleared.From).ToList());
        var cutAt = cuts[0];
        var last = 0;
        foreach (var (span, audio) in spans)
        {
            if (cuts.Contains(span.To) && span.To - span.From < 400)
            {
                continue; // Played while the clear of it was on its way: Guru cannot know of it.
            }

            var at = last + right.AsSpan(last).IndexOf(audio.AsSpan(0, (int)Math.Min(400, span.To - span.From)));
            at.ShouldBeGreaterThanOrEqualTo(last);
            var recorded = right.AsSpan(at).CommonPrefixLength(audio);
            var heard = span.To - span.From;
            if (span.To < cutAt)
            {
                recorded.ShouldBeGreaterThanOrEqualTo((int)heard);
            }
            else
            {
                ((double)recorded / 8).ShouldBe(heard / 8.0, ToleranceMs);
            }

            last = at + (int)Math.Min(recorded, heard);
        }

        // The sound of an utterance begins where the transcript says, and is as long as was heard.
        var greeting = Utterance(record, "agent", 0);
        greeting.GetProperty("interrupted").GetBoolean().ShouldBeTrue();
        var startMs = greeting.GetProperty("startMs").GetInt64();
        (right.AsSpan().IndexOf(spans[0].Audio.AsSpan(0, 400)) / 8.0).ShouldBe(startMs, 20);
        var cutMs = greeting.GetProperty("heardMs").GetInt64();
        right.AsSpan((int)(startMs + cutMs + 200) * 8, 1600).IndexOfAnyExcept((byte)0xFF).ShouldBe(-1);

        await IsServedInPartsAsync(call.CallSid, wav);
        await CanBeReplayedAsync(call.CallSid);
    }

    [Fact]
    public async Task Are_not_there_where_there_is_no_call_or_no_key_to_it()
    {
        using var unknown = await world.Analyst.GetAsync("/api/calls/CA00000000000000000000000000000009/recording");
        unknown.StatusCode.ShouldBe(HttpStatusCode.NotFound);
        unknown.Content.Headers.ContentType!.MediaType.ShouldBe("application/problem+json");
        using var operators = await world.Operator.GetAsync("/api/calls/CA00000000000000000000000000000009/recording");
        operators.StatusCode.ShouldBe(HttpStatusCode.Forbidden);
    }

    private async Task IsServedInPartsAsync(string callSid, byte[] wav)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, $"/api/calls/{callSid}/recording") { Headers = { Range = new RangeHeaderValue(30_000, 70_000) } };
        using var response = await world.Analyst.SendAsync(request);
        response.StatusCode.ShouldBe(HttpStatusCode.PartialContent);
        response.Content.Headers.ContentType!.MediaType.ShouldBe("audio/wav");
        (await response.Content.ReadAsByteArrayAsync()).ShouldBe(wav[30_000..70_001]);
    }

    private async Task CanBeReplayedAsync(string callSid)
    {
        var traces = await world.Guru.App.Services.GetRequiredService<ICallTraces>().OfAsync(CallSid.Parse(callSid), CancellationToken.None);
        traces.Count.ShouldBe(2);
        foreach (var trace in traces)
        {
            var outcome = CallReplay.Run(trace.Text.ShouldNotBeNull());
            outcome.Difference.ShouldBeNull();
            outcome.Inputs.ShouldBeGreaterThan(50);
        }
    }

    private static JsonElement Utterance(CallRecord record, string speaker, int index) =>
        record.Utterances.Where(said => said.GetProperty("speaker").GetString() == speaker).ElementAt(index);

    private static byte[] Side(byte[] wav, int side) => [.. Enumerable.Range(0, (wav.Length - HeaderBytes) / 2).Select(sample => wav[HeaderBytes + (sample * 2) + side])];
}

public sealed class CallsThatNobodyRecords(World world) : IClassFixture<World>
{
    [Fact]
    public async Task Leave_no_sound_and_no_trace()
    {
        var call = await world.Twilio.PlaceCallAsync(Calls.Greeted);
        var record = await world.RecordOf(call);

        call.Events.Of<SentenceSaid>().ShouldBeEmpty();
        record.Call.GetProperty("recording").ValueKind.ShouldBe(JsonValueKind.Null);
        record.EventTypes.ShouldNotContain("RecordingStored");
        using var response = await world.Analyst.GetAsync($"/api/calls/{call.CallSid}/recording");
        response.StatusCode.ShouldBe(HttpStatusCode.NotFound);
        response.Content.Headers.ContentType!.MediaType.ShouldBe("application/problem+json");
        Directory.Exists(world.Guru.App.Services.GetRequiredService<IOptions<RecordingSettings>>().Value.Path).ShouldBeFalse();
        (await world.Guru.App.Services.GetRequiredService<ICallTraces>().CallsAsync(CancellationToken.None)).ShouldBeEmpty();
    }
}
