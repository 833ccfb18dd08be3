using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;

namespace Guru.Benchmarks.Calls;

/// <summary>
/// Both sides of calls: a carrier that calls a webhook and streams, and a voice model that listens and answers, both at the pace of the audio.
/// They speak the wire of the real ones as far as a call goes well, as cheaply as it can be spoken.
/// </summary>
internal sealed class Load : IDisposable
{
    /// <summary>Frames start in this many places of their 20 ms, so that they do not come all at once.</summary>
    private const int Slots = 20;
    private const int SlotUs = 1_000;
    private const int MostWebhooksAtOnce = 16;
    private static readonly TimeSpan OnTheWayLimit = TimeSpan.FromMilliseconds(500);

    private readonly EventLoop _loop = new();
    private readonly ModelListener _listener;
    private readonly Queue<WebhookConnection> _idle = new();
    private readonly List<CallerStream>[] _callers = [.. Enumerable.Range(0, Slots).Select(_ => new List<CallerStream>())];
    private readonly List<ModelSession>[] _models = [.. Enumerable.Range(0, Slots).Select(_ => new List<ModelSession>())];
    private readonly List<CallerStream> _streams = [];
    private readonly List<ModelSession> _sessions = [];
    private readonly IPEndPoint _target;
    private long _tick;
    private long _nextTickAt = EventLoop.NowUs;
    private bool _isPaused;
    private int _webhooks;
    private int _begun;
    private int _wanted;
    private long _nextBeginAt;
    private long _betweenUs;

    /// <param name="target">Where what is measured will listen.</param>
    public Load(IPEndPoint target)
    {
        _target = target;
        _listener = new ModelListener(this, _loop);
    }

    public int ModelPort => _listener.Port;

    public Delays ToModel { get; } = new();

    public Delays ToCaller { get; } = new();

    public Delays Webhooks { get; } = new();

    public Delays FirstFrames { get; } = new();

    /// <summary>How late frames were sent: the load itself must keep time.</summary>
    public Delays Lateness { get; } = new();

    public long FramesSent { get; set; }

    public long FramesHeard { get; set; }

    public long DeltasSent { get; set; }

    public long DeltasHeard { get; set; }

    public long OutOfOrder { get; set; }

    public int Failures { get; set; }

    public int Turns { get; set; }

    public int Streaming { get; set; }

    public bool IsEnding { get; private set; }

    public EventLoop Loop => _loop;

    /// <summary>Calls come at this pace until there are so many; then for a while nothing changes.</summary>
    public void CallUntil(int calls, int perSecond, TimeSpan settle)
    {
        (_wanted, _betweenUs, _nextBeginAt) = (calls, 1_000_000 / perSecond, EventLoop.NowUs);
        RunUntil(() => Streaming >= calls, TimeSpan.FromSeconds(20 + (calls / perSecond)));
        Run(settle);
    }

    public void Run(TimeSpan duration) => RunUntil(() => false, duration);

    public void Clear()
    {
        foreach (var delays in (Delays[])[ToModel, ToCaller, Webhooks, FirstFrames, Lateness])
        {
            delays.Clear();
        }
    }

    /// <summary>Frames that did not arrive, once what is on its way has had its time.</summary>
    public long LostSoFar()
    {
        _isPaused = true;
        RunUntil(() => OnTheirWay == 0, OnTheWayLimit);
        _isPaused = false;
        return OnTheirWay;
    }

    /// <summary>The model finishes its sentence, the callers fall silent, and then they hang up.</summary>
    public void End()
    {
        IsEnding = true;
        Run(TimeSpan.FromSeconds(2));
        foreach (var stream in _streams)
        {
            stream.HangUp();
        }

        Run(TimeSpan.FromSeconds(3));
    }

    public void Dispose() => _loop.Dispose();

    public void Answered(WebhookConnection connection, int call, string? token)
    {
        _idle.Enqueue(connection);
        if (token is null)
        {
            Failures++;
            Streaming++;
            return;
        }

        var stream = new CallerStream(this, Connect(), call, token, _target);
        _streams.Add(stream);
    }

    public void Streams(CallerStream stream) => _callers[stream.Call % Slots].Add(stream);

    public void Listens(ModelSession session)
    {
        _sessions.Add(session);
        _models[(session.Number + (Slots / 2)) % Slots].Add(session);
    }

    private long OnTheirWay => FramesSent - FramesHeard + DeltasSent - DeltasHeard;

