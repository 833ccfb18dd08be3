using System.Buffers;
using System.Runtime.InteropServices;

namespace Guru.Application.Voice;

/// <summary>
/// The caller's frames that the model, or the next one, still needs: those that came while no model listened, and those of a turn
/// that has not been answered, in case the session breaks off. In order, in pooled segments, without an object per frame: a call
/// holds as many segments as it has frames for, and between turns a few.
/// </summary>
/// <remarks>Beyond the bound the oldest are dropped. Not safe for concurrent use.</remarks>
internal sealed class CallerTape : IDisposable
{
    /// <summary>30 seconds of speech.</summary>
    private const long MostBytes = 30_000 * AudioLength.BytesPerMs;

    /// <summary>What a turn may begin before the model notices: its padding, and the time it takes.</summary>
    private const long PreRollMs = 700;

    private const int SegmentBytes = 4 * 1024;

    private static readonly int HeaderSize = Marshal.SizeOf<Header>();

    /// <summary>A ring: a segment's place is its number, modulo the length, which is a power of two.</summary>
    private Segment[] _segments = new Segment[4];
    private int _first;
    private int _count;
    private Position _head;
    private Position _next;
    private Position _tail;
    private long _bytes;

    /// <summary>Keeps a frame behind the others, not yet delivered.</summary>
    /// <param name="keepAll">False: of what was delivered only the latest is kept.</param>
    /// <returns>How many frames were dropped before they could be delivered.</returns>
    public int Add(ReadOnlySpan<byte> payload, int bytes, long callMs, bool keepAll)
    {
        var dropped = 0;
        for (_head = Frame(_head); _head < _tail; _head = Frame(_head))
        {
            var oldest = At(_head);
            var delivered = _head < _next;
            if (_bytes + bytes <= MostBytes && (keepAll || !delivered || oldest.CallMs >= callMs - PreRollMs))
            {
                break;
            }

            dropped += delivered ? 0 : 1;
            _bytes -= oldest.Bytes;
            _head = _head.Behind(oldest);
        }

        _next = _next < _head ? _head : _next;
        ReleaseBefore(_head);
        var room = Room(HeaderSize + payload.Length);
        MemoryMarshal.Write(room, new Header(callMs, bytes, payload.Length));
        payload.CopyTo(room[HeaderSize..]);
        _bytes += bytes;
        return dropped;
    }

    /// <summary>The next frame to be delivered; its payload is valid until the next is added.</summary>
    public bool TryDeliver(out ReadOnlySpan<byte> payload, out int bytes, out long callMs)
    {
        _next = Frame(_next);
        if (_next == _tail)
        {
            payload = default;
            (bytes, callMs) = (0, 0);
            return false;
        }

        var header = At(_next);
        payload = SegmentOf(_next).Bytes.AsSpan(_next.Offset + HeaderSize, header.Length);
        (bytes, callMs) = (header.Bytes, header.CallMs);
        _next = _next.Behind(header);
        return true;
    }

    /// <summary>What was said from then on is to be delivered once more.</summary>
    public void Rewind(long fromMs)
    {
        var at = Frame(_head);
        while (at < _next && At(at) is var header && header.CallMs < fromMs)
        {
            at = Frame(at.Behind(header));
        }

        _next = at;
    }

    public void Dispose()
    {
        ReleaseBefore(new Position(_first + _count, Offset: 0));
        _head = _next = _tail = new Position(_first, Offset: 0);
        _bytes = 0;
    }

    private ref Segment SegmentOf(Position position) => ref _segments[position.Segment & (_segments.Length - 1)];

    private Header At(Position frame) => MemoryMarshal.Read<Header>(SegmentOf(frame).Bytes.AsSpan(frame.Offset));

    /// <summary>Behind a segment's last frame, the next one begins the segment after it.</summary>
    private Position Frame(Position position) =>
        position < _tail && position.Offset == SegmentOf(position).Used ? new Position(position.Segment + 1, Offset: 0) : position;

    /// <summary>Room at the end, in a further segment if the last has too little left.</summary>
    private Span<byte> Room(int size)
    {
        if (_count == 0 || SegmentOf(_tail).Bytes.Length - _tail.Offset < size)
        {
            if (_count == _segments.Length)
            {
                Grow();
            }

            _tail = new Position(_first + _count++, Offset: 0);
            SegmentOf(_tail) = new Segment(ArrayPool<byte>.Shared.Rent(Math.Max(size, SegmentBytes)));
        }

        ref var segment = ref SegmentOf(_tail);
        var room = segment.Bytes.AsSpan(segment.Used, size);
        segment.Used += size;
        _tail = _tail with { Offset = segment.Used };
        return room;
    }

    private void Grow()
    {
        var segments = new Segment[_segments.Length * 2];
        for (var number = _first; number < _first + _count; number++)
        {
            segments[number & (segments.Length - 1)] = _segments[number & (_segments.Length - 1)];
        }

        _segments = segments;
    }

    private void ReleaseBefore(Position position)
    {
        for (; _count > 0 && _first < position.Segment; _first++, _count--)
        {
            ref var segment = ref _segments[_first & (_segments.Length - 1)];
            ArrayPool<byte>.Shared.Return(segment.Bytes);
            segment = default;
        }
    }

    private readonly record struct Header(long CallMs, int Bytes, int Length);

    /// <param name="Segment">Its number, counted from the call's begin.</param>
    private readonly record struct Position(int Segment, int Offset)
    {
        public static bool operator <(Position one, Position other) => one.Segment < other.Segment || (one.Segment == other.Segment && one.Offset < other.Offset);

        public static bool operator >(Position one, Position other) => other < one;

        public Position Behind(Header frame) => this with { Offset = Offset + HeaderSize + frame.Length };
    }

    private struct Segment(byte[] bytes)
    {
        public readonly byte[] Bytes = bytes;
        public int Used;
    }
}
