using Guru.Application.Traces;
using Guru.Application.Voice;
using Guru.Application.VoiceSessions;
using Guru.Domain.Agents;
using Guru.Domain.Callers;
using Guru.Domain.Calls;
using Guru.Infrastructure.Agents;
using Guru.Sandbox.Audio;
using Guru.Sandbox.OpenAI;
using Guru.Sandbox.Twilio;
using HangUp = Guru.Application.Voice.HangUp;

namespace Guru.Rehearsal;

/// <summary>How a virtual call goes.</summary>
public sealed record VirtualCallOptions
{
    public required CallerScript Caller { get; init; }

    public CallRules Rules { get; init; } = new();

    /// <summary>The settings of the model's session with this number, from 1.</summary>
    public Func<int, RealtimeSessionOptions> Model { get; init; } = number => new RealtimeSessionOptions { Seed = number };

    /// <summary>How long a message takes between Guru and the carrier, one way.</summary>
    public TimeSpan LineDelay { get; init; } = TimeSpan.FromMilliseconds(20);

    public TimeSpan AtMost { get; init; } = TimeSpan.FromMinutes(90);

    /// <summary>Keep what the session is told, so that the call can be replayed.</summary>
    public bool Traced { get; init; }
}

/// <summary>What became of it.</summary>
/// <param name="Decisions">All that the session decided, with the time.</param>
/// <param name="Playback">What the carrier was sent, and what of it the caller heard.</param>
/// <param name="Truncations">What the model's sessions were told was heard.</param>
/// <param name="Traces">One for each stream, if the call was traced.</param>
public sealed record VirtualCallRecord(
    IReadOnlyList<CallEvent> Events,
    CallEndReason? EndReason,
    IReadOnlyList<(TimeSpan At, CallDecision Decision)> Decisions,
    PlaybackBuffer Playback,
    IReadOnlyList<Truncation> Truncations,
    IReadOnlyList<string> Traces)
{
    public IReadOnlyList<UtteranceTranscribed> Utterances => [.. Events.OfType<UtteranceTranscribed>().OrderBy(said => said.StartMs)];
}

/// <summary>
/// A call in virtual time: Guru's <see cref="CallSession"/> between the sandbox's caller, its carrier's playback and its model,
/// all of them driven by one clock that jumps from one due moment to the next. Ten minutes take milliseconds, and every run is the same.
/// </summary>
public sealed class VirtualCall
{
    private static readonly TimeSpan Frame = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan ActionUrl = TimeSpan.FromMilliseconds(300);
    private static readonly DateTimeOffset Zero = new(2026, 11, 22, 12, 0, 0, TimeSpan.Zero);
    private static readonly AgentCatalog Agents = AgentsFile.Load(AgentsFile.ShippedPath);
    private static readonly CallSid Sid = CallSid.Parse("CA00000000000000000000000000000001");

    private readonly VirtualCallOptions _options;
    private CallSession _session;
    private readonly PlaybackBuffer _playback = new();
    private readonly PriorityQueue<Action, (TimeSpan At, long Order)> _later = new();
    private readonly List<(TimeSpan, CallDecision)> _decisions = [];
    private readonly List<CallEvent> _events = [];
    private readonly List<(byte[] Payload, int Bytes, long CallMs)> _tape = [];
    private readonly List<(byte[] Payload, int Bytes, long CallMs)> _held = [];
    private Call _call = Call.NotStarted;
    private VirtualModel? _model;
    private VirtualModel? _dialing;
    private bool _announced;
    private readonly List<VirtualModel> _models = [];
    private readonly List<CallTrace> _traces = [];
    private TimeSpan _streamFrom;
    private int _streams;
    private int _dials;
    private long _order;
    private TimeSpan _now;
    private TimeSpan _nextFrame;
    private bool _lineIsUp = true;
    private bool _over;
    private CallEndReason? _endReason;

    private VirtualCall(VirtualCallOptions options)
    {
        _options = options;
        _session = Session(AgentCatalog.GeneralName, language: null, soFar: null);
    }

    private CallSession Session(string agent, string? language, IReadOnlyList<HeardTurn>? soFar)
    {
        var start = new CallSessionStart(Zero, Agents, new VoiceSettings(), agent, language, Resumed: soFar is not null, soFar ?? []);
        if (!_options.Traced)
        {
            return new CallSession(start, _options.Rules);
        }

        _traces.Add(new CallTrace(start, _options.Rules, int.MaxValue));
        return new CallSession(start, _options.Rules, _traces[^1]);
    }