    private Socket Connect()
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Connect(_target);
        return socket;
    }

    private void RunUntil(Func<bool> isDone, TimeSpan limit)
    {
        var until = EventLoop.NowUs + (long)limit.TotalMicroseconds;
        while (!isDone())
        {
            var now = EventLoop.NowUs;
            if (now > until)
            {
                return;
            }

            while (_nextTickAt <= now)
            {
                Tick(now - _nextTickAt);
                _nextTickAt += SlotUs;
            }

            Begin(now);
            _loop.Poll(Math.Max(0, _nextTickAt - EventLoop.NowUs));
        }
    }

    private void Tick(long late)
    {
        var slot = (int)(_tick++ % Slots);
        Lateness.Add(late);
        if (_isPaused)
        {
            return;
        }

        if (!IsEnding)
        {
            foreach (var stream in _callers[slot])
            {
                stream.Speak();
            }
        }

        foreach (var session in _models[slot])
        {
            session.Speak();
        }
    }

    private void Begin(long now)
    {
        while (_begun < _wanted && _nextBeginAt <= now)
        {
            if (!_idle.TryDequeue(out var connection))
            {
                if (_webhooks == MostWebhooksAtOnce)
                {
                    return;
                }

                _webhooks++;
                connection = new WebhookConnection(this, Connect());
            }

            connection.Post(_begun++, _target);
            _nextBeginAt += _betweenUs;
        }
    }
}

/// <summary>A connection of the carrier's that webhooks are posted on, one at a time.</summary>
internal sealed class WebhookConnection(Load load, Socket socket) : Endpoint(load.Loop, socket)
{
    private const string Path = "/api/whatsapp/voice/webhook";

    private int _call;
    private long _postedAt;

    public void Post(int call, IPEndPoint target)
    {
        _call = call;
        var (body, signature) = Form(call, $"http://{target}{Path}");
        var request = $"POST {Path} HTTP/1.1\r\nHost: {target}\r\nContent-Type: application/x-www-form-urlencoded; charset=UTF-8\r\n"
            + $"X-Twilio-Signature: {signature}\r\nUser-Agent: TwilioProxy/1.1\r\nAccept: */*\r\nContent-Length: {body.Length}\r\n\r\n{body}";
        _postedAt = EventLoop.NowUs;
        Send(Encoding.ASCII.GetBytes(request));
    }

    protected override int Take(Span<byte> received)
    {
        var head = received.IndexOf("\r\n\r\n"u8);
        if (head < 0)
        {
            return 0;
        }

        var headers = Encoding.ASCII.GetString(received[..head]);
        var length = headers.Split("\r\n").FirstOrDefault(line => line.StartsWith("Content-Length:", StringComparison.OrdinalIgnoreCase)) is { } line
            ? int.Parse(line[15..], System.Globalization.CultureInfo.InvariantCulture) : 0;
        var whole = head + 4 + length;
        if (received.Length < whole)
        {
            return 0;
        }

        load.Webhooks.Add(EventLoop.NowUs - _postedAt);
        var body = Encoding.UTF8.GetString(received.Slice(head + 4, length));
        load.Answered(this, _call, headers.StartsWith("HTTP/1.1 200", StringComparison.Ordinal) ? Token(body) : null);
        return whole;
    }

    private static string? Token(string twiml)
    {
        const string Before = "name=\"token\" value=\"";
        var at = twiml.IndexOf(Before, StringComparison.Ordinal);
        return at < 0 ? null : twiml[(at + Before.Length)..twiml.IndexOf('"', at + Before.Length)];
    }

    private static (string Body, string Signature) Form(int call, string address)
    {
        var from = $"whatsapp:+1555{call:D7}";
        (string Name, string Value)[] fields =
        [
            ("AccountSid", CarrierAccount.Sid), ("ApiVersion", "2010-04-01"), ("CallSid", CarrierAccount.CallSid(call)), ("CallStatus", "ringing"),
            ("Called", CarrierAccount.Number), ("Caller", from), ("Direction", "inbound"), ("From", from), ("To", CarrierAccount.Number),
        ];
        return (
            string.Join('&', fields.Select(field => $"{field.Name}={Uri.EscapeDataString(field.Value)}")),
            CarrierAccount.Sign(address + string.Concat(fields.Select(field => field.Name + field.Value))));
    }
}

internal static class CarrierAccount
{
    public const string Sid = "AC00000000000000000000000000000001";
    public const string AuthToken = "invented-token-of-the-bench";
    public const string Number = "whatsapp:+15005550006";

    public static string CallSid(int call) => $"CA{call:x32}";

    [SuppressMessage("Security", "CA5350:Do Not Use Weak Cryptographic Algorithms", Justification = "Twilio signs with HMAC-SHA1.")]
    public static string Sign(string text) => Convert.ToBase64String(HMACSHA1.HashData(Encoding.ASCII.GetBytes(AuthToken), Encoding.UTF8.GetBytes(text)));
}

/// <summary>One Media Stream, as the carrier: 50 frames a second, and a receipt for each mark as soon as it comes, since nothing waits to be played.</summary>
internal sealed class CallerStream : Endpoint
{
    private const string Path = "/api/whatsapp/voice/stream";

