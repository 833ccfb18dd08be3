using System.Buffers;
using System.Diagnostics;

namespace Guru.Infrastructure.Sockets;

/// <summary>Bytes in an array of the pool, which grows as it must and shrinks back when it is empty.</summary>
internal sealed class PooledBuffer
{
    /// <summary>Enough for a carrier's frame and for most slices of a model's speech.</summary>
    private const int Small = 4 * 1024;

    /// <summary>A buffer of this size is kept, so that steady traffic of such messages does not grow it each time.</summary>
    private const int Kept = 16 * 1024;

    private byte[] _bytes = [];

    public int Length { get; private set; }

    public Memory<byte> Room => _bytes.AsMemory(Length);

    public ReadOnlyMemory<byte> Written => _bytes.AsMemory(0, Length);

    public void Advance(int count) => Length += count;

    /// <summary>Makes room for at least one more byte, without growing past what is needed for <paramref name="most"/>.</summary>
    public void MakeRoom(int most)
    {
        if (Length == 0 && _bytes.Length > Kept)
        {
            Release();
        }

        if (Length == _bytes.Length)
        {
            Debug.Assert(Length < most, "A full buffer of the greatest size is refused by its owner.");
            Resize(Math.Max(Math.Min(Math.Max(Small, Length * 2), most), Length + 1));
        }
    }

    public void Append(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length > _bytes.Length - Length)
        {
            Resize(Math.Max(Math.Max(Small, _bytes.Length * 2), Length + bytes.Length));
        }

        bytes.CopyTo(_bytes.AsSpan(Length));
        Length += bytes.Length;
    }

    /// <summary>What was written, which stays in place until something is written again.</summary>
    public ReadOnlyMemory<byte> TakeAll()
    {
        var written = Written;
        Length = 0;
        return written;
    }

    public void Clear()
    {
        Length = 0;
        if (_bytes.Length > Kept)
        {
            Release();
        }
    }

    public void Release()
    {
        var bytes = _bytes;
        _bytes = [];
        Length = 0;
        if (bytes.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(bytes);
        }
    }

    private void Resize(int size)
    {
        var bytes = ArrayPool<byte>.Shared.Rent(size);
        Written.CopyTo(bytes);
        if (_bytes.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(_bytes);
        }

        _bytes = bytes;
    }
}
