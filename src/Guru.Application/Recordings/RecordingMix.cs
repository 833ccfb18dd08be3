using System.Buffers;
using Guru.Application.Voice;

namespace Guru.Application.Recordings;

/// <summary>
/// Lays both sides of a stream out on the call's clock, as they were heard: what the caller said where the carrier's timestamps place it, what the
/// agent said from when the carrier's receipts, or failing those the time of sending, place it, without what a clear dropped. A machine that is late
/// with reading tears nothing apart: the caller's frames, on the same line, are late with it. No clock, no files.
/// </summary>
/// <remarks>
/// Places are counted in bytes, 8 a millisecond. A second of sound is settled when nothing can change it any more: receipts are in, and the caller's
/// frames have gone past it.
/// </remarks>
internal sealed class RecordingMix(TimeSpan startsAt)
{
    private const byte Silence = 0xFF;

    private const int Second = 1000 * AudioLength.BytesPerMs;

    /// <summary>What is later than its place by less is jitter: speech is not torn apart for it.</summary>
    private const long Jitter = 60 * AudioLength.BytesPerMs;

    /// <summary>How long a receipt may take.</summary>
    private static readonly long Receipts = AudioLength.ToBytes(TimeSpan.FromSeconds(2));

    /// <summary>How long after its time a receipt may come before the clock alone decides.</summary>
    private static readonly long Overdue = AudioLength.ToBytes(TimeSpan.FromSeconds(3));

    /// <summary>How long a line without frames is waited for.</summary>
    private static readonly long Frames = AudioLength.ToBytes(TimeSpan.FromSeconds(12));

    /// <summary>A carrier's timestamps are not further ahead than that.</summary>
    private static readonly long Ahead = AudioLength.ToBytes(TimeSpan.FromSeconds(5));

    /// <summary>The carrier discards what would wait for longer.</summary>
    private static readonly long MostWaiting = AudioLength.ToBytes(TimeSpan.FromMinutes(10));

    private readonly List<(PlaybackMark Mark, long Position)> _marks = [];
    private readonly List<(long From, long At)> _runs = [];
    private CallerFrames _frames;
    private long _settled = AudioLength.ToBytes(startsAt);
    private long _callerUntil;
    private byte[] _caller = [];
    private byte[] _agent = [];
    private int _agentLength;
    private long _agentFrom; // The position of the first byte in _agent: those before are settled, or were dropped.
    private long _anchor;
    private long _anchorAt;
    private bool _returnsMarks;
    private long _soonest = long.MaxValue; // How long after its place a frame comes that nothing held up.
    private (long Position, long At)? _pause; // The carrier may have stood still there until then.

    private long Sent => _agentFrom + _agentLength;

    /// <summary>A frame of the caller came.</summary>
    /// <param name="timestampMs">The carrier's, or -1.</param>
    public void Said(ReadOnlySpan<byte> audio, long timestampMs, TimeSpan at)
    {
        var now = AudioLength.ToBytes(at);
        var frame = _frames.Place(audio.Length, timestampMs, at);
        if (frame.EarlierMs > 0)
        {
            Earlier(frame.EarlierMs * AudioLength.BytesPerMs);
        }

        var place = frame.CallMs * AudioLength.BytesPerMs;
        if (place > now + Ahead)
        {
            return;
        }

        _callerUntil = Math.Max(_callerUntil, place + audio.Length);
        _soonest = Math.Min(_soonest, now - place);
        Pause(timestampMs < 0 ? now : place + _soonest);
        if (place + audio.Length <= _settled)
        {
            return; // What was to be heard there has been written.
        }

        var late = (int)Math.Clamp(_settled - place, 0, audio.Length);
        var room = (int)(place + audio.Length - _settled);
        if (room > _caller.Length)
        {
            var before = _caller.Length;
            Array.Resize(ref _caller, Math.Max(room, before * 2));
            _caller.AsSpan(before).Fill(Silence);
        }

        audio[late..].CopyTo(_caller.AsSpan((int)(place + late - _settled)));
    }

    /// <summary>Audio was sent to the caller, to be played behind what was sent before.</summary>
    public void Sends(ReadOnlySpan<byte> audio, TimeSpan at)
    {
        var now = AudioLength.ToBytes(at);
        if (_runs.Count == 0 || ByTheClock(now) == Sent)
        {
            (_anchor, _anchorAt) = (Sent, now);
            Begin(Sent, now);
        }

        if (_agentLength + audio.Length > MostWaiting)
        {
            return;
        }

        if (_agentLength + audio.Length > _agent.Length)
        {
            Array.Resize(ref _agent, Math.Max(_agentLength + audio.Length, _agent.Length * 2));
        }

        audio.CopyTo(_agent.AsSpan(_agentLength));
        _agentLength += audio.Length;
    }

    /// <summary>A receipt was asked for.</summary>
    public void Marks(PlaybackMark mark) => _marks.Add((mark, Sent));

    /// <summary>A receipt came: what was sent before it has been played.</summary>
    public void Returns(PlaybackMark mark, TimeSpan at)
    {
        var index = _marks.FindIndex(asked => asked.Mark == mark);
        if (index < 0)
        {
            return; // From before a clear.
        }

        var (now, position) = (AudioLength.ToBytes(at), _marks[index].Position);
        _marks.RemoveRange(0, index + 1);
        _returnsMarks = true;
        if (position >= _anchor)
        {
            (_anchor, _anchorAt) = (position, now); // Before it, the clock took it for played already.
        }

        var run = _runs.FindLastIndex(run => run.From <= position);
        if (run < 0 || position < _agentFrom)
        {
            return;
        }

        if (position == _runs[run].From)
        {
            Move(run, now);
        }
        else
        {
            _pause = (position, now);
            if (_soonest == long.MaxValue)
            {
                Pause(now); // A line without frames has nothing else to tell by.
            }
        }
    }

