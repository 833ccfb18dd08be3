using Guru.Sandbox.Audio;

namespace Guru.Sandbox.Twilio;

public enum StreamMessageKind
{
    Media,
    Mark,
    Digit,
    Stop,

    /// <summary>Not a message: the socket breaks here.</summary>
    Lost,
}

/// <summary>What Twilio sends on a Media Stream.</summary>
/// <param name="At">When it leaves.</param>
/// <param name="Chunk">Media: its number, from 1.</param>
/// <param name="TimestampMs">Media: milliseconds since the stream's start.</param>
public readonly record struct StreamMessage(
    StreamMessageKind Kind,
    TimeSpan At,
    ReadOnlyMemory<byte> Audio = default,
    long Chunk = 0,
    long TimestampMs = 0,
    string? Name = null,
    char Digit = default);

/// <summary>
/// One Media Stream as Twilio runs it, without a socket: the caller's frames and the marks out, media, marks and clears in.
/// The script and the buffer belong to the call, which may have more than one stream, one after the other.
/// </summary>
public sealed class MediaStream(CallerScript caller, PlaybackBuffer playback, TimeSpan jitter = default, int seed = 1)
{
    readonly Random _random = new(seed);
    readonly Queue<StreamMessage> _outbox = [];
    TimeSpan _startedAt;
    TimeSpan _now;
    TimeSpan _heldUntil;
    long _frames;
    long _chunks;

    /// <summary>The caller hung up, or the stream was lost: nothing follows what is in the outbox.</summary>
    public bool Ended { get; private set; }

    public PlaybackBuffer Playback => playback;

    public CallerScript Caller => caller;

    public TimeSpan? NextDue
    {
        get
        {
            if (_outbox.TryPeek(out var waiting))
            {
                return waiting.At;
            }

            return Ended ? null : playback.NextDue is { } mark && mark < NextFrameAt ? mark : NextFrameAt;
        }
    }

    TimeSpan NextFrameAt => _startedAt + (_frames + 1) * MuLaw.Frame;

    public void Start(TimeSpan now) => _startedAt = _now = now;

    public void Play(ReadOnlySpan<byte> audio, TimeSpan now)
    {
        Advance(now);
        playback.Enqueue(audio, now);
    }

    public void Mark(string name, TimeSpan now)
    {
        Advance(now);
        playback.Mark(name, now);
        TakeMarks();
    }

    public void Clear(TimeSpan now)
    {
        Advance(now);
        playback.Clear(now);
        TakeMarks();
    }

    /// <summary>The caller hangs up now, whatever the script says.</summary>
    public void HangUp(TimeSpan now)
    {
        Advance(now);
        End(StreamMessageKind.Stop, now);
    }

    /// <summary>The stream is over: what is left to play is lost.</summary>
    public void Close(TimeSpan now)
    {
        Ended = true;
        playback.Drop(now);
    }

    public void Advance(TimeSpan now)
    {
        _now = now > _now ? now : _now;
        while (!Ended && NextFrameAt <= _now)
        {
            var due = NextFrameAt;
            playback.Advance(due);
            TakeMarks();
            Send(caller.Next(due, playback), due);
            _frames++;
        }

        if (!Ended)
        {
            playback.Advance(_now);
            TakeMarks();
        }
    }

    /// <summary>The next message that is due.</summary>
    public bool TryTake(out StreamMessage message)
    {
        if (_outbox.TryPeek(out message) && message.At <= _now)
        {
            _outbox.Dequeue();
            return true;
        }

        return false;
    }

    void Send(CallerFrame frame, TimeSpan at)
    {
        switch (frame.Kind)
        {
            case CallerFrameKind.HangUp:
                End(StreamMessageKind.Stop, at);
                return;
            case CallerFrameKind.LoseStream:
                End(StreamMessageKind.Lost, at);
                return;
            case CallerFrameKind.Digit:
                _outbox.Enqueue(new StreamMessage(StreamMessageKind.Digit, Held(at), Digit: frame.Digit));
                break;
        }

        if (!frame.Audio.IsEmpty)
        {
            _outbox.Enqueue(new StreamMessage(
                StreamMessageKind.Media, Held(at + jitter * _random.NextDouble()), frame.Audio, ++_chunks,
                    _frames * (long)MuLaw.Frame.TotalMilliseconds));
        }
    }

    void TakeMarks()
    {
        while (playback.TryTakeMark(out var mark))
        {
            _outbox.Enqueue(new StreamMessage(StreamMessageKind.Mark, Held(mark.At), Name: mark.Name));
        }
    }

    void End(StreamMessageKind kind, TimeSpan at)
    {
        if (!Ended)
        {
            Ended = true;
            _outbox.Enqueue(new StreamMessage(kind, Held(at)));
            playback.Drop(at);
        }
    }

    /// <summary>Late messages hold back those behind them, as on one connection.</summary>
    TimeSpan Held(TimeSpan at) => _heldUntil = at > _heldUntil ? at : _heldUntil;
}
