using System.Buffers.Binary;
using System.Globalization;
using System.Numerics;

namespace Guru.Application.Analytics;

/// <summary>
/// How many different callers there were, from which none of them can be told: a caller sets one bit of a table, bits further down ever more seldom (the
/// bitmaps of Flajolet and Martin). Tables are joined by setting the bits of both. What is most likely, given the bits, is the estimate.
/// </summary>
public sealed class CallerSketch
{
    /// <summary>Standard error of the estimate.</summary>
    public const double Error = 0.015;

    private const int RegisterBits = 11;
    private const int Registers = 1 << RegisterBits;
    private const int LevelBits = 5; // With those of the registers, a bit's place has two bytes.
    private const int Levels = 1 << LevelBits;

    /// <summary>Those that are set, by their place in the table.</summary>
    private readonly HashSet<ushort> _bits = [];

    /// <param name="callerId">In hexadecimal digits.</param>
    public void Add(string callerId)
    {
        var id = UInt128.Parse(callerId, NumberStyles.HexNumber, CultureInfo.InvariantCulture);
        var hash = Scattered(Scattered((ulong)(id >> 64)) ^ (ulong)id);
        var level = Math.Min(BitOperations.LeadingZeroCount(hash << RegisterBits), Levels - 1);
        _bits.Add((ushort)(((int)(hash >> (64 - RegisterBits)) << LevelBits) | level));
    }

    /// <summary>What <see cref="ToBytes"/> has written, of any number of sketches one after the other.</summary>
    public void Add(ReadOnlySpan<byte> written)
    {
        for (; written.Length >= sizeof(ushort); written = written[sizeof(ushort)..])
        {
            _bits.Add(BinaryPrimitives.ReadUInt16BigEndian(written));
        }
    }

    public byte[] ToBytes()
    {
        var written = new byte[sizeof(ushort) * _bits.Count];
        var rest = written.AsSpan();
        foreach (var bit in _bits.Order()) // So that equal sketches are written equally.
        {
            BinaryPrimitives.WriteUInt16BigEndian(rest, bit);
            rest = rest[sizeof(ushort)..];
        }

        return written;
    }

    /// <summary>The number under which the bits that are set are the most likely: where the likelihood stops rising.</summary>
    public long Estimate()
    {
        Span<int> set = stackalloc int[Levels];
        foreach (var bit in _bits)
        {
            set[bit % Levels]++;
        }

        var (low, high) = (0.0, 1e12);
        while (high - low > 0.01)
        {
            var middle = (low + high) / 2;
            (low, high) = Rises(set, middle) ? (middle, high) : (low, middle);
        }

        return (long)Math.Round(low);
    }

    private static bool Rises(ReadOnlySpan<int> set, double callers)
    {
        var slope = 0.0;
        for (var level = 0; level < Levels; level++)
        {
            var share = Math.ScaleB(1.0 / Registers, -Math.Min(level + 1, Levels - 1));
            slope += (set[level] == 0 ? 0 : set[level] * share / Math.Max(double.Epsilon, Math.Exp(callers * share) - 1)) - ((Registers - set[level]) * share);
        }

        return slope > 0;
    }

    /// <summary>Every bit of the id moves every bit of the outcome (the finalizer of splitmix64).</summary>
    private static ulong Scattered(ulong id)
    {
        id = (id ^ (id >> 30)) * 0xBF58476D1CE4E5B9;
        id = (id ^ (id >> 27)) * 0x94D049BB133111EB;
        return id ^ (id >> 31);
    }
}
