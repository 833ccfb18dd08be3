using Guru.Application.Traces;
using Guru.Application.VoiceSessions;
using Guru.Domain.Agents;
using Guru.Domain.Calls;

namespace Guru.Application.Voice;

/// <summary>What a session begins with.</summary>
/// <param name="Zero">The wall time of the call's clock at 0: the call's first Media Stream.</param>
/// <param name="Agent">Who has the call.</param>
/// <param name="Language">ISO 639-1, where the caller's is known.</param>
/// <param name="Resumed">The call goes on over a new stream.</param>
/// <param name="SoFar">What was said before, where the call goes on over a new stream.</param>
/// <param name="StreamSid">The Media Stream that speaks for the call.</param>
/// <param name="Memory">What the agent is told of the time before the call.</param>
/// <param name="Sideband">The audio goes between a browser and the model; this session attends, and is told what the caller hears.</param>
/// <param name="Purpose">Why Guru calls; null where it is called.</param>
/// <param name="BeginsAt">By the call's clock; later than 0 on a new stream.</param>
public sealed record CallSessionStart(
    DateTimeOffset Zero,
    AgentCatalog Agents,
    VoiceSettings Voice,
    string Agent,
    string? Language,
    bool Resumed,
    IReadOnlyList<HeardTurn> SoFar,
    string? StreamSid = null,
    string? Memory = null,
    bool Sideband = false,
    string? Purpose = null,
    TimeSpan BeginsAt = default);

/// <summary>
/// The course of a call: what happened goes in, what to do and what to record comes out. No sockets, no clock; the same
/// inputs at the same times give the same decisions, in a test, a replay and a call. docs/call-flow.md tells it in steps.
/// </summary>
/// <remarks>Not safe for concurrent use: the bridge hands in one thing at a time.</remarks>
/// <param name="trace">Keeps what goes in and what comes out, so that it can be replayed.</param>
public sealed partial class CallSession(CallSessionStart start, CallRules rules, CallTrace? trace = null)
{
    private const int FirstRedialMs = 200;
    private const int LongestRedialMs = 3000;
    private const int MostFailures = 3;
    private const int MostSecondsBetween = 3;

    /// <summary>A deadline met later than this tells of a busy machine, not of a silent line.</summary>
    private static readonly TimeSpan Stall = TimeSpan.FromMilliseconds(150);

    private readonly List<CallDecision> _decisions = [];
    private readonly Playback _playback = new();
    private readonly ResponseGate _responses = new();
    private readonly Dictionary<string, CallerTurn> _callerTurns = new(StringComparer.Ordinal);
    private readonly List<AgentTurn> _agentTurns = [];
    private readonly HashSet<string> _recorded = new(StringComparer.Ordinal);
    private readonly List<HeardTurn> _soFar = [.. start.SoFar];
    private readonly CallerLanguage _language = new(start.Language);

    private InputClock _clock = new();
    private CallerFrames _frames;
    private AgentTurn? _speaking;
    private long _latestStartMs = -1;
    private TimeSpan _now = start.BeginsAt;

    private string _agent = start.Agent;
    private HandOver? _handOver;
    private int _handOffs;
    private bool _mayHaveAgreed; // The caller has spoken since a call-back was proposed.
    private readonly Dictionary<string, int> _arranging = new(StringComparer.Ordinal); // Tool calls about a call-back, and the session that asked.
    private readonly List<CallBackAnswered> _untold = []; // What came of them while there was no session to tell.

    private string? _model;
    private int _epoch;
    private ModelDialed? _dialed;
    private string? _dialReason = "start";
    private int _dials = 1;
    private (string Agent, string? Language) _dialedFor = (start.Agent, start.Language);
    private TimeSpan? _goneSince;
    private TimeSpan? _redialAt;
    private TimeSpan? _renewAt;
    private bool _expired;
    private bool _answerOwed; // When the model went, the caller waited for an answer, or for the rest of one.

    private CallerTurn? _open;
    private readonly List<CallerTurn> _unanswered = []; // Until the caller is answered whole, or the turn's words are known.
    private readonly List<CallerTurn> _unheard = []; // Turns that a model left behind; the next one hears them again, under other names.
    private bool _gapFilled;
    private long? _speechEndedAtMs;
    private long _callerSilentSinceMs;
    private TimeSpan? _answerDueAt;
    private TimeSpan? _retryAt;
    private WantedResponse? _wantedAgain;
    private int _failures;
    private int _limits; // How often a rate limit stood in the way of an answer, and since when.
    private TimeSpan? _limitedSince;
    private int _saidNothing; // How many responses came to nothing since the caller spoke, or was answered.
    private string? _toolUsedBy; // The last response that used a tool.

