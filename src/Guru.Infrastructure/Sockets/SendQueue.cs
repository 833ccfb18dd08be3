using System.Buffers.Binary;
using System.Net.WebSockets;
using System.Runtime.CompilerServices;

namespace Guru.Infrastructure.Sockets;

/// <summary>
/// The sending half of a socket. Senders copy into the pending buffer under a short lock; whoever finds no writing under way
/// starts it, and it goes on by itself, one WebSocket message at a time, swapping the two buffers until nothing is pending.
/// </summary>
internal sealed class SendQueue
{
    private const int HeaderBytes = sizeof(int);

    private readonly Lock _gate = new();
    private readonly WebSocket _socket;
    private readonly int _maxQueuedBytes;
    private readonly Action<SocketEndReason> _onFailed;
    private readonly Action _onSent;
    private readonly TaskCompletionSource _closed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private ConfiguredValueTaskAwaitable.ConfiguredValueTaskAwaiter _sending;
    private PooledBuffer _pending = new();
    private PooledBuffer _writing = new();
    private int _written;
    private bool _active;
    private bool _closing;
    private bool _stopped;
    private WebSocketCloseStatus _closeCode;
    private string _closeReason = "";

    public SendQueue(WebSocket socket, int maxQueuedBytes, Action<SocketEndReason> onFailed)
    {
        _socket = socket;
        _maxQueuedBytes = maxQueuedBytes;
        _onFailed = onFailed;
        _onSent = OnSent;
    }

    public void Send(ReadOnlySpan<byte> prefix, ReadOnlySpan<byte> payload, ReadOnlySpan<byte> suffix)
    {
        bool tooMuch;
        lock (_gate)
        {
            if (_closing || _stopped)
            {
                return;
            }

            var length = prefix.Length + payload.Length + suffix.Length;
            tooMuch = _pending.Length + (_writing.Length - _written) + length > _maxQueuedBytes;
            if (!tooMuch)
            {
                Span<byte> header = stackalloc byte[HeaderBytes];
                BinaryPrimitives.WriteInt32LittleEndian(header, length);
                _pending.Append(header);
                _pending.Append(prefix);
                _pending.Append(payload);
                _pending.Append(suffix);
                if (_active)
                {
                    return;
                }

                _active = true;
            }
        }

        if (tooMuch)
        {
            _onFailed(SocketEndReason.TooFarBehind);
        }
        else
        {
            Write();
        }
    }

    /// <summary>A close frame after what is queued. The task ends when it is written, or can no longer be; it never fails.</summary>
    public Task CloseAsync(WebSocketCloseStatus code, string reason)
    {
        lock (_gate)
        {
            if (_closing || _stopped)
            {
                return _closed.Task;
            }

            (_closing, _closeCode, _closeReason) = (true, code, reason);
            if (_active)
            {
                return _closed.Task;
            }

            _active = true;
        }

        Write();
        return _closed.Task;
    }

    /// <summary>Drops what is queued; for a socket that was aborted.</summary>
    public void Stop()
    {
        lock (_gate)
        {
            _stopped = true;
            _pending.Release();
            if (!_active)
            {
                // While a send is under way the socket reads from this buffer.
                _writing.Release();
            }
        }

        _closed.TrySetResult();
    }

    /// <summary>Runs on one thread at a time: by the sender that set <see cref="_active"/>, then wherever a send completes.</summary>
    private void Write()
    {
        try
        {
            while (TakeNext(out var message))
            {
                var send = _socket.SendAsync(message, WebSocketMessageType.Text, WebSocketMessageFlags.EndOfMessage, CancellationToken.None);
                if (!send.IsCompleted)
                {
                    _sending = send.ConfigureAwait(false).GetAwaiter();
                    _sending.UnsafeOnCompleted(_onSent);
                    return;
                }

                send.GetAwaiter().GetResult();
            }
        }
        catch (Exception)
        {
            Fail();
        }
    }

    private void OnSent()
    {
        try
        {
            _sending.GetResult();
        }
        catch (Exception)
        {
            Fail();
            return;
        }

        Write();
    }

    private bool TakeNext(out ReadOnlyMemory<byte> message)
    {
        message = default;
        lock (_gate)
        {
            if (_written == _writing.Length)
            {
                _written = 0;
                _writing.Clear();
                (_writing, _pending) = (_pending, _writing);
            }

            if (_writing.Length == 0 || _stopped)
            {
                if (!_closing || _stopped)
                {
                    _active = false;
                    return false;
                }

                // Left active: nothing is written after a close frame.
            }
            else
            {
                var length = BinaryPrimitives.ReadInt32LittleEndian(_writing.Written.Span[_written..]);
                message = _writing.Written.Slice(_written + HeaderBytes, length);
                _written += HeaderBytes + length;
                return true;
            }
        }

        _ = WriteCloseAsync();
        return false;
    }

    private async Task WriteCloseAsync()
    {
        try
        {
            await _socket.CloseOutputAsync(_closeCode, _closeReason, CancellationToken.None);
        }
        catch (Exception)
        {
            _onFailed(SocketEndReason.Lost);
        }

        lock (_gate)
        {
            _stopped = true;
            _pending.Release();
            _writing.Release();
        }

        _closed.TrySetResult();
    }

    private void Fail()
    {
        lock (_gate)
        {
            _active = false;
        }

        _onFailed(SocketEndReason.Lost);
    }
}
