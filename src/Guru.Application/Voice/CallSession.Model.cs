using Guru.Domain.Callers;
using Guru.Domain.Calls;

namespace Guru.Application.Voice;

/// <summary>The model's side: its sessions, its events, its responses.</summary>
public sealed partial class CallSession
{
    private const string Greeting = "greeting";
    private const string Reprompt = "reprompt";
    private const string Goodbye = "goodbye";
    private const string Continuing = "continue";
    private const string Answer = "answer";
    private const string NoAnswer = "noAnswer";

    /// <summary>What a new session hears once more of the time before it, for a word that had just begun.</summary>
    private const long OverlapMs = 500;

    private void OnModelEvent(ModelEvent @event)
    {
        if (@event is OutputItemAdded or AgentTranscriptDelta or AgentTranscriptDone or AgentAudioDone or ToolCalled)
        {
            _responses.GoesOn(_now);
        }

        switch (@event)
        {
            case SpeechStarted e:
                OnSpeechStarted(e);
                break;
            case SpeechStopped e:
                OnSpeechStopped(e);
                break;
            case TurnCommitted e:
                OnCommitted(e.ItemId);
                break;
            case CallerTranscribed or CallerTranscriptionFailed:
                OnTranscript(@event);
                break;
            case ResponseCreated e:
                OnResponseCreated(e);
                break;
            case OutputItemAdded { Type: "message" } e:
                TurnOf(e.ItemId, e.ResponseId);
                BeginIfPlaying(e.ResponseId);
                break;
            case AgentTranscriptDelta e:
                TurnOf(e.ItemId, e.ResponseId)?.Hear(e.Text, e.ContentIndex);
                break;
            case AgentTranscriptDone e:
                TurnOf(e.ItemId, e.ResponseId)?.Transcribe(e.Text, e.ContentIndex);
                break;
            case ItemDone e when !start.Sideband:
                OnItemDone(e.ItemId); // One part's audio may be done and another's be still to come.
                break;
            case ToolCalled e:
                OnToolCalled(e);
                break;
            case ResponseDone e:
                OnResponseDone(e);
                break;
            case ModelErrored e:
                OnModelErrored(e);
                break;
            case ModelClosed e when start.Sideband:
                OnSidebandLost(e);
                break;
            case ModelClosed e:
                OnModelClosed(e);
                break;
            default:
                OnPlayedElsewhere(@event);
                break;
        }
    }

    // --- the caller's turns ---

    /// <summary>Barge-in: what the caller talks over is cut at what was heard, and the model is told.</summary>
    private void OnSpeechStarted(SpeechStarted e)
    {
        AnchorClock(e.AudioStartMs, isFirst: true);

        // The model counts its prefix padding in; what came before, or is talked over, had begun before.
        var startMs = Math.Max(Math.Min(_clock.ToCallMs(e.AudioStartMs) ?? long.MaxValue, Ms(_now)), LatestStartMs() + 1);
        if (_unheard.Find(turn => _clock.ToCallMs(e.AudioStartMs) < turn.EndMs) is { } unheard)
        {
            _unheard.Remove(unheard); // The turn that the model before left unheard.
            startMs = unheard.StartMs;
        }

        _latestStartMs = startMs;
        _open = new CallerTurn(Key(e.ItemId), _agent, startMs);
        _callerTurns[e.ItemId] = _open;
        _unanswered.Add(_open);
        (_gapFilled, _answerDueAt, _retryAt, _speechEndedAtMs) = (false, null, null, null);
        _mayHaveAgreed = true;
        (_mayOwe, _reprompts, _saidNothing) = (null, 0, 0);
        (_limits, _limitedSince) = (0, null);
        CancelEnding();
        CutSpeech(startMs);
        SayGoodbyeLater();
    }

    private void CutSpeech(long atMs)
    {
        if (_responses.Active is { } active)
        {
            _responses.Cut(active);
        }

        if (_playback.IsIdle || start.Sideband)
        {
            return; // Who plays it cuts it, and tells.
        }

        _playback.Cut(_now);
        var cut = _agentTurns.Where(turn => turn.Played is { IsCut: true } && !turn.IsInterrupted).ToList();
        if (cut.Count == 0)
        {
            return;
        }

        _decisions.Add(new ClearLine());
        foreach (var turn in cut)
        {
            turn.IsInterrupted = true;
            turn.CutAtMs = atMs;
            _responses.Cut(turn.Played.ResponseId);
            Truncate(turn);
        }
    }

