using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Text.Json;
using Guru.Domain.Calls;

namespace Guru.Application.Voice;

/// <summary>What Guru tells about its calls in numbers; ids and words never become tags.</summary>
public static class CallMeter
{
    public const string Name = "Guru";

    public static readonly ActivitySource Activities = new(Name);

    private static readonly Meter Meter = new(Name);
    private static readonly UpDownCounter<int> Active = Meter.CreateUpDownCounter<int>("guru.calls.active", "{call}", "Calls on a Media Stream of this process.");
    private static readonly Counter<int> StartedCalls = Meter.CreateCounter<int>("guru.calls.started", "{call}", "Calls answered.");
    private static readonly Counter<int> EndedCalls = Meter.CreateCounter<int>("guru.calls.ended", "{call}", "Calls ended, by reason.");
    private static readonly Histogram<double> TurnLatency = Meter.CreateHistogram<double>(
        "guru.turn.latency", "s", "End of the caller's speech to the first audio sent, or to the first mark acknowledged (stage).");
    private static readonly Counter<int> HeldFrames = Meter.CreateCounter<int>("guru.frames.buffered", "{frame}", "Caller frames kept until the model was ready.");
    private static readonly Counter<int> DroppedFrames = Meter.CreateCounter<int>("guru.frames.dropped", "{frame}", "Frames not delivered, by reason.");
    private static readonly Counter<long> PaddedAudio = Meter.CreateCounter<long>("guru.audio.padded", "ms", "Silence put in the place of audio that did not come.");
    private static readonly Counter<int> Reconnects = Meter.CreateCounter<int>("guru.model.reconnects", "{session}", "Model sessions replaced in mid call, by reason.");
    private static readonly UpDownCounter<int> Queue = Meter.CreateUpDownCounter<int>("guru.recorder.queue", "{fact}", "Facts of live calls that are not stored yet.");

    private static readonly Counter<int> AsideFacts = Meter.CreateCounter<int>("guru.facts.set_aside", "{fact}", "Facts that the database refused for good.");

    public static void Connected() => Active.Add(1);

    public static void Disconnected() => Active.Add(-1);

    public static void Started() => StartedCalls.Add(1);

    public static void Held(int dropped)
    {
        HeldFrames.Add(1);
        if (dropped > 0)
        {
            DroppedFrames.Add(dropped, new KeyValuePair<string, object?>("reason", "held_too_long"));
        }
    }

    public static void DroppedCut() => DroppedFrames.Add(1, new KeyValuePair<string, object?>("reason", "cut"));

    public static void Padded(int ms) => PaddedAudio.Add(ms);

    public static void SetAside() => AsideFacts.Add(1);

    public static void Queued(int change) => Queue.Add(change);

    /// <summary>Counts what a stored event tells.</summary>
    public static void Count(CallEvent @event)
    {
        switch (@event)
        {
            case CallEnded e:
                EndedCalls.Add(1, new KeyValuePair<string, object?>("reason", JsonNamingPolicy.CamelCase.ConvertName(e.Reason.ToString())));
                break;
            case VoiceModelReconnected e:
                Reconnects.Add(1, new KeyValuePair<string, object?>("reason", e.Reason));
                break;
            case UtteranceTranscribed { FirstAudioMs: { } first } e:
                TurnLatency.Record(first / 1000.0, new KeyValuePair<string, object?>("stage", "sent"));
                if (e.FirstHeardMs is { } heard)
                {
                    TurnLatency.Record(heard / 1000.0, new KeyValuePair<string, object?>("stage", "heard"));
                }

                break;
        }
    }
}
