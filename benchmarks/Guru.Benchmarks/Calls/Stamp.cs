namespace Guru.Benchmarks.Calls;

/// <summary>
/// When a frame was sent, by whom and as the how manieth, written in base64's letters at the front of its payload, which nobody on the way decodes.
/// </summary>
internal readonly record struct Stamp(long Us, int From, int Number)
{
    public const int Length = 15;

    private static ReadOnlySpan<byte> Letters => "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"u8;

    private static readonly byte[] Values = MakeValues();

    public void Write(Span<byte> payload)
    {
        Write(payload[..8], Us);
        Write(payload[8..11], From);
        Write(payload[11..Length], Number);
    }

    public static Stamp Read(ReadOnlySpan<byte> payload) =>
        new(Value(payload[..8]), (int)Value(payload[8..11]), (int)Value(payload[11..Length]));

    private static void Write(Span<byte> letters, long value)
    {
        for (var at = letters.Length - 1; at >= 0; at--, value >>= 6)
        {
            letters[at] = Letters[(int)(value & 63)];
        }
    }

    private static long Value(ReadOnlySpan<byte> letters)
    {
        long value = 0;
        foreach (var letter in letters)
        {
            value = (value << 6) | Values[letter];
        }

        return value;
    }

    private static byte[] MakeValues()
    {
        var values = new byte[256];
        for (var value = 0; value < Letters.Length; value++)
        {
            values[Letters[value]] = (byte)value;
        }

        return values;
    }
}

/// <summary>How long things took, to the microsecond.</summary>
internal sealed class Delays
{
    private readonly int[] _counts = new int[2_000_001];
    private long _total;

    public long Count => _total;

    public void Add(long us)
    {
        _counts[Math.Clamp(us, 0, _counts.Length - 1)]++;
        _total++;
    }

    public void Clear()
    {
        Array.Clear(_counts);
        _total = 0;
    }

    public double MsAt(double share)
    {
        var wanted = Math.Max(1, (long)Math.Ceiling(share * _total));
        long seen = 0;
        for (var us = 0; us < _counts.Length; us++)
        {
            if ((seen += _counts[us]) >= wanted)
            {
                return us / 1000.0;
            }
        }

        return double.NaN;
    }
}