    private void OnSpeechStopped(SpeechStopped e)
    {
        AnchorClock(e.AudioEndMs, isFirst: false);
        _callerSilentSinceMs = _clock.ToCallMs(e.AudioEndMs) ?? Ms(_now);
        _speechEndedAtMs = _clock.ToCallMs(Math.Max(0, e.AudioEndMs - start.Voice.SilenceDurationMs)) ?? Ms(_now);
        if (CallerTurnOf(e.ItemId) is { } turn)
        {
            turn.EndMs = Math.Max(turn.StartMs, _speechEndedAtMs.Value); // The model counts in the silence that it waited for.
            _unheard.RemoveAll(unheard => unheard.StartMs >= turn.StartMs && unheard.StartMs < turn.EndMs); // Two turns for the model before, one for this.
        }

        _open = null;
        _answerDueAt = _now + rules.Answer;
    }

    private void OnCommitted(string itemId)
    {
        if (CallerTurnOf(itemId) is { } turn)
        {
            turn.EndMs ??= Math.Max(turn.StartMs, Ms(_now));
            _open = _open == turn ? null : _open;
            _answerDueAt ??= _now + rules.Answer;
        }
    }

    private void OnTranscript(ModelEvent @event)
    {
        var (itemId, text, language, outcome) = @event switch
        {
            CallerTranscribed e => (e.ItemId, e.Text, e.Language, TranscriptionOutcome.Completed),
            CallerTranscriptionFailed e => (e.ItemId, "", null, TranscriptionOutcome.Failed),
            _ => throw new System.Diagnostics.UnreachableException(),
        };

        if (@event is CallerTranscribed { Usage: { } usage })
        {
            RecordUsage(itemId, UsageRecorded.Transcription, start.Voice.TranscriptionModel, usage);
        }

        if (_callerTurns.Remove(itemId, out var turn))
        {
            _unanswered.Remove(turn);
            (text, language) = (text.Trim(), LanguageCode.Of(language));
            RecordCaller(turn, text, language, outcome);
            if (text.Length > 0 && language is not null && _language.Hear(language))
            {
                ChangeLanguage(language, "call");
            }
        }
    }

    /// <summary>After the hang-up only the caller's last words are waited for, and what the last response used.</summary>
    private void OnLastWords(ModelEvent @event)
    {
        switch (@event)
        {
            case CallerTranscribed or CallerTranscriptionFailed:
                OnTranscript(@event);
                break;
            case TurnCommitted e:
                OnCommitted(e.ItemId);
                break;
            case ResponseCreated e:
                _responses.Created(e.ResponseId, e.Purpose, answerExpected: _answerDueAt is not null, _now);
                Tell(new CancelResponse(e.ResponseId)); // Nobody would hear it.
                break;
            case ModelErrored e when IsOfCreation(e):
                _responses.TakeUnconfirmed();
                break;
            case ResponseDone e:
                _responses.Done(e.ResponseId);
                if (e.Usage is not null)
                {
                    RecordUsage(e.ResponseId, UsageRecorded.Response, start.Voice.Model, e.Usage);
                }

                break;
            case ModelClosed:
                _model = null;
                break;
        }
    }

    // --- the model's responses ---

    private void OnResponseCreated(ResponseCreated e)
    {
        var purpose = _responses.Created(e.ResponseId, e.Purpose, answerExpected: _answerDueAt is not null, _now);
        (_answerDueAt, _retryAt, _wantedAgain, _toolUsedBy) = (null, null, null, null);
        (_mayOwe, _keyCrosses) = (_keyCrosses ? _mayOwe : null, false);
        if (_ending is { AwaitsGoodbye: true } && purpose == Goodbye && _open is null)
        {
            _ending = _ending with { ResponseId = e.ResponseId };
        }
        else if (_handOver is { NeedsSession: true } || (purpose is not null && (_open is not null || purpose == Goodbye)))
        {
            // It crossed the caller's words or a goodbye on the wire, or another agent is about to answer.
            _responses.Cut(e.ResponseId);
            Tell(new CancelResponse(e.ResponseId));
        }
    }

