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
    private readonly List<Words> _words = [];
    private List<(int ContentIndex, long Until)>? _earlierParts;
    private bool _wordsEnded;

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

    /// <summary>No more words will come of any part.</summary>
    public bool HasAllWords => _wordsEnded;

    /// <summary>Its words are those of the item as it was asked for, and no event adds to them.</summary>
    public bool IsRetrieved { get; private set; }

    public bool IsTranscribed => _wordsEnded || _words.Exists(part => part.Said is not null);

    /// <summary>The caller cut it off, by speaking or by hanging up.</summary>
    public bool IsInterrupted { get; set; }

    /// <summary>Where it would have begun; known for a turn that was cut before it was heard.</summary>
    public long? CutAtMs { get; set; }

    /// <summary>When the caller's speech that it answers had ended.</summary>
    public long? AnswersSpeechEndedAtMs { get; set; }

    /// <summary>The words of all parts; most items have one.</summary>
    public string Said => _words.Count == 1 ? _words[0].Text : string.Join(' ', _words.Select(part => part.Text.Trim()).Where(text => text.Length > 0));

    public void Hear(string delta, int contentIndex)
    {
        if (!_wordsEnded && !IsRetrieved && WordsOf(contentIndex) is { Said: null } part)
        {
            part.Deltas.Append(delta);
        }
    }

    public void Transcribe(string text, int contentIndex)
    {
        if (!IsRetrieved)
        {
            WordsOf(contentIndex).Said = text;
        }
    }

    /// <param name="text">The words of all parts.</param>
    public void Retrieve(string text)
    {
        _words.Clear();
        WordsOf(0).Said = text;
        IsRetrieved = true;
    }

    public void EndWords() => _wordsEnded = true;

    /// <summary>What is sent of it from now on is another part's.</summary>
    public void BeginPart(int contentIndex)
    {
        (_earlierParts ??= []).Add((Played.ContentIndex, Played.Sent));
        Played.ContentIndex = contentIndex;
    }

    /// <summary>The parts that were not heard to their end, and how many bytes were heard of each.</summary>
    public IEnumerable<(int ContentIndex, long Heard)> Unheard()
    {
        var from = 0L;
        foreach (var (part, until) in _earlierParts ?? [])
        {
            if (Played.Heard < until)
            {
                yield return (part, Math.Max(0, Played.Heard - from));
            }

            from = until;
        }

        yield return (Played.ContentIndex, Math.Max(0, Played.Heard - from));
    }

    private Words WordsOf(int contentIndex)
    {
        var at = _words.FindIndex(part => part.ContentIndex >= contentIndex);
        at = at < 0 ? _words.Count : at;
        if (at == _words.Count || _words[at].ContentIndex > contentIndex)
        {
            _words.Insert(at, new Words(contentIndex));
        }

        return _words[at];
    }

    private sealed class Words(int contentIndex)
    {
        public int ContentIndex { get; } = contentIndex;

        public StringBuilder Deltas { get; } = new();

        /// <summary>Once it is known for good.</summary>
        public string? Said { get; set; }

        public string Text => Said ?? Deltas.ToString();
    }
}
