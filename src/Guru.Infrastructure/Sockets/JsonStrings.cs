using System.Text.Json;

namespace Guru.Infrastructure.Sockets;

/// <summary>
/// Hands out the text of JSON strings: as a slice of the message where it stands there as it is, and from a buffer of its own
/// where JSON has escaped characters in it (<c>\/</c>, <c>\u002B</c>). One per socket; slices are valid until <see cref="Reset"/>.
/// </summary>
public sealed class JsonStrings
{
    private byte[] _scratch = [];
    private int _used;

    public void Reset() => _used = 0;

    /// <summary>The value of the string that the reader stands on.</summary>
    /// <param name="message">What the reader reads, from its first byte.</param>
    internal ReadOnlyMemory<byte> Take(ref Utf8JsonReader reader, ReadOnlyMemory<byte> message)
    {
        if (!reader.ValueIsEscaped)
        {
            // The token starts with the quotation mark.
            return message.Slice((int)reader.TokenStartIndex + 1, reader.ValueSpan.Length);
        }

        // An unescaped string is never longer than its escaped form.
        var most = reader.ValueSpan.Length;
        if (_scratch.Length - _used < most)
        {
            // Slices of the former array stay valid: it is left to whoever holds them.
            _scratch = new byte[Math.Max(most, Math.Max(1024, _scratch.Length * 2))];
            _used = 0;
        }

        var length = reader.CopyString(_scratch.AsSpan(_used));
        var text = _scratch.AsMemory(_used, length);
        _used += length;
        return text;
    }
}
