using Guru.Application.Voice;

namespace Guru.Application.Tests.Voice;

/// <summary>Plays what it gets in order and in real time, and returns marks as the wire protocol says. Times are milliseconds.</summary>
internal sealed class Carrier
{
    private readonly List<(string Item, double From, double Until)> _played = [];
    private readonly List<(double Due, PlaybackMark Mark)> _pending = [];
    private double _end;

    /// <summary>How long a receipt is on its way.</summary>
    public double LatencyMs { get; set; }

    public bool LosesMarks { get; set; }

    /// <summary>What is sent from now on does not arrive.</summary>
    public bool IsStuck { get; set; }

    public int Clears { get; private set; }

    /// <summary>What of each item the caller's ear gets, or got, in order.</summary>
    public IReadOnlyList<(string Item, double From, double Until)> Played => [.. _played.Where(played => played.Until > played.From)];

    public double? NextMarkAt => _pending.Count == 0 ? null : _pending.Min(pending => pending.Due);

    public bool IsSilent(double now) => _end <= now;

    public void Media(string item, int bytes, double now)
    {
        if (IsStuck)
        {
            return;
        }

        var from = Math.Max(_end, now);
        _end = from + (bytes / 8.0);
        _played.Add((item, from, _end));
    }

    public void Mark(PlaybackMark mark, double now)
    {
        if (!LosesMarks && !IsStuck)
        {
            _pending.Add((Math.Max(_end, now) + LatencyMs, mark));
        }
    }

    public void Clear(double now)
    {
        Clears++;
        for (var i = 0; i < _played.Count; i++)
        {
            var (item, from, until) = _played[i];
            _played[i] = (item, Math.Min(from, now), Math.Min(until, now));
        }

        _end = now;
        for (var i = 0; i < _pending.Count; i++)
        {
            _pending[i] = (Math.Min(_pending[i].Due, now + LatencyMs), _pending[i].Mark);
        }
    }

    public IReadOnlyList<PlaybackMark> TakeMarks(double now)
    {
        var due = _pending.Where(pending => pending.Due <= now).OrderBy(pending => pending.Due).Select(pending => pending.Mark).ToList();
        _pending.RemoveAll(pending => pending.Due <= now);
        return due;
    }

    public double BeginsAt(string item) => _played.First(played => played.Item == item).From;

    /// <summary>What the caller's ear got of an item so far.</summary>
    public double ReallyHeardMs(string item, double now) =>
        _played.Where(played => played.Item == item).Sum(played => Math.Max(0, Math.Min(played.Until, now) - played.From));
}
