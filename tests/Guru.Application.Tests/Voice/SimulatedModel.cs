using Guru.Application.Voice;
using Guru.Application.VoiceSessions;

namespace Guru.Application.Tests.Voice;

/// <summary>
/// A voice model that keeps to its protocol: in each session it hears what the caller says from the first frame that it got, answers each turn by itself,
/// has one response at a time, and breaks it off when the caller speaks. What it says, and which tools it uses, is up to chance; so is, where it fails, how.
/// </summary>
internal sealed class SimulatedModel
{
    private const int NoticesAfterMs = 200;
    private const int PrefixMs = 300;
    private const int TrailingMs = 500;
    private const int Slices = 4;

    // How long it takes until a failure is noticed and made good.
    private const double SlowDialMs = 6000;
    private const double RedialMs = 4000;
    private const double LossMs = 24_000;
    private const double UnheardMs = 20_000;
    private const double UnansweredMs = 8000;
    private const double UnbegunMs = 5000;
    private const double StallMs = 15_000;
    private const double FailureMs = 2000;
    private const double LimitMs = 5000;
    private const double EmptyMs = 20_000;

    private const string Words = "some words ";

    private readonly PhoneCall _call;
    private readonly Agenda _agenda;
    private readonly IReadOnlyList<Speech> _caller;
    private readonly bool _fails;
    private int _lifeMs;
    private int _session;
    private bool _isInUse;
    private double _beginsNothingUntil;
    private string? _turn;
    private string? _toAnswer;
    private string? _response;
    private int _named;

    public SimulatedModel(PhoneCall call, Agenda agenda, IReadOnlyList<Speech> caller, bool fails)
    {
        (_call, _agenda, _caller, _fails) = (call, agenda, caller, fails);
        call.Decides = Obeys;
        Dials();
    }

    /// <summary>The items in which it took leave.</summary>
    public HashSet<string> Goodbyes { get; } = [];

    /// <summary>When it was asked for a goodbye, or wanted to end the call, since the caller spoke last.</summary>
    public double? TakesLeaveSince { get; private set; }

    /// <summary>How many of its goodbyes were over without a word.</summary>
    public int EmptyGoodbyes { get; private set; }

    /// <summary>When it failed, and how long the rules allow until that is made good.</summary>
    public List<(double AtMs, double CostsMs)> Failures { get; } = [];

    /// <summary>When it noticed that the caller spoke.</summary>
    public List<double> NoticedAt { get; } = [];

    /// <summary>What it heard to the end.</summary>
    public HashSet<Speech> Heard { get; } = [];

    private void Obeys(CallDecision decision)
    {
        switch (decision)
        {
            case DialModel:
                Dials();
                break;
            case UseModel:
                (_isInUse, _turn, _response) = (true, null, null);
                _session++;
                In(150, Listens);
                In(_lifeMs, Expires);
                break;
            case TellModel { Command: CreateResponse create }:
                IsAsked(create);
                break;
            case TellModel { Command: CancelResponse cancel }:
                In(40, () => BreaksOff(cancel.ResponseId, afterMs: 0));
                break;
            case ArrangeCallBack arrange:
                _agenda.In(_agenda.Between(50, 1000), () => _call.Happens(new CallBackAnswered(arrange.ToolCallId, "{}")));
                break;
        }
    }

    /// <summary>In the session of now, if it is still in use then.</summary>
    private void In(double ms, Action happens)
    {
        var session = _session;
        _agenda.In(ms, () =>
        {
            if (_isInUse && _session == session)
            {
                happens();
            }
        });
    }

    private bool Fails(int percent, double costsMs, double? atMs = null)
    {
        var fails = _fails && _agenda.Between(0, 100) < percent;
        if (fails)
        {
            Failures.Add((atMs ?? _call.NowMs, costsMs));
        }

        return fails;
    }

    private string Name(string kind) => $"{kind}{++_named}";

    // --- sessions ---

    private void Dials() => _agenda.In(Fails(10, SlowDialMs) ? SlowDialMs : _agenda.Between(200, 900), () =>
    {
        if (Fails(15, RedialMs))
        {
            _call.Model.CannotBeReached();
        }
        else
        {
            _lifeMs = _agenda.OneIn(5) ? 40_000 : 3_600_000;
            _call.Model.IsReady(_lifeMs);
        }
    });

    private void LosesItself(int percent, int afterMs)
    {
        if (Fails(percent, LossMs))
        {
            In(afterMs, IsLost);
        }
    }

    private void Expires()
    {
        Failures.Add((_call.NowMs, LossMs));
        _call.Model.Refuses("session_expired");
        IsLost();
    }

    private void IsLost()
    {
        if (_isInUse)
        {
            (_isInUse, _turn, _response) = (false, null, null);
            _call.Model.Closes(_agenda.OneIn(3) ? null : 1001, _agenda.OneIn(4) ? ModelClosed.Silent : null);
        }
    }

    // --- the caller ---

    private double AppendedMs(double atMs) => _call.AppendedMs + atMs - _call.NowMs;

    private void Listens()
    {
        var (firstMs, freeMs) = (_call.NowMs - _call.AppendedMs, _call.NowMs);
        foreach (var speech in _caller.Where(speech => speech.UntilMs > firstMs + 100 && !Fails(2, UnheardMs, speech.FromMs)))
        {
            var beginsMs = Math.Max(freeMs, Math.Max(speech.FromMs, firstMs) + NoticesAfterMs);
            freeMs = Math.Max(beginsMs + 50, speech.UntilMs + TrailingMs);
            var item = Name("c");
            In(beginsMs - _call.NowMs, () => Notices(item, speech));
            In(freeMs - _call.NowMs, () => HasHeard(item, speech));
        }
    }

