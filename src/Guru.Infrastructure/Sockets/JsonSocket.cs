using System.Net.WebSockets;
using System.Runtime.CompilerServices;

namespace Guru.Infrastructure.Sockets;

/// <summary>
/// Owns a WebSocket that carries one JSON document per text message: whole messages in until the end, one send at a time out.
/// Receiving and sending are independent; neither allocates per message once its buffers have their size.
/// </summary>
public sealed class JsonSocket : IAsyncDisposable
{
    private const int Free = 0;
    private const int Reading = 1;
    private const int Draining = 2;

    private readonly WebSocket _socket;
    private readonly JsonSocketOptions _options;
    private readonly TimeProvider _time;
    private readonly DetachableReceive _receive;
    private readonly SendQueue _queue;
    private readonly PooledBuffer _incoming = new();
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private TaskCompletionSource? _readerLeft;
    private SocketEnding? _ending;
    private int _side;

    /// <param name="socket">Owned from here on.</param>
    public JsonSocket(WebSocket socket, JsonSocketOptions options, TimeProvider time)
    {
        _socket = socket;
        _options = options;
        _time = time;
        _receive = new DetachableReceive(socket);
        _queue = new SendQueue(socket, options.MaxQueuedBytes, Lose);
    }

    /// <summary>How the socket ended; null while it is open.</summary>
    public SocketEnding? Ending => Volatile.Read(ref _ending);

    /// <summary>The next whole message; at the end of the socket, and ever after, one of kind <see cref="SocketMessageKind.End"/>.</summary>
    /// <remarks>
    /// The text lies in the receive buffer until the next call. Cancelling ends the waiting and not the socket: what arrives meanwhile
    /// is kept for the next call, and <see cref="CloseAsync"/> can still end the socket politely.
    /// </remarks>
    /// <exception cref="OperationCanceledException">The waiting was cancelled.</exception>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<SocketMessage> ReceiveAsync(CancellationToken cancellationToken)
    {
        switch (Interlocked.CompareExchange(ref _side, Reading, Free))
        {
            case Reading:
                throw new InvalidOperationException("A JsonSocket has one reader.");
            case Draining:
                await _ended.Task.WaitAsync(cancellationToken);
                return SocketMessage.End;
        }

        try
        {
            while (Ending is null)
            {
                if (!_receive.IsUnderWay)
                {
                    _incoming.MakeRoom(_options.MaxMessageBytes + 1);
                }

                if (await _receive.NextAsync(_incoming.Room, cancellationToken) is not { } received)
                {
                    Lose(SocketEndReason.Lost);
                }
                else if (Take(received) is { } message)
                {
                    return message;
                }
            }

            if (!_receive.IsUnderWay)
            {
                _incoming.Release();
            }

            return SocketMessage.End;
        }
        finally
        {
            Interlocked.Exchange(ref _side, Free);
            Volatile.Read(ref _readerLeft)?.TrySetResult();
        }
    }

    /// <summary>Queues a message, copied; never waits. Dropped once the socket is closing or has ended.</summary>
    public void Send(ReadOnlySpan<byte> message) => _queue.Send(message, default, default);

    /// <summary>Queues a message of three parts, so that a payload can be put into its envelope without a copy of its own.</summary>
    public void Send(ReadOnlySpan<byte> prefix, ReadOnlySpan<byte> payload, ReadOnlySpan<byte> suffix) => _queue.Send(prefix, payload, suffix);

    /// <summary>
    /// Writes what is queued, then a close frame, waits for the other side's, and aborts when the time limit or the cancellation comes first.
    /// Messages that arrive meanwhile are dropped.
    /// </summary>
    public async Task CloseAsync(WebSocketCloseStatus code, string reason, CancellationToken cancellationToken)
    {
        using var limit = new CancellationTokenSource(_options.CloseTimeout, _time);
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            // The other side may have stopped reading, which blocks the writing, or may never answer the close frame. Where it has
            // closed already there is nothing to wait for; a client's close would wait for the connection to go as well.
            await Task.WhenAny(_queue.CloseAsync(code, reason), _ended.Task).WaitAsync(patience.Token);
            await DrainAsync(patience.Token);
        }
        catch (OperationCanceledException)
        {
            Lose(SocketEndReason.CloseTimedOut);
        }
    }

    /// <summary>Aborts what has not been closed; a read under way ends.</summary>
    public ValueTask DisposeAsync()
    {
        Lose(SocketEndReason.Disposed);
        _socket.Dispose();
        return ValueTask.CompletedTask;
    }

    private SocketMessage? Take(ValueWebSocketReceiveResult received)
    {
        if (received.MessageType == WebSocketMessageType.Close)
        {
            PeerClosed();
            return null;
        }

        _incoming.Advance(received.Count);
        if (_incoming.Length > _options.MaxMessageBytes)
        {
            End(new SocketEnding(SocketEndReason.MessageTooBig));
            _ = _queue.CloseAsync(WebSocketCloseStatus.MessageTooBig, "message too big");
            return null;
        }

        if (!received.EndOfMessage)
        {
            return null;
        }

        var text = _incoming.TakeAll();
        return received.MessageType == WebSocketMessageType.Text ? new SocketMessage(SocketMessageKind.Text, text) : SocketMessage.Binary;
    }

    private void PeerClosed()
    {
        End(new SocketEnding(SocketEndReason.PeerClosed, (int?)_socket.CloseStatus, _socket.CloseStatusDescription));
        _ = _queue.CloseAsync(WebSocketCloseStatus.NormalClosure, ""); // Its task never fails; nobody needs to know when the answer is out.
    }

    /// <summary>Reads until the other side's close frame, in place of the reader as soon as that is not waiting for a message.</summary>
    private async Task DrainAsync(CancellationToken cancellationToken)
    {
        while (Interlocked.CompareExchange(ref _side, Draining, Free) == Reading)
        {
            var left = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            Volatile.Write(ref _readerLeft, left);
            Interlocked.MemoryBarrier();
            if (Volatile.Read(ref _side) == Reading)
            {
                await left.Task.WaitAsync(cancellationToken);
            }
        }

        // The reader's owner may still be looking at its last message, so that buffer is left alone.
        var scrap = new byte[1024];
        while (Ending is null)
        {
            if (await _receive.NextAsync(scrap, cancellationToken) is not { } received)
            {
                Lose(SocketEndReason.Lost);
            }
            else if (received.MessageType == WebSocketMessageType.Close)
            {
                PeerClosed();
            }
        }
    }

    private void Lose(SocketEndReason reason)
    {
        End(new SocketEnding(reason));
        _socket.Abort();
        _queue.Stop();
        _receive.Abandon();
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
