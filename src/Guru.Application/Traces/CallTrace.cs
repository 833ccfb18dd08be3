using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Guru.Application.Voice;

namespace Guru.Application.Traces;

/// <summary>
/// What a <see cref="CallSession"/> was told and what it decided, a line for each, in the order in which it happened. Audio is there as
/// counts of bytes and ids alone. docs/replay.md tells the format.
/// </summary>
/// <remarks>
/// Written by the session, under the bridge's lock. Numbers are differences from what is to be expected, so that a quiet line gives
/// the same text again and again: it folds into one line, and packs well.
/// </remarks>
public sealed class CallTrace
{
    public const int Version = 1;

    private const int FirstSize = 16 * 1024;

    private readonly ArrayBufferWriter<byte> _text = new(FirstSize);
    private readonly int _mostBytes;
    private byte[] _item = [];
    private byte[] _response = [];
    private TimeSpan _now;
    private long _timestampMs;
    private long _callMs;
    private TimeSpan? _deadline;
    private (int Bytes, long CallMs)? _placed;
    private bool _closed;

    public CallTrace(CallSessionStart start, CallRules rules, int mostBytes)
    {
        _mostBytes = mostBytes;
        _text.Write("trace"u8);
        Number(Version);
        Line("start"u8);
        Json(start);
        Line("rules"u8);
        Json(rules);
    }

    /// <summary>It was too large.</summary>
    public bool IsCut { get; private set; }

    /// <summary>Nothing more is taken.</summary>
    /// <returns>The lines so far, UTF-8.</returns>
    public ReadOnlyMemory<byte> Close()
    {
        if (!_closed)
        {
            _text.Write("\n"u8);
            _closed = true;
        }

        return _text.WrittenMemory;
    }

    /// <summary>A frame of the caller was placed.</summary>
    public void Placed(int bytes, long timestampMs, TimeSpan now, CallerFrame placed)
    {
        if (IsClosed())
        {
            return;
        }

        Begin("f"u8, now);
        Number(bytes);
        Number(timestampMs < 0 ? null : timestampMs - _timestampMs);
        Number(placed.CallMs - _callMs);
        Number(placed.GapMs);
        _timestampMs = Math.Max(_timestampMs, timestampMs) + AudioLength.ToMs(bytes);
        _callMs = placed.CallMs + AudioLength.ToMs(bytes);
        _placed = (bytes, placed.CallMs);
    }

    /// <summary>Audio went to the model.</summary>
    public void Appended(int bytes, long callMs)
    {
        if (IsClosed())
        {
            return;
        }

        if (_placed == (bytes, callMs))
        {
            Word("."u8); // Most often it is the frame that was placed just now.
            _placed = null;
            return;
        }

        Line("a"u8);
        Number(bytes);
        Number(callMs);
    }

    /// <summary>A slice of the model's speech was let through, or dropped.</summary>
    public void Spoke(in ModelAudio audio, TimeSpan now, AudioDecision decision)
    {
        if (IsClosed())
        {
            return;
        }

        Begin("s"u8, now);
        Id(audio.ItemId.Span, ref _item);
        Id(audio.ResponseId.Span, ref _response);
        Number(audio.ContentIndex);
        Number(audio.Bytes);
        Word(decision.Play ? "play"u8 : "drop"u8);
        Mark(decision.Before);
        Mark(decision.After);
    }

    /// <summary>A receipt came.</summary>
    public void Returned(PlaybackMark mark, TimeSpan now, bool counts)
    {
        if (IsClosed())
        {
            return;
        }

        Begin("m"u8, now);
        Mark(mark);
        Word(counts ? "counts"u8 : "proves-nothing"u8);
    }

    /// <summary>Anything else that happened. Written before it is dealt with, so that what makes a session fail is the last line.</summary>
    public void Told(CallInput input, TimeSpan now)
    {
        if (!IsClosed())
        {
            Begin("i"u8, now);
            Json(input);
        }
    }

    public void Decided(ReadOnlySpan<CallDecision> decisions)
    {
        foreach (var decision in decisions)
        {
            if (!IsClosed())
            {
                Line("d"u8);
                Json(decision);
            }
        }
    }

    /// <summary>When the session wants to be told that time has passed.</summary>
    public void Waits(TimeSpan? deadline)
    {
        if (deadline == _deadline || IsClosed())
        {
            return;
        }

        _deadline = deadline;
        Line("w"u8);
        Milliseconds(deadline);
    }

    private void Begin(ReadOnlySpan<byte> what, TimeSpan now)
    {
        Line(what);
        Milliseconds(now - _now);
        _now = now;
    }

    private void Line(ReadOnlySpan<byte> what)
    {
        _text.Write("\n"u8);
        _text.Write(what);
        _placed = null;
    }

    /// <summary>A trace that grows too large ends with a word that says so.</summary>
    private bool IsClosed()
    {
        if (!_closed && _text.WrittenCount > _mostBytes)
        {
            _text.Write("\ncut\n"u8);
            (_closed, IsCut) = (true, true);
        }

        return _closed;
    }

    private void Json<T>(T value)
    {
        _text.Write(" "u8);
        using var json = new Utf8JsonWriter(_text, new JsonWriterOptions { Encoder = TraceJson.Options.Encoder });
        JsonSerializer.Serialize(json, value, TraceJson.Options);
    }

    private void Word(ReadOnlySpan<byte> word)
    {
        _text.Write(" "u8);
        _text.Write(word);
    }

    private void Number(long? number)
    {
        if (number is not { } value)
        {
            Word("-"u8);
            return;
        }

        _text.Write(" "u8);
        value.TryFormat(_text.GetSpan(20), out var written, provider: CultureInfo.InvariantCulture);
        _text.Advance(written);
    }

    /// <summary>To the tick, of which a millisecond has 10,000.</summary>
    private void Milliseconds(TimeSpan? time)
    {
        if (time is not { } value)
        {
            Word("-"u8);
            return;
        }

        _text.Write(" "u8);
        ((decimal)value.Ticks / TimeSpan.TicksPerMillisecond).TryFormat(_text.GetSpan(32), out var written, provider: CultureInfo.InvariantCulture);
        _text.Advance(written);
    }

    private void Mark(PlaybackMark? mark)
    {
        Number(mark?.Generation);
        Number(mark?.Position);
    }

    /// <summary>An equals sign where it is the id of the slice before.</summary>
    private void Id(ReadOnlySpan<byte> id, ref byte[] before)
    {
        if (id.SequenceEqual(before))
        {
            Word("="u8);
            return;
        }

        before = id.ToArray();
        Word(Encoding.ASCII.GetBytes(Uri.EscapeDataString(Encoding.UTF8.GetString(id))));
    }
}
