using System.Globalization;
using System.Text;
using Guru.Application.Traces;
using Guru.Application.Voice;
using Guru.Application.VoiceSessions;
using Guru.Domain.Agents;
using Guru.Domain.Calls;
using Shouldly;
using Record = Guru.Application.Voice.Record;

namespace Guru.Application.Tests.Voice;

/// <summary>
/// A call in virtual time: a session between a simulated carrier and a model that the test speaks for. Frames of the caller
/// come every 20 ms, marks when the carrier has played them, and deadlines when they are due.
/// </summary>
internal sealed class PhoneCall
{
    public static readonly DateTimeOffset Zero = new(2026, 1, 2, 3, 4, 5, TimeSpan.Zero);

    private const int FrameMs = 20;
    private readonly List<(double At, CallDecision Decision)> _decisions = [];
    private readonly List<(double At, object Told)> _course = [];
    private readonly CallerTape _tape = new();
    private readonly Queue<string> _asked = new();
    private double _nextFrame;
    private int _deadlinesInARow;
    private string? _dialed;
    private string? _session;

    /// <summary>Legal has a voice of its own, the others share one.</summary>
    public static AgentCatalog Agents { get; } = new(
        "house", "spoken", "written",
        [
            new Agent("general", "The rest.", "You are the general advisor.", Voice: null, GreetingHint: null),
            new Agent("healthcare", "Health.", "You are the healthcare advisor.", Voice: null, GreetingHint: null),
            new Agent("legal", "Law.", "You are the legal advisor.", Voice: "cedar", GreetingHint: null),
        ]);

    public static string Greeting { get; } =
        $"{new VoiceSettings().For(Agents, "general", language: null, Zero).Instructions}\n\n{CallPrompts.Greeting(hint: null, known: false, language: null)}";

    public PhoneCall(
        Action<CallRules>? rules = null, bool resumed = false, IReadOnlyList<HeardTurn>? soFar = null, double startsAt = 0, string? language = null,
        bool sideband = false, int traceBytes = 0)
    {
        rules?.Invoke(Rules);
        var start = new CallSessionStart(
            Zero, Agents, new VoiceSettings { Model = "voice-model", TranscriptionModel = "transcription-model" }, "general", language, resumed, soFar ?? [], Sideband: sideband);
        Trace = traceBytes > 0 ? new CallTrace(start, Rules, traceBytes) : null;
        Session = new CallSession(start, Rules, Trace);
        (NowMs, _nextFrame, StartedAt) = (startsAt, startsAt, startsAt);
        Model = new ModelSide(this);
        Caller = new CallerSide(this);
    }

    public CallRules Rules { get; } = new() { SilenceSeconds = 20, AnswerSeconds = 8 };

    public CallSession Session { get; }

    public CallTrace? Trace { get; }

    public Carrier Carrier { get; } = new();

    public ModelSide Model { get; }

    public CallerSide Caller { get; }

    public double NowMs { get; private set; }

    public double StartedAt { get; }

    public TimeSpan Now => TimeSpan.FromMilliseconds(NowMs);

    public bool SendsFrames { get; set; } = true;

    /// <summary>Is told of each decision once it has been carried out.</summary>
    public Action<CallDecision>? Decides { get; set; }

    /// <summary>Milliseconds of audio appended in the model's session.</summary>
    public long AppendedMs { get; private set; }

    public IReadOnlyList<CallDecision> Decisions => [.. _decisions.Select(decision => decision.Decision)];

    public IReadOnlyList<ModelCommand> Told => [.. Decisions.OfType<TellModel>().Select(tell => tell.Command)];

    public IReadOnlyList<string> Asked => [.. Told.OfType<CreateResponse>().Select(create => create.Purpose)];

    public IReadOnlyList<TruncateItem> Truncated => [.. Told.OfType<TruncateItem>()];

    public IReadOnlyList<CallCommand> Facts => [.. Decisions.OfType<Record>().Select(record => record.Fact)];

    public IReadOnlyList<UtteranceTranscribed> Utterances => [.. Facts.OfType<RecordUtterance>().Select(fact => fact.Utterance)];

    public IReadOnlyList<VoiceModelReconnected> Reconnects => [.. Facts.OfType<RecordReconnect>().Select(fact => fact.Reconnect)];

