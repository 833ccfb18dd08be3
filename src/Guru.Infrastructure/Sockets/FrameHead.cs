using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace Guru.Infrastructure.Sockets;

/// <summary>RFC 6455, section 11.8.</summary>
internal enum Opcode : byte
{
    Continuation = 0,
    Text = 1,
    Binary = 2,
    Close = 8,
    Ping = 9,
    Pong = 10,
}

/// <summary>The head of a frame (RFC 6455, section 5.2).</summary>
/// <param name="Final">The message ends with this frame.</param>
/// <param name="HeadBytes">Where the payload begins.</param>
/// <param name="MaskKey">As it lies in memory.</param>
internal readonly record struct FrameHead(bool Final, Opcode Opcode, bool Masked, uint MaskKey, int HeadBytes, long PayloadBytes)
{
    /// <summary>Two bytes, eight of length, four of mask.</summary>
    public const int MaxBytes = 14;

    /// <summary>The longest payload of a close, a ping or a pong.</summary>
    public const int MaxControlBytes = 125;

    private const byte FinalBit = 0x80;
    private const byte ReservedBits = 0x70;
    private const byte OpcodeBits = 0x0F;
    private const byte MaskBit = 0x80;
    private const byte Length16 = 126;
    private const byte Length64 = 127;

    public bool IsControl => Opcode >= Opcode.Close;

    /// <returns>False where more bytes are needed; a head that breaks the protocol comes with a negative length.</returns>
    public static bool TryRead(ReadOnlySpan<byte> bytes, out FrameHead head)
    {
        head = default;
        if (bytes.Length < 2)
        {
            return false;
        }

        var masked = (bytes[1] & MaskBit) != 0;
        long length = (byte)(bytes[1] & ~MaskBit);
        var lengthBytes = length switch { Length16 => sizeof(ushort), Length64 => sizeof(ulong), _ => 0 };
        var headBytes = 2 + lengthBytes + (masked ? sizeof(uint) : 0);
        if (bytes.Length < headBytes)
        {
            return false;
        }

        length = lengthBytes switch
        {
            sizeof(ushort) => BinaryPrimitives.ReadUInt16BigEndian(bytes[2..]),
            sizeof(ulong) => BinaryPrimitives.ReadInt64BigEndian(bytes[2..]),
            _ => length,
        };
        var key = masked ? MemoryMarshal.Read<uint>(bytes[(headBytes - sizeof(uint))..]) : 0;
        head = new FrameHead((bytes[0] & FinalBit) != 0, (Opcode)(bytes[0] & OpcodeBits), masked, key, headBytes, length);
        var known = head.Opcode is <= Opcode.Binary or (>= Opcode.Close and <= Opcode.Pong);
        if (!known || (bytes[0] & ReservedBits) != 0 || (head.IsControl && (!head.Final || length > MaxControlBytes)))
        {
            head = head with { PayloadBytes = -1 };
        }

        return true;
    }

    /// <summary>How long the head of a frame is that is sent.</summary>
    public static int BytesFor(int payloadBytes, bool masked) =>
        2 + (payloadBytes < Length16 ? 0 : payloadBytes <= ushort.MaxValue ? sizeof(ushort) : sizeof(ulong)) + (masked ? sizeof(uint) : 0);

    /// <summary>Writes the head of a whole message.</summary>
    public static void Write(Span<byte> head, Opcode opcode, int payloadBytes, bool masked, uint maskKey)
    {
        head[0] = (byte)(FinalBit | (byte)opcode);
        switch (payloadBytes)
        {
            case < Length16:
                head[1] = (byte)payloadBytes;
                break;
            case <= ushort.MaxValue:
                head[1] = Length16;
                BinaryPrimitives.WriteUInt16BigEndian(head[2..], (ushort)payloadBytes);
                break;
            default:
                head[1] = Length64;
                BinaryPrimitives.WriteInt64BigEndian(head[2..], payloadBytes);
                break;
        }

        if (masked)
        {
            head[1] |= MaskBit;
            MemoryMarshal.Write(head[^sizeof(uint)..], maskKey);
        }
    }

    /// <summary>Masks a payload, or takes the mask off again (section 5.3).</summary>
    public static void Mask(Span<byte> payload, uint key)
    {
        var wide = ((ulong)key << 32) | key;
        var words = MemoryMarshal.Cast<byte, ulong>(payload);
        foreach (ref var word in words)
        {
            word ^= wide;
        }

        var rest = payload[(words.Length * sizeof(ulong))..];
        Span<byte> bytes = stackalloc byte[sizeof(ulong)];
        MemoryMarshal.Write(bytes, wide);
        for (var i = 0; i < rest.Length; i++)
        {
            rest[i] ^= bytes[i];
        }
    }
}
