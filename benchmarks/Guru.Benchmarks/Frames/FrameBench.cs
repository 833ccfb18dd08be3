using System.Globalization;
using System.Runtime.CompilerServices;
using Guru.Application.Calls;
using Guru.Application.Voice;
using Guru.Application.VoiceSessions;
using Guru.Domain.Calls;
using Guru.Infrastructure.Agents;
using Guru.Infrastructure.OpenAI;
using Guru.Infrastructure.Sockets;
using Guru.Infrastructure.Twilio;
using Microsoft.Extensions.Logging.Abstractions;

namespace Guru.Benchmarks.Frames;

/// <summary>
/// One frame through everything of Guru's between two sockets: the line, the bridge with its session, and the model. The sockets are scripts, so that the kernel
/// and the threads are left out.
/// </summary>
internal static class FrameBench
{
    private const int Warm = 200_000;

    public static async Task<IReadOnlyList<FrameFigures>> RunAsync(int frames)
    {
        var callSid = CallSid.Parse($"CA{1:x32}");
        var carrier = new ScriptedStream(
            isServer: true,
            [
                """{"event":"connected","protocol":"Call","version":"1.0.0"}""",
                $$$"""{"event":"start","sequenceNumber":"1","streamSid":"MZ01","start":{"streamSid":"MZ01","callSid":"{{{callSid}}}","mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000,"channels":1},"customParameters":{"token":"t"} } }""",
            ],
            Caller(), "timestamp\":\"", Warm + frames, """{"event":"stop","streamSid":"MZ01"}""") { Warm = Warm };
        var vendor = new ScriptedStream(
            isServer: false,
            ["""{"type":"response.created","response":{"id":"resp_1","metadata":{"purpose":"greeting"} } }"""], Model(), null, Warm + frames, null) { Warm = Warm };
        await using var model = new RealtimeModel(new JsonSocket(vendor.Connection, new JsonSocketOptions(), TimeProvider.System), "sess_1", DateTimeOffset.UtcNow.AddHours(1));
        var accepted = await MediaStreamLine.AcceptAsync(carrier.Connection, new MediaStreamOptions(), TimeProvider.System, CancellationToken.None);
        await using var line = accepted.Line!;

        var now = DateTimeOffset.UtcNow;
        var session = new CallSession(
            new CallSessionStart(now, AgentsFile.Load(AgentsFile.ShippedPath), new VoiceSettings(), "general", Language: null, Resumed: false, []), new CallRules { LastWordsSeconds = 0 });
        var recorder = new CallRecorder(new Nowhere(), new Nowhere(), new CallLog(new Nowhere(), callSid), callSid, _ => { }, TimeProvider.System, NullLogger.Instance);
        await using var bridge = new CallBridge(
            callSid, line, session, recorder, now, (_, _) => Task.FromResult<IVoiceModel>(model), _ => { }, _ => Task.FromResult(""), new CallRules { LastWordsSeconds = 0 }, TimeProvider.System, NullLogger.Instance);

        // First the model's speech, then the caller's: each direction by itself, on one thread.
        carrier.Wait = vendor.Done.Task;
        await bridge.RunAsync();
        return
        [
            new FrameFigures("caller -> model", carrier.NsPerMessage(Warm), carrier.BytesPerMessage(Warm), carrier.MessageBytes, vendor.SentBytes / Math.Max(1, vendor.Sent)),
            new FrameFigures("model -> caller", vendor.NsPerMessage(Warm), vendor.BytesPerMessage(Warm), vendor.MessageBytes, carrier.SentBytes / Math.Max(1, carrier.Sent)),
        ];
    }

    public static void Print(IReadOnlyList<FrameFigures> figures)
    {
        foreach (var f in figures)
        {
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture, $"{f.Direction}   {f.Nanoseconds,6:F0} ns   {f.Allocated:F3} bytes allocated   {f.BytesIn} bytes in   {f.BytesOut} bytes out"));
        }
    }

    private static string Caller() =>
        """{"event":"media","sequenceNumber":"2","media":{"track":"inbound","chunk":"1","timestamp":"000000000","payload":"$"},"streamSid":"MZ01"}""".Replace("$", Audio(), StringComparison.Ordinal);

    private static string Model() =>
        """{"type":"response.output_audio.delta","event_id":"event_01","response_id":"resp_1","item_id":"item_1","output_index":0,"content_index":0,"delta":"$"}""".Replace(
            "$", Audio(), StringComparison.Ordinal);

    private static string Audio() => Convert.ToBase64String(Enumerable.Repeat((byte)0x7B, 160).ToArray());

    private sealed class Nowhere : Guru.Application.IEventStore, ICallJournal, IKeptFact
    {
        int ICallJournal.SetAside => 0;

        public IKeptFact Keep(CallSid callSid, CallCommand fact) => this;

        public void KeepUnfinished(CallSid callSid, IReadOnlyList<CallCommand> facts)
        {
        }

        public IReadOnlyList<ILeftJournal> TakeOver() => [];

        void IKeptFact.Stored()
        {
        }

        void IKeptFact.SetAside()
        {
        }

        public Task<long> AppendAsync(
            string streamId, Guru.Application.ExpectedVersion expected, Domain.Callers.CallerId? owner, IReadOnlyList<object> events, CancellationToken cancellationToken) =>
            Task.FromResult(Math.Max(0, expected.Value) + events.Count);

        public Task<IReadOnlyList<Guru.Application.StoredEvent>> ReadAsync(string streamId, long fromVersion, CancellationToken cancellationToken) =>
            Task.FromResult<IReadOnlyList<Guru.Application.StoredEvent>>([]);

        public async IAsyncEnumerable<Guru.Application.StoredEvent> ReadAllAsync(long afterSequence, [EnumeratorCancellation] CancellationToken cancellationToken)
        {
            await Task.CompletedTask;
            yield break;
        }
    }
}

/// <param name="BytesIn">Of one message as it comes.</param>
/// <param name="BytesOut">Of one message as it goes, on average with marks among them.</param>
internal sealed record FrameFigures(string Direction, double Nanoseconds, double Allocated, long BytesIn, long BytesOut);