    private void OnItemDone(string itemId)
    {
        if (_agentTurns.Find(turn => turn.Epoch == _epoch && turn.Played.ItemId == itemId) is { } turn)
        {
            Complete(turn);
        }
    }

    private void OnResponseDone(ResponseDone e)
    {
        var awaited = _responses.Active == e.ResponseId && !_responses.IsCut(e.ResponseId) && _open is null && _ending is null && _handOver is null;
        var came = e.ResponseId == _toolUsedBy;
        var served = _responses.Done(e.ResponseId);
        (_limits, _limitedSince) = e.Status == "failed" ? (_limits, _limitedSince) : (0, null);
        foreach (var turn in _agentTurns.Where(turn => turn.Epoch == _epoch && turn.Played.ResponseId == e.ResponseId).ToList())
        {
            came |= turn.HasSpeech || turn.Played.FirstSentAt is not null;
            Complete(turn);
            turn.EndWords();
            AwaitPlayback(turn, e.Status);
        }

        if (e.Usage is not null)
        {
            RecordUsage(e.ResponseId, UsageRecorded.Response, start.Voice.Model, e.Usage);
        }

        if (_ending is not null && _ending.ResponseId == e.ResponseId)
        {
            OnLastResponse(e);
        }
        else if (_handOver is { } handOver && handOver.ResponseId == e.ResponseId)
        {
            OnHandingResponseDone(handOver); // The caller's turn is the next agent's to answer.
        }
        else if (e.Status == "failed")
        {
            OnFailure(e.ErrorCode, e.Lasting, served, e.RetryAfter);
        }
        else if (e.Status != "cancelled")
        {
            _failures = e.Status == "completed" ? 0 : _failures;
            if (came)
            {
                _saidNothing = 0;
                OnAnswered(e.Status);
            }
            else if (awaited)
            {
                OnNothingSaid(e.Status, served);
            }
        }
    }

    private void OnAnswered(string status)
    {
        if (status == "completed")
        {
            _unanswered.RemoveAll(turn => turn != _open);
            if (_mayOwe is null)
            {
                _keys.Clear();
            }

            RecordUnheard();
        }
    }

    /// <summary>
    /// The caller waits, and the response is over without a word: the model's filter or limit cut it off, or it is empty. It is asked for once
    /// more. Cut off again, it is for the model to say that it has no answer, or once more what was not asked by the caller, such as the greeting; empty
    /// again, it is taken for meant.
    /// </summary>
    private void OnNothingSaid(string status, WantedResponse? served)
    {
        var isAnswer = served is null or { Purpose: Answer or AfterTool };
        if (++_saidNothing == 1 || (_saidNothing == 2 && status == "incomplete" && !isAnswer))
        {
            (_retryAt, _wantedAgain) = (_now, served);
        }
        else if (_saidNothing == 2 && status == "incomplete")
        {
            Want(NoAnswer, CallPrompts.NoAnswer(_language.Current), tools: false);
        }
    }

    private void OnFailure(string? code, bool lasting, WantedResponse? served, TimeSpan? retryAfter = null)
    {
        _wantedAgain = served;
        if (lasting)
        {
            End(CallEndReason.ModelUnavailable);
        }
        else if (code == "rate_limit_exceeded")
        {
            WaitForLimit(retryAfter);
        }
        else if (++_failures > MostFailures)
        {
            End(CallEndReason.ModelUnavailable);
        }
        else if (_failures == 1 || start.Sideband)
        {
            _retryAt = _now;
        }
        else if (_dialReason is null)
        {
            Dial("error");
        }
        else if (_handOver is null)
        {
            _dialReason = "error"; // What was dialled for another reason, or waits for its time, takes this one's place now.
        }
    }

