using Guru.Domain.Calls;

namespace Guru.Application.Voice;

/// <summary>What goes into the record, when it is known for good.</summary>
public sealed partial class CallSession
{
    private const int MostTurnsKept = 200;

    /// <summary>A turn is recorded once its audio was heard or cut, its words are complete, and nothing more of it can come.</summary>
    private void RecordWhatWasHeard()
    {
        for (var i = 0; i < _agentTurns.Count; i++)
        {
            var turn = _agentTurns[i];
            if (turn.IsTranscribed && (turn.Played.IsOver || turn.Played.FirstSentAt is null) && !(turn.HeldUntil > _now) && (turn.Epoch != _epoch || turn.Played.ResponseId != _responses.Active))
            {
                _agentTurns.RemoveAt(i--);
                RecordAgent(turn);
            }
        }
    }

    private void RecordUntranscribed()
    {
        if (_lineIsGone)
        {
            RecordUnheard();
        }

        foreach (var turn in _callerTurns.Values)
        {
            RecordCaller(turn, text: "", language: null, TranscriptionOutcome.Missing);
        }

        _callerTurns.Clear();
        _open = null;
    }

    private void RecordUnheard()
    {
        foreach (var turn in _unheard)
        {
            RecordCaller(turn, text: "", language: null, TranscriptionOutcome.Missing);
        }

        _unheard.Clear();
    }

    private void RecordAgent(AgentTurn turn)
    {
        if (_speaking == turn)
        {
            _speaking = null;
        }

        LearnPace(turn);
        if (UtteranceOf(turn, turn.Played.Heard, turn.Played is { IsOver: true, IsCut: false }, turn.Played.OverAt, _now) is not { } utterance)
        {
            return;
        }

        if (utterance.HeardMs > 0)
        {
            _latestStartMs = Math.Max(_latestStartMs, utterance.StartMs);
        }

        Note(utterance);
    }

    /// <param name="heard">Bytes.</param>
    /// <returns>Null where nothing was said.</returns>
    private UtteranceTranscribed? UtteranceOf(AgentTurn turn, long heard, bool whole, TimeSpan overAt, TimeSpan now)
    {
        var said = turn.Said.Trim();
        var (saidMs, heardMs) = (AudioLength.ToMs(start.Sideband ? LengthOf(turn, said, heard) : turn.Generated), AudioLength.ToMs(heard));
        if (said.Length == 0 && saidMs == 0)
        {
            return null;
        }

        var startMs = heardMs == 0 ? turn.CutAtMs ?? _open?.StartMs ?? Ms(now) : Ms(StartOf(turn));
        return new UtteranceTranscribed(
            turn.Key,
            Speaker.Agent,
            turn.Agent,
            said,
            whole ? said : HeardText.Of(said, heardMs, saidMs),
            turn.IsInterrupted || (!whole && turn.Epoch == _epoch && _responses.IsCut(turn.Played.ResponseId)),
            TranscriptionOutcome.Completed,
            startMs,
            Math.Max(startMs, heardMs == 0 ? startMs : Ms(overAt)),
            saidMs,
            heardMs,
            Language: null,
            FirstAudioMs: SinceSpeech(turn, turn.Played.FirstSentAt),
            FirstHeardMs: SinceSpeech(turn, turn.Played.FirstHeardAt),
            At(now),
            turn.ResponseKey);
    }

    private void RecordCaller(CallerTurn turn, string text, string? language, TranscriptionOutcome outcome) =>
        Note(UtteranceOf(turn, text, language, outcome, _now));

    private UtteranceTranscribed UtteranceOf(CallerTurn turn, string text, string? language, TranscriptionOutcome outcome, TimeSpan now)
    {
        var endMs = turn.EndMs ?? Math.Max(turn.StartMs, Ms(now));
        var length = endMs - turn.StartMs;
        return new UtteranceTranscribed(
            turn.Key, Speaker.Caller, turn.Agent, text, text, Interrupted: false, outcome, turn.StartMs, endMs, length, length, language,
            FirstAudioMs: null, FirstHeardMs: null, At(now));
    }

    /// <summary>What would have to be recorded of those who are speaking, or were a moment ago, were the line gone now, and the model with it.</summary>
    public IReadOnlyList<CallCommand> Unfinished(TimeSpan now)
    {
        if (IsOver || (_agentTurns.Count == 0 && _callerTurns.Count == 0 && _unheard.Count == 0))
        {
            return [];
        }

        var unfinished = new List<CallCommand>();
        foreach (var turn in _agentTurns)
        {
            if (_playback.HeardForSure(turn.Played, now) is > 0 and var heard
                && UtteranceOf(turn, heard, whole: false, turn.Played.IsOver ? turn.Played.OverAt : now, now) is { } utterance)
            {
                unfinished.Add(new RecordUtterance(utterance));
            }
        }

        foreach (var turn in _callerTurns.Values.Concat(_unheard))
        {
            unfinished.Add(new RecordUtterance(UtteranceOf(turn, text: "", language: null, TranscriptionOutcome.Missing, now)));
        }

        return unfinished;
    }

    private void Note(UtteranceTranscribed utterance)
    {
        _recorded.Add(utterance.UtteranceId);
        _decisions.Add(new Record(new RecordUtterance(utterance)));
        if (utterance.Heard.Length == 0)
        {
            return;
        }

        Remember(new HeardTurn(utterance.Speaker, utterance.Heard, utterance.Interrupted, utterance.StartMs));
    }