    public static VirtualCallRecord Run(VirtualCallOptions options)
    {
        var call = new VirtualCall(options);
        call.Run();
        return new VirtualCallRecord(
            call._events,
            call._endReason,
            call._decisions,
            call._playback,
            [.. call._models.SelectMany(model => model.Truncations)],
            [.. call._traces.Select(trace => TraceText.Fold(trace.Close().Span))]);
    }

    private void Run()
    {
        var caller = CallerId.Of(CallerAddress.Parse("+233201234567"), "invented"u8);
        Note(new StartCall(
            Sid, caller, "+233201234567", CallChannel.Whatsapp, CallDirection.Inbound, Language: null, Token(0), AgentCatalog.GeneralName, "Rehearsed.", Zero));
        Connect();
        while (!_over && _now < _options.AtMost)
        {
            _now = NextMoment();
            while (_later.TryPeek(out var action, out var due) && due.At <= _now)
            {
                _later.Dequeue();
                action();
            }

            Speak();
            ReadModel();
            ReturnMarks();
            if (_now >= _session.Deadline)
            {
                Handle(new DeadlineCame());
            }
        }
    }

    private TimeSpan NextMoment()
    {
        var next = _options.AtMost;
        Consider(_lineIsUp ? _nextFrame : null);
        Consider(_later.TryPeek(out _, out var due) ? due.At : null);
        Consider(_model?.NextDue);
        Consider(_dialing?.NextDue);
        Consider(_playback.NextDue);
        Consider(_session.Deadline);
        return next > _now ? next : _now;

        void Consider(TimeSpan? at) => next = at < next ? at.Value : next;
    }

    private void Speak()
    {
        if (!_lineIsUp || _now < _nextFrame)
        {
            return;
        }

        var timestampMs = (long)(_nextFrame - _streamFrom).TotalMilliseconds;
        _nextFrame += Frame;
        var frame = _options.Caller.Next(_now, _playback);
        switch (frame.Kind)
        {
            case CallerFrameKind.HangUp:
                _lineIsUp = false;
                Handle(new CallerHungUp());
                return;
            case CallerFrameKind.LoseStream:
                _lineIsUp = false;
                Handle(new LineLost());
                return;
            case CallerFrameKind.Digit:
                Handle(new DigitPressed(frame.Digit));
                break;
        }

        if (!frame.Audio.IsEmpty)
        {
            var placed = _session.PlaceFrame(frame.Audio.Length, timestampMs, _now);
            AppendSilence(placed.GapMs, placed.CallMs - placed.GapMs);
            Append(frame.Audio.ToArray(), placed.CallMs);
        }
    }

    private void Append(byte[] audio, long callMs)
    {
        var payload = System.Text.Encoding.ASCII.GetBytes(Convert.ToBase64String(audio));
        _tape.Add((payload, audio.Length, callMs));
        if (_model is null)
        {
            _held.Add((payload, audio.Length, callMs));
        }
        else
        {
            _model.Append(payload, _now);
            _session.Appended(audio.Length, callMs);
        }
    }

    private void AppendSilence(int ms, long callMs)
    {
        if (ms > 0)
        {
            var silence = new byte[ms * AudioLength.BytesPerMs];
            silence.AsSpan().Fill(MuLaw.Silence);
            Append(silence, callMs);
        }
    }

    private void ReadModel()
    {
        if (_dialing is { } dialing)
        {
            while (!dialing.IsReady && dialing.Refused is null && dialing.TryRead(_now, out _))
            {
            }

            if (dialing.Refused is { } refused)
            {
                _dialing = null;
                Handle(new ModelDialFailed(refused.Reason ?? "closed", Transient: refused.Code is not (3000 or 4000)));
            }
            else if (dialing.IsReady && !_announced)
            {
                _announced = true;
                Handle(new ModelDialed(dialing.SessionId, dialing.ExpiresAt));
            }
        }

        while (_model is { } model && model.TryRead(_now, out var message))
        {
            if (message.Event is null)
            {
                Play(message.Audio);
            }
            else
            {
                Handle(new FromModel(message.Event), lost: message.Event is ModelClosed);
            }
        }
    }

    private void Play(in ModelAudio audio)
    {
        var decision = _session.OnModelAudio(audio, _now);
        if (decision.Play)
        {
            var bytes = Convert.FromBase64String(System.Text.Encoding.ASCII.GetString(audio.Payload.Span));
            Mark(decision.Before);
            AtCarrier(() => _playback.Enqueue(bytes, _now));
            Mark(decision.After);
        }

        CarryOut();
    }

