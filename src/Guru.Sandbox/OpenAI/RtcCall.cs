using System.Buffers;
using System.Net.WebSockets;
using System.Text.Json.Nodes;
using System.Threading.Channels;
using Guru.Sandbox.Audio;
using Guru.Sandbox.Timing;

namespace Guru.Sandbox.OpenAI;

/// <summary>
/// A call between a browser and the model: one <see cref="RealtimeSession"/> in real time, and whoever attends it by sideband. What the
/// model hears is not taken from the browser's media but said by a script; what it plays is known by its length alone.
/// </summary>
public sealed class RtcCall : IPaced
{
    static readonly byte[] SilentFrame = [.. Enumerable.Repeat(MuLaw.Silence, MuLaw.FrameBytes)];

    readonly Lock _gate = new();
    readonly RealtimeSession _session;
    readonly Pacer _pacer;
    readonly TimeSpan _startedAt;
    readonly List<Sideband> _sidebands = [];
    readonly Queue<(byte[] Audio, TaskCompletionSource Said)> _speech = [];
    readonly TaskCompletionSource _over = new(TaskCreationOptions.RunContinuationsAsynchronously);
    byte[] _speaking = [];
    TaskCompletionSource? _said;
    int _spoken;
    long _frames;

    internal RtcCall(string id, string offer, JsonObject configuration, RealtimeSession session, Pacer pacer)
    {
        (Id, Offer, Configuration, _session, _pacer, _startedAt) = (id, offer, configuration, session, pacer, pacer.Now);
        lock (_gate)
        {
            _session.Start(TimeSpan.Zero);
            Drain();
        }

        _pacer.Add(this);
    }

    /// <summary>rtc_ and more.</summary>
    public string Id { get; }

    public string Offer { get; }

    /// <summary>The session as it was asked for.</summary>
    public JsonObject Configuration { get; }

    /// <summary>What the session said, and what it was told by sideband; also what nobody attended.</summary>
    public Journal<WireEvent> Events { get; } = new();

    /// <summary>Sidebands, in order of their upgrade, with the time of it.</summary>
    public Journal<TimeSpan> Attended { get; } = new();

    public Task Over => _over.Task;

    /// <summary>hangup, left or expired; null while the call goes on.</summary>
    public string? EndedBy { get; private set; }

    TimeSpan? IPaced.NextDue => _startedAt + _frames * MuLaw.Frame;

    /// <summary>The caller says a line; done when the model has heard it.</summary>
    public Task SayAsync(string sample)
    {
        var said = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_gate)
        {
            _speech.Enqueue(([.. SampleLibrary.Shipped[sample].Audio], said));
        }

