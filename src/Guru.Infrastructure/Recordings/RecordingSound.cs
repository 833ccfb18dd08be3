using Guru.Domain.Calls;
using Guru.Infrastructure.Postgres;

namespace Guru.Infrastructure.Recordings;

/// <summary>The streams of a call as one WAV file on the call's clock, silence between them. Only the seconds that are read are opened.</summary>
internal sealed class RecordingSound : Stream
{
    private const byte Silence = 0xFF;

    private readonly CallSid _callSid;
    private readonly IReadOnlyList<Part> _parts;
    private readonly byte[] _header;
    private (Part? Part, long Second, byte[] Sound) _opened = (null, 0, []);
    private long _position;

    public RecordingSound(CallSid callSid, IReadOnlyList<Part> parts)
    {
        (_callSid, _parts) = (callSid, parts);
        var sound = parts.Max(part => part.From + part.Bytes);
        _header = RecordingFormat.WavHeader(sound);
        Length = RecordingFormat.WavHeaderBytes + sound;
    }

    public override long Length { get; }

    public override bool CanRead => true;

    public override bool CanSeek => true;

    public override bool CanWrite => false;

    public override long Position
    {
        get => _position;
        set
        {
            ArgumentOutOfRangeException.ThrowIfNegative(value);
            _position = value;
        }
    }

    public override int Read(Span<byte> buffer)
    {
        var total = (int)Math.Min(buffer.Length, Math.Max(0, Length - _position));
        for (var read = 0; read < total;)
        {
            read += ReadSome(buffer[read..total]);
        }

        return total;
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
        cancellationToken.IsCancellationRequested ? ValueTask.FromCanceled<int>(cancellationToken) : ValueTask.FromResult(Read(buffer.Span));

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override long Seek(long offset, SeekOrigin origin) => Position = origin switch
    {
        SeekOrigin.Begin => offset,
        SeekOrigin.Current => _position + offset,
        _ => Length + offset,
    };

    public override void Flush()
    {
    }

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        foreach (var part in _parts)
        {
            part.File.Dispose();
        }

        base.Dispose(disposing);
    }

    /// <summary>Of the header, of one second, or of the silence before the next.</summary>
    private int ReadSome(Span<byte> buffer)
    {
        int bytes;
        if (_position < _header.Length)
        {
            bytes = Math.Min(buffer.Length, _header.Length - (int)_position);
            _header.AsSpan((int)_position, bytes).CopyTo(buffer);
        }
        else
        {
            var at = _position - _header.Length;
            var (until, silent) = (long.MaxValue, true);
            Part? here = null;
            foreach (var part in _parts)
            {
                if (part.From <= at && at < part.From + part.Bytes)
                {
                    (here, silent) = (part, false); // Of two that overlap, the later.
                }
                else if (part.From > at)
                {
                    until = Math.Min(until, part.From);
                }
            }

            bytes = (int)Math.Min(buffer.Length, Math.Min(until, Length - _header.Length) - at);
            if (silent)
            {
                buffer[..bytes].Fill(Silence);
            }
            else
            {
                bytes = ReadSecond(here!, at - here!.From, buffer[..bytes]);
            }
        }

        _position += bytes;
        return bytes;
    }

    private int ReadSecond(Part part, long at, Span<byte> buffer)
    {
        var second = at / RecordingFormat.SecondBytes;
        if (_opened.Part != part || _opened.Second != second)
        {
            var length = (int)Math.Min(RecordingFormat.SecondBytes, part.Bytes - (second * RecordingFormat.SecondBytes));
            var sealedSecond = new byte[length + SealedBytes.Overhead];
            part.File.Position = RecordingFormat.HeaderBytes + (second * RecordingFormat.SealedSecondBytes);
            part.File.ReadExactly(sealedSecond);
            _opened = (part, second, SealedBytes.Open(part.Key, sealedSecond, RecordingFormat.Binding(_callSid, part.Name, second)));
        }

        var from = (int)(at % RecordingFormat.SecondBytes);
        var bytes = Math.Min(buffer.Length, _opened.Sound.Length - from);
        _opened.Sound.AsSpan(from, bytes).CopyTo(buffer);
        return bytes;
    }

    /// <param name="From">Where it begins, in bytes of the sound.</param>
    internal sealed record Part(string Name, FileStream File, byte[] Key, long From, long Bytes);
}
