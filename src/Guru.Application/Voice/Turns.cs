using System.Text;

namespace Guru.Application.Voice;

/// <summary>A stretch of the caller's speech, from the model's voice detection to its transcript.</summary>
/// <param name="agent">Who was spoken to.</param>
internal sealed class CallerTurn(string key, string agent, long startMs)
{
    public string Key { get; } = key;

    public string Agent { get; } = agent;

    public long StartMs { get; } = startMs;

    /// <summary>Null while the caller is still speaking.</summary>
    public long? EndMs { get; set; }
}

/// <summary>An item of the model's speech: its audio's way to the caller, and its words.</summary>
internal sealed class AgentTurn(string key, string agent, string itemId, string responseId, int epoch)
{
    private StringBuilder? _deltas;
    private string? _said;

    public string Key { get; } = key;

    public string Agent { get; } = agent;

    /// <summary>The key of its response, as that response's usage has it.</summary>
    public string ResponseKey { get; } = key[..^itemId.Length] + responseId;

    /// <summary>Which model session it belongs to; another one knows nothing of the item.</summary>
    public int Epoch { get; } = epoch;

    public PlayedItem Played { get; } = new(itemId, responseId);

    /// <summary>Bytes of audio the model made, those dropped after a cut included.</summary>
    public long Generated { get; set; }

    /// <summary>Some of it was made, whether or not its audio passed here.</summary>
    public bool HasSpeech => Generated > 0 || Said.Length > 0;

    public bool IsTruncated { get; set; }

    /// <summary>Until then more may be told of how it was heard.</summary>
    public TimeSpan? HeldUntil { get; set; }

    public bool IsTranscribed { get; private set; }

    /// <summary>The caller cut it off, by speaking or by hanging up.</summary>
    public bool IsInterrupted { get; set; }

    /// <summary>Where it would have begun; known for a turn that was cut before it was heard.</summary>
    public long? CutAtMs { get; set; }

    /// <summary>When the caller's speech that it answers had ended.</summary>
    public long? AnswersSpeechEndedAtMs { get; set; }

    public string Said => _said ?? _deltas?.ToString() ?? "";

    public void Hear(string delta)
    {
        if (!IsTranscribed)
        {
            (_deltas ??= new StringBuilder()).Append(delta);
        }
    }

    public void Transcribe(string? text)
    {
        _said = text ?? _said;
        IsTranscribed = true;
    }
}
