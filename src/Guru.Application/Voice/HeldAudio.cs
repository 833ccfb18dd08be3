namespace Guru.Application.Voice;

/// <summary>The caller's frames while no model listens: kept in order, the oldest dropped beyond the bound.</summary>
internal sealed class HeldAudio
{
    /// <summary>30 seconds of speech.</summary>
    private const int MostBytes = 30_000 * AudioLength.BytesPerMs;

    private readonly Queue<HeldFrame> _frames = new();
    private int _bytes;

    /// <returns>How many frames had to be dropped for it.</returns>
    public int Hold(ReadOnlySpan<byte> payload, int bytes, long callMs)
    {
        _frames.Enqueue(new HeldFrame(payload.ToArray(), bytes, callMs));
        _bytes += bytes;
        var dropped = 0;
        while (_bytes > MostBytes && _frames.TryDequeue(out var oldest))
        {
            _bytes -= oldest.Bytes;
            dropped++;
        }

        return dropped;
    }

    public bool TryTake(out HeldFrame frame)
    {
        var taken = _frames.TryDequeue(out frame);
        _bytes -= frame.Bytes;
        return taken;
    }
}

internal readonly record struct HeldFrame(byte[] Payload, int Bytes, long CallMs);
