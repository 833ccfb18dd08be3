using System.Net.WebSockets;
using System.Text;
using Guru.Application.Voice;
using Guru.Infrastructure.Sockets;

namespace Guru.Infrastructure.Twilio;

/// <summary>One Media Stream: the caller's side of a call. Nothing is allocated per frame in either direction.</summary>
public sealed class MediaStreamLine : ICallerLine
{
    /// <summary>Twilio names no bound for one message; this is 3 s of speech. A multiple of 4, so that base64 can be cut there.</summary>
    public const int MaxPayloadBytes = 32 * 1024;

    /// <summary>Twilio's have 34 characters. The name goes into logs and events, and who sends it is known by its token only.</summary>
    public const int MaxStreamSidLength = 100;

    private readonly JsonSocket _socket;
    private readonly JsonStrings _strings;
    private readonly MediaStreamWriter _writer;
    private readonly byte[] _streamSid;

    private MediaStreamLine(JsonSocket socket, JsonStrings strings, MediaStreamStart start)
    {
        _socket = socket;
        _strings = strings;
        Start = start;
        _writer = new MediaStreamWriter(start.StreamSid);
        _streamSid = Encoding.UTF8.GetBytes(start.StreamSid);
    }

    /// <summary>What the carrier told at the start. Whether its token is right is for the endpoint to say.</summary>
    public MediaStreamStart Start { get; }

    public string StreamSid => Start.StreamSid;

    /// <summary>How the socket ended; null while it is open.</summary>
    public SocketEnding? Ending => _socket.Ending;