    private readonly Load _load;
    private readonly string _token;
    private readonly string _streamSid;
    private readonly byte[] _frame;
    private readonly int _timestampAt;
    private readonly int _payloadAt;
    private bool _upgraded;
    private bool _hungUp;
    private int _sent;
    private int _payloadOfDelta;
    private int _nextDelta = -1;

    public CallerStream(Load load, Socket socket, int call, string token, IPEndPoint target)
        : base(load.Loop, socket)
    {
        (_load, Call, _token, _streamSid) = (load, call, token, $"MZ{call:x32}");
        var key = Convert.ToBase64String(RandomNumberGenerator.GetBytes(16));
        Send(Encoding.ASCII.GetBytes(
            $"GET {Path} HTTP/1.1\r\nHost: {target}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
            + $"x-twilio-signature: {CarrierAccount.Sign($"ws://{target}{Path}")}\r\n\r\n"));

        var payload = Convert.ToBase64String(Enumerable.Repeat((byte)0x7B, 160).ToArray());
        var json = "{\"event\":\"media\",\"sequenceNumber\":\"2\",\"media\":{\"track\":\"inbound\",\"chunk\":\"1\",\"timestamp\":\"0000000\",\"payload\":\""
            + payload + "\"},\"streamSid\":\"" + _streamSid + "\"}";
        _frame = WebSocketWire.Frame(json, masked: true);
        _timestampAt = _frame.AsSpan().IndexOf("0000000\""u8);
        _payloadAt = _frame.AsSpan().IndexOf("payload\":\""u8) + 10;
    }

    public int Call { get; }

    public void Speak()
    {
        if (_hungUp || !IsOpen)
        {
            return;
        }

        (_sent * 20).TryFormat(_frame.AsSpan(_timestampAt, 7), out _, "D7");
        new Stamp(EventLoop.NowUs, Call, _sent).Write(_frame.AsSpan(_payloadAt));
        _sent++;
        _load.FramesSent++;
        Send(_frame);
    }

    public void HangUp()
    {
        if (_upgraded)
        {
            _hungUp = true;
            Send(WebSocketWire.Frame(
                $$"""{"event":"stop","sequenceNumber":"9","stop":{"accountSid":"{{CarrierAccount.Sid}}","callSid":"{{CarrierAccount.CallSid(Call)}}"},"streamSid":"{{_streamSid}}"}""", masked: true));
        }
    }

    protected override void OnClosed()
    {
        if (!_hungUp)
        {
            _load.Failures++;
        }
    }

    protected override int Take(Span<byte> received)
    {
        if (!_upgraded)
        {
            return Upgrade(received);
        }

        var length = WebSocketWire.Read(received, out var opcode, out var range, out _);
        if (length == 0 || opcode != WebSocketWire.Text)
        {
            if (opcode == WebSocketWire.Close && length > 0)
            {
                Send([0x88, 0x80, 0, 0, 0, 0]);
            }

            return length;
        }

        var text = received[range];
        if (text.StartsWith("{\"event\":\"media\""u8))
        {
            Heard(text);
        }
        else if (text.StartsWith("{\"event\":\"mark\""u8))
        {
            var name = text[(text.IndexOf("\"name\":\""u8) + 8)..];
            name = name[..name.IndexOf((byte)'"')];
            Send(WebSocketWire.Frame(
                $$$"""{"event":"mark","sequenceNumber":"4","streamSid":"{{{_streamSid}}}","mark":{"name":"{{{Encoding.ASCII.GetString(name)}}}"}}""", masked: true));
        }

        return length;
    }

    private int Upgrade(Span<byte> received)
    {
        var head = received.IndexOf("\r\n\r\n"u8);
        if (head < 0)
        {
            return 0;
        }

        _upgraded = true;
        _load.Streaming++;
        Send(WebSocketWire.Frame("""{"event":"connected","protocol":"Call","version":"1.0.0"}""", masked: true));
        Send(WebSocketWire.Frame(
            $$$$$"""{"event":"start","sequenceNumber":"1","start":{"accountSid":"{{{{{CarrierAccount.Sid}}}}}","streamSid":"{{{{{_streamSid}}}}}","callSid":"{{{{{CarrierAccount.CallSid(Call)}}}}}","tracks":["inbound"],"mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000,"channels":1},"customParameters":{"token":"{{{{{_token}}}}}"}},"streamSid":"{{{{{_streamSid}}}}}"}""",
            masked: true));
        _load.Streams(this);
        return head + 4;
    }

    private void Heard(ReadOnlySpan<byte> text)
    {
        if (_payloadOfDelta == 0)
        {
            _payloadOfDelta = text.IndexOf("payload\":\""u8) + 10;
        }

        var stamp = Stamp.Read(text[_payloadOfDelta..]);
        _load.ToCaller.Add(EventLoop.NowUs - stamp.Us);
        _load.DeltasHeard++;
        if (_nextDelta >= 0 && stamp.Number != _nextDelta)
        {
            _load.OutOfOrder++;
        }

        _nextDelta = stamp.Number + 1;
    }
}
