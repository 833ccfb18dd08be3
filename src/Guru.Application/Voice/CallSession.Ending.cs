using Guru.Domain.Calls;

namespace Guru.Application.Voice;

/// <summary>Silence, limits, goodbyes, and the end: every way a call can end is a value.</summary>
public sealed partial class CallSession
{
    /// <summary>How long a caller who was asked something takes to begin.</summary>
    private static readonly TimeSpan MomentToAnswer = TimeSpan.FromSeconds(3);

    /// <summary>The call is to end once the last words have been heard.</summary>
    /// <param name="Limit">When it ends whether or not they were.</param>
    /// <param name="Goodbye">What the model was asked to say for it.</param>
    /// <param name="ResponseId">The response that holds the goodbye; null while it is awaited.</param>
    /// <param name="ToolCallId">The agent's wish to end the call, while unanswered.</param>
    private sealed record Ending(
        CallEndReason Reason, TimeSpan Limit, string? Goodbye, string? ResponseId, string? ToolCallId, bool IsSaid)
    {
        /// <summary>It has not begun yet.</summary>
        public bool AwaitsGoodbye => ResponseId is null;

        /// <summary>The caller may go on speaking, and the call with them.</summary>
        public bool YieldsToCaller => Reason is CallEndReason.AgentEnded or CallEndReason.Silence;
    }

    /// <summary>The response that was to hold the goodbye is over. One that ended before a word of it is asked for again, as long as there is time.</summary>
    private void OnLastResponse(ResponseDone e)
    {
        var spoke = HasSpoken(e.ResponseId);
        if (!spoke && _ending is { ToolCallId: { } toolCallId })
        {
            Tell(new AnswerTool(toolCallId, """{"ended":true}"""));
            (_ending, _saidNothing) = (_ending with { ToolCallId = null }, 0);
            SayGoodbye(_ending, CallPrompts.Goodbye(_language.Current));
        }
        else if (!spoke && _ending is { Goodbye: { } goodbye } && e.Status == "failed")
        {
            _ending = _ending with { ResponseId = null };
            OnFailure(e.ErrorCode, e.Lasting, Saying(goodbye), e.RetryAfter);
        }
        else if (!spoke && _ending is { Goodbye: { } unsaid } && (e.Status == "cancelled" || ++_saidNothing == 1))
        {
            SayGoodbye(_ending, unsaid);
        }
        else
        {
            _ending = _ending! with { IsSaid = true };
        }
    }

    /// <summary>The session is gone, and what it said of the goodbye is heard to its end. Of which it had not said a word, the next one says.</summary>
    private void LeaveGoodbye()
    {
        if (_ending is { ResponseId: { } responseId })
        {
            _ending = HasSpoken(responseId)
                ? _ending with { IsSaid = true }
                : _ending with { Goodbye = _ending.Goodbye ?? CallPrompts.Goodbye(_language.Current), ResponseId = null, ToolCallId = null };
        }
    }

    /// <summary>The caller spoke: a goodbye of which they have not heard a word is said when they are done.</summary>
    private void SayGoodbyeLater()
    {
        if (_ending is { ResponseId: { } responseId, Goodbye: { } goodbye }
            && (OfResponse(responseId) is { Count: > 0 } turns ? turns.TrueForAll(turn => turn.Played is { IsCut: true, Heard: 0 }) : _responses.Active == responseId))
        {
            SayGoodbye(_ending with { IsSaid = false }, goodbye);
        }
    }

    private void BeginEnding(CallEndReason reason, string goodbye)
    {
        KeepAgent("The call is ending.");
        if (_model is null && (start.Sideband || reason != CallEndReason.MaxDuration))
        {
            End(reason); // After the longest duration no sentence of Guru's own follows: the next session's goodbye is waited for.
            return;
        }

        _saidNothing = 0;
        SayGoodbye(new Ending(reason, _now + rules.Goodbye, goodbye, ResponseId: null, ToolCallId: null, IsSaid: false), goodbye);
    }

    private void SayGoodbye(Ending ending, string goodbye)
    {
        _ending = ending with { Goodbye = goodbye, ResponseId = null };
        (_retryAt, _wantedAgain) = (null, null);
        _responses.Want(Saying(goodbye));
    }

    /// <summary>Whatever became of the wish for it: it crossed the caller's words, was given up while they spoke, or its session is gone.</summary>
    private void SayAwaitedGoodbye()
    {
        if (_ending is { AwaitsGoodbye: true, Goodbye: { } goodbye } && _responses.IsFree && _retryAt is null && !IsFailing)
        {
            _responses.Want(Saying(goodbye));
        }
    }

    private static WantedResponse Saying(string goodbye) => new(Goodbye, goodbye, ToolsAllowed: false, Yields: false);

    /// <summary>The caller hears something of it, has heard it, or is about to.</summary>
    private bool HasSpoken(string responseId) => OfResponse(responseId).Exists(turn => turn.Played.FirstSentAt is not null || turn.HeldUntil > _now);

