using System.Buffers;

namespace Guru.Infrastructure.Sockets;

/// <summary>Bytes in an array of the pool, which grows as it must and shrinks back when it is empty.</summary>
internal sealed class PooledBuffer
{
    /// <summary>Enough for a frame of audio with its marks.</summary>
    private const int Small = 1024;

    /// <summary>A buffer of this size is kept, so that steady traffic of such messages does not grow it each time.</summary>
    private const int Kept = 16 * 1024;

    private byte[] _bytes = [];

    public int Length { get; private set; }

    public ReadOnlyMemory<byte> Written => _bytes.AsMemory(0, Length);

    public void Append(ReadOnlySpan<byte> bytes) => bytes.CopyTo(Add(bytes.Length));

    /// <summary>So many bytes more, to be written by the caller at once.</summary>
    public Span<byte> Add(int count)
    {
        if (count > _bytes.Length - Length)
        {
            Resize(Math.Max(Math.Max(Small, _bytes.Length * 2), Length + count));
        }

        Length += count;
        return _bytes.AsSpan(Length - count, count);
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
