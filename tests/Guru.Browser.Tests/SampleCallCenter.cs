using Guru.Application;
using Guru.Domain.Callers;
using Guru.Domain.Calls;
using Guru.Domain.Conversations;
using Guru.SampleData;
using Microsoft.Extensions.DependencyInjection;

namespace Guru.Browser.Tests;

/// <summary>What the dashboard has to show: twelve days of sample calls, and one call and one person of whom every word is known.</summary>
internal sealed class SampleCallCenter(IServiceProvider services)
{
    public const string Number = "+15550109999";
    public const string PaulsNumber = "+15550108888";
    public const string CutSid = "CAdd00000000000000000000000000cc01";
    public const int Calls = 60;

    private readonly byte[] _secret = services.GetRequiredService<ServerSecret>().Value.ToArray();

    public CallerId Maria => CallerId.Of(CallerAddress.Parse(Number), _secret);

    public CallerId Paul => CallerId.Of(CallerAddress.Parse(PaulsNumber), _secret);

    public static CallSid Cut => CallSid.Parse(CutSid);

    public async Task FillAsync(DateTimeOffset now)
    {
        foreach (var call in new SampleCalls(seed: 3, now, days: 12, _secret).Take(Calls))
        {
            await AppendAsync(call.StreamId, call.CallerId, call.Events);
        }

        var at = now.AddHours(-2);
        await AppendAsync(Call.StreamId(Cut), Maria,
        [
            new CallStarted(Cut, Maria, Number, CallChannel.Whatsapp, CallDirection.Inbound, "en", StreamTokenHash: null, at),
            new AgentRouted("general", "The caller has not said yet what it is about.", at),
            new MediaStreamConnected("MZdd00000000000000000000000000cc01", "sample", "node-1", at),
            new AgentHandedOff("general", "healthcare", "It is about a hospital bill.", at.AddSeconds(5)),
            Said("1", Speaker.Agent, "Hello, this is Guru.", 800, 2_800, at),
            Said("2", Speaker.Caller, "What does itemized mean?", 3_500, 5_000, at),
            Said("3", Speaker.Agent, "Itemized means that every single thing you are charged for is listed.", 5_640, 8_000, at, heard: "Itemized means that every single", latencyMs: 640),
            new UsageRecorded("sess:resp_3", UsageRecorded.Response, "gpt-realtime-2.1", "healthcare", new TokenUsage(900, 120, 800, 60, 40, 180), Seconds: null, at.AddSeconds(8)),
            Said("4", Speaker.Caller, "=1+1, thank you, goodbye.", 8_000, 9_500, at),
            new CallEnded(CallEndReason.CallerHungUp, at.AddSeconds(10)),
            new CallStatusChanged(CallStatus.Completed, Cut, Maria, CallDirection.Inbound, 10, ErrorCode: null, at.AddSeconds(11)),
        ]);
        await AppendAsync(Conversation.StreamId(Maria), Maria,
        [
            new CallPermissionGranted("SMdd00000000000000000000000000cc02", Maria, Number, GrantSource.Answer, RequestId: null, ExpiresAt: null, now.AddHours(-1)),
            new LanguageDetermined(Maria, "en", "call", now.AddHours(-1)),
        ]);
    }

    public Task AppendAsync(string streamId, CallerId owner, IReadOnlyList<object> events) =>
        services.GetRequiredService<IEventStore>().AppendAsync(streamId, ExpectedVersion.Any, owner, events, CancellationToken.None);

    public static UtteranceTranscribed Said(
        string id, Speaker speaker, string words, long startMs, long endMs, DateTimeOffset at, string? heard = null, long? latencyMs = null) =>
        new($"sess:item_{id}", speaker, "healthcare", words, heard ?? words, heard is not null, TranscriptionOutcome.Completed, startMs, endMs, endMs - startMs,
            heard is null ? endMs - startMs : (endMs - startMs) / 2, speaker == Speaker.Caller ? "en" : null, latencyMs, latencyMs + 20, at.AddMilliseconds(endMs),
            speaker == Speaker.Agent ? $"sess:resp_{id}" : null);
}
