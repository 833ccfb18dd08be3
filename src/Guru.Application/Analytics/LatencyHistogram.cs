using System.Buffers.Binary;

namespace Guru.Application.Analytics;

/// <summary>
/// How often which latency was measured, in buckets whose bounds grow by one factor: whatever is read from it is within <see cref="Error"/> of what
/// the measurements themselves would give, for very short and very long ones alike.
/// </summary>
public sealed class LatencyHistogram
{
    public const double Error = 0.01;

    /// <summary>Longer ones count as this: an hour.</summary>
    private const long LongestMs = 3_600_000;
    private const int PairBytes = sizeof(ushort) + sizeof(uint);
    private const double Growth = (1 + Error) / (1 - Error);

    private static readonly int Buckets = BucketOf(LongestMs) + 1;

    /// <summary>Of each bucket, the first being for zero; empty until something is measured.</summary>
    private long[] _counts = [];

    public long Count { get; private set; }

    public double? MeanMs => Count == 0 ? null : _counts.Select((count, bucket) => count * MsOf(bucket)).Sum() / Count;

    public void Add(long ms) => Add(BucketOf(ms), times: 1);

    /// <summary>What <see cref="ToBytes"/> has written, of any number of histograms one after the other.</summary>
    public void Add(ReadOnlySpan<byte> written)
    {
        for (; written.Length >= PairBytes; written = written[PairBytes..])
        {
            Add(BinaryPrimitives.ReadUInt16BigEndian(written), BinaryPrimitives.ReadUInt32BigEndian(written[sizeof(ushort)..]));
        }
    }

    public byte[] ToBytes()
    {
        var written = new byte[PairBytes * _counts.Count(count => count > 0)];
        var rest = written.AsSpan();
        for (var bucket = 0; bucket < _counts.Length; bucket++)
        {
            if (_counts[bucket] > 0)
            {
                BinaryPrimitives.WriteUInt16BigEndian(rest, (ushort)bucket);
                BinaryPrimitives.WriteUInt32BigEndian(rest[sizeof(ushort)..], (uint)_counts[bucket]);
                rest = rest[PairBytes..];
            }
        }

        return written;
    }

    /// <summary>Interpolated between the two nearest measurements, as percentile_cont does it.</summary>
    /// <param name="fraction">0 is the shortest, 1 the longest.</param>
    public double? At(double fraction)
    {
        if (Count == 0)
        {
            return null;
        }

        var place = fraction * (Count - 1);
        var below = MsAt((long)place);
        return below + ((place - (long)place) * (MsAt((long)Math.Ceiling(place)) - below));
    }

    private void Add(int bucket, long times)
    {
        _counts = _counts.Length == 0 ? new long[Buckets] : _counts;
        _counts[Math.Min(bucket, Buckets - 1)] += times;
        Count += times;
    }

    private double MsAt(long rank)
    {
        var bucket = 0;
        for (var passed = _counts[0]; passed <= rank; passed += _counts[bucket])
        {
            bucket++;
        }

        return MsOf(bucket);
    }

    private static int BucketOf(long ms) => ms <= 0 ? 0 : 1 + (int)Math.Ceiling(Math.Log(Math.Min(ms, LongestMs)) / Math.Log(Growth));

    /// <summary>As far from the lower bound of the bucket as from the upper, in relation to them.</summary>
    private static double MsOf(int bucket) => bucket == 0 ? 0 : 2 * Math.Pow(Growth, bucket - 1) / (Growth + 1);
}
