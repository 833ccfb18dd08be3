using System.Buffers;
using System.Net.WebSockets;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Threading.Channels;
using Guru.Sandbox.Timing;

namespace Guru.Sandbox.OpenAI;

/// <summary>A message that went over the wire.</summary>
/// <param name="At">Since the session began.</param>
/// <param name="Type">Of the event; close, reset and mute for the ends of a session.</param>
/// <param name="Utf8">The message; empty for slices of audio, which are many.</param>
public sealed record WireEvent(TimeSpan At, bool FromClient, string Type, ReadOnlyMemory<byte> Utf8)
{
    public JsonNode Json => JsonNode.Parse(Utf8.Span) ?? throw new JsonException("The message is null.");

    public override string ToString() => $"{At.TotalMilliseconds:F0} {(FromClient ? ">" : "<")} {Type}";
}

/// <summary>One Realtime session on a socket: a <see cref="RealtimeSession"/> in real time, and a journal of what was said.</summary>
public sealed class RealtimeConnection : IPaced
{
    internal const string SafetyIdentifierHeader = "OpenAI-Safety-Identifier";

    const int SplitBytes = 500;

    readonly Lock _gate = new();
    readonly RealtimeSession _session;
    readonly RealtimeFaults _faults;
    readonly WebSocket _socket;
    readonly Pacer _pacer;
    readonly bool _journalsMedia;
    readonly Channel<ServerMessage> _outgoing = Channel.CreateUnbounded<ServerMessage>(new UnboundedChannelOptions { SingleReader = true });
    readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    readonly TimeSpan _startedAt;
    bool _isMute;

    internal RealtimeConnection(int number, RealtimeSession session, RealtimeFaults faults, WebSocket socket, HttpRequest request,
        Pacer pacer, bool journalsMedia)
    {
        (Number, _session, _faults, _socket, _pacer, _journalsMedia) = (number, session, faults, socket, pacer, journalsMedia);
        Model = request.Query["model"].ToString();
        Headers = request.Headers.ToDictionary(header => header.Key, header => header.Value.ToString(), StringComparer.OrdinalIgnoreCase);
        _startedAt = pacer.Now;
    }

    /// <summary>From 1, over the life of the stand-in.</summary>
    public int Number { get; }

    public string Model { get; }

    public IReadOnlyDictionary<string, string> Headers { get; }

    /// <summary>Whom the client says that it serves; empty where it does not.</summary>
    public string SafetyIdentifier => Headers.GetValueOrDefault(SafetyIdentifierHeader, "");

    public DateTimeOffset OpenedAt { get; } = TimeProvider.System.GetUtcNow();

    public Journal<WireEvent> Events { get; } = new();

    /// <summary>Completes when the socket is gone.</summary>
    public Task Ended => _ended.Task;

    TimeSpan? IPaced.NextDue
    {
        get
        {
            lock (_gate)
            {
                return _session.NextDue + _startedAt;
            }
        }
    }

    /// <summary>Reads the session's state between two of its steps.</summary>
    public TResult Read<TResult>(Func<RealtimeSession, TResult> read)
    {
        lock (_gate)
        {
            return read(_session);
        }
    }

    void IPaced.Advance(TimeSpan now)
    {
        lock (_gate)
        {
            _session.Advance(now - _startedAt);
            Drain();
        }
    }

    internal async Task RunAsync(HttpContext context)
    {
        lock (_gate)
        {
            _session.Start(TimeSpan.Zero);
            Drain();
        }

        _pacer.Add(this);
        var sending = SendAsync(context);
        try
        {
            await ReceiveAsync(context.RequestAborted);
        }
        catch (Exception exception) when (exception is WebSocketException or OperationCanceledException or IOException)
        {
            // The client is gone without a word; so is the session.
        }
        finally
        {
            _pacer.Remove(this);
            _outgoing.Writer.TryComplete();
            await sending;
            Note(fromClient: true, "closed", default);
            _ended.TrySetResult();
        }
    }

