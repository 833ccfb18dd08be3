using Guru.Domain;
using Guru.Domain.Callers;
using Guru.Domain.Calls;

namespace Guru.Infrastructure.Tests.Postgres;

/// <summary>Calls as they may go: commands in a plausible but shuffled order, put to the domain's rules; equal for an equal seed.</summary>
internal sealed class RandomCalls(int seed)
{
    private static readonly DateTimeOffset Origin = new(2026, 3, 30, 23, 0, 0, TimeSpan.Zero);
    private static readonly CallStatus[] Statuses = Enum.GetValues<CallStatus>();
    private static readonly CallEndReason[] Reasons = Enum.GetValues<CallEndReason>();
    private static readonly string[] Words = ["Bonjou", "hospital", "bill", "¿cuánto", "es?", "wi", "no\0", "👋🏽", "\uD800", "it's \"due\"", "\\N", "ok\n"];
    private readonly Random _random = new(seed);

    public IEnumerable<RandomCall> Take(int count) => Enumerable.Range(0, count).Select(Next);

    public RandomCall Next(int number)
    {
        var sid = CallSid.Parse(_random.Next(10) == 0 ? $"rtc_{seed}_{number}" : $"CA{seed:x8}{number:x24}");
        var caller = CallerId.Parse($"{_random.Next(50):x32}");
        var at = Origin.AddMinutes(_random.Next(60 * 72)).AddTicks(_random.Next());
        List<CallCommand> commands =
        [
            new StartCall(
                sid, caller, $"+1555{_random.Next(1_000_000):0000000}", CallChannel.Whatsapp, Pick(Enum.GetValues<CallDirection>()), Pick(["en", "ht", null]),
                "token0", Pick(["general", "legal"]), Sentence(), at),
            new ConnectMediaStream("MZ0", "token0", "node-1", at = Later(at)),
        ];
        commands.AddRange(Enumerable.Range(0, _random.Next(12)).Select(turn => Utterance(turn, at = Later(at))));
        commands.AddRange(Enumerable.Range(0, _random.Next(4)).Select(_ => new RecordHandOff(new AgentHandedOff(
            Pick(["general", "legal"]), Pick(["general", "legal", "healthcare"]), Sentence(), at = Later(at)))));
        commands.AddRange(Enumerable.Range(0, _random.Next(3)).Select(_ => new RecordLanguage(new CallLanguageDetermined(
            Pick(["en", "es", "ht"]), Pick(["request", "call"]), at = Later(at)))));
        commands.Add(new RequestMediaStream("token1", 3, at = Later(at)));
        commands.Add(new ConnectMediaStream("MZ1", "token1", "node-2", at = Later(at)));
        commands.AddRange(Enumerable.Range(12, _random.Next(4)).Select(turn => Utterance(turn, at = Later(at))));
        commands.Add(new RecordUsage(new UsageRecorded("resp_1", "response", "model", "general", new TokenUsage(1, 2, 0, 0, 3, 4), 0.1, at)));
        commands.Add(new EndCall(Pick(Reasons), at = Later(at)));
        commands.AddRange(Enumerable.Range(0, _random.Next(3)).Select(stream => new RecordRecording(new RecordingStored(
            $"MZ{stream}", stream * 20_000, 10_000, 160_000, "node-1", at = Later(at)))));
        commands.Add(new RecordCallSummary(new CallSummarized(
            Pick(["en", null]), Sentence(), Sentence(), Sentence(), Sentence(), Sentence(), Sentence(), at = Later(at))));

        // The carrier's word comes at any time, before the webhook too.
        for (var status = 0; status < 4; status++)
        {
            var change = new CallStatusChanged(
                Pick(Statuses), sid, Pick<CallerId?>([caller, null]), CallDirection.Inbound, Pick<int?>([null, 63]), Pick<int?>([null, 31_005]),
                at.AddSeconds(_random.Next(-60, 60)));
            commands.Insert(_random.Next(commands.Count + 1), new RecordStatus(change));
        }

        for (var swap = 0; swap < 2; swap++)
        {
            var (one, other) = (_random.Next(commands.Count), _random.Next(commands.Count));
            (commands[one], commands[other]) = (commands[other], commands[one]);
        }

        return new RandomCall(sid, caller, [.. Outcomes(commands)]);
    }

    /// <summary>What each command caused; nothing for one that the rules refuse.</summary>
    private static IEnumerable<IReadOnlyList<CallEvent>> Outcomes(IEnumerable<CallCommand> commands)
    {
        var call = Call.NotStarted;
        foreach (var command in commands)
        {
            IReadOnlyList<CallEvent> events;
            try
            {
                events = Call.Decide(call, command);
            }
            catch (RuleException)
            {
                continue;
            }

            call = events.Aggregate(call, Call.Apply);
            if (events.Count > 0)
            {
                yield return events;
            }
        }
    }

    private RecordUtterance Utterance(int turn, DateTimeOffset at)
    {
        var said = Sentence();
        var interrupted = _random.Next(4) == 0;
        return new RecordUtterance(new UtteranceTranscribed(
            $"sess_1/item_{turn}", Pick(Enum.GetValues<Speaker>()), "general", said, interrupted ? said[..(said.Length / 2)] : said, interrupted,
            Pick(Enum.GetValues<TranscriptionOutcome>()), _random.Next(60_000), _random.Next(60_000), 900, 400, Pick(["en", "ht", null]),
            Pick<long?>([null, 512]), Pick<long?>([null, 700]), at));
    }

    private string Sentence() => string.Join(' ', Enumerable.Range(0, _random.Next(12)).Select(_ => Pick(Words)));

    private DateTimeOffset Later(DateTimeOffset at) => at.AddMilliseconds(_random.Next(20_000));

    private T Pick<T>(IReadOnlyList<T> among) => among[_random.Next(among.Count)];
}

/// <param name="Appends">The events, by the command that caused them.</param>
internal sealed record RandomCall(CallSid Sid, CallerId Caller, IReadOnlyList<IReadOnlyList<CallEvent>> Appends);
