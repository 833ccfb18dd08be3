using Guru.Sandbox.Audio;

namespace Guru.Sandbox.Twilio;

/// <summary>When the caller does the next thing.</summary>
public abstract record CallerTrigger;

/// <summary>So long after the caller's last action ended; at first, after the stream began.</summary>
public sealed record After(TimeSpan Wait) : CallerTrigger;

/// <summary>At a time since the first stream of the call began.</summary>
public sealed record At(TimeSpan Time) : CallerTrigger;

/// <summary>When the caller has heard so much of a turn of the agent: a barge-in.</summary>
/// <param name="Turn">From 1; null: the first turn begun since the caller's last action began.</param>
public sealed record AgentSpeaking(TimeSpan Into, int? Turn = null) : CallerTrigger;

/// <summary>So long after a turn of the agent was over.</summary>
/// <param name="Turn">From 1; null: the first turn begun since the caller's last action began.</param>
public sealed record AgentFinished(TimeSpan Wait, int? Turn = null) : CallerTrigger;

/// <summary>When nobody has said anything for so long.</summary>
public sealed record NobodySpeaking(TimeSpan For) : CallerTrigger;

/// <summary>What the caller does.</summary>
public abstract record CallerAction;

/// <param name="From">Where in the sample to begin.</param>
/// <param name="To">Where in the sample to stop; null: at its end.</param>
public sealed record Say(string SampleId, TimeSpan From = default, TimeSpan? To = null) : CallerAction;

/// <summary>No frames for a while, as when packets are lost. The timestamps go on.</summary>
public sealed record SendNothing(TimeSpan For) : CallerAction;

public sealed record Press(char Digit) : CallerAction;

public sealed record HangUp : CallerAction;

/// <summary>The stream's socket breaks without a stop; the call is still there.</summary>
public sealed record LoseStream : CallerAction;

/// <param name="When">Null: as soon as the action before has ended.</param>
public sealed record CallerTurn(CallerTrigger? When, CallerAction Do);

public enum CallerFrameKind
{
    Audio,
    Nothing,
    Digit,
    HangUp,
    LoseStream,
}

/// <summary>What leaves the caller's phone in 20 ms.</summary>
public readonly record struct CallerFrame(CallerFrameKind Kind, ReadOnlyMemory<byte> Audio = default, char Digit = default);

/// <summary>What the caller said, and when its first byte was sent.</summary>
public readonly record struct Spoken(string SampleId, TimeSpan At, ReadOnlyMemory<byte> Audio)
{
    public TimeSpan EndsAt => At + MuLaw.Duration(Audio.Length);
}

/// <summary>
/// The caller: does one thing after the other, each when its trigger says so, and is silent in between. It hears through a
/// <see cref="PlaybackBuffer"/>, outlives a lost stream, and is asked for a frame every 20 ms.
/// </summary>
public sealed class CallerScript(IEnumerable<CallerTurn> turns, SampleLibrary? samples = null)
{
    static readonly ReadOnlyMemory<byte> SilentFrame = Enumerable.Repeat(MuLaw.Silence, MuLaw.FrameBytes).ToArray();

    readonly SampleLibrary _samples = samples ?? SampleLibrary.Shipped;
    readonly Queue<CallerTurn> _turns = new(turns);
    readonly List<Spoken> _spoken = [];
    ReadOnlyMemory<byte> _saying;
    TimeSpan? _startedAt;
    TimeSpan _actedAt;
    TimeSpan _freeAt;
    TimeSpan _nothingUntil;

    public IReadOnlyList<Spoken> Said => _spoken;

    /// <summary>Nothing is left to do or to say; the caller stays on the line.</summary>
    public bool Done => _turns.Count == 0 && _saying.IsEmpty;

    public CallerFrame Next(TimeSpan now, PlaybackBuffer hears)
    {
        hears.Advance(now);
        if (_startedAt is null)
        {
            _startedAt = _freeAt = _actedAt = now;
        }

        if (_saying.IsEmpty && now >= _nothingUntil && _turns.TryPeek(out var turn) && Due(turn.When, now, hears))
        {
            _turns.Dequeue();
            _actedAt = _freeAt = now;
            switch (turn.Do)
            {
                case Say say:
                    var audio = _samples[say.SampleId].Audio.AsMemory();
                    var from = (int)Math.Min(MuLaw.Bytes(say.From), audio.Length);
                    var to = (int)Math.Min(say.To is { } end ? MuLaw.Bytes(end) : audio.Length, audio.Length);
                    _saying = audio[from..to];
                    _spoken.Add(new Spoken(say.SampleId, now, _saying));
                    break;
                case SendNothing nothing:
                    _freeAt = _nothingUntil = now + nothing.For;
                    break;
                case Press press:
                    return new CallerFrame(CallerFrameKind.Digit, SilentFrame, press.Digit);
                case HangUp:
                    return new CallerFrame(CallerFrameKind.HangUp);
                case LoseStream:
                    return new CallerFrame(CallerFrameKind.LoseStream);
            }
        }

        return now < _nothingUntil ? new CallerFrame(CallerFrameKind.Nothing) : new CallerFrame(CallerFrameKind.Audio, Speak(now));
    }

    ReadOnlyMemory<byte> Speak(TimeSpan now)
    {
        if (_saying.IsEmpty)
        {
            return SilentFrame;
        }

        var length = Math.Min(MuLaw.FrameBytes, _saying.Length);
        var frame = _saying[..length];
        _saying = _saying[length..];
        _freeAt = now + MuLaw.Frame;
        if (length == MuLaw.FrameBytes)
        {
            return frame;
        }

        var padded = SilentFrame.ToArray();
        frame.CopyTo(padded);
        return padded;
    }

    bool Due(CallerTrigger? trigger, TimeSpan now, PlaybackBuffer hears) => trigger switch
    {
        null => true,
        After after => now >= _freeAt + after.Wait,
        At at => now >= _startedAt + at.Time,
        AgentSpeaking speaking => TurnOf(speaking.Turn, hears) is { } turn && now >= turn.StartedAt + speaking.Into,
        AgentFinished finished => TurnOf(finished.Turn, hears) is { EndedAt: { } endedAt } turn
            && now >= endedAt + Longer(finished.Wait, PlaybackBuffer.TurnGap) && hears.IsOver(turn),
        NobodySpeaking quiet => hears.IsEmpty
            && now >= Longer(_freeAt, hears.Turns.Count > 0 ? hears.Turns[^1].EndedAt ?? now : TimeSpan.Zero) + quiet.For,
        _ => throw new NotSupportedException(trigger.GetType().Name),
    };

    AgentTurn? TurnOf(int? number, PlaybackBuffer hears) =>
        number is { } n ? hears.Turns.ElementAtOrDefault(n - 1) : hears.Turns.FirstOrDefault(turn => turn.StartedAt >= _actedAt);

    static TimeSpan Longer(TimeSpan one, TimeSpan other) => one > other ? one : other;
}
