namespace Guru.Application.Voice;

/// <summary>
/// Translates the model's clock, which counts the audio appended in its session, into the call's clock. The two drift
/// apart where the carrier sent nothing, and start apart where the session began in mid call.
/// </summary>
internal sealed class InputClock
{
    /// <summary>Jitter below this is not worth a new anchor.</summary>
    private const long ToleranceMs = 40;
    private const int MostAnchors = 64;

    private readonly List<(long SessionMs, long CallMs)> _anchors = [];
    private long _appendedBytes;

    public long AppendedMs => AudioLength.ToMs(_appendedBytes);

    /// <summary>Notes audio appended to the session.</summary>
    /// <param name="callMs">Where it lies on the call's clock.</param>
    public void Appended(int bytes, long callMs)
    {
        Anchor(AppendedMs, callMs);
        _appendedBytes += bytes;
    }

    /// <summary>A moment of the session was this moment of the call.</summary>
    public void Anchor(long sessionMs, long callMs)
    {
        if (_anchors.Count == 0 || Math.Abs(_anchors[^1].CallMs + sessionMs - _anchors[^1].SessionMs - callMs) > ToleranceMs)
        {
            if (_anchors.Count == MostAnchors)
            {
                _anchors.RemoveAt(0);
            }

            _anchors.Add((sessionMs, callMs));
        }
    }

    /// <summary>All that was appended so far lies earlier on the call's clock than it was said to.</summary>
    public void Earlier(long ms)
    {
        for (var index = 0; index < _anchors.Count; index++)
        {
            _anchors[index] = _anchors[index] with { CallMs = _anchors[index].CallMs - ms };
        }
    }

    /// <summary>The call's time for a moment of the session; null before any audio was appended.</summary>
    public long? ToCallMs(long sessionMs)
    {
        if (_anchors.Count == 0)
        {
            return null;
        }

        var index = _anchors.Count - 1;
        while (index > 0 && _anchors[index].SessionMs > sessionMs)
        {
            index--;
        }

        return Math.Max(0, _anchors[index].CallMs + sessionMs - _anchors[index].SessionMs);
    }
}
