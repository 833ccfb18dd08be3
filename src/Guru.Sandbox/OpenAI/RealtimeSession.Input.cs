using System.Text.Json.Nodes;
using Guru.Sandbox.Audio;

namespace Guru.Sandbox.OpenAI;

/// <summary>The caller's audio: buffer, turns and their transcription.</summary>
public sealed partial class RealtimeSession
{
    const int MaxAppendBytes = 15 * 1024 * 1024;
    const int MinCommitBytes = 100 * MuLaw.BytesPerMs;

    /// <summary>Without speech, no more than this is kept.</summary>
    const int KeptSilenceBytes = 60_000 * MuLaw.BytesPerMs;

    readonly VoiceActivity _voice = new();
    readonly List<byte> _input = [];
    long _inputFrom;
    string? _turnId;
    long _turnFrom;
    int _turns;
    int _noticed;
    int _idle;

    /// <summary>The audio clock: all that was appended in this session, at 8 bytes a millisecond.</summary>
    public long AppendedBytes => _inputFrom + _input.Count;

    /// <summary>The caller is speaking, as far as the server can tell.</summary>
    public bool HearsSpeech => _voice.Speaking;

    ProtocolError? Append(JsonObject message)
    {
        byte[] audio;
        try
        {
            audio = Convert.FromBase64String((string?)message["audio"] ?? throw new FormatException());
        }
        catch (Exception exception) when (exception is FormatException or InvalidOperationException)
        {
            return new ProtocolError("invalid_value", "Invalid 'audio'. Expected base64-encoded audio bytes.", "audio");
        }

        if (audio.Length > MaxAppendBytes)
        {
            return new ProtocolError("string_above_max_length", "An append holds at most 15 MiB of audio.", "audio");
        }

        Listen(Configuration.InputIsMuLaw ? audio : MuLaw.FromPcm(audio, 24000));
        return null;
    }

    /// <summary>What a browser's microphone sends over WebRTC, as mu-law.</summary>
    public void Hear(byte[] audio, TimeSpan now)
    {
        Advance(now);
        if (!Closed)
        {
            Listen(audio);
        }
    }

    void Listen(byte[] audio)
    {
        _input.AddRange(audio);
        if (Configuration.TurnDetection is null)
        {
            return;
        }

        foreach (var edge in _voice.Feed(audio))
        {
            if (Closed)
            {
                return;
            }

            if (edge.Started)
            {
                SpeechStarted(edge.Position);
            }
            else
            {
                SpeechStopped(edge.Position);
            }
        }

        if (!_voice.Speaking && _input.Count > 2 * KeptSilenceBytes)
        {
            Forget(AppendedBytes - KeptSilenceBytes);
        }
    }

    void SpeechStarted(long from)
    {
        _idle++;
        (_turnId, _turnFrom) = (NewId("item"), from);
        Send("input_audio_buffer.speech_started", new JsonObject { ["audio_start_ms"] = from / MuLaw.BytesPerMs, ["item_id"] = _turnId });
        if (++_noticed == _options.Faults.MuteAtTurn)
        {
            BreakOff(ServerMessageKind.Mute);
            return;
        }

        if (_options.WebRtc && Configuration.TurnDetection is { InterruptResponse: true })
        {
            ClearOutput();
        }

        if (Configuration.TurnDetection is { InterruptResponse: true } && _active is { Stopped: false } active)
        {
            Interrupt(active);
        }
    }

    void SpeechStopped(long to)
    {
        Send("input_audio_buffer.speech_stopped", new JsonObject { ["audio_end_ms"] = to / MuLaw.BytesPerMs, ["item_id"] = _turnId });
        CommitTurn(_turnId!, _turnFrom, to);
        if (Configuration.TurnDetection is { CreateResponse: true })
        {
            Answer();
        }
    }

    ProtocolError? Commit()
    {
        if (_input.Count < MinCommitBytes)
        {
            return new ProtocolError(
                "input_audio_buffer_commit_empty",
                $"Error committing input audio buffer: buffer too small. Expected at least 100ms of audio, but buffer only has {_input.Count / (double)MuLaw.BytesPerMs:F2}ms of audio.");
        }

        CommitTurn(_turnId ?? NewId("item"), _turnId is null ? _inputFrom : _turnFrom, AppendedBytes);
        return null;
    }

    ProtocolError? ClearInput()
    {
        Forget(AppendedBytes);
        _voice.Cut();
        _turnId = null;
        Send("input_audio_buffer.cleared", []);
        return null;
    }