    public IReadOnlyList<AgentHandedOff> HandOffs => [.. Facts.OfType<RecordHandOff>().Select(fact => fact.HandOff)];

    public IReadOnlyList<CallLanguageDetermined> Languages => [.. Facts.OfType<RecordLanguage>().Select(fact => fact.Language)];

    public IReadOnlyList<CallEndReason> Ended => [.. Facts.OfType<EndCall>().Select(fact => fact.Reason)];

    public IReadOnlyList<string> Dialed => [.. Decisions.OfType<DialModel>().Select(dial => dial.Reason)];

    public bool IsOver => Session.IsOver;

    /// <summary>What the session was told and what it decided, receipts and audio apart; for a test that fails.</summary>
    public string Course => string.Join('\n', _course.Select(told => string.Create(CultureInfo.InvariantCulture, $"{told.At / 1000,7:0.00} {told.Told}")));

    /// <summary>A call whose model is ready, and whose greeting has been asked for.</summary>
    public static PhoneCall Answered(Action<CallRules>? rules = null)
    {
        var call = new PhoneCall(rules);
        call.Model.IsReady();
        return call;
    }

    /// <summary>A call whose model is ready, and that can be replayed.</summary>
    public static PhoneCall Traced(int traceBytes = 1 << 20)
    {
        var call = new PhoneCall(traceBytes: traceBytes);
        call.Model.IsReady();
        return call;
    }

    /// <summary>A call whose greeting has been heard, 1.5 s in.</summary>
    public static PhoneCall Greeted(Action<CallRules>? rules = null)
    {
        var call = Answered(rules);
        call.Model.Speaks("greeting", 1000, "Hello, this is Guru.");
        call.Passes(1500);
        return call;
    }

    public double TimeOf(Func<CallDecision, bool> which) => _decisions.First(decision => which(decision.Decision)).At;

    public int Count<T>()
        where T : CallDecision => _decisions.Count(decision => decision.Decision is T);

    public UtteranceTranscribed Utterance(string item) => Utterances.Where(utterance => utterance.UtteranceId.EndsWith(":" + item, StringComparison.Ordinal)).ShouldHaveSingleItem();

    /// <summary>What holds of every call that is over.</summary>
    public void IsRecordedOnce()
    {
        IsOver.ShouldBeTrue();
        Session.Deadline.ShouldBeNull();
        Count<Finish>().ShouldBe(1);
        Ended.Count.ShouldBe(Decisions.OfType<Finish>().Single().Reason is null ? 0 : 1);
        Count<HangUp>().ShouldBeLessThanOrEqualTo(1);
        Utterances.Select(utterance => utterance.UtteranceId).ShouldBeUnique();
        foreach (var utterance in Utterances)
        {
            utterance.HeardMs.ShouldBeInRange(0, utterance.SaidMs);
            utterance.EndMs.ShouldBeGreaterThanOrEqualTo(utterance.StartMs);
            utterance.Said.ShouldStartWith(utterance.Heard);
        }
    }

    public void Happens(CallInput input)
    {
        Remember(input);
        Session.Handle(input, Now);
        CarryOut();
    }

    public void Happens(ModelEvent @event)
    {
        Remember(@event);
        Session.Handle(new FromModel(@event), Now);
        if (@event is ModelClosed)
        {
            _session = null;
        }

        CarryOut();
    }

    public AudioDecision Audio(string item, string response, int bytes, int part = 0)
    {
        var decision = Session.OnModelAudio(
            new ModelAudio(Encoding.UTF8.GetBytes(response), Encoding.UTF8.GetBytes(item), part, new byte[4], bytes), Now);
        if (decision.Play)
        {
            if (decision.Before is { } before)
            {
                Carrier.Mark(before, NowMs);
            }

            Carrier.Media(item, bytes, NowMs);
            if (decision.After is { } after)
            {
                Carrier.Mark(after, NowMs);
            }
        }

        CarryOut();
        return decision;
    }

    public void Returns(PlaybackMark mark)
    {
        Session.OnMark(mark, Now);
        CarryOut();
    }

