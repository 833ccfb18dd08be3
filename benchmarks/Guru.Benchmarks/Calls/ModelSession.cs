using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Guru.Benchmarks.Calls;

internal sealed class ModelListener : Endpoint
{
    private readonly Load _load;
    private int _sessions;

    public ModelListener(Load load, EventLoop loop)
        : base(loop, Listen()) => _load = load;

    public int Port => ((IPEndPoint)Socket.LocalEndPoint!).Port;

    public override void OnReadable() => _ = new ModelSession(_load, Socket.Accept(), _sessions++);

    protected override int Take(Span<byte> received) => throw new NotSupportedException();

    private static Socket Listen()
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        socket.Listen(1024);
        return socket;
    }
}

/// <summary>
/// One session with the model: answers what asks for an answer, then takes turns with the caller for ever: eight seconds of speech at the pace of the
/// audio, a fifth of a second in which the caller is heard to speak, and the next answer.
/// </summary>
internal sealed class ModelSession : Endpoint
{
    private const int TurnFrames = 400;
    private const int FramesPerWords = 12;
    private const int CallerSpeaksAt = 2;
    private const int CallerIsSilentAt = 8;

    private readonly Load _load;
    private readonly byte[] _delta;
    private readonly byte[] _words;
    private readonly int _itemAt;
    private readonly int _responseAt;
    private readonly int _wordsItemAt;
    private readonly int _wordsResponseAt;
    private readonly int _payloadAt;
    private bool _upgraded;
    private bool _speaking;
    private int _responses;
    private int _frames;
    private int _silence = -1;
    private int _deltas;
    private int _nextFrame = -1;
    private long _appended;

    public ModelSession(Load load, Socket socket, int number)
        : base(load.Loop, socket)
    {
        (_load, Number) = (load, number);
        _frames = number * 37 % 300; // Not all calls take turns at once.
        var payload = Convert.ToBase64String(Enumerable.Repeat((byte)0x55, 160).ToArray());
        _delta = WebSocketWire.Frame(
            $$"""{"type":"response.output_audio.delta","event_id":"event_{{number:D21}}","response_id":"{{Id("resp", 0)}}","item_id":"{{Id("item", 0)}}","output_index":0,"content_index":0,"delta":"{{payload}}"}""",
            masked: false);
        _words = WebSocketWire.Frame(
            $$"""{"type":"response.output_audio_transcript.delta","event_id":"event_{{number:D21}}","response_id":"{{Id("resp", 0)}}","item_id":"{{Id("item", 0)}}","output_index":0,"content_index":0,"delta":" and then"}""",
            masked: false);
        (_responseAt, _itemAt) = (_delta.AsSpan().IndexOf(":\"resp_"u8) + 7, _delta.AsSpan().IndexOf(":\"item_"u8) + 7);
        (_wordsResponseAt, _wordsItemAt) = (_words.AsSpan().IndexOf(":\"resp_"u8) + 7, _words.AsSpan().IndexOf(":\"item_"u8) + 7);
        _payloadAt = _delta.AsSpan().IndexOf("\"delta\":\""u8) + 9;
    }

    public int Number { get; }

    private string Response => Id("resp", _responses);

    private string Item => Id("item", _responses);

    private string CallerItem => Id("turn", _responses);

    /// <summary>Its turn in every 20 ms.</summary>
    public void Speak()
    {
        if (_speaking)
        {
            if (_frames < TurnFrames && !_load.IsEnding)
            {
                SendDelta();
            }
            else
            {
                Finish();
            }
        }
        else if (_silence >= (_load.IsEnding ? CallerSpeaksAt + 1 : 0))
        {
            TakeTurns(_silence++);
        }
    }

    protected override int Take(Span<byte> received)
    {
        if (!_upgraded)
        {
            return Upgrade(received);
        }

        var length = WebSocketWire.Read(received, out var opcode, out var range, out var mask);
        if (length == 0)
        {
            return 0;
        }

        var payload = received[range];
        if (opcode != WebSocketWire.Text)
        {
            if (opcode == WebSocketWire.Close)
            {
                Send([0x88, 0]);
            }

            return length;
        }

        var first = Math.Min(payload.Length, 64);
        WebSocketWire.Unmask(payload[..first], mask);
        if (payload.StartsWith("{\"type\":\"input_audio_buffer.append\",\"audio\":\""u8))
        {
            Heard(Stamp.Read(payload[45..]));
            return length;
        }

        WebSocketWire.Unmask(payload[first..], mask);
        OnCommand(Encoding.UTF8.GetString(payload));
        return length;
    }

    private static string Id(string kind, int session, int number) => $"{kind}_{session:D9}{number:D9}";

    private string Id(string kind, int number) => Id(kind, Number, number);

    private void Say(string json) => Send(WebSocketWire.Frame(json, masked: false));

    private int Upgrade(Span<byte> received)
    {
        var head = received.IndexOf("\r\n\r\n"u8);
        if (head < 0)
        {
            return 0;
        }

        var request = Encoding.ASCII.GetString(received[..head]);
        var key = request.Split("\r\n").FirstOrDefault(line => line.StartsWith("Sec-WebSocket-Key:", StringComparison.OrdinalIgnoreCase))?[18..].Trim();
        if (key is null)
        {
            Send("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"u8);
            Dispose();
            return 0;
        }

        _upgraded = true;
        Send(Encoding.ASCII.GetBytes(
            $"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {WebSocketWire.Accept(key)}\r\n\r\n"));
        Say($$"""{"type":"session.created","event_id":"event_1","session":{{Session}}}""");
        _load.Listens(this);
        return head + 4;
    }

