using System.Buffers.Binary;
using System.Net.WebSockets;
using System.Text;
using System.Text.Unicode;
using Guru.Application.Voice;

namespace Guru.Infrastructure.Sockets;

/// <summary>
/// A WebSocket (RFC 6455) that carries one JSON document per text message: whole messages in until the end, one write at a time out.
/// Receiving and sending are independent; neither allocates per message once its buffers have their size.
/// </summary>
/// <remarks>Why not the framework's own: docs/decisions/0007-frames-of-our-own.md.</remarks>
internal sealed class JsonSocket : IAsyncDisposable
{
    private const int Free = 0;
    private const int Reading = 1;
    private const int Draining = 2;

    /// <summary>A limit met later than this tells of a busy machine, not of a silent side: that is asked once more.</summary>
    private static readonly TimeSpan Stall = TimeSpan.FromMilliseconds(150);

    private readonly WebSocketConnection _connection;
    private readonly JsonSocketOptions _options;
    private readonly TimeProvider _time;
    private readonly DetachableReceive _receive;
    private readonly SendQueue _queue;
    private readonly FrameReader _frames;
    private readonly ITimer? _keepAlive;
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _drained = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private TaskCompletionSource? _readerLeft;
    private SocketEnding? _ending;
    private int _side;
    private bool _heard;
    private bool _pinged;
    private bool _pingedAgain;
    private long _waitsSince;
    private bool _refused; // What the other side sends is not frames any more; it is told so, and read past until it has left.
    private bool _otherSideLeft;

