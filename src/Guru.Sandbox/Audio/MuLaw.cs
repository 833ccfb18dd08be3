namespace Guru.Sandbox.Audio;

/// <summary>G.711 mu-law at 8 kHz: 8 bytes are a millisecond.</summary>
public static class MuLaw
{
    public const byte Silence = 0xFF;
    public const int BytesPerMs = 8;
    public const int FrameBytes = 160;

    static readonly short[] Linear = [.. Enumerable.Range(0, 256).Select(code => Expand((byte)code))];

    public static TimeSpan Frame { get; } = TimeSpan.FromMilliseconds(20);

    /// <summary>Playing time; exact, since a byte is 1250 ticks.</summary>
    public static TimeSpan Duration(long bytes) => TimeSpan.FromTicks(bytes * 1250);

    /// <summary>Whole bytes that fit in a time.</summary>
    public static long Bytes(TimeSpan time) => time.Ticks / 1250;

    public static short Decode(byte code) => Linear[code];

    public static byte Encode(short sample)
    {
        const int Bias = 0x84;
        var sign = sample < 0 ? 0x80 : 0;
        var magnitude = Math.Min(Math.Abs((int)sample), 32635) + Bias;
        var exponent = 31 - int.LeadingZeroCount(magnitude) - 7;
        var mantissa = (magnitude >> (exponent + 3)) & 0x0F;
        return (byte)~(sign | (exponent << 4) | mantissa);
    }

    /// <summary>Root mean square of the samples, on the scale of 16 bits.</summary>
    public static double Level(ReadOnlySpan<byte> audio)
    {
        if (audio.IsEmpty)
        {
            return 0;
        }

        double sum = 0;
        foreach (var code in audio)
        {
            double sample = Linear[code];
            sum += sample * sample;
        }

        return Math.Sqrt(sum / audio.Length);
    }

    /// <summary>16-bit little-endian PCM at 24 kHz, as the model speaks when nobody asked for mu-law.</summary>
    public static byte[] ToPcm24k(ReadOnlySpan<byte> audio)
    {
        var pcm = new byte[audio.Length * 6];
        for (var i = 0; i < audio.Length; i++)
        {
            int from = Linear[audio[i]];
            int to = i + 1 < audio.Length ? Linear[audio[i + 1]] : from;
            for (var step = 0; step < 3; step++)
            {
                BitConverter.TryWriteBytes(pcm.AsSpan(i * 6 + step * 2), (short)(from + (to - from) * step / 3));
            }
        }

        return pcm;
    }

    /// <summary>Mu-law at 8 kHz from 16-bit PCM at a multiple of 8 kHz, by leaving samples out.</summary>
    public static byte[] FromPcm(ReadOnlySpan<byte> pcm, int sampleRate)
    {
        var stride = Math.Max(1, sampleRate / 8000) * 2;
        var audio = new byte[pcm.Length / stride];
        for (var i = 0; i < audio.Length; i++)
        {
            audio[i] = Encode(BitConverter.ToInt16(pcm[(i * stride)..]));
        }

        return audio;
    }

    static short Expand(byte code)
    {
        var inverted = ~code;
        var magnitude = (((inverted & 0x0F) << 3) + 0x84) << ((inverted & 0x70) >> 4);
        return (short)((inverted & 0x80) != 0 ? 0x84 - magnitude : magnitude - 0x84);
    }
}
