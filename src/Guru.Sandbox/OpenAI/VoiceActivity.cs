using Guru.Sandbox.Audio;

namespace Guru.Sandbox.OpenAI;

/// <summary>The members of turn_detection that matter here.</summary>
public sealed record TurnDetection
{
    public double Threshold { get; init; } = 0.5;

    public TimeSpan PrefixPadding { get; init; } = TimeSpan.FromMilliseconds(300);

    public TimeSpan SilenceDuration { get; init; } = TimeSpan.FromMilliseconds(500);

    /// <summary>Null: off.</summary>
    public TimeSpan? IdleTimeout { get; init; }

    public bool CreateResponse { get; init; } = true;

    public bool InterruptResponse { get; init; } = true;
}

/// <param name="Started">False: it stopped.</param>
/// <param name="Position">Byte of the audio appended in this session; with the padding before, or the silence after.</param>
public readonly record struct SpeechEdge(bool Started, long Position);

/// <summary>Tells speech from silence by energy, in windows of 20 ms of the audio appended so far.</summary>
public sealed class VoiceActivity
{
    /// <summary>A click is not speech: that takes 60 ms.</summary>
    const int WindowsToStart = 3;

    /// <summary>The level of speech at a threshold of 1.</summary>
    const double FullThreshold = 1000;

    readonly byte[] _window = new byte[MuLaw.FrameBytes];
    int _filled;
    int _voiced;
    long _position;
    long _lastVoicedEnd;
    long _floor;

    public TurnDetection Settings { get; set; } = new();

    public bool Speaking { get; private set; }

    public IEnumerable<SpeechEdge> Feed(ReadOnlyMemory<byte> audio)
    {
        for (var at = 0; at < audio.Length;)
        {
            var take = Math.Min(_window.Length - _filled, audio.Length - at);
            audio.Span.Slice(at, take).CopyTo(_window.AsSpan(_filled));
            (_filled, at, _position) = (_filled + take, at + take, _position + take);
            if (_filled == _window.Length)
            {
                _filled = 0;
                if (Judge(MuLaw.Level(_window) > Settings.Threshold * FullThreshold) is { } edge)
                {
                    yield return edge;
                }
            }
        }
    }

    /// <summary>What was said so far has been taken; a new turn begins no earlier than here.</summary>
    public void Cut()
    {
        Speaking = false;
        _voiced = 0;
        _floor = _position;
    }

    SpeechEdge? Judge(bool voiced)
    {
        _voiced = voiced ? _voiced + 1 : 0;
        if (voiced)
        {
            _lastVoicedEnd = _position;
        }

        if (!Speaking && _voiced == WindowsToStart)
        {
            Speaking = true;
            var start = _position - WindowsToStart * MuLaw.FrameBytes - MuLaw.Bytes(Settings.PrefixPadding);
            return new SpeechEdge(Started: true, Math.Max(_floor, start));
        }

        if (Speaking && _position - _lastVoicedEnd >= MuLaw.Bytes(Settings.SilenceDuration))
        {
            Cut();
            return new SpeechEdge(Started: false, _position);
        }

        return null;
    }
}