    private void Notices(string item, Speech speech)
    {
        (_turn, TakesLeaveSince) = (item, null);
        NoticedAt.Add(_call.NowMs);
        _call.Happens(new SpeechStarted(item, (long)Math.Max(0, AppendedMs(speech.FromMs) - PrefixMs)));
        if (_response is not null)
        {
            BreaksOff(_response, afterMs: 30);
        }

        LosesItself(4, _agenda.Between(0, 1500));
    }

    private void HasHeard(string item, Speech speech)
    {
        (_turn, _toAnswer) = (null, item);
        Heard.Add(speech);
        _call.Happens(new SpeechStopped(item, (long)AppendedMs(speech.UntilMs) + TrailingMs));
        _call.Happens(new TurnCommitted(item, PreviousItemId: null));
        In(_agenda.Between(100, 2600), () => _call.Caller.IsTranscribed(item, Words));
        In(_agenda.Between(20, 620), () =>
        {
            if (_response is null && _turn is null && _toAnswer == item && !BeginsNothing(UnansweredMs) && !Fails(6, UnansweredMs))
            {
                Begins(purpose: null, toolsAllowed: true);
            }
        });
    }

    // --- responses ---

    private void IsAsked(CreateResponse create)
    {
        if (create.Purpose == "goodbye")
        {
            TakesLeaveSince ??= _call.NowMs;
        }

        if (Fails(5, UnbegunMs))
        {
            _beginsNothingUntil = _call.NowMs + _agenda.Between(3000, 18_000);
        }

        In(60, () =>
        {
            if (_response is not null)
            {
                _call.Model.Refuses("conversation_already_has_active_response");
            }
            else if (!BeginsNothing(UnbegunMs))
            {
                Begins(create.Purpose, create.ToolsAllowed);
            }
        });
    }

    private bool BeginsNothing(double costsMs)
    {
        if (_call.NowMs >= _beginsNothingUntil)
        {
            return false;
        }

        Failures.Add((_call.NowMs, costsMs));
        return true;
    }

    private void Begins(string? purpose, bool toolsAllowed)
    {
        var response = _response = Name("r");
        _call.Happens(new ResponseCreated(response, purpose));
        var afterMs = _agenda.Between(100, 800);
        if (Fails(2, StallMs))
        {
            return; // It falls silent.
        }

        if (Fails(6, FailureMs))
        {
            In(afterMs, () => Finishes(response, "failed", "server_error"));
        }
        else if (Fails(3, LimitMs))
        {
            In(afterMs, () => Finishes(response, "failed", "rate_limit_exceeded"));
        }
        else if (Fails(4, EmptyMs))
        {
            EmptyGoodbyes += purpose == "goodbye" ? 1 : 0;
            In(afterMs, () => Finishes(response, _agenda.OneIn(2) ? "incomplete" : "completed"));
        }
        else
        {
            Answers(response, afterMs, takesLeave: purpose == "goodbye", usesTool: toolsAllowed && _agenda.OneIn(10));
        }
    }

    private void Answers(string response, int afterMs, bool takesLeave, bool usesTool)
    {
        var item = usesTool && _agenda.OneIn(2) ? null : Name("a");
        var ms = _agenda.Between(800, _agenda.OneIn(4) ? 20_000 : 5000);
        for (var slice = 0; slice < Slices && item is not null; slice++)
        {
            var isFirst = slice == 0;
            In(afterMs += ms / 20, () => Says(response, item, ms / Slices, isFirst, takesLeave));
        }

        In(afterMs, () =>
        {
            if (_response == response && item is not null)
            {
                _call.Model.EndsItem(response, item, string.Concat(Enumerable.Repeat(Words, Slices)));
            }

            if (_response == response && usesTool)
            {
                UsesTool(response, item);
            }

            Finishes(response, "completed");
        });
        LosesItself(4, _agenda.Between(0, afterMs));
    }

    private void Says(string response, string item, int ms, bool isFirst, bool takesLeave)
    {
        if (_response != response)
        {
            return;
        }

        if (takesLeave)
        {
            Goodbyes.Add(item);
        }

        if (isFirst)
        {
            _call.Model.Says(response, item, ms, Words);
        }
        else
        {
            _call.Model.GoesOn(response, item, ms, Words);
        }
    }

    /// <param name="item">What it said before.</param>
    private void UsesTool(string response, string? item)
    {
        var toolCall = Name("call_");
        var tool = _call.Model.UsesSome(response, toolCall, _agenda.Between(0, 240));
        if (tool != VoiceTools.EndCall || _call.Told.OfType<AnswerTool>().Any(answer => answer.ToolCallId == toolCall))
        {
            return; // It may not end the call now.
        }

        TakesLeaveSince ??= _call.NowMs;
        if (item is not null)
        {
            Goodbyes.Add(item);
        }
    }

    private void BreaksOff(string response, double afterMs)
    {
        if (_response == response)
        {
            _response = null;
            In(afterMs, () => _call.Model.Finishes(response, "cancelled"));
        }
    }

    private void Finishes(string response, string status, string? errorCode = null)
    {
        if (_response == response)
        {
            _response = null;
            _call.Model.Finishes(response, status, errorCode);
        }
    }
}

/// <summary>A stretch in which the caller speaks, by the call's clock.</summary>
internal readonly record struct Speech(double FromMs, double UntilMs)
{
    public double Ms => UntilMs - FromMs;

    public bool Meets(double fromMs, double untilMs) => FromMs < untilMs && UntilMs > fromMs;
}
