using System.Buffers.Binary;
using System.Net.WebSockets;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;

namespace Guru.Infrastructure.Sockets;

/// <summary>
/// The sending half of a socket. Senders put whole frames into the pending buffer under a short lock; whoever finds no writing under way
/// starts it, and it goes on by itself, swapping the two buffers until nothing is pending: all that has come together meanwhile is one write.
/// </summary>
internal sealed class SendQueue
{
    private const int MaskKeys = 64;

    private readonly Lock _gate = new();
    private readonly Stream _stream;
    private readonly int _maxQueuedBytes;
    private readonly Action<SocketEndReason> _onFailed;
    private readonly Action _onSent;
    private readonly uint[]? _maskKeys;
    private readonly TaskCompletionSource _closed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private ConfiguredValueTaskAwaitable.ConfiguredValueTaskAwaiter _sending;
    private PooledBuffer _pending = new();
    private PooledBuffer _writing = new();
    private int _maskKeysUsed = MaskKeys;
    private bool _active;
    private bool _closing;
    private bool _stopped;

    /// <param name="masked">A client's frames are; the keys cannot be foreseen by who chose what is sent (RFC 6455, section 5.3).</param>
    public SendQueue(Stream stream, bool masked, int maxQueuedBytes, Action<SocketEndReason> onFailed)
    {
        _stream = stream;
        _maskKeys = masked ? new uint[MaskKeys] : null;
        _maxQueuedBytes = maxQueuedBytes;
        _onFailed = onFailed;
        _onSent = OnSent;
    }

    /// <summary>The close frame was written, and nothing can be lost any more by letting go of the connection.</summary>
    public bool IsClosed => _closed.Task.IsCompleted;

    /// <summary>Queues a message of three parts.</summary>
    /// <param name="more">Another follows at once, which is going to start the writing.</param>
    public void Send(Opcode opcode, ReadOnlySpan<byte> prefix, ReadOnlySpan<byte> payload, ReadOnlySpan<byte> suffix, bool more = false)
    {
        bool tooMuch;
        lock (_gate)
        {
            if (_closing || _stopped)
            {
                return;
            }

            tooMuch = !TryAdd(opcode, prefix, payload, suffix);
            if (!tooMuch)
            {
                if (_active || more)
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
    /// <param name="reason">At most 123 bytes.</param>
    public Task CloseAsync(WebSocketCloseStatus code, string reason)
    {
        Span<byte> text = stackalloc byte[FrameHead.MaxControlBytes];
        BinaryPrimitives.WriteUInt16BigEndian(text, (ushort)code);
        var length = sizeof(ushort) + Encoding.UTF8.GetBytes(reason, text[sizeof(ushort)..]);
        lock (_gate)
        {
            if (_closing || _stopped)
            {
                return _closed.Task;
            }

            _closing = true;
            Add(Opcode.Close, text[..length], default, default);
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
                // While a write is under way the connection reads from this buffer.
                _writing.Release();
            }
        }

        _closed.TrySetResult();
    }

    private bool TryAdd(Opcode opcode, ReadOnlySpan<byte> prefix, ReadOnlySpan<byte> payload, ReadOnlySpan<byte> suffix)
    {
        if (_pending.Length + _writing.Length + prefix.Length + payload.Length + suffix.Length > _maxQueuedBytes)
        {
            return false;
        }

        Add(opcode, prefix, payload, suffix);
        return true;
    }

    private void Add(Opcode opcode, ReadOnlySpan<byte> prefix, ReadOnlySpan<byte> payload, ReadOnlySpan<byte> suffix)
    {
        var length = prefix.Length + payload.Length + suffix.Length;
        var head = FrameHead.BytesFor(length, _maskKeys is not null);
        var frame = _pending.Add(head + length);
        var key = _maskKeys is null ? 0 : NextMaskKey(_maskKeys);
        FrameHead.Write(frame[..head], opcode, length, _maskKeys is not null, key);
        var content = frame[head..];
        prefix.CopyTo(content);
        payload.CopyTo(content[prefix.Length..]);
        suffix.CopyTo(content[(prefix.Length + payload.Length)..]);
        if (_maskKeys is not null)
        {
            FrameHead.Mask(content, key);
        }
    }

    private uint NextMaskKey(uint[] keys)
    {
        if (_maskKeysUsed == MaskKeys)
        {
            RandomNumberGenerator.Fill(MemoryMarshal.AsBytes(keys.AsSpan()));
            _maskKeysUsed = 0;
        }

        return keys[_maskKeysUsed++];
    }

    /// <summary>Runs on one thread at a time: by the sender that set <see cref="_active"/>, then wherever a write completes.</summary>
    private void Write()
    {
        try
        {
            while (TakeNext(out var frames))
            {
                var write = _stream.WriteAsync(frames, CancellationToken.None);
                if (!write.IsCompleted)
                {
                    _sending = write.ConfigureAwait(false).GetAwaiter();
                    _sending.UnsafeOnCompleted(_onSent);
                    return;
                }

                write.GetAwaiter().GetResult();
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

    private bool TakeNext(out ReadOnlyMemory<byte> frames)
    {
        lock (_gate)
        {
            _writing.Clear();
            if (_pending.Length > 0 && !_stopped)
            {
                (_writing, _pending) = (_pending, _writing);
                frames = _writing.Written;
                return true;
            }

            frames = default;
            _active = false;
            if (_stopped)
            {
                _writing.Release();
            }

            if (!_closing || _stopped)
            {
                return false;
            }

            _stopped = true;
            _pending.Release();
            _writing.Release();
        }

        _closed.TrySetResult();
        return false;
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