    /// <summary>
    /// A limit passes: the model is asked again when it says, or after waits that grow. The caller hears nothing meanwhile, so that it is waited for no
    /// longer than a lost model is, and not at all where it will last longer: then they are told.
    /// </summary>
    private void WaitForLimit(TimeSpan? told)
    {
        _limitedSince ??= _now;
        var grown = TimeSpan.FromSeconds(Math.Min(told is null ? _limits + 1 : _limits, MostSecondsBetween));
        var wait = told > grown ? told.Value : grown;
        _limits++;
        if (_now + wait - _limitedSince > rules.ModelGone)
        {
            End(CallEndReason.ModelUnavailable);
        }
        else
        {
            _retryAt = _now + wait;
        }
    }

    /// <summary>A model that was asked and does not begin, or begins and falls silent, has failed like one that says so.</summary>
    private void GiveUpWaiting()
    {
        if (_now < _responses.Limit || _responses.Limit is null)
        {
            return;
        }

        if (_responses.TakeUnconfirmed() is { } wanted)
        {
            OnFailure(code: null, lasting: false, wanted);
        }
        else if (_responses.Active is { } stalled)
        {
            _responses.Cut(stalled);
            Tell(new CancelResponse(stalled));
            OnResponseDone(new ResponseDone(stalled, Purpose: null, "failed", Reason: null, ErrorCode: null, Usage: null));
        }
    }

    private void AskAgain()
    {
        if (_now >= _answerDueAt || _now >= _retryAt)
        {
            (_answerDueAt, _retryAt) = (null, null);
            if (_responses.IsFree && _open is null)
            {
                _responses.Want(_wantedAgain ?? new WantedResponse(Answer, Instructions: null, ToolsAllowed: true, Yields: true));
            }

            _wantedAgain = null;
        }
    }

    /// <summary>
    /// The model answers a turn by itself: a wish sent in between would be refused, or talk over that answer. And it is to know what came of all its tools
    /// before it goes on. While a limit passes, nothing is asked of it, nor once it has said goodbye.
    /// </summary>
    private bool MayCreate =>
        _open is null && _answerDueAt is null && _retryAt is null && _handOver is null && !_arranging.ContainsValue(_epoch) && _ending is not { IsSaid: true };

    private void CreateWhenFree()
    {
        if (_model is not null && MayCreate && _responses.Take(_now) is { } wanted)
        {
            _keyCrosses = false;
            Tell(new CreateResponse(wanted.Purpose, InFull(wanted.Instructions), wanted.ToolsAllowed));
        }
    }

    /// <summary>Instructions of a response take the place of the session's: who speaks, and how, is told again with them.</summary>
    private string? InFull(string? instructions) => instructions is null ? null : $"{Configuration(_agent).Instructions}\n\n{instructions}";

    private void OnModelErrored(ModelErrored e)
    {
        if (e.Code == "conversation_already_has_active_response")
        {
            _responses.Refused(_now);
        }
        else if (e.Code == "session_expired")
        {
            _expired = true;
        }
        else if (e.Lasting)
        {
            End(CallEndReason.ModelUnavailable);
        }
        else if (e.ClientEventId?.StartsWith("configure-", StringComparison.Ordinal) == true && _dialReason is null && _dialed is null)
        {
            Dial("error"); // A session that cannot be changed is replaced between turns.
        }
        else if (IsOfCreation(e) && _responses.TakeUnconfirmed() is { } wanted)
        {
            OnFailure(e.Code, e.Lasting, wanted, e.RetryAfter);
        }
    }

    private static bool IsOfCreation(ModelErrored e) => e.ClientEventId?.StartsWith("response-", StringComparison.Ordinal) == true;

    // --- the model's sessions ---

    private void OnModelClosed(ModelClosed e)
    {
        // To one that has been silent for a while the caller may have spoken, unheard.
        _answerOwed = _open is not null || _answerDueAt is not null || _retryAt is not null || !_responses.IsFree || e is { Code: null, Reason: ModelClosed.Silent };
        LeaveUnheard();
        LeaveModel();
        if (_ending is { IsSaid: true })
        {
            return; // What is left to hear needs no session.
        }

        if (e.Code is 3000 or 4000)
        {
            End(CallEndReason.ModelUnavailable);
            return;
        }

        _goneSince = _now;
        if (_dialReason is null && _dialed is null)
        {
            Dial(_expired ? "expired" : "dropped");
        }
        else if (_dialReason == TakeOver && _handOver is null)
        {
            _dialReason = "dropped"; // It was dialled for a hand-over of which nothing came, and serves now.
        }
    }