    private string Session =>
        $$$$$"""{"type":"realtime","id":"sess_{{{{{Number:D9}}}}}","object":"realtime.session","expires_at":{{{{{DateTimeOffset.UtcNow.ToUnixTimeSeconds() + 3600}}}}},"audio":{"input":{"format":{"type":"audio/pcmu"}},"output":{"format":{"type":"audio/pcmu"}}}}""";

    private void OnCommand(string json)
    {
        if (json.StartsWith("{\"type\":\"session.update\"", StringComparison.Ordinal))
        {
            Say($$"""{"type":"session.updated","event_id":"event_2","session":{{Session}}}""");
        }
        else if (json.StartsWith("{\"type\":\"response.create\"", StringComparison.Ordinal) && !_speaking)
        {
            const string Before = "\"metadata\":";
            var at = json.IndexOf(Before, StringComparison.Ordinal);
            Answer(at < 0 ? "null" : json[(at + Before.Length)..(json.IndexOf('}', at) + 1)]);
        }
    }

    private void Heard(Stamp stamp)
    {
        var delay = EventLoop.NowUs - stamp.Us;
        if (delay < 0)
        {
            return; // Silence in the place of what did not come: it bears no stamp.
        }

        _load.ToModel.Add(delay);
        _load.FramesHeard++;
        _appended += 20;
        if (stamp.Number == 0)
        {
            _load.FirstFrames.Add(delay);
        }

        if (stamp.Number != _nextFrame && _nextFrame >= 0)
        {
            _load.OutOfOrder++;
        }

        _nextFrame = stamp.Number + 1;
    }

    private void Answer(string metadata)
    {
        _responses++;
        _speaking = true;
        _silence = -1;
        $"{Number:D9}{_responses:D9}".WriteTwice(_delta, _responseAt, _itemAt);
        $"{Number:D9}{_responses:D9}".WriteTwice(_words, _wordsResponseAt, _wordsItemAt);
        Say($$$$$"""{"type":"response.created","event_id":"event_3","response":{"id":"{{{{{Response}}}}}","object":"realtime.response","status":"in_progress","output":[],"metadata":{{{{{metadata}}}}}}}""");
        Say($$$$$"""{"type":"response.output_item.added","event_id":"event_4","response_id":"{{{{{Response}}}}}","output_index":0,"item":{"id":"{{{{{Item}}}}}","object":"realtime.item","type":"message","status":"in_progress","role":"assistant","content":[]}}""");
    }

    private void SendDelta()
    {
        new Stamp(EventLoop.NowUs, Number, _deltas++).Write(_delta.AsSpan(_payloadAt));
        _load.DeltasSent++;
        Send(_delta);
        if (_frames++ % FramesPerWords == 0)
        {
            Send(_words);
        }
    }

    private void Finish()
    {
        (_speaking, _frames, _silence) = (false, 0, 0);
        _load.Turns++;
        var of = $"\"response_id\":\"{Response}\",\"item_id\":\"{Item}\",\"output_index\":0,\"content_index\":0";
        var text = string.Concat(Enumerable.Repeat(" and then", 30)).Trim();
        Say($$"""{"type":"response.output_audio.done","event_id":"event_5",{{of}}}""");
        Say($$"""{"type":"response.output_audio_transcript.done","event_id":"event_6",{{of}},"transcript":"{{text}}"}""");
        Say($$$$$"""{"type":"response.output_item.done","event_id":"event_7","response_id":"{{{{{Response}}}}}","output_index":0,"item":{"id":"{{{{{Item}}}}}","object":"realtime.item","type":"message","status":"completed","role":"assistant","content":[{"type":"output_audio","transcript":"{{{{{text}}}}}"}]}}""");
        Say($$$$$"""{"type":"response.done","event_id":"event_8","response":{"id":"{{{{{Response}}}}}","object":"realtime.response","status":"completed","status_details":null,"output":[],"metadata":null,"usage":{"total_tokens":900,"input_tokens":700,"output_tokens":200,"input_token_details":{"text_tokens":400,"audio_tokens":300,"cached_tokens":0},"output_token_details":{"text_tokens":40,"audio_tokens":160}}}}""");
    }

    private void TakeTurns(int frame)
    {
        switch (frame)
        {
            case CallerSpeaksAt:
                Say($$"""{"type":"input_audio_buffer.speech_started","event_id":"event_9","audio_start_ms":{{_appended}},"item_id":"{{CallerItem}}"}""");
                break;
            case CallerIsSilentAt:
                _load.Turns++;
                Say($$"""{"type":"input_audio_buffer.speech_stopped","event_id":"event_10","audio_end_ms":{{_appended}},"item_id":"{{CallerItem}}"}""");
                Say($$"""{"type":"input_audio_buffer.committed","event_id":"event_11","previous_item_id":"{{Item}}","item_id":"{{CallerItem}}"}""");
                Say($$$$$"""{"type":"conversation.item.input_audio_transcription.completed","event_id":"event_12","item_id":"{{{{{CallerItem}}}}}","content_index":0,"transcript":"What does the letter from the hospital say, and what do I have to do by when?","usage":{"type":"tokens","total_tokens":60,"input_tokens":40,"input_token_details":{"text_tokens":0,"audio_tokens":40},"output_tokens":20}}""");
                if (!_load.IsEnding)
                {
                    Answer("null");
                }

                break;
        }
    }
}

internal static class Places
{
    /// <summary>Writes an id in two places.</summary>
    public static void WriteTwice(this string id, byte[] frame, int one, int other)
    {
        Encoding.ASCII.GetBytes(id, frame.AsSpan(one));
        Encoding.ASCII.GetBytes(id, frame.AsSpan(other));
    }
}