    /// <param name="connection">Owned from here on.</param>
    public JsonSocket(WebSocketConnection connection, JsonSocketOptions options, TimeProvider time)
    {
        _connection = connection;
        _options = options;
        _time = time;
        _receive = new DetachableReceive(connection.Stream);
        _frames = new FrameReader(fromServer: !connection.IsServer, options.MaxMessageBytes);
        _queue = new SendQueue(connection.Stream, masked: !connection.IsServer, options.MaxQueuedBytes, Lose);
        if (options.KeepAliveInterval > TimeSpan.Zero)
        {
            _keepAlive = time.CreateTimer(static socket => ((JsonSocket)socket!).KeepAlive(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
            _waitsSince = time.GetTimestamp();
            _keepAlive.Change(options.KeepAliveInterval, Timeout.InfiniteTimeSpan);
        }
    }

    /// <summary>How the socket ended; null while it is open.</summary>
    public SocketEnding? Ending => Volatile.Read(ref _ending);

    /// <summary>The next whole message; at the end of the socket, and ever after, one of kind <see cref="SocketMessageKind.End"/>.</summary>
    /// <remarks>
    /// The text lies in the receive buffer until the next call. Cancelling ends the waiting and not the socket: what arrives meanwhile
    /// is kept for the next call, and <see cref="CloseAsync"/> can still end the socket politely.
    /// </remarks>
    /// <exception cref="OperationCanceledException">The waiting was cancelled.</exception>
    public async ValueTask<SocketMessage> ReceiveAsync(CancellationToken cancellationToken)
    {
        var received = SocketMessage.End;
        await ReadAsync(
            (in SocketMessage message) =>
            {
                received = message;
                return false;
            },
            cancellationToken);
        return received;
    }

    /// <summary>Hands on one message after the other, the last of kind <see cref="SocketMessageKind.End"/>. Cancelled as for one message.</summary>
    /// <exception cref="OperationCanceledException">The waiting was cancelled.</exception>
    public async Task ReadAsync(Receiver<SocketMessage> receive, CancellationToken cancellationToken)
    {
        switch (Interlocked.CompareExchange(ref _side, Reading, Free))
        {
            case Reading:
                throw new InvalidOperationException("A JsonSocket has one reader.");
            case Draining:
                await _ended.Task.WaitAsync(cancellationToken);
                receive(SocketMessage.End);
                return;
        }

        try
        {
            await using var leaving = _receive.LeaveOn(cancellationToken);
            while (Ending is null)
            {
                var kind = _frames.Next(out var payload);
                if (kind is FrameKind.Text or FrameKind.Binary)
                {
                    if (!receive(kind == FrameKind.Text ? new SocketMessage(SocketMessageKind.Text, payload) : SocketMessage.Binary))
                    {
                        return;
                    }
                }
                else if (kind != FrameKind.None)
                {
                    Take(kind, payload.Span);
                }
                else if (await _receive.NextAsync(_receive.IsUnderWay ? default : _frames.Room(), cancellationToken) is > 0 and var bytes)
                {
                    Filled(bytes);
                }
                else
                {
                    Lose(SocketEndReason.Lost);
                }
            }

            if (!_receive.IsUnderWay)
            {
                _frames.Release();
            }

            receive(SocketMessage.End);
        }
        finally
        {
            Interlocked.Exchange(ref _side, Free);
            Volatile.Read(ref _readerLeft)?.TrySetResult();
        }
    }

    /// <summary>Queues a message, copied; never waits. Dropped once the socket is closing or has ended.</summary>
    public void Send(ReadOnlySpan<byte> message) => _queue.Send(Opcode.Text, message, default, default);

    /// <summary>Queues a message of three parts, so that a payload can be put into its envelope without a copy of its own.</summary>
    /// <param name="more">Another is sent at once, which goes into the same write.</param>
    public void Send(ReadOnlySpan<byte> prefix, ReadOnlySpan<byte> payload, ReadOnlySpan<byte> suffix, bool more = false) =>
        _queue.Send(Opcode.Text, prefix, payload, suffix, more);

    /// <summary>
    /// Writes what is queued, then a close frame, waits for the other side's, and aborts when the time limit or the cancellation comes first.
    /// Messages that arrive meanwhile are dropped. A side that broke the protocol has been told so already: it is waited for until it leaves.
    /// </summary>
    public async Task CloseAsync(WebSocketCloseStatus code, string reason, CancellationToken cancellationToken)
    {
        using var limit = new CancellationTokenSource(_options.CloseTimeout, _time);
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            // The other side may have stopped reading, which blocks the writing, or may never answer the close frame. Where it has
            // closed already, only the answer to that is left to be written; where the connection is lost, nothing.
            await _queue.CloseAsync(code, reason).WaitAsync(patience.Token);
            await DrainAsync(patience.Token);
        }
        catch (OperationCanceledException)
        {
            Lose(SocketEndReason.CloseTimedOut);
        }
    }

    /// <summary>Aborts what has not been closed; a read under way ends. Only a side that is being told what it did wrong is given the time of a close.</summary>
    public async ValueTask DisposeAsync()
    {
        _keepAlive?.Dispose();
        if (Volatile.Read(ref _refused))
        {
            // A connection that is let go with something unread takes what was sent to the other side back with it, the reason included.
            await CloseAsync(WebSocketCloseStatus.ProtocolError, "", CancellationToken.None);
        }

        if (!_queue.IsClosed || (Ending is not { Reason: SocketEndReason.PeerClosed } && !Volatile.Read(ref _otherSideLeft)))
        {
            Lose(SocketEndReason.Disposed);
        }
        else if (!_connection.IsServer)
        {
            _ = TryAbort(); // A server's connection ends with its request.
        }
    }

    private void Filled(int bytes)
    {
        _frames.Filled(bytes);
        Volatile.Write(ref _heard, true);
    }

    /// <summary>What is not a message.</summary>
    private void Take(FrameKind kind, ReadOnlySpan<byte> payload)
    {
        switch (kind)
        {
            case FrameKind.Ping:
                _queue.Send(Opcode.Pong, payload, default, default);
                break;
            case FrameKind.Close when TryReadClose(payload, out var code, out var reason):
                // Its task never fails; nobody needs to know when the answer is out.
                End(new SocketEnding(SocketEndReason.PeerClosed, code, reason));
                _ = _queue.CloseAsync(WebSocketCloseStatus.NormalClosure, "");
                break;
            case FrameKind.TooBig:
                Refuse(SocketEndReason.MessageTooBig, WebSocketCloseStatus.MessageTooBig, "message too big");
                break;
            case FrameKind.Broken or FrameKind.Close:
                Refuse(SocketEndReason.Lost, WebSocketCloseStatus.ProtocolError, "");
                break;
        }
    }

    private void Refuse(SocketEndReason ending, WebSocketCloseStatus code, string reason)
    {
        Volatile.Write(ref _refused, true);
        End(new SocketEnding(ending));
        _ = _queue.CloseAsync(code, reason);
    }

    /// <summary>RFC 6455, sections 5.5.1 and 7.4; without a code it counts as 1005.</summary>
    private static bool TryReadClose(ReadOnlySpan<byte> payload, out int code, out string reason)
    {
        (code, reason) = ((int)WebSocketCloseStatus.Empty, "");
        if (payload.IsEmpty)
        {
            return true;
        }

        if (!BinaryPrimitives.TryReadUInt16BigEndian(payload, out var number) || number is < 1000 or >= 5000 or 1004 or 1005 or 1006 or 1015
            || !Utf8.IsValid(payload[sizeof(ushort)..]))
        {
            return false;
        }

        (code, reason) = (number, Encoding.UTF8.GetString(payload[sizeof(ushort)..]));
        return true;
    }

    /// <summary>Pings a side that has been silent for an interval, and gives it up when it stays so. Anything that arrives is an answer.</summary>
    private void KeepAlive()
    {
        // Where nobody reads, an answer may lie unread: that is no sign of the other side's.
        var heard = Interlocked.Exchange(ref _heard, value: false) || Volatile.Read(ref _side) == Free;
        var isLate = _time.GetElapsedTime(_waitsSince) > _options.KeepAliveTimeout + Stall; // The answer may be there to be read.
        if (!heard && _pinged && (_pingedAgain || !isLate))
        {
            Lose(SocketEndReason.Silent);
            return;
        }

        _pingedAgain = !heard && _pinged;
        _pinged = !heard;
        if (_pinged)
        {
            _queue.Send(Opcode.Ping, default, default, default);
        }

        if (Ending is null)
        {
            _waitsSince = _time.GetTimestamp();
            _keepAlive!.Change(_pinged ? _options.KeepAliveTimeout : _options.KeepAliveInterval, Timeout.InfiniteTimeSpan);
        }
    }

    /// <summary>Reads until the other side's close frame, or until it leaves, in place of the reader as soon as that is not waiting for a message.</summary>
    private async Task DrainAsync(CancellationToken cancellationToken)
    {
        while (Interlocked.CompareExchange(ref _side, Draining, Free) is var side and not Free)
        {
            if (side == Draining)
            {
                await Task.WhenAll(_ended.Task, _drained.Task).WaitAsync(cancellationToken); // Another close reads to the end.
                return;
            }

            var left = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            Volatile.Write(ref _readerLeft, left);
            Interlocked.MemoryBarrier();
            if (Volatile.Read(ref _side) == Reading)
            {
                await left.Task.WaitAsync(cancellationToken);
            }
        }

        try
        {
            if (!_receive.IsUnderWay)
            {
                _frames.LeaveBuffer(); // The reader's owner may still be looking at its last message.
            }

            await using var leaving = _receive.LeaveOn(cancellationToken);
            await ReadOutAsync(cancellationToken);
        }
        finally
        {
            _drained.TrySetResult();
        }
    }

    private async Task ReadOutAsync(CancellationToken cancellationToken)
    {
        while (Ending is null || _refused)
        {
            if (!_refused && _frames.Next(out var payload) is var kind and not FrameKind.None)
            {
                Take(kind, payload.Span);
                continue;
            }

            var bytes = await _receive.NextAsync(_receive.IsUnderWay ? default : _frames.Room(), cancellationToken);
            if (bytes is not > 0)
            {
                if (_refused && bytes == 0)
                {
                    Volatile.Write(ref _otherSideLeft, true);
                }
                else
                {
                    Lose(SocketEndReason.Lost);
                }

                return;
            }

            if (!_refused)
            {
                Filled(bytes.Value);
            }
        }
    }

    private void Lose(SocketEndReason reason)
    {
        End(new SocketEnding(reason));
        _ = TryAbort();
        _queue.Stop();
        _receive.Abandon();
    }

    private bool TryAbort()
    {
        try
        {
            _connection.Abort();
            return true;
        }
        catch (Exception)
        {
            return false; // It is going already, on another thread; and this one may be a timer's, where nobody would catch it.
        }
    }

    private void End(SocketEnding ending)
    {
        // The first reason is the cause; what follows are its effects.
        if (Interlocked.CompareExchange(ref _ending, ending, comparand: null) is null)
        {
            _ended.TrySetResult();
        }
    }
}
