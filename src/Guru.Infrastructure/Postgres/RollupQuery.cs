using Guru.Application.Calls;
using Npgsql;
using NpgsqlTypes;

namespace Guru.Infrastructure.Postgres;

/// <summary>Which rows of the roll-ups an answer may be put together from.</summary>
/// <param name="Days">Whole days of UTC may be taken together.</param>
/// <param name="Hours">Hours may.</param>
internal readonly record struct RollupPeriods(bool Days, bool Hours)
{
    /// <summary>The shortest.</summary>
    public string Finest => Hours ? "hour" : "day";
}

/// <summary>
/// What the calls of a filter come to, key by key, in one statement and so as of one moment: whole days and hours from the roll-ups; from the calls
/// themselves what is stale, what was touched by events that the roll-ups do not know yet, and the ends of the range.
/// </summary>
/// <param name="key">Of calls <c>c</c>, and of rows of the roll-ups, which have the same columns as far as they were asked for.</param>
/// <param name="measured">With all latencies, not those of answers alone.</param>
/// <param name="upTo">The place in the log that the roll-ups are up to, or were a moment ago.</param>
internal sealed class RollupQuery(
    CallFilter filter, RollupDimension dimension, RollupPeriods periods, Func<SqlQuery, string> key, bool measured, long upTo)
{
    private const int FirstSum = 1;
    private static readonly int FirstDistribution = FirstSum + CallTotals.Counts.Length + CallTotals.Costs.Length;
    private static readonly int FirstMeasured = FirstDistribution + CallTotals.Distributions.Length;

    public async Task<IReadOnlyList<(string? Key, CallTotals Totals)>> ReadAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        var query = new SqlQuery();
        await CallConditions.AddAsync(query, filter with { StartedAt = default }, Projections.LiveSchema, connection, cancellationToken);
        var (byKey, ofNone) = (new Dictionary<string, CallTotals>(StringComparer.Ordinal), default(CallTotals));
        await foreach (var reader in query.ReadAsync(connection, Sql(query), cancellationToken))
        {
            var totals = reader.TextOrNull(0) is not { } key ? ofNone ??= new CallTotals()
                : byKey.TryGetValue(key, out var known) ? known
                : byKey[key] = new CallTotals();
            totals.AddSums(reader, FirstSum);
            totals.AddDistributions(reader, FirstDistribution);
            totals.AddMeasured(reader, FirstMeasured);
        }

        return [.. byKey.Select(pair => ((string?)pair.Key, pair.Value)), .. ofNone is null ? [] : new[] { ((string?)null, ofNone) }];
    }

    private string Sql(SqlQuery query)
    {
        var (from, to) = (filter.StartedAt.From?.ToUniversalTime() ?? DateTimeOffset.MinValue, filter.StartedAt.To?.ToUniversalTime() ?? DateTimeOffset.MaxValue);
        var unit = periods.Hours ? TimeSpan.FromHours(1) : TimeSpan.FromDays(1);
        var (first, end) = (RoundedUp(from, unit), RoundedDown(to, unit));
        var (firstDay, endDay) = (RoundedUp(from, TimeSpan.FromDays(1)), RoundedDown(to, TimeSpan.FromDays(1)));
        var ends = first < end ? $"({query.Time(from)}, {query.Time(first)}), ({query.Time(end)}, {query.Time(to)})" : $"({query.Time(from)}, {query.Time(to)})";
        var (inside, insideDays) = (Within("starts", query.Time(first), query.Time(end)), Within("starts", query.Time(firstDay), query.Time(endDay)));
        var (conditions, keyOf) = (query.Where.Length == 0 ? "" : $"and {query.Where["where ".Length..]}", key(query));
        var sums = CallTotals.Counts.Select(sum => sum.Column).Select(column => $"sum({column})::bigint")
            .Concat(CallTotals.Costs.Select(sum => $"sum({sum.Column})"));
        var ofCall = CallTotals.Counts.Select(sum => $"({sum.OfCall})::bigint").Concat(CallTotals.Costs.Select(sum => $"({sum.OfCall})::numeric"));
        var isWanted = $"c.dimension = '{EnumText.Of(dimension)}' {conditions}";
        var rows = new List<string>();
        if (periods.Days)
        {
            rows.Add($"select c.*, ({keyOf})::text as key from added_up c where c.period = 'day' and {insideDays} and c.starts not in (select starts from stale_days) and {isWanted}");
        }

        if (periods.Hours)
        {
            // Those of whole days only where the days cannot be had.
            var betweenDays = !periods.Days || firstDay >= endDay
                ? $"values ({query.Time(first)}, {query.Time(end)})"
                : $"""
                  values ({query.Time(first)}, {query.Time(firstDay)}), ({query.Time(endDay)}, {query.Time(end)})
                  union all select starts, starts + {Rollups.LengthOf("day")} from stale_days where {insideDays}
                  """;
            rows.Add(
                $"""
                select c.*, ({keyOf})::text as key from ({betweenDays}) b (begins, ends)
                cross join lateral (
                    select * from added_up c
                    where c.period = 'hour' and c.starts >= b.begins and c.starts < b.ends and c.starts not in (select starts from stale_hours) and {isWanted} offset 0) c
                """);
        }

        // Offset 0 keeps the planner from reading all calls in advance.
        return
            $"""
            with stale_hours as materialized (
                select starts from guru.call_rollups_stale where period = 'hour'
                union
                select h.starts from ({Rollups.Touched(query.Parameter(upTo, NpgsqlDbType.Bigint))}) t
                cross join lateral (select {Rollups.HoursOfCall} from guru.calls c where c.call_sid = t.call_sid offset 0) h (starts)),
            stale_days as materialized (
                select starts from guru.call_rollups_stale where period = 'day' union select date_trunc('day', starts, 'UTC') from stale_hours),
            added_up as not materialized (select c.*, c.starts as started_at from guru.call_rollups c),
            by_themselves as materialized (
                select starts as begins, starts + {Rollups.LengthOf(periods.Finest)} as ends from stale_{periods.Finest}s where {inside}
                union all
                select * from (values {ends}) e)
            select c.key, {string.Join(", ", sums)}, {string.Join(", ", CallTotals.Distributions.Select(column => $"string_agg({column}, '')"))},
                null::text, null::bigint[], null::bigint[], null::bigint[], null::bigint[]
            from ({string.Join(" union all ", rows)}) c
            group by c.key
            union all
            select ({keyOf})::text, {string.Join(", ", ofCall)}, {string.Join(", ", CallTotals.Distributions.Select(_ => "null::bytea"))}, {CallTotals.MeasuredOf(measured)}
            from by_themselves b
            cross join lateral (
                select * from guru.calls c where c.started_at >= b.begins and c.started_at < b.ends {conditions} offset 0) c
            {(measured ? CallTotals.Utterances : "")}
            """;
    }

    private static string Within(string what, string from, string to) => $"{what} >= {from} and {what} < {to}";

    private static DateTimeOffset RoundedDown(DateTimeOffset at, TimeSpan unit) => at == DateTimeOffset.MaxValue ? at : at.AddTicks(-(at.UtcTicks % unit.Ticks));

    private static DateTimeOffset RoundedUp(DateTimeOffset at, TimeSpan unit) => RoundedDown(at, unit) is var down && down == at ? at : down + unit;
}
