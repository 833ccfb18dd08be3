using System.Text;

namespace Guru.Application.Voice;

/// <summary>
/// The ledger of what was sent to the caller and what of it was heard. No sockets, no clock: time is given.
/// </summary>
/// <remarks>
/// The carrier plays what it gets in order, at 8 bytes a millisecond. A returned mark proves that everything before it was
/// played; between marks the playhead moves with time, but not past a mark that has not come back, and it stands still while
/// nothing is queued. A clear returns all pending marks at once, so marks of an earlier generation prove nothing. Heard is never
/// more than sent.
/// </remarks>
public sealed class Playback
{
    /// <summary>The receipt asked for while speech is being sent; finer marks add traffic, not precision.</summary>
    private const long MarkEvery = 200 * AudioLength.BytesPerMs;

    /// <summary>Receipts on their way that are kept track of; the later ones decide nothing.</summary>
    private const int MostAwaited = 64;

    /// <summary>How long after its time a receipt may come before the clock alone decides.</summary>
    private static readonly TimeSpan MarkGrace = TimeSpan.FromSeconds(3);

    private readonly List<PlayedItem> _queue = [];
    private readonly Queue<long> _awaited = new(MostAwaited);
    private int _generation;
    private bool _returnsMarks;
    private long _sent;
    private long _lastMark;
    private long _acknowledged;
    private long _anchor;
    private TimeSpan _anchorAt;

    /// <summary>Nothing that was sent waits to be heard, and no item expects more audio.</summary>
    public bool IsIdle => _queue.Count == 0;

    /// <summary>When the clock decides that what was sent has been heard, although no receipt came.</summary>
    public TimeSpan? Deadline =>
        _queue.Count == 0 ? null
        : _queue[0].Until is { } until ? until
        : _queue.TrueForAll(item => item.AudioDone) ? EndsAt + MarkGrace
        : null;

    private TimeSpan EndsAt => _anchorAt + AudioLength.Of(_sent - _anchor);

    /// <summary>How much has been played since the last clear, in bytes.</summary>
    public long PlayedBytes(TimeSpan now)
    {
        var played = ByTheClock(now);
        return _returnsMarks && NextMark < played && now < _anchorAt + AudioLength.Of(NextMark - _anchor) + MarkGrace ? NextMark : played;
    }

    private long NextMark => _awaited.TryPeek(out var position) ? position : long.MaxValue;

    private long ByTheClock(TimeSpan now) => Math.Clamp(_anchor + AudioLength.ToBytes(now - _anchorAt), Math.Min(_anchor, _sent), _sent);

    /// <summary>Notes audio about to be sent, and tells which receipts to ask for around it.</summary>
    public AudioDecision Send(PlayedItem item, int bytes, TimeSpan now)
    {
        if (ByTheClock(now) == _sent)
        {
            // The queue has run dry: the playhead waited, and starts again with this audio.
            _anchor = _sent;
            _anchorAt = now;
        }

        PlaybackMark? before = null;
        if (item.Sent == 0)
        {
            item.Start = _sent;
            item.FirstSentAt = now;
            before = MarkHere();
            _queue.Add(item);
        }
        else if (bytes > MarkEvery && _sent > _lastMark)
        {
            before = MarkHere(); // A long slice says nothing of the short ones before it.
        }

        _sent += bytes;
        item.Sent += bytes;
        return new AudioDecision(Play: true, before, _sent - _lastMark >= MarkEvery ? MarkHere() : null);
    }

    /// <summary>No more audio of the item will come.</summary>
    /// <returns>The receipt to ask for, if its end has none yet.</returns>
    public PlaybackMark? Complete(PlayedItem item, TimeSpan now)
    {
        item.AudioDone = true;
        if (item.IsOver || item.Sent == 0)
        {
            return null;
        }

        var mark = _lastMark < _sent ? MarkHere() : (PlaybackMark?)null;
        Finish(_anchor, now);
        return mark;
    }

    /// <summary>Takes a receipt. One from before the last clear, or for audio never sent, proves nothing.</summary>
    /// <returns>False for such a one.</returns>
    public bool Acknowledge(PlaybackMark mark, TimeSpan now)
    {
        if (mark.Generation != _generation || mark.Position > _sent || mark.Position < _acknowledged)
        {
            return false;
        }

        _returnsMarks = true;
        _acknowledged = mark.Position;
        while (NextMark <= mark.Position)
        {
            _awaited.Dequeue();
        }

        if (mark.Position < _anchor)
        {
            return false; // The clock took it for played already.
        }

        _anchor = mark.Position;
        _anchorAt = now;
        foreach (var item in _queue)
        {
            if (item.Start <= mark.Position)
            {
                item.FirstHeardAt ??= now;
            }
        }

        Finish(mark.Position, now);
        return true;
    }

    /// <summary>Finishes what must have been heard by now although its receipt is missing.</summary>
    public void Tick(TimeSpan now)
    {
        if (now < Deadline || Deadline is null)
        {
            return;
        }

        if (_queue[0] is { Until: not null } elsewhere)
        {
            WasHeard(elsewhere, now);
        }
        else
        {
            Finish(_sent, now);
        }
    }