    /// <summary>Turns that were neither answered nor transcribed go to the next model, which hears them and answers by itself.</summary>
    private void LeaveUnheard()
    {
        foreach (var (itemId, turn) in _callerTurns.Where(known => _unanswered.Contains(known.Value)).ToList())
        {
            turn.EndMs ??= Math.Max(turn.StartMs, Ms(_now));
            _callerTurns.Remove(itemId);
            _unheard.Add(turn);
        }

        _unheard.Sort((one, other) => one.StartMs.CompareTo(other.StartMs)); // As the next model hears them.

        if (_unheard.Count > 0)
        {
            _answerOwed = false;
            _decisions.Add(new RewindCaller(_unheard.Min(turn => turn.StartMs)));
        }
    }

    /// <summary>What was asked of the session goes with it; what it has said is heard to its end.</summary>
    private void LeaveModel()
    {
        (_model, _open, _answerDueAt, _retryAt, _wantedAgain, _renewAt) = (null, null, null, null, null, null);
        _unanswered.Clear();
        _responses.Reset();
        foreach (var turn in _agentTurns)
        {
            Complete(turn);
            turn.EndWords();
        }

        LeaveGoodbye();
        RecordUntranscribed();
    }

    private void Dial(string reason)
    {
        (_dialReason, _dials, _redialAt) = (reason, 1, null);
        DialNow();
    }

    private void DialNow()
    {
        _dialedFor = (_handOver?.To ?? _agent, _language.Current);
        _decisions.Add(new DialModel(_dialReason ?? "dropped", _dialedFor.Agent, _dialedFor.Language));
    }

    private void OnDialFailed(ModelDialFailed e)
    {
        var wasForAnother = _handOver is { NeedsSession: true };
        if (start.Sideband && e.Code == VoiceModelException.CallOver)
        {
            LoseLine(_closedInOrder ? CallEndReason.CallerHungUp : CallEndReason.StreamLost);
        }
        else if (_model is not null && (e.Transient || _dialReason is "expiring" or TakeOver))
        {
            // The session in use is still there: it may answer after all, and there is time to try again.
            _retryAt = IsFailing ? _now + TimeSpan.FromSeconds(1) : _retryAt;
            _renewAt = _dialReason == TakeOver ? _renewAt : _now + TimeSpan.FromSeconds(30);
            _dialReason = null;
            KeepAgent(Unreachable);
        }
        else if (_model is null && wasForAnother)
        {
            KeepAgent(Unreachable);
            Dial("dropped");
        }
        else if (!start.Sideband && _ending is { IsSaid: true })
        {
            _dialReason = null; // What is left to hear needs no session; of a browser nobody else tells that it was heard.
        }
        else if (!e.Transient || _now - (_goneSince ??= _now) >= rules.ModelGone)
        {
            End(CallEndReason.ModelUnavailable);
        }
        else
        {
            WaitToRedial(e.RetryAfter ?? TimeSpan.Zero);
        }
    }

    /// <param name="told">For how long the model said to wait. A call does not last for what is longer than it may be without one: that is no reason not to try.</param>
    private void WaitToRedial(TimeSpan told = default)
    {
        var pause = TimeSpan.FromMilliseconds(Math.Min(LongestRedialMs, FirstRedialMs << Math.Min(_dials - 1, 8)));
        _redialAt = _now + (told > pause && _now + told < _goneSince + rules.ModelGone ? told : pause);
    }

    private void Redial()
    {
        if (_now >= _redialAt)
        {
            (_redialAt, _dials) = (null, _dials + 1);
            DialNow();
        }
        else if (_now >= _renewAt && _dialReason is null && _dialed is null)
        {
            Dial("expiring");
        }
    }

    /// <summary>A session was dialled because the one in use failed to answer, and it has not recovered since.</summary>
    private bool IsFailing => _dialReason == "error" && _failures > 0;