    public void Passes(double ms)
    {
        var until = NowMs + ms;
        while (!Session.IsOver)
        {
            var mark = Carrier.NextMarkAt ?? double.MaxValue;
            var deadline = Session.Deadline?.TotalMilliseconds ?? double.MaxValue;
            var next = Math.Min(Math.Min(mark, deadline), SendsFrames ? _nextFrame : double.MaxValue);
            if (next > until)
            {
                break;
            }

            NowMs = Math.Max(NowMs, next);
            if (next == mark)
            {
                foreach (var returned in Carrier.TakeMarks(NowMs))
                {
                    Returns(returned);
                }
            }
            else if (next == deadline)
            {
                DeadlineComes();
            }
            else
            {
                SendFrame();
            }
        }

        NowMs = Math.Max(NowMs, until);
    }

    /// <summary>Lets time pass until something holds.</summary>
    public void PassesUntil(Func<bool> holds, double atMostMs = 120_000)
    {
        var until = NowMs + atMostMs;
        while (!holds())
        {
            NowMs.ShouldBeLessThan(until, "It never came to that.");
            Passes(10);
        }
    }

    private void DeadlineComes()
    {
        var decided = _decisions.Count;
        Happens(new DeadlineCame());
        if (Session.Deadline > Now || _decisions.Count > decided)
        {
            _deadlinesInARow = 0;
        }
        else
        {
            (++_deadlinesInARow).ShouldBeLessThan(3, "The deadline spins.");
        }
    }

    private void SendFrame()
    {
        var frame = Session.PlaceFrame(FrameMs * 8, (long)(_nextFrame - StartedAt), Now);
        _nextFrame += FrameMs;
        if (frame.GapMs > 0)
        {
            Append(frame.GapMs * 8, frame.CallMs - frame.GapMs);
        }

        Append(FrameMs * 8, frame.CallMs);
    }

    private void Append(int bytes, long callMs)
    {
        _tape.Add([], bytes, callMs, Session.KeepsCaller);
        Deliver();
    }

    private void Deliver()
    {
        while (_session is not null && _tape.TryDeliver(out _, out var bytes, out var callMs))
        {
            Session.Appended(bytes, callMs);
            AppendedMs += bytes / 8;
        }
    }

    private void Remember(object told)
    {
        if (told is not (DeadlineCame or MarkLine or AgentTranscriptDelta))
        {
            _course.Add((NowMs, told is TellModel { Command: CreateResponse create } ? $"Asks for {create.Purpose}" : told));
        }
    }

    public void SkipFrames() => _nextFrame = Math.Ceiling(NowMs / FrameMs) * FrameMs;

    public void Dials(string session) => _dialed = session;

    public string? NextPurpose() => _asked.TryDequeue(out var purpose) ? purpose : null;

    private void CarryOut()
    {
        foreach (var decision in Session.TakeDecisions())
        {
            _decisions.Add((NowMs, decision));
            Remember(decision);
            switch (decision)
            {
                case ClearLine:
                    Carrier.Clear(NowMs);
                    break;
                case MarkLine d:
                    Carrier.Mark(d.Mark, NowMs);
                    break;
                case AppendSilence d:
                    Append(d.Ms * 8, d.CallMs);
                    break;
                case TellModel { Command: CreateResponse create }:
                    _asked.Enqueue(create.Purpose);
                    break;
                case UseModel:
                    (_session, AppendedMs) = (_dialed, 0);
                    _asked.Clear();
                    break;
                case RewindCaller d:
                    _tape.Rewind(d.FromMs);
                    break;
            }

            Decides?.Invoke(decision);
        }

        Deliver();
    }
}

/// <summary>What the voice model does.</summary>
internal sealed class ModelSide(PhoneCall call)
{
    private int _sessions;
    private int _responses;

    public string IsReady(double forMs = 3_600_000)
    {
        var session = $"sess_{++_sessions}";
        call.Dials(session);
        call.Happens(new ModelDialed(session, call.Now + TimeSpan.FromMilliseconds(forMs)));
        return session;
    }

    public void CannotBeReached(string code = "503", bool transient = true, TimeSpan? retryAfter = null) => call.Happens(new ModelDialFailed(code, transient, retryAfter));

    /// <summary>Begins a response: the one that was asked for, or one of its own.</summary>
    public string Begins(string? response = null)
    {
        response ??= $"resp_{++_responses}";
        call.Happens(new ResponseCreated(response, call.NextPurpose()));
        return response;
    }

