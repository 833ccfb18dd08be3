using System.Globalization;
using Guru.Domain.Callers;
using Guru.Domain.Calls;

namespace Guru.SampleData;

/// <summary>One invented call: the events of its stream, in order.</summary>
public sealed record SampleCall(CallSid CallSid, CallerId CallerId, IReadOnlyList<CallEvent> Events)
{
    public string StreamId => Call.StreamId(CallSid);

    public override string ToString() => $"{nameof(SampleCall)} {CallSid}";
}

/// <summary>
/// Invented calls of a realistic shape: languages, agents, hours of the day, lengths, latencies, barge-ins, tokens and endings as they may be met.
/// Equal for an equal seed. All of it is marked as sample data: the node is called <see cref="Node"/>, call SIDs begin with <see cref="SidPrefix"/>,
/// and the callers' numbers begin with +1 555 010.
/// </summary>
/// <param name="until">No call begins later.</param>
/// <param name="days">Over how many days before that the calls are spread.</param>
/// <param name="secret">What callers' ids are made with, 16 bytes at least.</param>
/// <param name="turns">How many utterances a call has on average.</param>
public sealed class SampleCalls(int seed, DateTimeOffset until, int days, byte[] secret, int turns = SampleCalls.UsualTurns)
{
    public const string Node = "sample-data";
    public const string SidPrefix = "CA5a3b1eda7a";
    private const string Model = "gpt-realtime-2.1";
    private const string TranscriptionModel = "gpt-transcribe";
    private const int MostCallers = 2_000;
    private const int UsualTurns = 10;

    /// <summary>Of each call: the greeting, and a goodbye on both sides.</summary>
    private const int FixedTurns = 3;

    /// <summary>How often people call, by the hour of the day (UTC).</summary>
    private static readonly int[] Busy = [2, 1, 1, 1, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 10, 11, 11, 10, 9, 7, 6, 4, 3];

    private static readonly (CallEndReason Reason, int Share)[] Endings =
    [
        (CallEndReason.CallerHungUp, 62), (CallEndReason.AgentEnded, 22), (CallEndReason.Silence, 5), (CallEndReason.StreamLost, 3),
        (CallEndReason.MaxDuration, 2), (CallEndReason.ModelUnavailable, 2), (CallEndReason.Canceled, 2), (CallEndReason.Failed, 1), (CallEndReason.AtCapacity, 1),
    ];

    /// <summary>Invented places, the first ones named most often.</summary>
    private static readonly IReadOnlyList<string> Places =
    [
        .. from kind in (string[])["Clinic", "Street", "Court", "Bank", "School", "Plaza", "Avenue", "Center"]
           from name in (string[])
           [
               "Riverside", "Maplewood", "Saint Mary", "Oakdale", "Lakeview", "Hillcrest", "Fairmont", "Brookfield", "Cedar", "Magnolia", "Sunset", "Harbor",
               "Lincoln", "Jefferson", "Garfield", "Monroe", "Prospect", "Westgate", "Northfield", "Elmhurst", "Pinehurst", "Ashland", "Belmont", "Clayton",
           ]
           select $"{name} {kind}",
    ];

    public IEnumerable<SampleCall> Take(int count) => Enumerable.Range(0, count).Select(Next);

    /// <summary>The same calls, the oldest first, as they would have been stored.</summary>
    public IEnumerable<SampleCall> TakeInOrder(int count) => Enumerable.Range(0, count).OrderBy(StartOf).ThenBy(number => number).Select(Next);

    private SampleCall Next(int number)
    {
        var random = RandomOf(number, of: 0);
        var caller = random.Next(MostCallers);
        var address = CallerAddress.Parse($"+1555010{caller:0000}");
        var callerId = CallerId.Of(address, secret);
        var phrases = Weighted(RandomOf(caller, of: 1), Phrases.Shipped, one => one.Share); // People keep their language.
        var agent = Weighted(random, [.. phrases.Topics], topic => topic.Value.Count).Key;
        var at = StartOf(number);
        var sid = CallSid.Parse($"{SidPrefix}{seed & 0xFFFF:x4}{number:x18}");
        var reason = Weighted(random, Endings, ending => ending.Share).Reason;
        var call = new Talk(random, phrases, agent, at);
        call.Add(new CallStarted(sid, callerId, address.Value, CallChannel.Whatsapp, CallDirection.Inbound, Language: null, StreamTokenHash: null, at));
        call.Add(new AgentRouted(agent, "Sample data: invented, nobody called.", at));
        if (reason is CallEndReason.Canceled or CallEndReason.Failed or CallEndReason.AtCapacity or CallEndReason.ModelUnavailable)
        {
            var failed = at.AddSeconds(random.Next(1, 20));
            call.Add(new CallEnded(reason, failed));
            call.Add(Status(sid, callerId, CallStatuses.After(reason), 0, failed));
        }
        else
        {
            call.Speak(exchanges: random.Next(1, Math.Max(2, turns - FixedTurns)));
            call.Add(new CallEnded(reason, call.Now));
            call.Add(Status(sid, callerId, CallStatus.Completed, (int)Math.Ceiling((call.Now - at).TotalSeconds), call.Now.AddSeconds(1)));
        }

        return new SampleCall(sid, callerId, call.Events);
    }

    /// <summary>Neighbouring seeds begin alike, so they are scattered first (splitmix64).</summary>
    /// <param name="of">What it decides.</param>
    private Random RandomOf(int number, int of)
    {
        var mixed = unchecked((((ulong)(uint)seed << 34) | ((ulong)of << 32) | (uint)number) * 0x9E3779B97F4A7C15);
        mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9;
        return new Random((int)(mixed >> 32));
    }

