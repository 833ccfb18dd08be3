using System.Buffers.Binary;

namespace Guru.Sandbox.Audio;

/// <summary>RIFF files: G.711 mu-law (format tag 7) and 16-bit PCM (1) in; stereo PCM out.</summary>
public static class Wav
{
    /// <summary>The audio as mu-law at 8 kHz, mono; null when the file is of another kind.</summary>
    public static byte[]? ReadMuLaw(ReadOnlySpan<byte> file)
    {
        if (file.Length < 12 || !file[..4].SequenceEqual("RIFF"u8) || !file[8..12].SequenceEqual("WAVE"u8))
        {
            return null;
        }

        var (tag, channels, rate) = (0, 0, 0);
        for (var at = 12; at + 8 <= file.Length;)
        {
            var name = file.Slice(at, 4);
            var length = Math.Clamp(BinaryPrimitives.ReadInt32LittleEndian(file[(at + 4)..]), 0, file.Length - at - 8);
            var chunk = file.Slice(at + 8, length);
            if (name.SequenceEqual("fmt "u8) && length >= 16)
            {
                tag = BinaryPrimitives.ReadUInt16LittleEndian(chunk);
                channels = BinaryPrimitives.ReadUInt16LittleEndian(chunk[2..]);
                rate = BinaryPrimitives.ReadInt32LittleEndian(chunk[4..]);
            }
            else if (name.SequenceEqual("data"u8))
            {
                return (tag, channels) switch
                {
                    (7, 1) when rate == 8000 => chunk.ToArray(),
                    (1, 1) => MuLaw.FromPcm(chunk, rate),
                    _ => null,
                };
            }

            at += 8 + length + (length & 1);
        }

        return null;
    }

    /// <summary>Two mu-law channels side by side, as 16-bit PCM that every player knows.</summary>
    public static byte[] Stereo(ReadOnlySpan<byte> left, ReadOnlySpan<byte> right)
    {
        var frames = Math.Max(left.Length, right.Length);
        var file = new byte[44 + frames * 4];
        var header = file.AsSpan();
        "RIFF"u8.CopyTo(header);
        BinaryPrimitives.WriteInt32LittleEndian(header[4..], file.Length - 8);
        "WAVEfmt "u8.CopyTo(header[8..]);
        BinaryPrimitives.WriteInt32LittleEndian(header[16..], 16);
        BinaryPrimitives.WriteInt16LittleEndian(header[20..], 1);
        BinaryPrimitives.WriteInt16LittleEndian(header[22..], 2);
        BinaryPrimitives.WriteInt32LittleEndian(header[24..], 8000);
        BinaryPrimitives.WriteInt32LittleEndian(header[28..], 8000 * 4);
        BinaryPrimitives.WriteInt16LittleEndian(header[32..], 4);
        BinaryPrimitives.WriteInt16LittleEndian(header[34..], 16);
        "data"u8.CopyTo(header[36..]);
        BinaryPrimitives.WriteInt32LittleEndian(header[40..], frames * 4);
        for (var i = 0; i < frames; i++)
        {
            BinaryPrimitives.WriteInt16LittleEndian(header[(44 + i * 4)..], i < left.Length ? MuLaw.Decode(left[i]) : (short)0);
            BinaryPrimitives.WriteInt16LittleEndian(header[(46 + i * 4)..], i < right.Length ? MuLaw.Decode(right[i]) : (short)0);
        }

        return file;
    }
}