    /// <summary>Sends speech, faster than it can be heard.</summary>
    public void Says(string response, string item, int ms, string words)
    {
        call.Happens(new OutputItemAdded(response, item, "message"));
        GoesOn(response, item, ms, words);
    }

    public void GoesOn(string response, string item, int ms, string words)
    {
        for (var left = ms * 8; left > 0; left -= 1000)
        {
            call.Audio(item, response, Math.Min(1000, left));
        }

        call.Happens(new AgentTranscriptDelta(response, item, words));
    }

    public void EndsItem(string response, string item, string words)
    {
        call.Happens(new AgentAudioDone(response, item));
        call.Happens(new AgentTranscriptDone(response, item, words));
        call.Happens(new ItemDone(item, PreviousItemId: null));
    }

    public void Finishes(string response, string status = "completed", string? errorCode = null, TimeSpan? retryAfter = null, bool lasting = false) =>
        call.Happens(new ResponseDone(response, Purpose: null, status, Reason: null, errorCode, Usage: null, retryAfter, lasting));

    /// <summary>A whole response of one item, generated at once.</summary>
    public string Speaks(string item, int ms, string words)
    {
        var response = Begins();
        Says(response, item, ms, words);
        EndsItem(response, item, words);
        Finishes(response);
        return response;
    }

    public string Fails(string code, TimeSpan? retryAfter = null, bool lasting = false)
    {
        var response = Begins();
        Finishes(response, "failed", code, retryAfter, lasting);
        return response;
    }

    public void Uses(string response, string tool, string toolCall = "call_1", string arguments = "{}") =>
        call.Happens(new ToolCalled(response, $"tool_{toolCall}", toolCall, tool, arguments));

    /// <summary>Uses one of its tools, sensibly or not.</summary>
    /// <returns>Which.</returns>
    public string UsesSome(string response, string toolCall, int how)
    {
        var (tool, arguments) = (how % 8) switch
        {
            0 => (VoiceTools.EndCall, "{}"),
            1 => ("look_up", "{}"),
            2 => (VoiceTools.SetLanguage, $$"""{"language":"{{Pick(["fr", "es", "?"], how / 8)}}"}"""),
            3 => (VoiceTools.CallBack, $$"""{"action":"{{Pick([VoiceTools.Propose, VoiceTools.Confirm, VoiceTools.Cancel], how / 8)}}"}"""),
            _ => (VoiceTools.HandOff, Request(Pick(["general", "healthcare", "legal", "legal", "nobody"], how / 8))),
        };
        Uses(response, tool, toolCall, arguments);
        return tool;
    }

    public void HandsOff(string response, string to, string toolCall = "call_1") => Uses(response, VoiceTools.HandOff, toolCall, Request(to));

    public void Refuses(string code, bool lasting = false) => call.Happens(new ModelErrored(code, ClientEventId: null, RetryAfter: null, lasting));

    public void Closes(int? code = null, string? reason = null) => call.Happens(new ModelClosed(code, reason));

    private static string Request(string to) => $$"""{"agent":"{{to}}","reason":"a visa","request":"May they stay after the visa ends?"}""";

    private static string Pick(string[] among, int how) => among[how % among.Length];
}

/// <summary>What the caller does, as the model's voice detection tells it.</summary>
internal sealed class CallerSide(PhoneCall call)
{
    private const int PrefixMs = 300;
    private const int TrailingMs = 500;

    public void Begins(string item) => call.Happens(new SpeechStarted(item, Math.Max(0, call.AppendedMs - PrefixMs)));

    public void Stops(string item)
    {
        call.Happens(new SpeechStopped(item, call.AppendedMs));
        call.Happens(new TurnCommitted(item, PreviousItemId: null));
    }

    public void IsTranscribed(string item, string words, string? language = null) =>
        call.Happens(new CallerTranscribed(item, words, language, Usage: null));

    /// <summary>A whole turn, with its transcript at its end.</summary>
    public void Speaks(string item, double ms, string words)
    {
        Begins(item);
        call.Passes(ms + TrailingMs);
        Stops(item);
        IsTranscribed(item, words);
    }

    public void HangsUp() => call.Happens(new CallerHungUp());
}
