using Guru.Application.Analytics;
using Npgsql;

namespace Guru.Infrastructure.Postgres;

/// <summary>What a set of calls comes to, added up from calls and from rows of <c>guru.call_rollups</c>.</summary>
internal sealed class CallTotals
{
    /// <summary>Whole numbers: the column of a row, and what a call <c>c</c> adds to it.</summary>
    public static readonly (string Column, string OfCall)[] Counts =
    [
        ("calls", "1"), ("active", "(c.status in ('ringing', 'inProgress'))::int"), ("connected", "(c.first_connected_at is not null)::int"),
        ("duration_seconds", "coalesce(c.duration_seconds, 0)"), ("caller_talk_ms", "c.caller_talk_ms"), ("agent_talk_ms", "c.agent_talk_ms"), ("turns", "c.turns"),
        ("barge_ins", "c.barge_ins"), ("interrupted", "(c.barge_ins > 0)::int"), ("unpriced", "c.unpriced"),
    ];

    /// <summary>US dollars, likewise.</summary>
    public static readonly (string Column, string OfCall)[] Costs =
    [
        ("cost_text", "c.cost_text"), ("cost_audio", "c.cost_audio"), ("cost_cached", "c.cost_cached"), ("cost_transcription", "c.cost_transcription"),
        ("cost_carrier", "coalesce(c.cost_carrier, 0)"),
    ];

    /// <summary>A sketch of the callers, and histograms of latencies.</summary>
    public static readonly string[] Distributions = ["callers", "answers", "answers_heard", "answers_interrupted", "greetings"];

    /// <summary>
    /// Of a call <c>c</c>: who called, and every latency. What was said in it is looked up only for the last three, which are null without.
    /// </summary>
    public static string MeasuredOf(bool all) => all
        ? "c.caller_id, c.latencies_ms, l.heard, l.interrupted, array_remove(array[l.greeting], null)"
        : "c.caller_id, c.latencies_ms, null::bigint[], null::bigint[], null::bigint[]";

    /// <summary>To be joined to calls <c>c</c> for all of <see cref="MeasuredOf"/>.</summary>
    public const string Utterances =
        """
        cross join lateral (
            select array_agg(u.first_heard_ms) filter (where u.speaker = 'agent' and u.first_audio_ms is not null and u.first_heard_ms is not null and not u.interrupted) as heard,
                array_agg(u.first_audio_ms) filter (where u.speaker = 'agent' and u.first_audio_ms is not null and u.interrupted) as interrupted,
                (array_agg(case when u.speaker = 'agent' and u.first_audio_ms is null and u.heard_ms > 0 then u.start_ms end
                    order by u.start_ms, u.at, u.utterance_id))[1] as greeting
            from guru.utterances u where u.call_sid = c.call_sid) l
        """;

    private readonly long[] _counts = new long[Counts.Length];
    private readonly decimal[] _costs = new decimal[Costs.Length];

    public CallerSketch Callers { get; } = new();

    public LatencyHistogram Answers { get; } = new();

    public LatencyHistogram AnswersHeard { get; } = new();

    public LatencyHistogram AnswersInterrupted { get; } = new();

    public LatencyHistogram Greetings { get; } = new();

    public long CountOf(int index) => _counts[index];

    public decimal CostOf(int index) => _costs[index];

    public byte[] DistributionOf(int index) =>
        index == 0 ? Callers.ToBytes() : Histogram(index).ToBytes();

    /// <summary>Adds counts and costs, from a column on.</summary>
    public void AddSums(NpgsqlDataReader reader, int first)
    {
        for (var index = 0; index < _counts.Length; index++)
        {
            _counts[index] += reader.GetInt64(first + index);
        }

        for (var index = 0; index < _costs.Length; index++)
        {
            _costs[index] += reader.GetDecimal(first + _counts.Length + index);
        }
    }

    /// <summary>Adds the distributions of rows, joined end to end, from a column on.</summary>
    public void AddDistributions(NpgsqlDataReader reader, int first)
    {
        for (var index = 0; index < Distributions.Length; index++)
        {
            if (!reader.IsDBNull(first + index))
            {
                var written = reader.GetFieldValue<byte[]>(first + index);
                if (index == 0)
                {
                    Callers.Add(written);
                }
                else
                {
                    Histogram(index).Add(written);
                }
            }
        }
    }

    /// <summary>Adds what was measured in a call, from a column on.</summary>
    public void AddMeasured(NpgsqlDataReader reader, int first)
    {
        if (reader.TextOrNull(first) is { } callerId)
        {
            Callers.Add(callerId);
        }

        for (var index = 1; index < Distributions.Length; index++)
        {
            foreach (var ms in reader.IsDBNull(first + index) ? [] : reader.GetFieldValue<long[]>(first + index))
            {
                Histogram(index).Add(ms);
            }
        }
    }

    public Figures ToFigures() => new(
        _counts[0], _counts[1], _counts[2], Callers.Estimate(), _counts[3], _counts[4], _counts[5], _counts[6], _counts[7], _counts[8],
        Rounded(Answers.At(0.5)), Rounded(Answers.At(0.95)), _costs.Sum(), _costs[0], _costs[1], _costs[2], _costs[3], _costs[4], _counts[9]);

    public static LatencyFigures FiguresOf(LatencyHistogram of) => new(
        of.Count, Rounded(of.MeanMs), Rounded(of.At(0)), Rounded(of.At(0.5)), Rounded(of.At(0.9)), Rounded(of.At(0.95)), Rounded(of.At(0.99)), Rounded(of.At(1)));

    public static double? Rounded(double? ms) => ms is { } known ? Math.Round(known, 1) : null;

    private LatencyHistogram Histogram(int index) => index switch
    {
        1 => Answers,
        2 => AnswersHeard,
        3 => AnswersInterrupted,
        _ => Greetings,
    };
}
