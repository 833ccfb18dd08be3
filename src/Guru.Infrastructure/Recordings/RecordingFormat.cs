using System.Buffers.Binary;
using System.Text;
using Guru.Domain.Calls;
using Guru.Infrastructure.Postgres;

namespace Guru.Infrastructure.Recordings;

/// <summary>
/// A stored stream: a header, then its sound in seconds, each sealed for its place, so that a second can be opened alone and none can be moved.
/// </summary>
internal static class RecordingFormat
{
    /// <summary>Of sound in a sealed second; the last may be shorter.</summary>
    public const int SecondBytes = 16_000;

    public const int SealedSecondBytes = SecondBytes + SealedBytes.Overhead;

    public const int HeaderBytes = 40;

    private static ReadOnlySpan<byte> Magic => "GURUREC1"u8;

    public static byte[] Header(Guid keyId, long startMs, DateTimeOffset startedAt)
    {
        var header = new byte[HeaderBytes];
        Magic.CopyTo(header);
        keyId.TryWriteBytes(header.AsSpan(8));
        BinaryPrimitives.WriteInt64LittleEndian(header.AsSpan(24), startMs);
        BinaryPrimitives.WriteInt64LittleEndian(header.AsSpan(32), startedAt.ToUnixTimeMilliseconds());
        return header;
    }

    /// <returns>False if it is no header of ours.</returns>
    public static bool TryReadHeader(ReadOnlySpan<byte> header, out Guid keyId, out long startMs)
    {
        (keyId, startMs) = (default, 0);
        if (header.Length < HeaderBytes || !header.StartsWith(Magic))
        {
            return false;
        }

        (keyId, startMs) = (new Guid(header[8..24]), BinaryPrimitives.ReadInt64LittleEndian(header[24..]));
        return startMs >= 0;
    }

    /// <summary>How much sound a file of this length holds.</summary>
    public static long SoundIn(long fileBytes)
    {
        var body = Math.Max(0, fileBytes - HeaderBytes);
        var last = Math.Max(0, (body % SealedSecondBytes) - SealedBytes.Overhead);
        return (body / SealedSecondBytes * SecondBytes) + (last - (last % 2));
    }

    public static byte[] Binding(CallSid callSid, string name, long second) => Encoding.UTF8.GetBytes($"recording:{callSid}:{name}:{second}");

    /// <summary>RIFF: mu-law (7), stereo, 8 kHz, with the <c>fact</c> chunk that formats other than PCM have.</summary>
    public static byte[] WavHeader(long soundBytes)
    {
        var data = (uint)Math.Min(soundBytes, uint.MaxValue - WavHeaderBytes);
        var header = new byte[WavHeaderBytes];
        var at = header.AsSpan();
        "RIFF"u8.CopyTo(at);
        BinaryPrimitives.WriteUInt32LittleEndian(at[4..], data + WavHeaderBytes - 8);
        "WAVEfmt "u8.CopyTo(at[8..]);
        BinaryPrimitives.WriteUInt32LittleEndian(at[16..], 18);
        BinaryPrimitives.WriteUInt16LittleEndian(at[20..], 7);
        BinaryPrimitives.WriteUInt16LittleEndian(at[22..], 2);
        BinaryPrimitives.WriteUInt32LittleEndian(at[24..], 8000);
        BinaryPrimitives.WriteUInt32LittleEndian(at[28..], 16_000);
        BinaryPrimitives.WriteUInt16LittleEndian(at[32..], 2);
        BinaryPrimitives.WriteUInt16LittleEndian(at[34..], 8);
        "fact"u8.CopyTo(at[38..]);
        BinaryPrimitives.WriteUInt32LittleEndian(at[42..], 4);
        BinaryPrimitives.WriteUInt32LittleEndian(at[46..], data / 2);
        "data"u8.CopyTo(at[50..]);
        BinaryPrimitives.WriteUInt32LittleEndian(at[54..], data);
        return header;
    }

    public const int WavHeaderBytes = 58;
}
