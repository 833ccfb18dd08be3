using System.Buffers;
using Guru.Sandbox.Audio;

namespace Guru.Sandbox.Twilio;

/// <summary>Bytes of what was sent to the caller, by position, that played without a pause.</summary>
/// <param name="At">When the first of them played.</param>
public readonly record struct PlayedSpan(long From, long To, TimeSpan At)
{
    public TimeSpan EndsAt => At + MuLaw.Duration(To - From);
}

/// <summary>Bytes that a clear dropped: nobody heard them.</summary>
public readonly record struct ClearedSpan(long From, long To, TimeSpan At);

/// <param name="Cleared">It came back because of a clear, so what was before it may not have been heard.</param>
public readonly record struct ReturnedMark(string Name, long Position, TimeSpan At, bool Cleared);

/// <summary>The agent speaking: from its first byte until there was nothing to play for a while, or a clear.</summary>
/// <param name="Number">From 1.</param>
public sealed record AgentTurn(int Number, TimeSpan StartedAt)
{
    /// <summary>Null while it plays.</summary>
    public TimeSpan? EndedAt { get; internal set; }

    public bool Cleared { get; internal set; }
}

/// <summary>
/// What a caller hears. Media plays in order of arrival, 8 bytes a millisecond; a mark comes back when all media before it has
/// played, at once when nothing is left to play; a clear empties the buffer and returns every mark. It also keeps the truth:
/// which bytes played when, against which what others claim to have been heard can be checked.
/// </summary>
public sealed class PlaybackBuffer
{
    /// <summary>Twilio discards what exceeds ten minutes.</summary>
    public const long LimitBytes = 10 * 60 * 1000 * MuLaw.BytesPerMs;

    /// <summary>An agent that was quiet for less goes on with the same turn: audio may come late.</summary>
    public static readonly TimeSpan TurnGap = TimeSpan.FromMilliseconds(300);

    /// <summary>How long somebody waits for the rest of what stopped in the middle of a line.</summary>
    static readonly TimeSpan Patience = TimeSpan.FromSeconds(3);

    readonly ArrayBufferWriter<byte> _received = new();
    readonly List<PlayedSpan> _played = [];
    readonly List<ClearedSpan> _cleared = [];
    readonly List<AgentTurn> _turns = [];
    readonly Queue<(string Name, long Position)> _marks = [];
    readonly Queue<ReturnedMark> _returned = [];
    TimeSpan _now;
    long _head;
    long _runFrom;
    TimeSpan _runAt;
    (long At, Match? Line) _stopped;

    /// <summary>Bytes accepted, played or not.</summary>
    public long ReceivedBytes => _received.WrittenCount;

    public long PlayedBytes => _played.Sum(span => span.To - span.From) + _head - _runFrom;

    public long DiscardedBytes { get; private set; }

    public bool IsEmpty => _head == ReceivedBytes;

    /// <summary>The turns of the agent, in order.</summary>
    public IReadOnlyList<AgentTurn> Turns => _turns;

    public IReadOnlyList<ClearedSpan> Cleared => _cleared;

    /// <summary>Everything received since the call began, played or not.</summary>
    public ReadOnlySpan<byte> Received => _received.WrittenSpan;

    /// <summary>Everything played up to the last time told.</summary>
    public IReadOnlyList<PlayedSpan> Played => _head > _runFrom ? [.. _played, new PlayedSpan(_runFrom, _head, _runAt)] : [.. _played];

    /// <summary>When the next mark comes back, or the buffer runs empty.</summary>
    public TimeSpan? NextDue =>
        _returned.Count > 0 ? _now
        : IsEmpty ? null
        : TimeOf(_marks.TryPeek(out var mark) ? mark.Position : ReceivedBytes);

    public void Enqueue(ReadOnlySpan<byte> audio, TimeSpan now)
    {
        Advance(now);
        var room = (int)Math.Min(audio.Length, LimitBytes - (ReceivedBytes - _head));
        DiscardedBytes += audio.Length - room;
        if (room == 0)
        {
            return;
        }

        if (IsEmpty)
        {
            (_runFrom, _runAt) = (_head, _now);
            if (_turns.Count == 0 || IsOver(_turns[^1]) || (_now - _turns[^1].EndedAt >= TurnGap && !GoesOn(audio)))
            {
                _turns.Add(new AgentTurn(_turns.Count + 1, _now));
            }
            else
            {
                _turns[^1].EndedAt = null;
            }
        }

        _received.Write(audio[..room]);
    }

    public void Mark(string name, TimeSpan now)
    {
        Advance(now);
        _marks.Enqueue((name, ReceivedBytes));
        ReturnMarks(cleared: false);
    }

    public void Clear(TimeSpan now)
    {
        Advance(now);
        if (!IsEmpty)
        {
            _cleared.Add(new ClearedSpan(_head, ReceivedBytes, _now));
            EndRun(_now, cleared: true);
            _head = _runFrom = ReceivedBytes;
        }

        ReturnMarks(cleared: true);
    }

    /// <summary>The stream is gone: what was left to play is lost, and no mark comes back.</summary>
    public void Drop(TimeSpan now)
    {
        Clear(now);
        _returned.Clear();
    }

    public void Advance(TimeSpan now)
    {
        _now = now > _now ? now : _now;
        if (IsEmpty)
        {
            return;
        }

        _head = Math.Min(ReceivedBytes, _runFrom + MuLaw.Bytes(_now - _runAt));
        ReturnMarks(cleared: false);
        if (IsEmpty)
        {
            EndRun(TimeOf(_head), cleared: false);
            _runFrom = _head;
        }
    }

    /// <summary>Nothing more of it is to be expected.</summary>
    public bool IsOver(AgentTurn turn) => turn.EndedAt is { } endedAt
        && (turn.Cleared || turn != _turns[^1] || _now - endedAt >= (StoppedIn is null ? TurnGap : Patience));

    /// <summary>A mark that is back, in order.</summary>
    public bool TryTakeMark(out ReturnedMark mark) => _returned.TryDequeue(out mark);

    /// <summary>The line in whose middle the audio stops, so far.</summary>
    Match? StoppedIn
    {
        get
        {
            if (_stopped.At != ReceivedBytes)
            {
                _stopped = (ReceivedBytes, Recogniser.Shipped.StopsMidway(Received));
            }

            return _stopped.Line;
        }
    }

    /// <summary>It is the rest of the line.</summary>
    bool GoesOn(ReadOnlySpan<byte> audio) =>
        StoppedIn is { } line && line.Sample.Audio.AsSpan()[line.To..].CommonPrefixLength(audio) == Math.Min(audio.Length, line.Sample.Audio.Length - line.To);

    TimeSpan TimeOf(long position) => _runAt + MuLaw.Duration(position - _runFrom);

    void EndRun(TimeSpan at, bool cleared)
    {
        if (_head > _runFrom)
        {
            _played.Add(new PlayedSpan(_runFrom, _head, _runAt));
        }

        (_turns[^1].EndedAt, _turns[^1].Cleared) = (at, cleared);
    }

    void ReturnMarks(bool cleared)
    {
        while (_marks.TryPeek(out var mark) && (cleared || mark.Position <= _head))
        {
            _marks.Dequeue();
            var played = !cleared && mark.Position > _runFrom ? TimeOf(mark.Position) : _now;
            _returned.Enqueue(new ReturnedMark(mark.Name, mark.Position, played, cleared));
        }
    }
}