    private TimeSpan? _quietSince;
    private string? _mayOwe; // What a moment's silence tells is awaited: an answer to keys, or the rest of what the agent said as it used a tool.
    private readonly List<AddSystemItem> _keys = []; // Those pressed since the caller was answered; a session that comes in between is told of them.
    private bool _keyCrosses; // A key was pressed after a response was asked for, which may begin without knowing of it.
    private int _reprompts;
    private TimeSpan? _drainAt;
    private Ending? _ending;
    private bool _lineIsGone;
    private CallEndReason? _endReason;
    private TimeSpan _lastWordsUntil;

    /// <summary>Only the transcript of the last words is waited for, and what the last response used.</summary>
    public bool LineIsGone => _lineIsGone;

    /// <summary>Nothing more will be decided.</summary>
    public bool IsOver { get; private set; }

    /// <summary>When the session must be told that its deadline has come, if nothing happens before.</summary>
    public TimeSpan? Deadline { get; private set; }

    /// <summary>
    /// What the caller said has neither been answered nor transcribed: should the model go, the next one has to hear it. Or that a turn has begun may not have been read yet.
    /// </summary>
    public bool KeepsCaller => _unanswered.Count > 0 || _unheard.Count > 0 || _frames.IsCatchingUp;

    /// <summary>What a session with the model is to be set up with that is dialled now.</summary>
    public VoiceConfiguration Configured => Configuration(_agent);

    /// <summary>How a session with the model is set up for an agent.</summary>
    public VoiceConfiguration Configuration(string agent, string? language) => start.Voice.For(start.Agents, agent, language, At(_now));

    /// <summary>The decisions since the last call, in order.</summary>
    public IReadOnlyList<CallDecision> TakeDecisions()
    {
        if (_decisions.Count == 0)
        {
            return [];
        }

        var decisions = _decisions.ToArray();
        _decisions.Clear();
        trace?.Decided(decisions);
        return decisions;
    }

    /// <summary>Places a frame of the caller on the call's clock.</summary>
    /// <param name="timestampMs">Milliseconds since the stream's start, or -1 where the carrier did not say.</param>
    public CallerFrame PlaceFrame(int bytes, long timestampMs, TimeSpan now)
    {
        var frame = _frames.Place(bytes, timestampMs, now);
        if (frame.EarlierMs > 0)
        {
            _clock.Earlier(frame.EarlierMs);
        }

        trace?.Placed(bytes, timestampMs, now, frame);
        return frame;
    }

    /// <summary>Notes audio that went to the model.</summary>
    public void Appended(int bytes, long callMs)
    {
        trace?.Appended(bytes, callMs);
        _clock.Appended(bytes, callMs);
    }

    /// <summary>Decides on a slice of the model's speech: sent to the caller, or dropped as part of something cut off.</summary>
    public AudioDecision OnModelAudio(in ModelAudio audio, TimeSpan now)
    {
        _now = now;
        var decision = Decide(audio, now);
        trace?.Spoke(audio, now, decision);
        return decision;
    }

    private AudioDecision Decide(in ModelAudio audio, TimeSpan now)
    {
        if (IsOver || _lineIsGone)
        {
            return default;
        }

        var turn = _speaking is not null && _speaking.Played.Is(audio.ItemId.Span) ? _speaking : Speaking(audio);
        if (turn is null)
        {
            return default;
        }

        turn.Generated += audio.Bytes;
        _responses.GoesOn(now);
        if (_responses.IsCut(turn.Played.ResponseId) || turn.Played.IsOver)
        {
            TruncateUnheard(turn);
            return default;
        }

        if (turn.Played.Sent == 0)
        {
            turn.Played.ContentIndex = audio.ContentIndex;
            turn.AnswersSpeechEndedAtMs = _speechEndedAtMs;
            _speechEndedAtMs = null;
            _quietSince = null;
        }
        else if (audio.ContentIndex != turn.Played.ContentIndex)
        {
            turn.BeginPart(audio.ContentIndex);
        }

        return _playback.Send(turn.Played, audio.Bytes, now);
    }

    /// <summary>Takes a receipt from the carrier; false if it proves nothing.</summary>
    public bool OnMark(PlaybackMark mark, TimeSpan now)
    {
        _now = now;
        var counts = !IsOver && _playback.Acknowledge(mark, now);
        trace?.Returned(mark, now, counts);
        if (counts)
        {
            Settle();
        }

        return counts;
    }