    async Task ReceiveAsync(CancellationToken cancellationToken)
    {
        var message = new ArrayBufferWriter<byte>(16 * 1024);
        while (true)
        {
            bool mute;
            var received = await _socket.ReceiveAsync(message.GetMemory(8 * 1024), cancellationToken);
            if (received.MessageType == WebSocketMessageType.Close)
            {
                return;
            }

            message.Advance(received.Count);
            if (!received.EndOfMessage)
            {
                continue;
            }

            // Noted before it is answered, so that the journal has them in this order.
            Note(fromClient: true, TypeOf(message.WrittenSpan), message.WrittenMemory);
            lock (_gate)
            {
                _session.Receive(message.WrittenMemory, _pacer.Now - _startedAt);
                Drain();
                mute = _isMute;
            }

            if (mute)
            {
                // A read that waits would answer pings.
                await Task.Delay(Timeout.Infinite, cancellationToken);
            }

            message.ResetWrittenCount();
        }
    }

    async Task SendAsync(HttpContext context)
    {
        try
        {
            await foreach (var message in _outgoing.Reader.ReadAllAsync(CancellationToken.None))
            {
                switch (message.Kind)
                {
                    case ServerMessageKind.Close:
                        await _socket.CloseOutputAsync((WebSocketCloseStatus)message.CloseCode, message.CloseReason,
                            CancellationToken.None);
                        break;
                    case ServerMessageKind.Reset:
                        context.Abort();
                        return;
                    case ServerMessageKind.Mute:
                        return;
                    default:
                        await SendAsync(message.Utf8);
                        break;
                }
            }

            if (_socket.State == WebSocketState.CloseReceived)
            {
                await _socket.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, null, CancellationToken.None);
            }
        }
        catch (Exception exception) when (
            exception is WebSocketException or OperationCanceledException or IOException or ObjectDisposedException)
        {
            // The reader meets the same end.
        }
    }

    async Task SendAsync(ReadOnlyMemory<byte> utf8)
    {
        while (_faults.SplitFrames && utf8.Length > SplitBytes)
        {
            await _socket.SendAsync(utf8[..SplitBytes], WebSocketMessageType.Text, endOfMessage: false, CancellationToken.None);
            utf8 = utf8[SplitBytes..];
        }

        await _socket.SendAsync(utf8, WebSocketMessageType.Text, endOfMessage: true, CancellationToken.None);
    }

    void Drain()
    {
        while (_session.TryTake(out var message))
        {
            var type = message.Kind switch
            {
                ServerMessageKind.Close => "close",
                ServerMessageKind.Reset => "reset",
                ServerMessageKind.Mute => "mute",
                ServerMessageKind.Garbage => "garbage",
                _ => message.Type,
            };
            _isMute |= message.Kind == ServerMessageKind.Mute;
            Note(fromClient: false, type, message.Utf8);
            _outgoing.Writer.TryWrite(message);
        }
    }

    void Note(bool fromClient, string type, ReadOnlyMemory<byte> utf8)
    {
        var isMedia = type is "input_audio_buffer.append" or "response.output_audio.delta";
        if (!isMedia || _journalsMedia)
        {
            Events.Add(new WireEvent(_pacer.Now - _startedAt, fromClient, type, isMedia ? default : utf8.ToArray()));
        }
    }

    internal static string TypeOf(ReadOnlySpan<byte> utf8)
    {
        try
        {
            var reader = new Utf8JsonReader(utf8);
            while (reader.Read())
            {
                if (reader is { TokenType: JsonTokenType.PropertyName, CurrentDepth: 1 } && reader.ValueTextEquals("type"u8)
                    && reader.Read())
                {
                    return reader.TokenType == JsonTokenType.String ? reader.GetString()! : "";
                }
            }
        }
        catch (JsonException)
        {
            // Noted as it is.
        }

        return "unreadable: " + Encoding.UTF8.GetString(utf8[..Math.Min(utf8.Length, 80)]);
    }
}
