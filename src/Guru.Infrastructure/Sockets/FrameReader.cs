using System.Buffers;
using System.Text.Unicode;

namespace Guru.Infrastructure.Sockets;

internal enum FrameKind
{
    /// <summary>What has arrived holds no whole frame any more.</summary>
    None,
    Text,
    Binary,
    Close,
    Ping,
    Pong,

    /// <summary>The message is longer than its bound. Nothing can be read after it.</summary>
    TooBig,

    /// <summary>Not a frame, or not one that may come here. Nothing can be read after it.</summary>
    Broken,
}

/// <summary>
/// Cuts what arrives into messages. A message in one frame, the usual case, is handed out where it arrived; fragments are joined in a buffer of their own.
/// </summary>
/// <param name="fromServer">Frames come unmasked; from a client they must be masked.</param>
internal sealed class FrameReader(bool fromServer, int maxMessageBytes)
{
    /// <summary>
    /// Enough for a carrier's frame and for most slices of a model's speech, and as much as the HTTP client would buffer by itself: from less room it would
    /// read by way of that buffer.
    /// </summary>
    private const int Small = 4 * 1024;

    /// <summary>A buffer of this size is kept, so that steady traffic of such messages does not grow it each time.</summary>
    private const int Kept = 16 * 1024;

    private PooledBuffer _joined = new();
    private byte[] _bytes = [];
    private int _start;
    private int _end;
    private FrameKind _fragments;

    /// <summary>Where the next bytes go. What was handed out is not valid any more.</summary>
    public Memory<byte> Room()
    {
        if (_start > 0)
        {
            _bytes.AsSpan(_start, _end - _start).CopyTo(_bytes);
            _end -= _start;
            _start = 0;
        }

        if (_end == _bytes.Length || (_end == 0 && _bytes.Length > Kept))
        {
            Exchange(_end == 0 ? Small : _end * 2, keep: false);
        }

        return _bytes.AsMemory(_end);
    }

    public void Filled(int bytes) => _end += bytes;

    /// <summary>Goes on in other buffers, and leaves those whose last message may still be in use.</summary>
    public void LeaveBuffer()
    {
        Exchange(Math.Max(Small, _end - _start), keep: true);
        var joined = new PooledBuffer();
        joined.Append(_joined.Written.Span);
        _joined = joined;
    }

    public void Release()
    {
        _joined.Release();
        _start = _end = 0;
        if (_bytes.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(_bytes);
            _bytes = [];
        }
    }

    /// <summary>The next message or control frame of what has arrived; valid until <see cref="Room"/>, and a joined one until the next call.</summary>
    public FrameKind Next(out ReadOnlyMemory<byte> payload)
    {
        if (_fragments == FrameKind.None)
        {
            _joined.Clear(); // A long message is not kept until another comes in fragments.
        }

        while (true)
        {
            payload = default;
            if (!FrameHead.TryRead(_bytes.AsSpan(_start, _end - _start), out var head))
            {
                return FrameKind.None;
            }

            if (head.PayloadBytes < 0 || head.Masked == fromServer || !IsInPlace(head))
            {
                return FrameKind.Broken;
            }

            if (!head.IsControl && head.PayloadBytes > maxMessageBytes - (_fragments == FrameKind.None ? 0 : _joined.Length))
            {
                return FrameKind.TooBig;
            }

            if (_end - _start < head.HeadBytes + head.PayloadBytes)
            {
                return FrameKind.None;
            }

            var here = _bytes.AsMemory(_start + head.HeadBytes, (int)head.PayloadBytes);
            _start += head.HeadBytes + here.Length;
            if (head.Masked)
            {
                FrameHead.Mask(here.Span, head.MaskKey);
            }

            if (head.IsControl || (head.Final && head.Opcode != Opcode.Continuation))
            {
                return Whole(KindOf(head.Opcode), payload = here);
            }

            if (head.Opcode != Opcode.Continuation)
            {
                _fragments = KindOf(head.Opcode);
                _joined.Clear();
            }

            _joined.Append(here.Span);
            if (head.Final)
            {
                var kind = _fragments;
                _fragments = FrameKind.None;
                return Whole(kind, payload = _joined.TakeAll());
            }
        }
    }

    /// <summary>A continuation goes on with a message, and no other message begins before its end; control frames may come between.</summary>
    private bool IsInPlace(in FrameHead head) => head.IsControl || head.Opcode == Opcode.Continuation == (_fragments != FrameKind.None);

    private static FrameKind Whole(FrameKind kind, ReadOnlyMemory<byte> payload) =>
        kind == FrameKind.Text && !Utf8.IsValid(payload.Span) ? FrameKind.Broken : kind;

    private static FrameKind KindOf(Opcode opcode) => opcode switch
    {
        Opcode.Text => FrameKind.Text,
        Opcode.Binary => FrameKind.Binary,
        Opcode.Close => FrameKind.Close,
        Opcode.Ping => FrameKind.Ping,
        _ => FrameKind.Pong,
    };

    private void Exchange(int size, bool keep)
    {
        var bytes = ArrayPool<byte>.Shared.Rent(size);
        _bytes.AsSpan(_start, _end - _start).CopyTo(bytes);
        if (_bytes.Length > 0 && !keep)
        {
            ArrayPool<byte>.Shared.Return(_bytes);
        }

        (_bytes, _start, _end) = (bytes, 0, _end - _start);
    }
}