    /// <summary>What has not been played will not be.</summary>
    public void Clears(TimeSpan at)
    {
        var now = AudioLength.ToBytes(at);
        var played = Math.Max(Played(now), _agentFrom);
        _agentLength = (int)(played - _agentFrom);
        _marks.Clear();
        _pause = null;
        _runs.RemoveAll(run => run.From >= played);
        (_anchor, _anchorAt) = (played, now);
    }

    /// <summary>Writes the seconds that are final by now.</summary>
    public void Settle(TimeSpan at, IBufferWriter<byte> sound)
    {
        var now = AudioLength.ToBytes(at);
        var final = Math.Min(now - Receipts, Math.Max(_callerUntil, now - Frames)) - _settled;
        SettleUpTo(_settled + (final / Second * Second), sound);
    }

    /// <summary>The stream is over: what has not been played was not heard, and nothing more comes.</summary>
    public void End(TimeSpan at, IBufferWriter<byte> sound)
    {
        Clears(at);
        var agentUntil = _runs.Count > 0 ? _runs[^1].At + Sent - _runs[^1].From : 0; // Behind the end if it was noticed late that it began.
        SettleUpTo(Math.Max(AudioLength.ToBytes(at), Math.Max(_callerUntil, agentUntil)), sound);
    }

    /// <summary>How much has been played, as the session's own ledger reckons it: not past a receipt that is overdue, for a while.</summary>
    private long Played(long now)
    {
        var played = ByTheClock(now);
        return _returnsMarks && _marks.Count > 0 && _marks[0].Position < played && now < _anchorAt + _marks[0].Position - _anchor + Overdue ? _marks[0].Position : played;
    }

    private long ByTheClock(long now) => Math.Clamp(_anchor + now - _anchorAt, Math.Min(_anchor, Sent), Sent);

    /// <summary>From a position on, the agent is heard from a place on, or from the end of what is heard before it.</summary>
    private void Begin(long from, long at)
    {
        at = Math.Max(at, _settled);
        _runs.Add((from, _runs.Count == 0 ? at : Math.Max(at, _runs[^1].At + from - _runs[^1].From)));
    }

    /// <summary>A run was heard from another place on; those behind it make room, and what follows closely follows at once.</summary>
    private void Move(int run, long at)
    {
        at = Math.Max(at, _settled);
        for (var index = run; index < _runs.Count; index++)
        {
            var from = _runs[index].From;
            var end = index == 0 ? _settled : _runs[index - 1].At + from - _runs[index - 1].From;
            at = index == run ? at : Math.Max(_runs[index].At, end);
            _runs[index] = (from, index > 0 && at - end <= Jitter ? end : at);
        }
    }

    /// <summary>A pause is one if its receipt was late also by the frame that came next: it left the carrier after the receipt.</summary>
    private void Pause(long frameLeft)
    {
        if (_pause is not { } pause)
        {
            return;
        }

        _pause = null;
        var run = _runs.FindLastIndex(run => run.From <= pause.Position);
        var at = Math.Min(pause.At, frameLeft);
        if (run == _runs.Count - 1 && run >= 0 && pause.Position >= _agentFrom && pause.Position < Sent
            && at - (_runs[run].At + pause.Position - _runs[run].From) > Jitter)
        {
            Begin(pause.Position, at);
        }
    }

    private void SettleUpTo(long until, IBufferWriter<byte> sound)
    {
        while (_settled < until)
        {
            var bytes = (int)Math.Min(Second, until - _settled);
            var pairs = sound.GetSpan(bytes * 2)[..(bytes * 2)];
            pairs.Fill(Silence);
            var said = _caller.AsSpan(0, Math.Min(bytes, _caller.Length));
            for (var i = 0; i < said.Length; i++)
            {
                pairs[i * 2] = said[i];
            }

            Play(bytes, pairs);
            sound.Advance(bytes * 2);
            _settled += bytes;
            Shift(bytes);
        }
    }

    private void Shift(int bytes)
    {
        var left = Math.Max(0, _caller.Length - bytes);
        _caller.AsSpan(Math.Min(bytes, _caller.Length)).CopyTo(_caller);
        _caller.AsSpan(left).Fill(Silence);
    }

    /// <summary>What is laid out of the caller belongs further left; what comes before the recording's beginning is not in it.</summary>
    private void Earlier(int bytes)
    {
        Shift(bytes);
        _callerUntil -= bytes;
        _soonest += bytes;
    }

    /// <summary>Lays the agent's speech into the next bytes.</summary>
    private void Play(int bytes, Span<byte> pairs)
    {
        var heard = 0L;
        for (var index = 0; index < _runs.Count; index++)
        {
            var (from, at) = _runs[index];
            var end = index + 1 < _runs.Count ? _runs[index + 1].From : Sent;
            var first = Math.Max(Math.Max(from, _agentFrom), from + _settled - at);
            var last = Math.Min(end, from + _settled + bytes - at);
            for (var position = first; position < last; position++)
            {
                pairs[(int)((at + position - from - _settled) * 2) + 1] = _agent[(int)(position - _agentFrom)];
                heard = position + 1 - _agentFrom;
            }
        }

        if (heard > 0)
        {
            _agent.AsSpan((int)heard, _agentLength - (int)heard).CopyTo(_agent);
            _agentFrom += heard;
            _agentLength -= (int)heard;
            while (_runs.Count > 1 && _runs[1].From <= _agentFrom)
            {
                _runs.RemoveAt(0);
            }
        }
    }
}
