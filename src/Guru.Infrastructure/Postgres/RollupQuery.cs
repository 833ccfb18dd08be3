using Guru.Application.Calls;
using Npgsql;

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
internal sealed class RollupQuery(CallFilter filter, RollupDimension dimension, RollupPeriods periods, Func<SqlQuery, string> key, bool measured)
{
    private const int FirstSum = 1;
    private static readonly int FirstDistribution = FirstSum + CallTotals.Counts.Length + CallTotals.Costs.Length;
    private static readonly int FirstMeasured = FirstDistribution + CallTotals.Distributions.Length;

    public async Task<IReadOnlyList<(string? Key, CallTotals Totals)>> ReadAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        var query = new SqlQuery();
        await CallConditions.AddAsync(query, filter with { StartedAt = default }, Projections.LiveSchema, connection, cancellationToken);
        await using var command = query.On(connection, Sql(query));
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var (byKey, ofNone) = (new Dictionary<string, CallTotals>(StringComparer.Ordinal), default(CallTotals));
        while (await reader.ReadAsync(cancellationToken))
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
        var rows = new List<string>();
        if (periods.Days)
        {
            rows.Add($"c.period = 'day' and {insideDays} and starts not in (select starts from stale_days)");
        }

        if (periods.Hours)
        {
            var notInDays = periods.Days ? $"and not ({insideDays} and date_trunc('day', starts, 'UTC') not in (select starts from stale_days))" : "";
            rows.Add($"c.period = 'hour' and {inside} and starts not in (select starts from stale_hours) {notInDays}");
        }

        return
            $"""
            with stale_hours as materialized (
                select starts from guru.call_rollups_stale where period = 'hour'
                union
                select {Rollups.HoursOfCall} from ({Rollups.Touched("(select rolled_up_to from guru.read_models)")}) t join guru.calls c on c.call_sid = t.call_sid),
            stale_days as materialized (
                select starts from guru.call_rollups_stale where period = 'day' union select date_trunc('day', starts, 'UTC') from stale_hours),
            by_themselves as materialized (
                select starts as begins, starts + {Rollups.LengthOf(periods.Finest)} as ends from stale_{periods.Finest}s where {inside}
                union all
                select * from (values {ends}) e)
            select c.key, {string.Join(", ", sums)}, {string.Join(", ", CallTotals.Distributions.Select(column => $"string_agg({column}, '')"))},
                null::text, null::bigint[], null::bigint[], null::bigint[], null::bigint[]
            from (
                select c.*, ({keyOf})::text as key from (select *, starts as started_at from guru.call_rollups) c
                where c.dimension = '{EnumText.Of(dimension)}' and ({string.Join(" or ", rows.Select(row => $"({row})"))}) {conditions}) c
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
