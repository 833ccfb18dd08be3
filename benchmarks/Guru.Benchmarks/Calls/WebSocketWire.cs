using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;

namespace Guru.Benchmarks.Calls;

/// <summary>RFC 6455, as much as the load needs.</summary>
internal static class WebSocketWire
{
    public const int Text = 1;
    public const int Close = 8;
    public const int Ping = 9;

    /// <summary>A whole text frame. A client's is masked with a key of zeros, which leaves the text as it is.</summary>
    public static byte[] Frame(ReadOnlySpan<byte> text, bool masked)
    {
        Span<byte> header = stackalloc byte[14];
        var length = Header(header, text.Length, masked);
        return [.. header[..length], .. text];
    }

    public static byte[] Frame(string text, bool masked) => Frame(Encoding.UTF8.GetBytes(text), masked);

    public static int Header(Span<byte> header, int payload, bool masked)
    {
        header.Clear();
        header[0] = 0x80 | Text;
        var length = 2;
        if (payload < 126)
        {
            header[1] = (byte)payload;
        }
        else
        {
            header[1] = 126;
            BinaryPrimitives.WriteUInt16BigEndian(header[2..], (ushort)payload);
            length = 4;
        }

        if (masked)
        {
            header[1] |= 0x80;
            length += 4;
        }

        return length;
    }

    /// <summary>Finds the frame at the front.</summary>
    /// <param name="mask">0 where it is not masked.</param>
    /// <returns>Its whole length; 0 when it is not there yet.</returns>
    public static int Read(ReadOnlySpan<byte> received, out int opcode, out Range payload, out uint mask)
    {
        (opcode, payload, mask) = (0, default, 0);
        if (received.Length < 2)
        {
            return 0;
        }

        opcode = received[0] & 0xF;
        long length = received[1] & 0x7F;
        var at = 2;
        if (length >= 126)
        {
            at = length == 126 ? 4 : 10;
            if (received.Length < at)
            {
                return 0;
            }

            length = at == 4 ? BinaryPrimitives.ReadUInt16BigEndian(received[2..]) : (long)BinaryPrimitives.ReadUInt64BigEndian(received[2..]);
        }

        if ((received[1] & 0x80) != 0)
        {
            if (received.Length < at + 4)
            {
                return 0;
            }

            mask = BinaryPrimitives.ReadUInt32LittleEndian(received[at..]);
            at += 4;
        }

        if (received.Length < at + length)
        {
            return 0;
        }

        payload = at..(at + (int)length);
        return at + (int)length;
    }

    /// <summary>From the beginning of a payload.</summary>
    public static void Unmask(Span<byte> payload, uint mask)
    {
        if (mask == 0)
        {
            return;
        }

        var words = System.Runtime.InteropServices.MemoryMarshal.Cast<byte, uint>(payload);
        for (var word = 0; word < words.Length; word++)
        {
            words[word] ^= mask;
        }

        for (var rest = words.Length * 4; rest < payload.Length; rest++)
        {
            payload[rest] ^= (byte)(mask >> (8 * (rest & 3)));
        }
    }

    [SuppressMessage("Security", "CA5350:Do Not Use Weak Cryptographic Algorithms", Justification = "RFC 6455 says so.")]
    public static string Accept(string key) =>
        Convert.ToBase64String(SHA1.HashData(Encoding.ASCII.GetBytes(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")));
}
