using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Guru.Sandbox.Audio;
using Guru.Sandbox.OpenAI;

namespace Guru.Sandbox.Tests.OpenAI;

/// <summary>Talks to a session in virtual time: ten minutes take milliseconds.</summary>
sealed class VirtualClient
{
    public const string Phone = """
        {"type":"realtime","instructions":"You are kind.","audio":{"input":{"format":{"type":"audio/pcmu"},"transcription":{"model":"gpt-transcribe"},
        "turn_detection":{"type":"server_vad","threshold":0.5,"prefix_padding_ms":300,"silence_duration_ms":500}},
        "output":{"format":{"type":"audio/pcmu"},"voice":"marin"}},
        "tools":[{"type":"function","name":"end_call","description":"Ends the call.","parameters":{"type":"object","properties":{}}}]}
        """;

    readonly List<(TimeSpan At, JsonNode Json)> _events = [];

    public VirtualClient(RealtimeSessionOptions? options = null)
    {
        Session = new RealtimeSession(options ?? new RealtimeSessionOptions());
        Session.Start(TimeSpan.Zero);
        Take();
    }

    public RealtimeSession Session { get; }

    public TimeSpan Now { get; private set; }

    public ServerMessage? End { get; private set; }

    public IReadOnlyList<JsonNode> Events => [.. _events.Select(e => e.Json)];

    public IReadOnlyList<string> Types => [.. _events.Select(e => (string)e.Json["type"]!)];

    public static VirtualClient OnThePhone(RealtimeSessionOptions? options = null)
    {
        var client = new VirtualClient(options);
        client.Send($$"""{"type":"session.update","session":{{Phone}}}""");
        client.Forget();
        return client;
    }

    public void Forget() => _events.Clear();

    public IReadOnlyList<JsonNode> Of(string type) => [.. Events.Where(e => (string)e["type"]! == type)];

    public JsonNode One(string type) => Of(type) is [var only] ? only
        : throw new InvalidOperationException($"{type}: {Of(type).Count} in {string.Join(", ", Types)}");

    public TimeSpan TimeOf(string type) => _events.First(e => (string)e.Json["type"]! == type).At;

    public void Send(string json)
    {
        Session.Receive(Encoding.UTF8.GetBytes(json), Now);
        Take();
    }

    public void Wait(double ms)
    {
        var until = Now + TimeSpan.FromMilliseconds(ms);
        while (Session.NextDue is { } due && due <= until && End is null)
        {
            Now = due > Now ? due : Now;
            Session.Advance(Now);
            Take();
        }

        Now = until;
    }

    /// <summary>The caller's audio in frames of 20 ms, in real time.</summary>
    public void Speak(ReadOnlySpan<byte> audio)
    {
        foreach (var frame in audio.ToArray().Chunk(MuLaw.FrameBytes))
        {
            Send($$"""{"type":"input_audio_buffer.append","audio":"{{Convert.ToBase64String(frame)}}"}""");
            Wait(20);
        }
    }

    /// <summary>20 ms of a browser's microphone.</summary>
    public void Hear(byte[] frame)
    {
        Session.Hear(frame, Now);
        Take();
        Wait(20);
    }

    public void Say(string sampleId) => Speak(SampleLibrary.Shipped[sampleId].Audio.AsSpan());

    public void Quiet(int ms) => Speak([.. Enumerable.Repeat(MuLaw.Silence, ms * 8)]);

    public byte[] AudioOf(string itemId) =>
        [.. Of("response.output_audio.delta").Where(e => (string)e["item_id"]! == itemId).SelectMany(e => Convert.FromBase64String((string)e["delta"]!))];

    void Take()
    {
        while (Session.TryTake(out var message))
        {
            if (message.Kind == ServerMessageKind.Json)
            {
                _events.Add((message.At, JsonNode.Parse(message.Utf8) ?? throw new JsonException()));
            }
            else
            {
                End = message;
            }
        }
    }
}
