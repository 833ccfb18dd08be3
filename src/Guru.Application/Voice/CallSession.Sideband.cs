using Guru.Domain.Calls;

namespace Guru.Application.Voice;

/// <summary>
/// A call whose audio goes between a browser and the model. The model's side plays to the caller, stops when the caller speaks, and
/// tells of it; the conversation lives there, so that a lost sideband is attached again, and nothing is told twice.
/// </summary>
public sealed partial class CallSession
{
    /// <summary>Speech for which no length is known yet.</summary>
    private const long UsualMsPerCharacter = 65;

    /// <summary>The longest answer that is waited for when nobody tells of its end.</summary>
    private static readonly TimeSpan LongestSpeech = TimeSpan.FromMinutes(3);

    private static readonly TimeSpan PlaybackMayBegin = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan TruncationMayFollow = TimeSpan.FromSeconds(1);

    /// <summary>A sideband that is lost sooner is not attached again at once: what ended it may end the next.</summary>
    private static readonly TimeSpan AttendedForGood = TimeSpan.FromSeconds(10);

    /// <summary>After so many in a row nothing tells that the next one will hold.</summary>
    private const int MostShortSidebands = 8;

    private readonly HashSet<string> _playing = new(StringComparer.Ordinal);
    private readonly HashSet<string> _askedFor = new(StringComparer.Ordinal);
    private int _attached;
    private TimeSpan? _attendedSince;
    private int _shortSidebands;
    private bool _closedInOrder;
    private long _spokenMs;
    private long _spokenCharacters;

    private void OnPlayedElsewhere(ModelEvent @event)
    {
        if (!start.Sideband)
        {
            return;
        }

        switch (@event)
        {
            case PlaybackStarted e:
                _playing.Add(e.ResponseId);
                OfResponse(e.ResponseId).ForEach(BeginHearing);
                break;
            case PlaybackStopped e:
                _playing.Remove(e.ResponseId);
                OfResponse(e.ResponseId).ForEach(EndHearing);
                break;
            case PlaybackCleared e:
                _playing.Remove(e.ResponseId);
                OfResponse(e.ResponseId).ForEach(CutHearing);
                SayGoodbyeLater();
                break;
            case ItemTruncated e when _agentTurns.Find(turn => turn.Played.ItemId == e.ItemId) is { } turn:
                Interrupt(turn, AudioLength.ToBytes(TimeSpan.FromMilliseconds(e.AudioEndMs)));
                turn.HeldUntil = null;
                SayGoodbyeLater();
                break;
            case ItemDone e:
                AskForMissed(e.PreviousItemId);
                if (_agentTurns.Exists(turn => turn.Played.ItemId == e.ItemId && turn.IsRetrieved))
                {
                    AskFor(e.ItemId); // More may have been said of it since.
                }

                break;
            case ItemRetrieved e:
                OnRetrieved(e);
                break;
        }
    }

    private List<AgentTurn> OfResponse(string responseId) => _agentTurns.FindAll(turn => turn.Played.ResponseId == responseId);

    /// <summary>A response may have several items, which are played as one.</summary>
    private void BeginIfPlaying(string responseId)
    {
        if (_playing.Contains(responseId))
        {
            OfResponse(responseId).ForEach(BeginHearing);
        }
    }

    private void BeginHearing(AgentTurn turn)
    {
        if (turn.Played.FirstSentAt is not null)
        {
            return;
        }

        turn.HeldUntil = null;
        turn.AnswersSpeechEndedAtMs = _speechEndedAtMs;
        (_speechEndedAtMs, _quietSince) = (null, null);
        _playback.Begins(turn.Played, _now, _now + LongestSpeech);
    }

    private void EndHearing(AgentTurn turn)
    {
        BeginHearing(turn); // If nobody told of its beginning.
        if (!turn.Played.IsOver)
        {
            _playback.WasHeard(turn.Played, _now);
        }
    }

    private void CutHearing(AgentTurn turn)
    {
        if (!turn.Played.IsOver)
        {
            Interrupt(turn, turn.Played.FirstHeardAt is { } since ? AudioLength.ToBytes(_now - since) : 0);
            turn.HeldUntil = _now + TruncationMayFollow;
        }
    }

    private void Interrupt(AgentTurn turn, long heard)
    {
        turn.IsInterrupted = true;
        turn.CutAtMs ??= _open?.StartMs ?? Ms(_now);
        _responses.Cut(turn.Played.ResponseId);
        _playback.WasCut(turn.Played, heard, _now);
    }

    /// <summary>A response may be complete a moment before the caller begins to hear it.</summary>
    private void AwaitPlayback(AgentTurn turn, string status)
    {
        if (start.Sideband && turn.Played.FirstSentAt is null)
        {
            turn.HeldUntil = status == "completed" ? _now + PlaybackMayBegin : null;
        }
    }

    /// <summary>A complete response is played, whether or not its beginning was told.</summary>
    private void TakeForBegun()
    {
        foreach (var turn in _agentTurns)
        {
            if (turn.HeldUntil <= _now && turn.Played.FirstSentAt is null && turn.Played.ResponseId != _responses.Active)
            {
                _playback.Begins(turn.Played, turn.HeldUntil.Value - PlaybackMayBegin, EndOf(turn, turn.HeldUntil.Value - PlaybackMayBegin));
                turn.HeldUntil = null;
            }
        }
    }

