namespace Guru.Application.Voice;

/// <summary>Where a frame of the caller lies.</summary>
/// <param name="CallMs">On the call's clock.</param>
/// <param name="GapMs">How much audio is missing before it, to be filled with silence.</param>
/// <param name="EarlierMs">By how much the frames before it were placed too late, which this one has shown.</param>
public readonly record struct CallerFrame(long CallMs, int GapMs, int EarlierMs = 0);

/// <summary>Follows the caller's frames by the carrier's timestamps, so that what never came can be filled.</summary>
internal struct CallerFrames
{
    /// <summary>Smaller gaps are jitter.</summary>
    private const long LeastGapMs = 40;

    /// <summary>A longer gap is a pause of the line; silence of this length closes any turn.</summary>
    private const long MostGapMs = 10_000;

    /// <summary>A frame that comes sooner than the first by less is jitter.</summary>
    private const long LeastEarlierMs = 40;

    /// <summary>No first frame waits longer to be read; what claims more is a wrong timestamp.</summary>
    private const long MostEarlierMs = 5_000;

    /// <summary>How long after the first frame it may show that it was read late: a reader that is awake has caught up by then.</summary>
    private const long CatchingUpMs = 3_000;

    /// <summary>Frames that come after a longer pause waited to be read, as those do that come to a process that stood still.</summary>
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(300);

    /// <summary>How long after such a pause there may still be something else to read, and to do.</summary>
    private static readonly TimeSpan AfterPause = TimeSpan.FromSeconds(1);

    private TimeSpan _awakeFrom;
    private long _originMs;
    private long _firstAtMs;
    private long _earlierMs;
    private long _nextMs;
    private bool _started;

    /// <summary>When the last frame came.</summary>
    public TimeSpan? LastAt { get; private set; }

    /// <summary>What the model said before the last frame came may not have been read yet.</summary>
    public bool IsCatchingUp => LastAt < _awakeFrom;

    public CallerFrame Place(int bytes, long timestampMs, TimeSpan now)
    {
        _awakeFrom = now - LastAt > Pause ? now + AfterPause : _awakeFrom;
        LastAt = now;
        var nowMs = (long)now.TotalMilliseconds;
        var earlier = 0L;
        if (!_started)
        {
            // The carrier counts from the stream's start, the call from its first stream's.
            _started = true;
            _firstAtMs = nowMs;
            _originMs = nowMs - Math.Max(0, timestampMs);
            _nextMs = Math.Max(0, timestampMs);
        }
        else if (timestampMs >= 0 && nowMs - _firstAtMs <= CatchingUpMs)
        {
            // No frame comes before it was said: the first waited to be read, as those do that come to a process that has just begun.
            earlier = _originMs + timestampMs - nowMs;
            earlier = earlier >= LeastEarlierMs && earlier <= MostEarlierMs - _earlierMs ? earlier : 0;
            _earlierMs += earlier;
            _originMs -= earlier;
        }

        var ms = timestampMs < 0 ? _nextMs : timestampMs;
        var gap = ms - _nextMs;
        _nextMs = Math.Max(_nextMs, ms) + AudioLength.ToMs(bytes);
        return new CallerFrame(_originMs + ms, gap >= LeastGapMs ? (int)Math.Min(gap, MostGapMs) : 0, (int)earlier);
    }

    /// <summary>Waits for frames as if the last had come then.</summary>
    public void Expect(TimeSpan since) => LastAt = since;

    /// <summary>Notes silence that was put in the place of audio that did not come.</summary>
    /// <returns>Where it lies on the call's clock.</returns>
    public long Fill(int ms)
    {
        var at = _originMs + _nextMs;
        _nextMs += ms;
        return at;
    }
}