    // --- audio that the other side plays, and tells of ---

    /// <summary>The caller begins to hear an item that was not sent from here.</summary>
    /// <param name="until">When its end is taken for granted although nobody told of it.</param>
    public void Begins(PlayedItem item, TimeSpan now, TimeSpan until)
    {
        (item.FirstSentAt, item.FirstHeardAt, item.Until) = (now, now, until);
        _queue.Add(item);
    }

    /// <summary>The caller heard all of it; how long it was is known only now.</summary>
    public void WasHeard(PlayedItem item, TimeSpan now)
    {
        item.Heard = item.Sent = AudioLength.ToBytes(now - item.FirstHeardAt!.Value);
        _queue.Remove(item);
        End(item, now);
    }

    /// <summary>The caller heard so much of it.</summary>
    public void WasCut(PlayedItem item, long heard, TimeSpan now)
    {
        (item.Heard, item.IsCut) = (heard, true);
        item.Sent = Math.Max(item.Sent, heard);
        if (heard > 0)
        {
            item.FirstSentAt = item.FirstHeardAt ??= now - AudioLength.Of(heard);
        }

        if (!item.IsOver)
        {
            _queue.Remove(item);
            End(item, now);
        }
    }

    /// <summary>Drops everything that has not been heard. What was being heard, and what would have followed, is cut.</summary>
    public void Cut(TimeSpan now) => Cut(PlayedBytes(now), now);

    /// <summary>
    /// The same, because the line is gone: what was on its way is lost. Receipts came on that line, in order, before its end. So where
    /// one is overdue the caller's side had run dry, and nothing is known to have been heard but what was acknowledged.
    /// </summary>
    public void Lose(TimeSpan now) => Cut(PlayedForSure(now), now);

    /// <summary>How much of an item was heard, were the line gone now.</summary>
    public long HeardForSure(PlayedItem item, TimeSpan now) =>
        item.IsOver ? item.Heard : HeardOf(item, PlayedForSure(now), item.Until < now ? item.Until.Value : now);

    private long PlayedForSure(TimeSpan now) => ByTheClock(now) is var played && played < NextMark ? played : _acknowledged;

    private static long HeardOf(PlayedItem item, long played, TimeSpan now) =>
        item.Until is null ? Math.Clamp(played - item.Start, 0, item.Sent) : AudioLength.ToBytes(now - item.FirstHeardAt!.Value);

    private void Cut(long played, TimeSpan now)
    {
        foreach (var item in _queue)
        {
            item.Heard = HeardOf(item, played, now);
            item.Sent = item.Until is null ? item.Sent : item.Heard;
            item.IsCut = item.Until is not null || !item.AudioDone || item.Heard < item.Sent;
            End(item, now);
        }

        _queue.Clear();
        _generation++;
        _awaited.Clear();
        _sent = _lastMark = _anchor = _acknowledged = 0;
        _anchorAt = now;
    }

    private void Finish(long played, TimeSpan now)
    {
        while (_queue.Count > 0 && _queue[0] is { AudioDone: true } item && item.Start + item.Sent <= played)
        {
            item.Heard = item.Sent;
            _queue.RemoveAt(0);
            End(item, now);
        }
    }

    private static void End(PlayedItem item, TimeSpan now)
    {
        item.IsOver = true;
        item.OverAt = now;
    }

    private PlaybackMark MarkHere()
    {
        _lastMark = _sent;
        if (_awaited.Count < MostAwaited)
        {
            _awaited.Enqueue(_sent);
        }

        return new PlaybackMark(_generation, _sent);
    }
}

/// <summary>An item of the model's speech on its way to the caller.</summary>
public sealed class PlayedItem(string itemId, string responseId)
{
    private readonly byte[] _utf8Id = Encoding.UTF8.GetBytes(itemId);

    public string ItemId { get; } = itemId;

    public string ResponseId { get; } = responseId;

    public int ContentIndex { get; set; }

    /// <summary>Bytes of audio sent to the caller, of this item.</summary>
    public long Sent { get; internal set; }

    /// <summary>Bytes of it that were heard; final once <see cref="IsOver"/>.</summary>
    public long Heard { get; internal set; }

    public bool AudioDone { get; internal set; }

    /// <summary>It was not heard to its end.</summary>
    public bool IsCut { get; internal set; }

    public bool IsOver { get; internal set; }

    public TimeSpan? FirstSentAt { get; internal set; }

    public TimeSpan? FirstHeardAt { get; internal set; }

    public TimeSpan OverAt { get; internal set; }

    /// <summary>Of audio that the other side plays: when its end is taken for granted.</summary>
    internal TimeSpan? Until { get; set; }

    internal long Start { get; set; }

    public bool Is(ReadOnlySpan<byte> utf8Id) => utf8Id.SequenceEqual(_utf8Id);
}

/// <summary>What becomes of a slice of the model's speech.</summary>
/// <param name="Play">False: it belongs to something the caller cut off.</param>
/// <param name="Before">The receipt to ask for before it: returned when the item begins to be heard.</param>
/// <param name="After">The receipt to ask for after it.</param>
public readonly record struct AudioDecision(bool Play, PlaybackMark? Before = null, PlaybackMark? After = null);
