using Guru.Application.Voice;
using Guru.Domain.Calls;
using Shouldly;

namespace Guru.Application.Tests.Voice;

/// <summary>
/// A call of a few minutes between a caller who speaks when chance will have it, and a model that keeps to its protocol. A seed gives the same call every
/// time.
/// </summary>
internal sealed class SimulatedCall
{
    private const int MaxDurationMs = 150_000;
    private const int ToleranceMs = 250;

    /// <summary>From a wish to the model's first word.</summary>
    private const double WishMs = 2000;

    /// <summary>A failure that began so long before a silence may last into it.</summary>
    private const double BeforeMs = 5000;

    private readonly PhoneCall _call = new(rules => rules.MaxDurationSeconds = MaxDurationMs / 1000);
    private readonly List<Speech> _speeches = [];
    private readonly SimulatedModel _model;
    private readonly List<(string Item, Speech Heard)> _agent;
    private readonly double _overAtMs;
    private readonly string? _brokeOff;

    /// <param name="seed">Below 0, the model fails.</param>
    public SimulatedCall(int seed)
    {
        Seed = seed;
        var agenda = new Agenda(_call, seed);
        Plan(agenda);
        _model = new SimulatedModel(_call, agenda, _speeches, fails: seed < 0);
        try
        {
            agenda.Run(_call.Rules.Longest.TotalMilliseconds);
        }
        catch (ShouldAssertException broke)
        {
            _brokeOff = broke.Message;
        }

        _overAtMs = _call.Count<HangUp>() == 0 ? _call.NowMs : _call.TimeOf(decision => decision is HangUp);
        _agent =
        [
            .. _call.Carrier.Played.Where(played => played.From < _overAtMs).Select(played => (played.Item, new Speech(played.From, Math.Min(played.Until, _overAtMs)))),
        ];
    }

    public int Seed { get; }

    public string Course => _call.Course;

    private void Plan(Agenda agenda)
    {
        for (var at = agenda.Between(2000, 7000); at < _call.Rules.Longest.TotalMilliseconds;)
        {
            var until = at + agenda.Between(300, 3300);
            _speeches.Add(new Speech(at, until));
            at = until + (agenda.OneIn(5) ? 45_000 : agenda.Between(2000, 16_000));
        }
    }

    // --- what must hold; each says what does not ---

    public string? GoesOnForEver => _brokeOff ?? (_call.IsOver ? null : "It is not over.");

    /// <summary>
    /// Who is hung up on has heard a goodbye last. There was none to be had where two came to nothing, or where its limit passed while the model failed or the
    /// caller spoke.
    /// </summary>
    public string? EndsWithoutGoodbye
    {
        get
        {
            if (_call.Ended is not [CallEndReason.MaxDuration or CallEndReason.AgentEnded or CallEndReason.Silence] || _model.EmptyGoodbyes > 1)
            {
                return null;
            }

            var sinceMs = _call.Ended is [CallEndReason.MaxDuration] ? MaxDurationMs : _model.TakesLeaveSince ?? _overAtMs;
            var isHindered = _model.Failures.Exists(failure => failure.AtMs >= sinceMs) || _speeches.Exists(speech => speech.Meets(sinceMs, _overAtMs));
            var (last, _) = _agent.OrderBy(heard => heard.Heard.FromMs).LastOrDefault();
            return (isHindered && _overAtMs >= sinceMs + _call.Rules.Goodbye.TotalMilliseconds) || _model.Goodbyes.Contains(last)
                ? null
                : $"{_call.Ended[0]} after {last}, to end since {sinceMs}, over at {_overAtMs}.";
        }
    }

    /// <summary>A second goodbye is for those who spoke into the first.</summary>
    public string? SaysGoodbyeTwice
    {
        get
        {
            var goodbyes = _agent.Where(heard => _model.Goodbyes.Contains(heard.Item)).GroupBy(heard => heard.Item, heard => heard.Heard.FromMs).ToList();
            return goodbyes.Zip(goodbyes.Skip(1))
                .Where(two => !_model.NoticedAt.Exists(atMs => atMs > two.First.Min() && atMs < two.Second.Min()))
                .Select(two => $"{two.First.Key} and {two.Second.Key}.")
                .FirstOrDefault();
        }
    }

    /// <summary>All that the model heard and said is on record, and of what it said as much as the caller heard.</summary>
    public string? IsOffTheRecord
    {
        get
        {
            _call.IsRecordedOnce();
            var agent = _call.Utterances.Where(said => said.Speaker == Speaker.Agent).ToDictionary(said => said.UtteranceId.Split(':')[1], said => said.HeardMs);
            var caller = _call.Utterances.Where(said => said.Speaker == Speaker.Caller).ToList();
            return _agent.GroupBy(heard => heard.Item, heard => heard.Heard.Ms)
                .Where(heard => !agent.TryGetValue(heard.Key, out var ms) || Math.Abs(ms - heard.Sum()) > ToleranceMs)
                .Select(heard => $"{heard.Key}, of which {heard.Sum()} ms were heard.")
                .Concat(_model.Heard.Where(speech => speech.FromMs + ToleranceMs < _overAtMs && !caller.Exists(said => speech.Meets(said.StartMs, said.EndMs))).Select(speech => speech.ToString()))
                .FirstOrDefault();
        }
    }

    /// <summary>
    /// Who has spoken waits for an answer as long as the rules allow, and for a word after silence; longer only by what the failures of that time take, and of
    /// the time just before.
    /// </summary>
    public string? WaitsTooLong
    {
        get
        {
            var (quietSinceMs, callerWasLast) = (0.0, false);
            IEnumerable<(Speech, bool)> spoken =
                [.. _speeches.Select(speech => (speech, true)), .. _agent.Select(heard => (heard.Heard, false)), (new Speech(_overAtMs, _overAtMs), false)];
            foreach (var (speech, isCaller) in spoken.OrderBy(one => one.Item1.FromMs))
            {
                var allowedMs = (callerWasLast ? _call.Rules.Answer.TotalMilliseconds : _call.Rules.Silence.TotalMilliseconds + WishMs)
                    + _model.Failures.Where(failure => failure.AtMs > quietSinceMs - BeforeMs && failure.AtMs < speech.FromMs).Sum(failure => failure.CostsMs);
                if (Math.Min(speech.FromMs, _overAtMs) - quietSinceMs > allowedMs)
                {
                    return $"From {quietSinceMs} to {Math.Min(speech.FromMs, _overAtMs)}, {allowedMs} ms allowed.";
                }

                (quietSinceMs, callerWasLast) = speech.UntilMs > quietSinceMs ? (speech.UntilMs, isCaller) : (quietSinceMs, callerWasLast);
            }

            return null;
        }
    }
}