    /// <summary>When a turn that began then must have been heard, and a little later; not before now.</summary>
    private TimeSpan EndOf(AgentTurn turn, TimeSpan begun)
    {
        var ends = begun + AudioLength.Of(LengthOf(turn, turn.Said, turn.Played.Heard)) + PlaybackMayBegin;
        return ends > _now ? ends : _now;
    }

    private TimeSpan? HeldUntil()
    {
        TimeSpan? first = null;
        foreach (var turn in _agentTurns)
        {
            first = turn.HeldUntil > _now && (first is null || turn.HeldUntil < first) ? turn.HeldUntil : first;
        }

        return first;
    }

    /// <summary>How much audio a turn had. Of one that was cut nobody tells, so that the pace of this call's speech has to do.</summary>
    /// <returns>Bytes; no less than was heard.</returns>
    private long LengthOf(AgentTurn turn, string said, long heard)
    {
        if (turn.Played is { IsOver: true, IsCut: false })
        {
            return turn.Played.Heard;
        }

        var ms = _spokenCharacters > 0 ? said.Length * _spokenMs / _spokenCharacters : said.Length * UsualMsPerCharacter;
        return Math.Max(heard, AudioLength.ToBytes(TimeSpan.FromMilliseconds(ms)));
    }

    private void LearnPace(AgentTurn turn)
    {
        if (start.Sideband && turn.Played is { IsOver: true, IsCut: false, Heard: > 0 })
        {
            (_spokenMs, _spokenCharacters) = (_spokenMs + AudioLength.ToMs(turn.Played.Heard), _spokenCharacters + turn.Said.Trim().Length);
        }
    }

    /// <summary>The model counts the audio that the browser sends it: its count is set against the call's clock when it tells of it.</summary>
    private void AnchorClock(long sessionMs, bool isFirst)
    {
        if (start.Sideband && !(isFirst && _clock.ToCallMs(sessionMs) is not null))
        {
            _clock.Anchor(sessionMs, Ms(_now));
        }
    }

    // --- the sideband is lost, and attached again ---

    private void OnSidebandLost(ModelClosed e)
    {
        _closedInOrder = e.Code == 1000;
        _shortSidebands = _now - _attendedSince < AttendedForGood ? _shortSidebands + 1 : 0;
        (_model, _open, _answerDueAt, _retryAt, _wantedAgain) = (null, null, null, null, null);
        _responses.Reset();
        LeaveGoodbye();
        if (_expired)
        {
            End(CallEndReason.MaxDuration); // The model's own limit, beyond ours.
        }
        else if (e.Code is 3000 or 4000 || _shortSidebands > MostShortSidebands)
        {
            End(CallEndReason.ModelUnavailable);
        }
        else if (_dialReason is not null || _dialed is not null)
        {
            _goneSince = _now; // Another was to take its place anyway.
        }
        else if (_shortSidebands > 0)
        {
            (_goneSince, _dialReason) = (_now, "dropped");
            WaitToRedial();
        }
        else
        {
            _goneSince = _now;
            Dial("dropped");
        }
    }

    private void AttendAgain(ModelDialed dialed)
    {
        _attached++;
        _model = dialed.SessionId;
        _decisions.Add(new UseModel());
        RecordReconnect();
        (_dialed, _dialReason, _goneSince, _attendedSince, _renewAt) = (null, null, null, _now, null);
        TellOfCallBacks(hasAsked: true);
        foreach (var itemId in _callerTurns.Keys.Concat(_agentTurns.Where(turn => !turn.HasAllWords).Select(turn => turn.Played.ItemId)))
        {
            AskFor(itemId);
        }

        foreach (var turn in _agentTurns.Where(turn => turn.Played is { FirstHeardAt: not null, IsOver: false }))
        {
            turn.Played.Until = EndOf(turn, turn.Played.FirstHeardAt!.Value); // Its end may have been told while nobody listened.
        }

        if (_agentTurns.Count == 0 && _soFar.Count == 0)
        {
            Greet();
        }

        KeepAgent("The connection was interrupted.");
    }

    /// <summary>The item before the first that is told of again was added while nobody attended.</summary>
    private void AskForMissed(string? itemId)
    {
        if (_attached > 0 && itemId is not null && !_recorded.Contains(Key(itemId)) && !_callerTurns.ContainsKey(itemId)
            && !_agentTurns.Exists(turn => turn.Played.ItemId == itemId))
        {
            AskFor(itemId);
        }
    }

    /// <summary>Once, unless the words were not known yet: an item comes with its sound, and one that the sideband cannot carry would end the next as well.</summary>
    private void AskFor(string itemId)
    {
        if (_askedFor.Add(itemId))
        {
            Tell(new RetrieveItem(itemId));
        }
    }

    private void OnRetrieved(ItemRetrieved e)
    {
        _askedFor.Remove(e.ItemId);
        if (e.Text is null || _recorded.Contains(Key(e.ItemId)))
        {
            return;
        }

        if (e.Role == "user" && CallerTurnOf(e.ItemId) is { } caller)
        {
            _callerTurns.Remove(e.ItemId);
            RecordCaller(caller, e.Text.Trim(), language: null, TranscriptionOutcome.Completed);
        }
        else if (e.Role == "assistant" && TurnOf(e.ItemId, responseId: "") is { } agent)
        {
            agent.Retrieve(e.Text);
            if (!_playing.Contains(agent.Played.ResponseId))
            {
                EndHearing(agent);
            }
        }
    }
}