    /// <summary>
    /// Puts a new session to use: at once when there is none, as soon as nobody speaks in place of a failing one or of another
    /// agent's, and in place of one that works between turns. What the caller said is transcribed first.
    /// </summary>
    private void UseDialedModel()
    {
        if (_dialed is null || (_model is not null && !MayLeave))
        {
            return;
        }

        if (start.Sideband && _epoch > 0)
        {
            AttendAgain(_dialed);
            return;
        }

        if (_model is not null)
        {
            _answerOwed = IsFailing;
            LeaveUnheard();
            LeaveModel();
            if (_unheard.Count == 0)
            {
                _decisions.Add(new RewindCaller(Math.Max(Ms(_now) - OverlapMs, _callerSilentSinceMs)));
            }
        }

        var first = _epoch == 0;
        var answerOpen = !first && _answerOwed;
        _model = _dialed.SessionId;
        _epoch++;
        _clock = new InputClock();
        _speaking = null;
        _renewAt = start.Sideband ? null : RenewalOf(_dialed.ExpiresAt);
        _decisions.Add(new UseModel());
        if (!first)
        {
            RecordReconnect();
        }

        var handOver = _handOver;
        var from = handOver is null ? _agent : ChangeHands(handOver);
        if (_dialedFor != (_agent, _language.Current))
        {
            _decisions.Add(new ConfigureModel(_agent, _language.Current, IsFresh: true));
        }

        (_dialed, _dialReason, _goneSince, _expired, _answerOwed) = (null, null, null, false, false);
        _answerDueAt = _unheard.Count == 0 ? null : _now + rules.Answer;
        Introduce(first, answerOpen, from, handOver);
    }

    private bool MayLeave =>
        _handOver is { } handOver
            ? _open is null && _responses.Active is null && _playback.IsIdle && (_callerTurns.Count == 0 || _now >= handOver.Limit)
        : IsFailing ? _open is null && _answerDueAt is null && _responses.Active is null
        : IsQuiet && _callerTurns.Count == 0;

    private void Introduce(bool first, bool answerOpen, string from, HandOver? handOver)
    {
        if (start.Memory is { } memory)
        {
            Tell(new AddSystemItem(memory));
        }

        var soFar = SoFar();
        if (!start.Resumed && (first || soFar.Count == 0))
        {
            _keys.ForEach(Tell);
            TellOfCallBacks(hasAsked: false);
            if (_ending is null)
            {
                Greet();
            }

            return;
        }

        var greeted = soFar.Exists(turn => turn.Speaker == Speaker.Agent);
        if (soFar.Count > 0)
        {
            Tell(new AddSystemItem(CallPrompts.SoFar(soFar, greeted)));
        }

        if (handOver is not null)
        {
            Tell(new AddSystemItem(CallPrompts.BeforeTheHandOver(from, _agent, handOver.Request)));
        }

        _keys.ForEach(Tell);
        TellOfCallBacks(hasAsked: false);
        if (_ending is not null)
        {
            return; // The goodbye is being heard, or is said as soon as that may be.
        }

        if (handOver is not null && _unheard.Count == 0)
        {
            WantTakeOver(from, handOver);
        }
        else if (!greeted)
        {
            Want(Continuing, CallPrompts.GreetAfterAll(GreetingPrompt()), tools: false);
        }
        else if (first || answerOpen)
        {
            Want(Continuing, CallPrompts.Continue(_language.Current));
        }
    }

    private void Greet() => Want(Greeting, GreetingPrompt(), tools: false);

    private string GreetingPrompt() => start.Purpose is { } purpose
        ? CallPrompts.Calling(purpose, start.Agents[_agent].GreetingHint, _language.Current)
        : CallPrompts.Greeting(start.Agents[_agent].GreetingHint, known: start.Memory is not null, _language.Current);

    /// <summary>The margin before the expiry, but no more than half of the session's life; none for one that tells no life.</summary>
    private TimeSpan? RenewalOf(TimeSpan expiresAt)
    {
        var life = expiresAt - _now;
        return life <= TimeSpan.Zero ? null : expiresAt - (rules.RenewBeforeExpiry < life / 2 ? rules.RenewBeforeExpiry : life / 2);
    }

    private void Want(string purpose, string? instructions, bool tools = true) =>
        _responses.Want(new WantedResponse(purpose, instructions, tools, Yields: true));
}