    private void CancelEnding()
    {
        if (_ending is not { YieldsToCaller: true })
        {
            return;
        }

        if (_ending.ToolCallId is { } toolCallId)
        {
            Tell(new AnswerTool(toolCallId, """{"ended":false,"because":"The caller went on speaking."}"""));
        }

        _responses.Unwant();
        (_ending, _wantedAgain) = (null, null);
    }

    private void EndWhenDue()
    {
        if (_ending is null)
        {
            if (_now >= rules.MaxDuration)
            {
                BeginEnding(CallEndReason.MaxDuration, CallPrompts.GoodbyeAtTheLimit(_language.Current));
            }
            else if (_now >= _drainAt)
            {
                BeginEnding(CallEndReason.ShuttingDown, CallPrompts.GoodbyeBeforeShutdown(_language.Current));
            }
        }

        if (_ending is null)
        {
            return;
        }

        var heard = _ending.IsSaid && IsAllHeard;
        var hopeless = start.Sideband && _model is null && !_ending.IsSaid; // Who attends again asks for nothing; a line's next session says it.
        var isSaying = _ending.ResponseId is { } response && response == _responses.Active && HasSpoken(response);
        var late = _now >= _ending.Limit && !isSaying && (!_ending.IsSaid || _playback.Deadline is null);
        if (heard || hopeless || late)
        {
            End(_ending.Reason);
        }
        else if (_now >= _ending.Limit)
        {
            // It is being said, or heard; its receipts, or the clock in their place, say when it is over.
            _ending = _ending with { Limit = isSaying ? _responses.Limit!.Value : _playback.Deadline!.Value };
        }
    }

    private TimeSpan QuietLimit => _mayOwe is not null && MomentToAnswer < rules.Silence ? MomentToAnswer : rules.Silence;

    private void BreakSilence()
    {
        if (!IsQuiet)
        {
            _quietSince = null;
            return;
        }

        _quietSince ??= _now;
        if (_now < _quietSince + QuietLimit)
        {
            return;
        }

        _quietSince = null;
        if (_mayOwe is { } purpose)
        {
            _mayOwe = null;
            Want(purpose, instructions: null, tools: purpose != AfterTool);
        }
        else if (_reprompts < rules.Reprompts)
        {
            _reprompts++;
            Want(Reprompt, CallPrompts.Reprompt(_language.Current), tools: false);
        }
        else
        {
            BeginEnding(CallEndReason.Silence, CallPrompts.GoodbyeAfterSilence(_language.Current));
        }
    }

    /// <summary>The caller speaks, but no audio comes: silence closes the turn, or it would stay open for good.</summary>
    private void FillGap()
    {
        const int Ms = 1000;
        if (_open is null || _gapFilled || _model is null || _frames.LastAt is not { } last || _now < last + rules.MediaGap)
        {
            return;
        }

        if (_now > last + rules.MediaGap + Stall)
        {
            // It is this process that stood still; the frames may be waiting to be read.
            _frames.Expect(_now - rules.MediaGap + Stall);
            return;
        }

        _gapFilled = true;
        _decisions.Add(new AppendSilence(Ms, _frames.Fill(Ms)));
    }

    /// <summary>Guru ends the call.</summary>
    private void End(CallEndReason reason)
    {
        if (_lineIsGone)
        {
            return;
        }

        if (reason == CallEndReason.ModelUnavailable && _ending is { YieldsToCaller: true } ending)
        {
            reason = ending.Reason; // Whatever was to be said is said, but for a goodbye.
        }

        _playback.Cut(_now);
        CloseRecord(reason);
        _decisions.Add(new HangUp(reason));
    }

    /// <summary>The caller, or the network, ended the stream.</summary>
    /// <param name="reason">Null where the call may go on over another stream.</param>
    private void LoseLine(CallEndReason? reason)
    {
        if (!_lineIsGone)
        {
            _playback.Lose(_now);
            CloseRecord(reason);
        }
    }

    /// <summary>What was being said is recorded as far as it was heard; the transcript of the caller's last words is waited for.</summary>
    private void CloseRecord(CallEndReason? reason)
    {
        foreach (var turn in _agentTurns.Where(turn => turn.Played.IsCut))
        {
            turn.IsInterrupted |= reason == CallEndReason.CallerHungUp;
        }

        foreach (var turn in _agentTurns)
        {
            RecordAgent(turn);
        }

        _agentTurns.Clear();
        if (reason is { } ended)
        {
            _decisions.Add(new Record(new EndCall(ended, At(_now), start.StreamSid)));
        }

        if (_responses.Active is { } active)
        {
            Tell(new CancelResponse(active));
        }

        if (_open is not null)
        {
            Tell(new CommitTurn());
        }

        (_lineIsGone, _endReason, _lastWordsUntil) = (true, reason, _now + rules.LastWords);
    }
}