    /// <summary>Waits for the start of a stream. Without one in time, or with audio of another format, the socket is closed and there is no line.</summary>
    /// <remarks>Who waits for the line goes on elsewhere than the poller's thread, where the start came and other calls are waiting.</remarks>
    /// <param name="connection">Owned from here on.</param>
    public static async Task<MediaStreamAcceptance> AcceptAsync(
        WebSocketConnection connection, MediaStreamOptions options, TimeProvider time, CancellationToken cancellationToken)
    {
        var limits = new JsonSocketOptions
        {
            MaxMessageBytes = options.MaxMessageBytes,
            MaxQueuedBytes = options.MaxQueuedBytes,
            CloseTimeout = options.CloseTimeout,
            KeepAliveInterval = options.KeepAliveInterval,
            KeepAliveTimeout = options.KeepAliveTimeout,
        };
        var json = new JsonSocket(connection, limits, time);
        var strings = new JsonStrings();
        try
        {
            using var limit = new CancellationTokenSource(options.StartTimeout, time);
            using var patience = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
            MediaStreamStart? start;
            try
            {
                start = await ReadStartAsync(json, strings, patience.Token);
            }
            catch (OperationCanceledException) when (limit.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
            {
                return await RefuseAsync(json, MediaStreamRefusal.NoStart, cancellationToken);
            }

            if (start is null)
            {
                return await RefuseAsync(json, MediaStreamRefusal.Lost, cancellationToken);
            }

            await Task.Yield();
            return start.IsMuLaw
                ? new MediaStreamAcceptance(new MediaStreamLine(json, strings, start), MediaStreamRefusal.None)
                : await RefuseAsync(json, MediaStreamRefusal.WrongFormat, cancellationToken);
        }
        catch
        {
            await json.DisposeAsync();
            throw;
        }
    }

    public Task ReadAsync(Receiver<LineMessage> receive, CancellationToken cancellationToken) =>
        _socket.ReadAsync((in SocketMessage received) => Take(received, receive), cancellationToken);

    public void SendMedia(ReadOnlySpan<byte> payload, bool more = false)
    {
        while (!payload.IsEmpty)
        {
            var part = payload[..Math.Min(payload.Length, MaxPayloadBytes)];
            _socket.Send(_writer.Media, part, MediaStreamWriter.Suffix, more || part.Length < payload.Length);
            WireMetrics.FramesOut.Add(1);
            payload = payload[part.Length..];
        }
    }

    public void SendMark(PlaybackMark mark, bool more = false)
    {
        Span<byte> name = stackalloc byte[MediaStreamWriter.MaxMarkNameBytes];
        var length = MediaStreamWriter.WriteMarkName(mark, name);
        _socket.Send(_writer.Mark, name[..length], MediaStreamWriter.Suffix, more);
    }

    public void SendClear() => _socket.Send(_writer.Clear);

    public Task CloseAsync(CancellationToken cancellationToken) =>
        _socket.CloseAsync(WebSocketCloseStatus.NormalClosure, "", cancellationToken);

    public ValueTask DisposeAsync() => _socket.DisposeAsync();

    private static async Task<MediaStreamStart?> ReadStartAsync(JsonSocket json, JsonStrings strings, CancellationToken cancellationToken)
    {
        while (true)
        {
            var received = await json.ReceiveAsync(cancellationToken);
            switch (received.Kind)
            {
                case SocketMessageKind.End:
                    return null;
                case SocketMessageKind.Binary:
                    Ignore(MediaStreamFault.Binary);
                    continue;
            }

            var message = MediaStreamReader.Read(received.Text, strings);
            switch (message.Event)
            {
                case MediaStreamEvent.Start when message.Start is { StreamSid.Length: > 0 and <= MaxStreamSidLength, CallSid.Length: > 0 } start:
                    return start;
                case MediaStreamEvent.Stop:
                    return null;
                case MediaStreamEvent.Connected:
                    break;
                default:
                    Ignore(message.Fault ?? MediaStreamFault.Order);
                    break;
            }
        }
    }

    private static async Task<MediaStreamAcceptance> RefuseAsync(JsonSocket json, MediaStreamRefusal refusal, CancellationToken cancellationToken)
    {
        await json.CloseAsync(WebSocketCloseStatus.PolicyViolation, refusal.ToString(), cancellationToken);
        await json.DisposeAsync();
        return new MediaStreamAcceptance(Line: null, refusal);
    }

    private static void Ignore(string fault) =>
        WireMetrics.FramesMalformed.Add(1, new KeyValuePair<string, object?>("reason", fault));

    private bool Take(in SocketMessage received, Receiver<LineMessage> receive)
    {
        switch (received.Kind)
        {
            case SocketMessageKind.End:
                return false;
            case SocketMessageKind.Binary:
                Ignore(MediaStreamFault.Binary);
                return true;
            default:
                return Line(MediaStreamReader.Read(received.Text, _strings)) is not { } line || (receive(line) && line.Kind != LineMessageKind.Stop);
        }
    }

    private LineMessage? Line(in MediaStreamMessage message)
    {
        if (message.Event == MediaStreamEvent.Faulty)
        {
            Ignore(message.Fault!);
            return null;
        }

        // Twilio states the stream in every message; one that does not is taken to mean this one.
        if (!message.StreamSid.IsEmpty && !message.StreamSid.Span.SequenceEqual(_streamSid))
        {
            Ignore(MediaStreamFault.OtherStream);
            return null;
        }

        switch (message.Event)
        {
            case MediaStreamEvent.Media:
                WireMetrics.FramesIn.Add(1);
                return new LineMessage(LineMessageKind.Media, message.Payload, message.Bytes, message.TimestampMs);
            case MediaStreamEvent.Mark:
                return new LineMessage(LineMessageKind.Mark, Mark: message.Mark);
            case MediaStreamEvent.Dtmf:
                return new LineMessage(LineMessageKind.Dtmf, Digit: message.Digit);
            case MediaStreamEvent.Stop:
                return new LineMessage(LineMessageKind.Stop);
            default:
                Ignore(message.Event == MediaStreamEvent.Unknown ? MediaStreamFault.UnknownEvent : MediaStreamFault.Order);
                return null;
        }
    }
}

public enum MediaStreamRefusal
{
    None,

    /// <summary>No start within the time limit.</summary>
    NoStart,

    /// <summary>The socket ended, or the stream stopped, before it started.</summary>
    Lost,

    /// <summary>The audio is not G.711 mu-law at 8 kHz.</summary>
    WrongFormat,
}

/// <param name="Line">Null when the stream was refused; its socket is closed then.</param>
public sealed record MediaStreamAcceptance(MediaStreamLine? Line, MediaStreamRefusal Refusal);