    public void Handle(CallInput input, TimeSpan now)
    {
        if (IsOver)
        {
            return;
        }

        _now = now;
        trace?.Told(input, now);
        switch (input)
        {
            case FromModel { Event: var @event } when !_lineIsGone:
                OnModelEvent(@event);
                break;
            case FromModel { Event: var @event }:
                OnLastWords(@event);
                break;
            case ModelDialed e:
                _dialed = e;
                DropUnwanted();
                break;
            case ModelDialFailed e:
                OnDialFailed(e);
                break;
            case DigitPressed { Digit: var digit }:
                OnKey(digit);
                break;
            case CallerHungUp:
                LoseLine(CallEndReason.CallerHungUp);
                break;
            case LineLost:
                LoseLine(start.Sideband ? CallEndReason.StreamLost : null);
                break;
            case StopNow:
                End(CallEndReason.ShuttingDown);
                break;
            case HeardLate { Turn: var turn }:
                OnHeardLate(turn);
                break;
            case DrainBegan { Within: var within }:
                _drainAt ??= now + within;
                break;
            case CallBackAnswered e:
                OnCallBackAnswered(e);
                break;
            case DeadlineCame:
                _playback.Tick(now);
                break;
        }

        Settle();
    }

    private void OnKey(char digit)
    {
        var key = new AddSystemItem($"The caller pressed the key {digit}.");
        _keys.Add(key);
        Tell(key);
        (_mayOwe, _quietSince, _reprompts) = (Answer, null, 0); // Once no further key is pressed.
        _keyCrosses = _responses.IsAsked;
    }

    /// <summary>Does what has become possible or due; after every input.</summary>
    private void Settle()
    {
        TakeForBegun();
        RecordWhatWasHeard();
        if (!_lineIsGone)
        {
            GiveUpWaiting();
        }

        if (!_lineIsGone)
        {
            UseDialedModel();
            GiveUpHandOver();
            Redial();
            FillGap();
            EndWhenDue();
        }

        if (!_lineIsGone)
        {
            BreakSilence();
            AskAgain();
            SayAwaitedGoodbye();
            CreateWhenFree();
        }
        else if ((_callerTurns.Count == 0 && _responses.IsIdle) || _model is null || _now >= _lastWordsUntil)
        {
            RecordUntranscribed();
            _decisions.Add(new Finish(_endReason));
            IsOver = true;
        }

        Deadline = NextDeadline();
        trace?.Waits(Deadline);
    }

    private bool IsQuiet =>
        _model is not null && _open is null && _answerDueAt is null && _retryAt is null && _ending is null && _handOver is null && _arranging.Count == 0 && _responses.IsFree
        && IsAllHeard;

    /// <summary>Nothing of what the agent said waits to be heard.</summary>
    private bool IsAllHeard => _playback.IsIdle && !_agentTurns.Exists(turn => turn.HeldUntil > _now);

    private TimeSpan? NextDeadline()
    {
        if (IsOver || _lineIsGone)
        {
            return IsOver ? null : _lastWordsUntil;
        }

        TimeSpan? next = _ending is null ? rules.MaxDuration : null;
        Consider(_playback.Deadline);
        Consider(HeldUntil());
        Consider(_quietSince + QuietLimit);
        Consider(_ending?.Limit);
        Consider(_ending is null ? _drainAt : null);
        Consider(_handOver is { NeedsSession: true, Limit: var limit } && limit > _now && _model is not null ? limit : null);
        Consider(_redialAt);
        Consider(_dialReason is null && _dialed is null ? _renewAt : null);
        Consider(_answerDueAt);
        Consider(_retryAt);
        Consider(_open is not null && !_gapFilled && _model is not null ? _frames.LastAt + rules.MediaGap : null);
        Consider(_responses.Limit);
        Consider(MayCreate ? _responses.NotBefore : null);
        return next;

        void Consider(TimeSpan? candidate)
        {
            if (candidate is not null && (next is null || candidate < next))
            {
                next = candidate;
            }
        }
    }

    private static long Ms(TimeSpan at) => (long)at.TotalMilliseconds;

    private DateTimeOffset At(TimeSpan at) => start.Zero + at;

    private void Tell(ModelCommand command)
    {
        if (_model is not null)
        {
            _decisions.Add(new TellModel(command));
        }
    }
}