    void CommitTurn(string id, long from, long to)
    {
        _idle++;
        _voice.Cut();
        _turnId = null;
        var start = (int)Math.Max(0, from - _inputFrom);
        var audio = System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_input)[start..(int)(to - _inputFrom)];
        var recognised = Recognition.Of(audio, _options.Recogniser);
        var item = new ConversationItem(id, "message", "user", new JsonObject
        {
            ["id"] = id,
            ["object"] = "realtime.item",
            ["type"] = "message",
            ["status"] = "completed",
            ["role"] = "user",
            ["content"] = new JsonArray(new JsonObject { ["type"] = "input_audio", ["transcript"] = null }),
        })
        {
            Text = recognised.Text,
            Language = recognised.Language,
            CallerAudioBytes = audio.Length,
        };
        Forget(to);
        Send("input_audio_buffer.committed", new JsonObject { ["previous_item_id"] = LastId, ["item_id"] = id });
        AddItem(item, done: true);
        if (Configuration.Transcribes)
        {
            Transcribe(item, recognised);
        }
    }

    void Transcribe(ConversationItem item, Recognition recognised)
    {
        var style = _options.Transcriptions[_turns++ % _options.Transcriptions.Count];
        In(style.After, () =>
        {
            if (style.Fails || _options.Faults.TranscriptionFails)
            {
                var failed = About(item);
                failed["error"] = new JsonObject
                {
                    ["type"] = "transcription_error", ["code"] = "audio_unintelligible", ["message"] = "The audio could not be transcribed.", ["param"] = null,
                };
                Send("conversation.item.input_audio_transcription.failed", failed);
                return;
            }

            // Some models send the words as they come, others in one piece; here it depends on how many there are.
            var words = recognised.Text.Length == 0 ? [] : recognised.Text.Split(' ');
            foreach (var piece in words.Chunk(words.Length > 12 ? 5 : 12)
                .Select((chunk, index) => (index == 0 ? "" : " ") + string.Join(' ', chunk)))
            {
                var delta = About(item);
                delta["delta"] = piece;
                delta["obfuscation"] = "aLxx0";
                Send("conversation.item.input_audio_transcription.delta", delta);
            }

            ((JsonObject)item.Json["content"]![0]!)["transcript"] = recognised.Text;
            var completed = About(item);
            completed["transcript"] = recognised.Text;
            completed["languages"] = recognised.Language is { } language ? new JsonArray(new JsonObject { ["code"] = language }) : [];
            completed["usage"] = UsageOf(item, recognised.Text, style.BySeconds);
            Send("conversation.item.input_audio_transcription.completed", completed);
        });
    }

    static JsonObject About(ConversationItem item) => new() { ["item_id"] = item.Id, ["content_index"] = 0 };

    static JsonObject UsageOf(ConversationItem item, string text, bool bySeconds)
    {
        if (bySeconds)
        {
            return new JsonObject { ["type"] = "duration",
                ["seconds"] = Math.Round(item.CallerAudioBytes / (double)MuLaw.BytesPerMs / 1000, 1) + 0.05 };
        }

        var (audio, words) = (item.AudioTokens, text.Length / 4);
        return new JsonObject
        {
            ["type"] = "tokens",
            ["total_tokens"] = audio + words,
            ["input_tokens"] = audio,
            ["input_token_details"] = new JsonObject { ["text_tokens"] = 0, ["audio_tokens"] = audio },
            ["output_tokens"] = words,
        };
    }

    /// <summary>Counts from the moment the response has been heard to its end: the caller may be thinking.</summary>
    void ArmIdleTimer(TimeSpan heardUntil)
    {
        if (Configuration.TurnDetection?.IdleTimeout is not { } idle || _voice.Speaking)
        {
            return;
        }

        var armed = ++_idle;
        In((heardUntil > _now ? heardUntil - _now : TimeSpan.Zero) + idle, () =>
        {
            if (armed != _idle || _voice.Speaking || _active is not null || Configuration.TurnDetection?.IdleTimeout is null)
            {
                return;
            }

            var (id, from) = (NewId("item"), Math.Max(_inputFrom, AppendedBytes - MuLaw.Bytes(idle)));
            Send("input_audio_buffer.timeout_triggered", new JsonObject
            {
                ["audio_start_ms"] = from / MuLaw.BytesPerMs,
                ["audio_end_ms"] = AppendedBytes / MuLaw.BytesPerMs,
                ["item_id"] = id,
            });
            CommitTurn(id, from, AppendedBytes);
            Answer();
        });
    }

    void Forget(long until)
    {
        var count = (int)Math.Clamp(until - _inputFrom, 0, _input.Count);
        _input.RemoveRange(0, count);
        _inputFrom += count;
    }
}