    private void Mark(PlaybackMark? mark)
    {
        if (mark is { } m)
        {
            AtCarrier(() => _playback.Mark($"{m.Generation}:{m.Position}", _now));
        }
    }

    private void ReturnMarks()
    {
        _playback.Advance(_now);
        while (_playback.TryTakeMark(out var returned))
        {
            var parts = returned.Name.Split(':');
            var mark = new PlaybackMark(int.Parse(parts[0]), long.Parse(parts[1]));
            AtCarrier(() =>
            {
                _session.OnMark(mark, _now);
                CarryOut();
            });
        }
    }

    private void Handle(CallInput input, bool lost = false)
    {
        _session.Handle(input, _now);
        if (lost)
        {
            _model = null;
        }

        CarryOut();
    }

    private void CarryOut()
    {
        foreach (var decision in _session.TakeDecisions())
        {
            _decisions.Add((_now, decision));
            switch (decision)
            {
                case TellModel d:
                    _model?.Send(d.Command, _now);
                    break;
                case AppendSilence d:
                    AppendSilence(d.Ms, d.CallMs);
                    break;
                case ClearLine:
                    AtCarrier(() => _playback.Clear(_now));
                    break;
                case MarkLine d:
                    Mark(d.Mark);
                    break;
                case Record d:
                    Note(d.Fact);
                    break;
                case DialModel d:
                    Dial(_session.Configuration(d.Agent, d.Language));
                    break;
                case DropModel:
                    _dialing = null;
                    break;
                case ConfigureModel d:
                    _model?.Send(new Configure(_session.Configuration(d.Agent, d.Language), d.IsFresh), _now);
                    break;
                case RewindCaller d:
                    _held.InsertRange(0, _tape.Where(frame => frame.CallMs >= d.FromMs && !_held.Contains(frame)));
                    break;
                case UseModel:
                    (_model, _dialing) = (_dialing, null);
                    break;
                case HangUp:
                    _lineIsUp = false;
                    break;
                case Finish { Reason: { } reason }:
                    End(reason);
                    break;
                case Finish:
                    Later(ActionUrl, Resume);
                    break;
            }
        }

        foreach (var (payload, bytes, callMs) in _model is null ? [] : _held.ToArray())
        {
            _model!.Append(payload, _now);
            _session.Appended(bytes, callMs);
        }

        if (_model is not null)
        {
            _held.Clear();
        }
    }

    private void Dial(VoiceConfiguration configuration)
    {
        var options = _options.Model(++_dials);
        if (options.Faults.RefuseUpgrade is { } status)
        {
            Later(TimeSpan.FromMilliseconds(50), () => Handle(new ModelDialFailed(status.ToString(), Transient: status is 429 or >= 500)));
        }
        else
        {
            Later(TimeSpan.FromMilliseconds(100), () =>
            {
                (_dialing, _announced) = (new VirtualModel(options, configuration, _now), false);
                _models.Add(_dialing);
            });
        }
    }

    private void Connect()
    {
        Note(new ConnectMediaStream($"MZ{_streams:D32}", Token(_streams), "rehearsal", Zero + _now));
        _streams++;
        Dial(_session.Configured);
    }

    /// <summary>What the carrier and the action URL do after a lost stream: the call goes on over another.</summary>
    private void Resume()
    {
        Note(new RequestMediaStream(Token(_streams), _options.Rules.MostResumes, Zero + _now));
        var expected = ExpectedCall.From(Sid, _events, Token(_streams), memory: null);
        _session = Session(expected.Agent, expected.Language, expected.Earlier?.SoFar ?? []);
        (_model, _dialing, _nextFrame, _streamFrom, _lineIsUp) = (null, null, _now, _now, true);
        _playback.Drop(_now);
        Connect();
    }

    private void End(CallEndReason reason)
    {
        (_over, _endReason) = (true, reason);
        Note(new RecordStatus(new CallStatusChanged(
            CallStatus.Completed, Sid, CallerId: null, CallDirection.Inbound, DurationSeconds: null, ErrorCode: null, Zero + _now)));
    }

    private static string Token(int number) => $"token-{number}";

    private void Note(CallCommand fact)
    {
        foreach (var @event in Call.Decide(_call, fact))
        {
            _call = Call.Apply(_call, @event);
            _events.Add(@event);
        }
    }

    private void AtCarrier(Action action) => Later(_options.LineDelay, action);

    private void Later(TimeSpan delay, Action action) => _later.Enqueue(action, (_now + delay, _order++));
}