        return said.Task;
    }

    /// <summary>The browser's side of the media is gone, and the vendor has noticed.</summary>
    public void Leaves() => End("left");

    /// <summary>The connections of those who attend break; the call goes on.</summary>
    public void LoseSidebands()
    {
        lock (_gate)
        {
            _sidebands.ForEach(sideband => sideband.Break());
        }
    }

    void IPaced.Advance(TimeSpan now)
    {
        lock (_gate)
        {
            while (EndedBy is null && _startedAt + _frames * MuLaw.Frame <= now)
            {
                _session.Hear(NextFrame(), _frames++ * MuLaw.Frame);
                Drain();
            }
        }
    }

    internal void End(string by)
    {
        lock (_gate)
        {
            if (EndedBy is not null)
            {
                return;
            }

            EndedBy = by;
            _sidebands.ForEach(sideband => sideband.Close());
        }

        _pacer.Remove(this);
        _over.TrySetResult();
    }

    /// <summary>Somebody attends the call until one of the two is over.</summary>
    internal async Task AttendAsync(WebSocket socket, HttpContext context)
    {
        var sideband = new Sideband(socket, context);
        lock (_gate)
        {
            if (EndedBy is not null)
            {
                sideband.Close();
            }

            _sidebands.Add(sideband);
            sideband.Send(System.Text.Encoding.UTF8.GetBytes(new JsonObject
            {
                ["type"] = "session.created", ["event_id"] = $"event_{Attended.Entries.Count}", ["session"] = _session.Configuration.Json.DeepClone(),
            }.ToJsonString()));
        }

        Attended.Add(_pacer.Now - _startedAt);
        await sideband.RunAsync(Receive);
        lock (_gate)
        {
            _sidebands.Remove(sideband);
        }
    }

    void Receive(ReadOnlyMemory<byte> utf8)
    {
        lock (_gate)
        {
            if (EndedBy is null)
            {
                Note(fromClient: true, RealtimeConnection.TypeOf(utf8.Span), utf8.ToArray());
                _session.Receive(utf8, _frames * MuLaw.Frame);
                Drain();
            }
        }
    }

    byte[] NextFrame()
    {
        if (_spoken >= _speaking.Length)
        {
            _said?.TrySetResult();
            (_speaking, _said, _spoken) = _speech.TryDequeue(out var next) ? (next.Audio, next.Said, 0) : ([], null, 0);
        }

        var frame = SilentFrame.ToArray();
        var length = Math.Min(MuLaw.FrameBytes, _speaking.Length - _spoken);
        _speaking.AsSpan(_spoken, length).CopyTo(frame);
        _spoken += length;
        return frame;
    }

    void Drain()
    {
        while (_session.TryTake(out var message))
        {
            if (message.Kind == ServerMessageKind.Json)
            {
                Note(fromClient: false, message.Type, message.Utf8);
                _sidebands.ForEach(sideband => sideband.Send(message.Utf8));
            }
            else if (message.Kind is ServerMessageKind.Close)
            {
                _sidebands.ForEach(sideband => sideband.Close(message.CloseCode));
                _ = Task.Run(() => End("expired"));
            }
            else
            {
                _sidebands.ForEach(sideband => sideband.Break());
            }
        }
    }

    void Note(bool fromClient, string type, ReadOnlyMemory<byte> utf8) => Events.Add(new WireEvent(_pacer.Now - _startedAt, fromClient, type, utf8));

    /// <summary>One who attends.</summary>
    sealed class Sideband(WebSocket socket, HttpContext context)
    {
        readonly Channel<(byte[]? Utf8, int CloseCode)> _outgoing = Channel.CreateUnbounded<(byte[]?, int)>();

        public void Send(byte[] utf8) => _outgoing.Writer.TryWrite((utf8, 0));

        public void Close(int code = (int)WebSocketCloseStatus.NormalClosure) => _outgoing.Writer.TryWrite((null, code));

        public void Break() => context.Abort();

        public async Task RunAsync(Action<ReadOnlyMemory<byte>> received)
        {
            var sending = SendAsync();
            try
            {
                await ReceiveAsync(received);
            }
            catch (Exception e) when (e is WebSocketException or OperationCanceledException or IOException)
            {
                // Gone without a word.
            }

            _outgoing.Writer.TryComplete();
            await sending;
        }

        async Task ReceiveAsync(Action<ReadOnlyMemory<byte>> received)
        {
            var message = new ArrayBufferWriter<byte>(16 * 1024);
            while (await socket.ReceiveAsync(message.GetMemory(8 * 1024), context.RequestAborted) is { MessageType: not WebSocketMessageType.Close } part)
            {
                message.Advance(part.Count);
                if (part.EndOfMessage)
                {
                    received(message.WrittenMemory);
                    message.ResetWrittenCount();
                }
            }
        }

        async Task SendAsync()
        {
            try
            {
                await foreach (var (utf8, code) in _outgoing.Reader.ReadAllAsync(CancellationToken.None))
                {
                    if (utf8 is null)
                    {
                        await socket.CloseOutputAsync((WebSocketCloseStatus)code, statusDescription: null, CancellationToken.None);
                        return;
                    }

                    await socket.SendAsync(utf8, WebSocketMessageType.Text, endOfMessage: true, CancellationToken.None);
                }

                if (socket.State == WebSocketState.CloseReceived)
                {
                    await socket.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, statusDescription: null, CancellationToken.None);
                }
            }
            catch (Exception e) when (e is WebSocketException or OperationCanceledException or IOException or ObjectDisposedException)
            {
                // The reader meets the same end.
            }
        }
    }
}