    private void Remember(HeardTurn heard)
    {
        _soFar.Insert(_soFar.FindLastIndex(turn => turn.StartMs <= heard.StartMs) + 1, heard);
        if (_soFar.Count > MostTurnsKept)
        {
            _soFar.RemoveAt(0);
        }
    }

    private void OnHeardLate(HeardTurn turn)
    {
        if (!_soFar.Contains(turn))
        {
            Remember(turn);
            Tell(new AddSystemItem(CallPrompts.BeforeYouCame(turn)));
        }
    }

    /// <summary>The conversation as heard, with what is still on its way to the caller.</summary>
    private List<HeardTurn> SoFar()
    {
        var turns = _soFar.ToList();
        turns.AddRange(_agentTurns.Where(turn => turn.Played.Sent > 0).Select(turn => new HeardTurn(
            Speaker.Agent, HeardText.Of(turn.Said, turn.Played.Sent, turn.Generated), turn.IsInterrupted, Ms(StartOf(turn)))));
        return turns;
    }

    private void RecordUsage(string id, string kind, string model, ModelUsage usage) =>
        _decisions.Add(new Record(new RecordUsage(new UsageRecorded(
            Key(id),
            kind,
            model,
            _agent,
            new TokenUsage(usage.InputText, usage.InputAudio, usage.CachedText, usage.CachedAudio, usage.OutputText, usage.OutputAudio),
            usage.Seconds,
            At(_now)))));

    private void RecordReconnect() =>
        _decisions.Add(new Record(new RecordReconnect(new VoiceModelReconnected(
            _dialReason ?? "dropped", _dials, _goneSince is { } gone ? Ms(_now - gone) : 0, start.Sideband ? $"{_model}/{_attached}" : _model!, At(_now)))));

    private static long? SinceSpeech(AgentTurn turn, TimeSpan? at) =>
        turn.AnswersSpeechEndedAtMs is { } ended && at is { } then ? Math.Max(0, (long)then.TotalMilliseconds - ended) : null;

    private static TimeSpan StartOf(AgentTurn turn) => turn.Played.FirstHeardAt ?? turn.Played.FirstSentAt ?? TimeSpan.Zero;

    private string Key(string id) => $"{_model}:{id}";

    /// <summary>Null for a turn that is on record: nothing more of it is taken.</summary>
    private CallerTurn? CallerTurnOf(string itemId)
    {
        if (!_callerTurns.TryGetValue(itemId, out var turn) && !_recorded.Contains(Key(itemId)))
        {
            _callerTurns[itemId] = turn = new CallerTurn(Key(itemId), _agent, Ms(_now));
        }

        return turn;
    }

    private AgentTurn? Speaking(in ModelAudio audio)
    {
        foreach (var turn in _agentTurns)
        {
            if (turn.Epoch == _epoch && turn.Played.Is(audio.ItemId.Span))
            {
                return _speaking = turn;
            }
        }

        return _speaking = TurnOf(
            System.Text.Encoding.UTF8.GetString(audio.ItemId.Span), System.Text.Encoding.UTF8.GetString(audio.ResponseId.Span));
    }

    /// <inheritdoc cref="CallerTurnOf"/>
    private AgentTurn? TurnOf(string itemId, string responseId)
    {
        var turn = _agentTurns.Find(turn => turn.Epoch == _epoch && turn.Played.ItemId == itemId);
        if (turn is null && !_recorded.Contains(Key(itemId)))
        {
            turn = new AgentTurn(Key(itemId), _agent, itemId, responseId, _epoch) { HeldUntil = start.Sideband ? _now + PlaybackMayBegin : null };
            _agentTurns.Add(turn);
        }

        return turn;
    }

    /// <summary>When the latest turn began, of those that were heard or are being heard.</summary>
    private long LatestStartMs()
    {
        var last = _latestStartMs;
        foreach (var turn in _agentTurns)
        {
            if (turn.Played is { FirstSentAt: not null } played && (!played.IsOver || played.Heard > 0))
            {
                last = Math.Max(last, Ms(StartOf(turn)));
            }
        }

        return last;
    }

    private void Complete(AgentTurn turn)
    {
        if (_playback.Complete(turn.Played, _now) is { } mark)
        {
            _decisions.Add(new MarkLine(mark));
        }
    }

    /// <summary>Tells the model what was heard, so that it remembers no more than the caller does.</summary>
    private void Truncate(AgentTurn turn)
    {
        if (turn.Epoch == _epoch && !turn.IsTruncated)
        {
            turn.IsTruncated = true;
            foreach (var (part, heard) in turn.Unheard())
            {
                Tell(new TruncateItem(turn.Played.ItemId, part, AudioLength.ToMs(heard)));
            }
        }
    }

    /// <summary>An item of a cut response that came too late to be heard at all, or to its end.</summary>
    private void TruncateUnheard(AgentTurn turn)
    {
        if (turn.Played is { IsOver: false, Sent: > 0 })
        {
            return; // What was sent of it is still being heard.
        }

        turn.IsInterrupted = true;
        turn.CutAtMs ??= _open?.StartMs ?? Ms(_now);
        Truncate(turn);
    }
}