    private static CallStatusChanged Status(CallSid sid, CallerId callerId, CallStatus status, int seconds, DateTimeOffset at) =>
        new(status, sid, callerId, CallDirection.Inbound, seconds, ErrorCode: null, at);

    private DateTimeOffset StartOf(int number)
    {
        var random = RandomOf(number, of: 2);
        var hour = Weighted(random, [.. Enumerable.Range(0, 24)], hour => Busy[hour]);
        var day = until.UtcDateTime.Date.AddDays(-random.Next(1, Math.Max(1, days) + 1));
        return new DateTimeOffset(day.AddHours(hour).AddSeconds(random.Next(3_600)).AddMilliseconds(random.Next(1_000)), TimeSpan.Zero);
    }

    private static T Weighted<T>(Random random, IReadOnlyList<T> among, Func<T, int> weight)
    {
        var left = random.Next(among.Sum(weight));
        return among.First(one => (left -= weight(one)) < 0);
    }

    /// <summary>A conversation as it goes, by a clock of its own.</summary>
    private sealed class Talk(Random random, Phrases phrases, string agent, DateTimeOffset began)
    {
        private const int CallerCharactersPerSecond = 14;
        private const int AgentCharactersPerSecond = 16;
        private const int InstructionTokens = 900;

        private readonly List<CallEvent> _events = [];
        private DateTimeOffset _connected;
        private long _nowMs;
        private int _turn;
        private int _context;

        public IReadOnlyList<CallEvent> Events => _events;

        public DateTimeOffset Now => _connected.AddMilliseconds(_nowMs);

        public void Add(CallEvent @event) => _events.Add(@event);

        public void Speak(int exchanges)
        {
            _connected = began.AddMilliseconds(random.Next(300, 1_500));
            Add(new MediaStreamConnected($"MZ{random.NextInt64():x16}{random.NextInt64():x16}", "sample", Node, _connected));
            _nowMs = random.Next(500, 1_200);
            Answer(phrases.Greeting, waited: null);
            var topics = phrases.Topics[agent];
            for (var exchange = 0; exchange < exchanges; exchange++)
            {
                var words = topics[random.Next(topics.Count)];
                Ask(Detailed(words[0]));
                Answer(words[1], Latency());
            }

            Ask(phrases.Goodbye);
            Answer(phrases.Farewell, Latency());
            _nowMs += random.Next(500, 4_000);
        }

        private void Ask(string words)
        {
            _nowMs += random.Next(400, 2_500);
            var lengthMs = 1_000L * words.Length / CallerCharactersPerSecond;
            var id = $"sess:item_{_turn++}";
            var failed = random.Next(60) == 0;
            var text = failed ? "" : words;
            Add(new UtteranceTranscribed(
                id, Speaker.Caller, agent, text, text, Interrupted: false, failed ? TranscriptionOutcome.Failed : TranscriptionOutcome.Completed,
                _nowMs, _nowMs + lengthMs, lengthMs, lengthMs, failed ? null : phrases.Language, FirstAudioMs: null, FirstHeardMs: null, Now.AddMilliseconds(lengthMs + 400)));
            Add(new UsageRecorded(id, UsageRecorded.Transcription, TranscriptionModel, agent, new TokenUsage(0, 0, 0, 0, 0, 0), lengthMs / 1_000.0, Now.AddMilliseconds(lengthMs + 400)));
            _nowMs += lengthMs;
            _context += (int)(lengthMs / 100);
        }

        private void Answer(string words, int? waited)
        {
            var saidMs = 1_000L * words.Length / AgentCharactersPerSecond;
            var interrupted = waited is not null && random.Next(6) == 0;
            var heardMs = interrupted ? saidMs * random.Next(10, 80) / 100 : saidMs;
            var heard = interrupted ? Cut(words, (int)(words.Length * heardMs / saidMs)) : words;
            var startMs = _nowMs + (waited ?? 0) + 30;
            _nowMs = startMs + heardMs;
            var response = $"sess:resp_{_turn}";
            Add(new UtteranceTranscribed(
                $"sess:item_{_turn++}", Speaker.Agent, agent, words, heard, interrupted, TranscriptionOutcome.Completed, startMs, _nowMs, saidMs, heardMs,
                Language: null, waited, waited + 30, Now, response));
            var (cached, fresh) = (_context * 8 / 10, _context - (_context * 8 / 10));
            Add(new UsageRecorded(
                response, UsageRecorded.Response, Model, agent,
                new TokenUsage(InstructionTokens, cached + fresh, waited is null ? 0 : InstructionTokens, cached, words.Length / 4, (int)(saidMs / 50)), Seconds: null, Now));
            _context += (int)(heardMs / 50);
        }

        /// <summary>Half of the questions name a place, seldom the same, and a number that no other call has.</summary>
        private string Detailed(string question) => phrases.Details.Count == 0 || random.Next(2) == 0
            ? question
            : $"{question} {string.Format(
                CultureInfo.InvariantCulture, phrases.Details[random.Next(phrases.Details.Count)],
                Places[(int)(Places.Count * Math.Pow(random.NextDouble(), 3))], random.Next(100_000, 10_000_000))}";

        /// <summary>Most answers come after about 700 ms, a few after seconds.</summary>
        private int Latency() => (int)(600 * Math.Exp(0.35 * Gaussian())) + 60;

        private double Gaussian() => Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());

        private static string Cut(string words, int length)
        {
            var space = words.LastIndexOf(' ', Math.Clamp(length, 0, words.Length - 1));
            return space > 0 ? words[..space] : words[..length];
        }
    }
}
