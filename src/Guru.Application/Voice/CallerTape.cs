using System.Buffers;
using System.Runtime.InteropServices;

namespace Guru.Application.Voice;

/// <summary>
/// The caller's frames that the model, or the next one, still needs: those that came while no model listened, and those of a turn
/// that has not been answered, in case the session breaks off. In order, in one pooled buffer, without an object per frame.
/// </summary>
/// <remarks>Beyond the bound the oldest are dropped. Not safe for concurrent use.</remarks>
internal sealed class CallerTape : IDisposable
{
    /// <summary>30 seconds of speech.</summary>
    private const long MostBytes = 30_000 * AudioLength.BytesPerMs;

    /// <summary>What a turn may begin before the model notices: its padding, and the time it takes.</summary>
    private const long PreRollMs = 700;
    private const int FirstSize = 16 * 1024;

    private static readonly int HeaderSize = Marshal.SizeOf<Header>();

    private byte[] _buffer = ArrayPool<byte>.Shared.Rent(FirstSize);
    private int _head;
    private int _next;
    private int _tail;
    private long _bytes;

    /// <summary>Keeps a frame behind the others, not yet delivered.</summary>
    /// <param name="keepAll">False: of what was delivered only the latest is kept.</param>
    /// <returns>How many frames were dropped before they could be delivered.</returns>
    public int Add(ReadOnlySpan<byte> payload, int bytes, long callMs, bool keepAll)
    {
        var dropped = 0;
        while (_head < _tail && (_bytes + bytes > MostBytes || (!keepAll && _head < _next && At(_head).CallMs < callMs - PreRollMs)))
        {
            dropped += _head >= _next ? 1 : 0;
            _bytes -= At(_head).Bytes;
            _head += HeaderSize + At(_head).Length;
            _next = Math.Max(_next, _head);
        }

        MakeRoom(HeaderSize + payload.Length);
        MemoryMarshal.Write(_buffer.AsSpan(_tail), new Header(callMs, bytes, payload.Length));
        payload.CopyTo(_buffer.AsSpan(_tail + HeaderSize));
        _tail += HeaderSize + payload.Length;
        _bytes += bytes;
        return dropped;
    }

    /// <summary>The next frame to be delivered; its payload is valid until the next is added.</summary>
    public bool TryDeliver(out ReadOnlySpan<byte> payload, out int bytes, out long callMs)
    {
        if (_next == _tail)
        {
            payload = default;
            (bytes, callMs) = (0, 0);
            return false;
        }

        var header = At(_next);
        payload = _buffer.AsSpan(_next + HeaderSize, header.Length);
        (bytes, callMs) = (header.Bytes, header.CallMs);
        _next += HeaderSize + header.Length;
        return true;
    }

    /// <summary>What was said from then on is to be delivered once more.</summary>
    public void Rewind(long fromMs)
    {
        var at = _head;
        while (at < _next && At(at).CallMs < fromMs)
        {
            at += HeaderSize + At(at).Length;
        }

        _next = at;
    }

    public void Dispose()
    {
        ArrayPool<byte>.Shared.Return(_buffer);
        _buffer = [];
        (_head, _next, _tail) = (0, 0, 0);
    }

    private Header At(int position) => MemoryMarshal.Read<Header>(_buffer.AsSpan(position));

    private void MakeRoom(int size)
    {
        if (_tail + size <= _buffer.Length)
        {
            return;
        }

        // Frames leave at the head, so that most often moving the rest to the front is enough.
        var used = _tail - _head;
        var target = _buffer;
        if (used + size > _buffer.Length / 4 * 3 || (_buffer.Length > FirstSize && used + size < FirstSize / 2))
        {
            target = ArrayPool<byte>.Shared.Rent(Math.Max(FirstSize, (used + size) * 2));
        }

        _buffer.AsSpan(_head, used).CopyTo(target);
        if (target != _buffer)
        {
            ArrayPool<byte>.Shared.Return(_buffer);
            _buffer = target;
        }

        (_next, _tail, _head) = (_next - _head, used, 0);
    }

    private readonly record struct Header(long CallMs, int Bytes, int Length);
}
