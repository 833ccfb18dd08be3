using System.Globalization;
using Guru.Application.Analytics;
using Guru.Application.Calls;
using Guru.Application.Conversations;
using Guru.Domain.Callers;
using Guru.Domain.Costs;
using Npgsql;

namespace Guru.Infrastructure.Postgres;

/// <param name="fewCalls">Of so many calls or fewer, figures are exact.</param>
internal sealed class AnalyticsQueries(
    NpgsqlDataSource dataSource, PastReadModels past, PriceTable prices, TimeProvider time, int fewCalls = AnalyticsQueries.FewCalls) : IAnalyticsQueries
{
    public const int FewCalls = 1_000;

    private const int MostSessions = 1_000;
    private const int MostIntervals = 2_000;

    /// <summary>Short of where .NET's calendar begins and ends: Npgsql writes that as -infinity and infinity, and a series between those has no end.</summary>
    private static readonly DateTimeOffset Earliest = new(2, 1, 1, 0, 0, 0, TimeSpan.Zero);

    private static readonly DateTimeOffset Latest = new(9999, 1, 1, 0, 0, 0, TimeSpan.Zero);

    private const string Definition =
        "Milliseconds from the end of the caller's speech, as the model's voice detection tells it, to the first audio of the answer that was sent to the "
        + "carrier (answers, interrupted) or acknowledged by it with a mark (answersHeard). Greetings answer nobody: from the first Media Stream to the "
        + "first words heard. Percentiles are interpolated between the two nearest measurements (percentile_cont).";

    /// <summary>One row of figures over calls <c>c</c>, in the order of <see cref="Read"/>.</summary>
    private const string FiguresOf =
        """
        count(*), count(*) filter (where c.status in ('ringing', 'inProgress')), count(c.first_connected_at), count(distinct c.caller_id),
        coalesce(sum(c.duration_seconds), 0)::bigint, coalesce(sum(c.caller_talk_ms), 0)::bigint, coalesce(sum(c.agent_talk_ms), 0)::bigint,
        coalesce(sum(c.turns), 0)::bigint, coalesce(sum(c.barge_ins), 0)::bigint, count(*) filter (where c.barge_ins > 0),
        coalesce(sum(c.cost), 0), coalesce(sum(c.cost_text), 0), coalesce(sum(c.cost_audio), 0), coalesce(sum(c.cost_cached), 0),
        coalesce(sum(c.cost_transcription), 0), coalesce(sum(c.cost_carrier), 0), coalesce(sum(c.unpriced), 0)::bigint
        """;

    private const int FigureCount = 17;

    public async Task<Summary> SummaryAsync(CallFilter filter, DateTimeOffset? asOf, CancellationToken cancellationToken)
    {
        var (groups, precision) = await GroupsAsync(filter, Keys.None, asOf, cancellationToken);
        return new Summary(asOf ?? time.GetUtcNow(), prices.Dated, precision, groups.Count > 0 ? groups[0].Figures : Nothing);
    }

    public async Task<Breakdown> BreakdownAsync(
        CallFilter filter, BreakdownBy by, string timeZone, DateTimeOffset? asOf, CancellationToken cancellationToken)
    {
        var (groups, precision) = await GroupsAsync(filter, Keys.Of(by, timeZone), asOf, cancellationToken);
        var items = groups.Select(group => new BreakdownItem(group.Key, group.Figures));
        return new Breakdown(
            asOf ?? time.GetUtcNow(), prices.Dated, precision, by, timeZone,
            [.. by == BreakdownBy.Hour
                ? items.OrderBy(item => int.Parse(item.Key!, CultureInfo.InvariantCulture))
                : items.OrderByDescending(item => item.Figures.Calls).ThenBy(item => item.Key, StringComparer.Ordinal)]);
    }

    public async Task<TimeSeries> TimeSeriesAsync(CallFilter filter, Interval interval, string timeZone, CancellationToken cancellationToken)
    {
        var unit = EnumText.Of(interval);
        var (groups, precision) = await GroupsAsync(filter, Keys.Of(interval, timeZone), asOf: null, cancellationToken);
        var byBeginning = groups.ToDictionary(
            group => DateTimeOffset.Parse(group.Key!, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal), group => group.Figures);
        if (byBeginning.Count == 0 && (filter.StartedAt.From is null || filter.StartedAt.To is null))
        {
            return new TimeSeries(prices.Dated, precision, interval, timeZone, []);
        }

        var first = Within(filter.StartedAt.From ?? byBeginning.Keys.Min());
        var end = Within(filter.StartedAt.To ?? byBeginning.Keys.Max().AddTicks(TimeSpan.TicksPerMicrosecond));
        if ((end - first) / LongestOf(interval) > MostIntervals)
        {
            throw new TooManyIntervalsException(MostIntervals); // Before they are all made, to be counted.
        }

        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        var beginnings = first < end ? await InTimeZoneAsync(timeZone, () => BeginningsAsync(connection, unit, timeZone, first, end, cancellationToken)) : [];
        return new TimeSeries(
            prices.Dated, precision, interval, timeZone, [.. beginnings.Select(from => new TimeSeriesItem(from, byBeginning.GetValueOrDefault(from, Nothing)))]);
    }

    public async Task<LatencyReport> LatencyAsync(CallFilter filter, CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        if (await RolledUpAsync(connection, filter, Keys.None, measured: true, cancellationToken) is { } rolledUp)
        {
            var totals = rolledUp is [var (_, only)] ? only : new CallTotals();
            return new LatencyReport(
                Definition, Precision.OfRollups, CallTotals.FiguresOf(totals.Answers), CallTotals.FiguresOf(totals.AnswersHeard),
                CallTotals.FiguresOf(totals.AnswersInterrupted), CallTotals.FiguresOf(totals.Greetings));
        }

        var query = new SqlQuery();
        await CallConditions.AddAsync(query, filter, Projections.LiveSchema, connection, cancellationToken);
        static string Percentiles(string ms, string of) =>
            $"""
            count({ms}) {of}, (avg({ms}) {of})::double precision, (min({ms}) {of})::double precision,
            percentile_cont(array[0.5, 0.9, 0.95, 0.99]) within group (order by {ms}) {of}, (max({ms}) {of})::double precision
            """;
        await using var command = query.On(
            connection,
            $"""
            select {Percentiles("u.first_audio_ms", "filter (where u.first_audio_ms is not null and not u.interrupted)")},
                {Percentiles("u.first_heard_ms", "filter (where u.first_audio_ms is not null and u.first_heard_ms is not null and not u.interrupted)")},
                {Percentiles("u.first_audio_ms", "filter (where u.first_audio_ms is not null and u.interrupted)")},
                {Percentiles("u.start_ms", "filter (where u.is_greeting)")}
            from (
                select u.first_audio_ms, u.first_heard_ms, u.start_ms, u.interrupted,
                    u.first_audio_ms is null and u.heard_ms > 0 and not exists (
                        select 1 from guru.utterances o
                        where o.call_sid = u.call_sid and (o.start_ms, o.at, o.utterance_id) < (u.start_ms, u.at, u.utterance_id)) as is_greeting
                from guru.calls c join guru.utterances u on u.call_sid = c.call_sid and u.speaker = 'agent'
                {query.Where}) u
            """);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        await reader.ReadAsync(cancellationToken);
        return new LatencyReport(
            Definition, Precision.Exact, ReadLatency(reader, 0), ReadLatency(reader, 5), ReadLatency(reader, 10), ReadLatency(reader, 15));
    }

    public async Task<IReadOnlyList<ConversationSession>> SessionsAsync(IReadOnlyList<CallerId> callerIds, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(
            $"""
            select min(at), max(at), count(*) filter (where speaker = 'caller'), count(*) filter (where speaker = 'agent'),
                count(distinct call_sid), array_agg(distinct channel order by channel)
            from (
                select m.*, sum(begins) over (order by at, source_id) as session
                from (
                    select m.*, case when at - lag(at) over (order by at, source_id) < interval '1 hour' then 0 else 1 end as begins
                    from guru.messages m where caller_id = any ($1) and {ConversationQueries.WasSaid}) m) m
            group by session order by session desc limit {MostSessions}
            """);
        command.Parameters.Add(new() { Value = callerIds.Select(id => id.Value).ToArray() });
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var sessions = new List<ConversationSession>();
        while (await reader.ReadAsync(cancellationToken))
        {
            sessions.Add(new ConversationSession(
                StartedAt: reader.GetFieldValue<DateTimeOffset>(0),
                EndedAt: reader.GetFieldValue<DateTimeOffset>(1),
                FromCaller: reader.GetInt64(2),
                FromAgent: reader.GetInt64(3),
                Calls: reader.GetInt64(4),
                Channels: [.. reader.GetFieldValue<string[]>(5).Select(EnumText.Read<TimelineChannel>)]));
        }

        return sessions;
    }

    public async Task<IReadOnlyList<AgentChoice>> RoutingAsync(IReadOnlyList<CallerId> callerIds, CancellationToken cancellationToken) =>
        await CallQueries.RoutingAsync(dataSource, "caller_id = any ($1)", callerIds.Select(id => id.Value).ToArray(), cancellationToken);

    private static Figures Nothing { get; } = new(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, null, null, 0, 0, 0, 0, 0, 0, 0);

    private static async Task<T> InTimeZoneAsync<T>(string timeZone, Func<Task<T>> read)
    {
        try
        {
            return await read();
        }
        catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.InvalidParameterValue)
        {
            throw new TimeZoneUnknownException(timeZone);
        }
    }

    private Task<(IReadOnlyList<(string? Key, Figures Figures)> Groups, Precision Precision)> GroupsAsync(
        CallFilter filter, Keys keys, DateTimeOffset? asOf, CancellationToken cancellationToken) => InTimeZoneAsync(keys.TimeZone, async () =>
    {
        if (asOf is { } moment)
        {
            return (await past.ReadAsync(moment, (connection, schema) => GroupsAsync(connection, schema, filter, keys, cancellationToken), cancellationToken), Precision.Exact);
        }

        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        return await RolledUpAsync(connection, filter, keys, measured: false, cancellationToken) is { } rolledUp
            ? ([.. rolledUp.Select(group => (group.Key, group.Totals.ToFigures()))], Precision.OfRollups)
            : (await GroupsAsync(connection, Projections.LiveSchema, filter, keys, cancellationToken), Precision.Exact);
    });

    /// <summary>From the roll-ups; null where they do not know what is asked for, and where the calls are so few that they are asked themselves.</summary>
    private async Task<IReadOnlyList<(string? Key, CallTotals Totals)>?> RolledUpAsync(
        NpgsqlConnection connection, CallFilter filter, Keys keys, bool measured, CancellationToken cancellationToken)
    {
        if (Rollups.DimensionFor(filter, keys.Dimension) is not { } dimension)
        {
            return null;
        }

        var periods = dimension != RollupDimension.All ? new RollupPeriods(keys.OfDays, Hours: true) : new RollupPeriods(Days: true, Hours: false);
        if (!keys.OfDays && (!periods.Hours || !await AreWholeHoursAsync(connection, filter, keys.TimeZone, cancellationToken)))
        {
            return null;
        }

        return await RolledUpToAsync(connection, filter, cancellationToken) is { } upTo
            ? await new RollupQuery(filter, dimension, periods, keys.Sql, measured, upTo).ReadAsync(connection, cancellationToken)
            : null;
    }

    /// <summary>The place in the log that the roll-ups are up to; null where they are not asked, since there are few calls in the range.</summary>
    private async Task<long?> RolledUpToAsync(NpgsqlConnection connection, CallFilter filter, CancellationToken cancellationToken)
    {
        var query = new SqlQuery();
        query.AndWithin("started_at", filter.StartedAt);
        await using var command = query.On(
            connection,
            $"""
            select rolled_up_to from guru.read_models
            where (select count(*) from (select 1 from guru.calls {query.Where} limit {fewCalls + 1}) c) > {fewCalls}
            """);
        return await command.ExecuteScalarAsync(cancellationToken) as long?;
    }

    /// <summary>Whether hours there are hours of UTC.</summary>
    private static async Task<bool> AreWholeHoursAsync(NpgsqlConnection connection, CallFilter filter, string timeZone, CancellationToken cancellationToken)
    {
        var query = new SqlQuery();
        query.AndWithin("starts", filter.StartedAt);
        query.And("dimension = 'none'");
        query.And("period = 'hour'");
        await using var command = query.On(
            connection, $"select coalesce(bool_and(extract(minute from starts at time zone {query.Text(timeZone)}) = 0), true) from guru.call_rollups {query.Where}");
        return (bool)(await command.ExecuteScalarAsync(cancellationToken))!;
    }

    /// <summary>Figures of the calls that share a key, from the calls. Latencies are taken apart from the rest, since a call has many.</summary>
    private static async Task<IReadOnlyList<(string? Key, Figures Figures)>> GroupsAsync(
        NpgsqlConnection connection, string schema, CallFilter filter, Keys keys, CancellationToken cancellationToken)
    {
        var query = new SqlQuery();
        await CallConditions.AddAsync(query, filter, schema, connection, cancellationToken);
        var key = keys.Sql(query);
        await using var command = query.On(
            connection,
            $"""
            with c as materialized (select c.*, ({key})::text as key from {schema}.calls c {query.Where}),
            l as (
                select c.key, percentile_cont(array[0.5, 0.95]) within group (order by ms) as p
                from c cross join lateral unnest(c.latencies_ms) as ms group by c.key)
            select c.key, {FiguresOf}, (select l.p[1] from l where l.key is not distinct from c.key), (select l.p[2] from l where l.key is not distinct from c.key)
            from c group by c.key
            """);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var groups = new List<(string?, Figures)>();
        while (await reader.ReadAsync(cancellationToken))
        {
            groups.Add((reader.TextOrNull(0), Read(reader, 1)));
        }

        return groups;
    }

    private static Figures Read(NpgsqlDataReader reader, int first)
    {
        long Count(int column) => reader.GetInt64(first + column);
        decimal Amount(int column) => reader.GetDecimal(first + column);
        return new Figures(
            Count(0), Count(1), Count(2), Count(3), Count(4), Count(5), Count(6), Count(7), Count(8), Count(9),
            CallTotals.Rounded(reader.ValueOrNull<double>(first + FigureCount)), CallTotals.Rounded(reader.ValueOrNull<double>(first + FigureCount + 1)),
            Amount(10), Amount(11), Amount(12), Amount(13), Amount(14), Amount(15), Count(16));
    }

    private static LatencyFigures ReadLatency(NpgsqlDataReader reader, int first)
    {
        var percentiles = reader.IsDBNull(first + 3) ? null : reader.GetFieldValue<double?[]>(first + 3);
        return new LatencyFigures(
            reader.GetInt64(first), CallTotals.Rounded(reader.ValueOrNull<double>(first + 1)), reader.ValueOrNull<double>(first + 2),
            CallTotals.Rounded(percentiles?[0]), CallTotals.Rounded(percentiles?[1]), CallTotals.Rounded(percentiles?[2]), CallTotals.Rounded(percentiles?[3]), reader.ValueOrNull<double>(first + 4));
    }

    private static DateTimeOffset Within(DateTimeOffset at) => at < Earliest ? Earliest : at > Latest ? Latest : at;

    /// <summary>With the hour by which a clock that is set back makes it longer.</summary>
    private static TimeSpan LongestOf(Interval interval) => interval switch
    {
        Interval.Hour => TimeSpan.FromHours(1),
        Interval.Day => TimeSpan.FromHours(25),
        Interval.Week => new TimeSpan(7, 1, 0, 0),
        _ => new TimeSpan(31, 1, 0, 0),
    };

    private static async Task<List<DateTimeOffset>> BeginningsAsync(
        NpgsqlConnection connection, string unit, string timeZone, DateTimeOffset first, DateTimeOffset end, CancellationToken cancellationToken)
    {
        // Stepped by the wall clock of the time zone: a day there may have 23 or 25 hours. An hour that the clock shows twice is two.
        var query = new SqlQuery();
        var zone = query.Text(timeZone);
        var series = unit == "hour"
            ? $"generate_series(date_trunc('hour', {query.Time(first)}, {zone}), {query.Time(end)}, interval '1 hour')"
            : $"generate_series(date_trunc('{unit}', {query.Time(first)} at time zone {zone}), {query.Time(end)} at time zone {zone}, interval '1 {unit}')";
        var moment = unit == "hour" ? "s.at" : $"s.at at time zone {zone}";
        await using var command = query.On(
            connection,
            $"select moment from (select {moment} as moment from {series} as s (at)) s where moment < {query.Time(end)} order by moment limit {MostIntervals + 1}");
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var beginnings = new List<DateTimeOffset>();
        while (await reader.ReadAsync(cancellationToken))
        {
            beginnings.Add(reader.GetFieldValue<DateTimeOffset>(0));
        }

        return beginnings.Count <= MostIntervals ? beginnings : throw new TooManyIntervalsException(MostIntervals);
    }

    /// <summary>What calls are told apart by.</summary>
    /// <param name="Sql">Of calls <c>c</c>.</param>
    /// <param name="Dimension">The one of the roll-ups that it goes by.</param>
    /// <param name="OfDays">The same for all calls of a day of UTC, as far as time matters.</param>
    private sealed record Keys(Func<SqlQuery, string> Sql, RollupDimension Dimension, bool OfDays, string TimeZone)
    {
        private const string Utc = "UTC";

        public static Keys None { get; } = new(_ => "null", RollupDimension.None, OfDays: true, Utc);

        public static Keys Of(BreakdownBy by, string timeZone) => by switch
        {
            BreakdownBy.Agent => Of("c.agent", RollupDimension.Agent),
            BreakdownBy.Language => Of("c.language", RollupDimension.Language),
            BreakdownBy.EndReason => Of("c.end_reason", RollupDimension.EndReason),
            BreakdownBy.Status => Of("c.status", RollupDimension.Status),
            BreakdownBy.Channel => Of("c.channel", RollupDimension.Channel),
            BreakdownBy.Direction => Of("c.direction", RollupDimension.Direction),
            BreakdownBy.Hour => new Keys(
                query => $"extract(hour from c.started_at at time zone {query.Text(timeZone)})::int", RollupDimension.None, OfDays: false, timeZone),
            _ => throw new ArgumentOutOfRangeException(nameof(by)),
        };

        /// <summary>The beginning of the stretch, in UTC.</summary>
        public static Keys Of(Interval interval, string timeZone) => new(
            query => $"to_char(date_trunc('{EnumText.Of(interval)}', c.started_at, {query.Text(timeZone)}) at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS')",
            RollupDimension.None, OfDays: interval != Interval.Hour && timeZone == Utc, timeZone);

        private static Keys Of(string column, RollupDimension dimension) => new(_ => column, dimension, OfDays: true, Utc);
    }
}
