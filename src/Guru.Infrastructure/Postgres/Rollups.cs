using Guru.Application.Calls;
using Npgsql;
using NpgsqlTypes;

namespace Guru.Infrastructure.Postgres;

/// <summary>What the calls of a row of the roll-ups have in common besides the period.</summary>
internal enum RollupDimension
{
    None,
    Agent,
    Language,
    Channel,
    Direction,
    Status,
    EndReason,

    /// <summary>All of them; by the day only.</summary>
    All,
}

/// <summary>
/// The tables of the roll-ups. A row is never changed: where something happens in a call, the hour and the day in which it began are stale, are read
/// from the calls themselves, and are added up anew once they are over. So late events and repetitions do no harm.
/// </summary>
internal static class Rollups
{
    /// <summary>Held by whoever changes them; taken before any lock on the read models.</summary>
    public const long Lock = 0x67757277;

    private const int HoursAtOnce = 48;

    private static readonly (RollupDimension Dimension, string Column)[] Columns =
    [
        (RollupDimension.Agent, "agent"), (RollupDimension.Language, "language"), (RollupDimension.Channel, "channel"),
        (RollupDimension.Direction, "direction"), (RollupDimension.Status, "status"), (RollupDimension.EndReason, "end_reason"),
    ];

    /// <summary>The hours in which calls <c>c</c> began, or were once taken to have begun.</summary>
    public const string HoursOfCall = "unnest(c.former_hours || date_trunc('hour', c.started_at, 'UTC'))";

    /// <summary>The calls with events after a place in the log.</summary>
    public static string Touched(string after) =>
        $"select distinct substr(e.stream_id, 6) as call_sid from events.mt_events e where e.seq_id > {after} and e.stream_id like 'call-%'";

    /// <summary>A day of UTC, whatever the session's time zone makes of one.</summary>
    public static string LengthOf(string period) => period == "day" ? "interval '24 hours'" : "interval '1 hour'";

    /// <summary>For a filter and what the calls are told apart by; null where the roll-ups do not know what is asked for.</summary>
    public static RollupDimension? DimensionFor(CallFilter filter, RollupDimension toldApartBy)
    {
        // Whatever else a filter may have or get.
        if (filter != new CallFilter
        {
            StartedAt = filter.StartedAt, Agents = filter.Agents, Languages = filter.Languages, Channels = filter.Channels, Directions = filter.Directions,
            Statuses = filter.Statuses, EndReasons = filter.EndReasons,
            AgentsInvolved = filter.AgentsInvolved is [] ? filter.AgentsInvolved : [""],
        })
        {
            return null;
        }

        var asked = new HashSet<RollupDimension> { toldApartBy };
        void Asks(RollupDimension dimension, int values) => _ = values > 0 && asked.Add(dimension);
        Asks(RollupDimension.Agent, filter.Agents.Count);
        Asks(RollupDimension.Language, filter.Languages.Count);
        Asks(RollupDimension.Channel, filter.Channels.Count);
        Asks(RollupDimension.Direction, filter.Directions.Count);
        Asks(RollupDimension.Status, filter.Statuses.Count);
        Asks(RollupDimension.EndReason, filter.EndReasons.Count);
        asked.Remove(RollupDimension.None);
        return asked.Count switch
        {
            0 => RollupDimension.None,
            1 => asked.Single(),
            _ => RollupDimension.All,
        };
    }

    public static bool AreMadeOf(string table) => table is "calls" or "utterances";

    /// <summary>All is to be added up anew, from the calls as they are now: nothing of the log up to a place is left to be looked at.</summary>
    public static async Task StartOverAsync(NpgsqlConnection connection, long upTo, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand(
            $"""
            insert into guru.call_rollups_stale
            select distinct p.period, date_trunc(p.period, h.starts, 'UTC')
            from (select {HoursOfCall} from guru.calls c union select c.starts from guru.call_rollups c) h (starts)
            cross join (values ('hour'), ('day')) p (period)
            on conflict do nothing;
            update guru.read_models set rolled_up_to = {upTo}
            """,
            connection) { CommandTimeout = 0 };
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>The hours and days of the calls with events after a place, up to another, are stale.</summary>
    public static async Task MarkAsync(NpgsqlConnection connection, long after, long upTo, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand(
            $"""
            insert into guru.call_rollups_stale
            select distinct p.period, date_trunc(p.period, h.starts, 'UTC')
            from ({Touched($"{after}")} and e.seq_id <= {upTo}) t
            join guru.calls c on c.call_sid = t.call_sid
            cross join lateral {HoursOfCall} h (starts)
            cross join (values ('hour'), ('day')) p (period)
            on conflict do nothing;
            update guru.read_models set rolled_up_to = {upTo}
            """,
            connection) { CommandTimeout = 0 };
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>Adds up what is stale and over, hours before days and the newest first, as much as goes on at once.</summary>
    /// <returns>Whether there was something.</returns>
    public static async Task<bool> AddUpAsync(NpgsqlConnection connection, DateTimeOffset now, CancellationToken cancellationToken)
    {
        await using var find = new NpgsqlCommand(
            $"""
            select period, starts from (
                select * from (
                    select period, starts from guru.call_rollups_stale
                    where period = 'hour' and starts <= $1 - {LengthOf("hour")} order by starts desc limit $2) h
                union all
                select * from (
                    select period, starts from guru.call_rollups_stale
                    where period = 'day' and starts <= $1 - {LengthOf("day")} order by starts desc limit 1) d) s
            order by period desc, starts desc
            """,
            connection);
        find.Parameters.Add(new() { Value = now.ToUniversalTime() });
        find.Parameters.Add(new() { Value = HoursAtOnce });
        var stale = new List<(string Period, DateTimeOffset Starts)>();
        await using (var reader = await find.ExecuteReaderAsync(cancellationToken))
        {
            while (await reader.ReadAsync(cancellationToken))
            {
                stale.Add((reader.GetString(0), reader.GetFieldValue<DateTimeOffset>(1)));
            }
        }

        if (stale.Count == 0)
        {
            return false;
        }

        var (period, starts) = (stale[0].Period, stale.Where(one => one.Period == stale[0].Period).Select(one => one.Starts).ToArray());
        var rows = await TotalsAsync(connection, period, starts, cancellationToken);
        await using (var replace = new NpgsqlCommand(
            "delete from guru.call_rollups where period = $1 and starts = any ($2)", connection))
        {
            replace.Parameters.Add(new() { Value = period });
            replace.Parameters.Add(new() { Value = starts });
            await replace.ExecuteNonQueryAsync(cancellationToken);
            replace.CommandText = "delete from guru.call_rollups_stale where period = $1 and starts = any ($2)";
            await replace.ExecuteNonQueryAsync(cancellationToken);
        }

        await WriteAsync(connection, period, rows, cancellationToken);
        return true;
    }

    private static async Task<Dictionary<Row, CallTotals>> TotalsAsync(
        NpgsqlConnection connection, string period, DateTimeOffset[] starts, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand(
            $"""
            select p.starts, {string.Join(", ", Columns.Select(column => $"c.{column.Column}"))},
                {string.Join(", ", CallTotals.Counts.Concat(CallTotals.Costs).Select(sum => sum.OfCall))}, {CallTotals.MeasuredOf(all: true)}
            from unnest($1) as p (starts)
            join guru.calls c on c.started_at >= p.starts and c.started_at < p.starts + {LengthOf(period)}
            {CallTotals.Utterances}
            """,
            connection) { CommandTimeout = 0 };
        command.Parameters.Add(new() { Value = starts });
        var (firstSum, firstMeasured) = (1 + Columns.Length, 1 + Columns.Length + CallTotals.Counts.Length + CallTotals.Costs.Length);
        var rows = new Dictionary<Row, CallTotals>();
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
        {
            foreach (var dimension in Enum.GetValues<RollupDimension>().Where(dimension => dimension != RollupDimension.All || period == "day"))
            {
                string? ValueOf(int column) => dimension == RollupDimension.All || dimension == Columns[column].Dimension ? reader.TextOrNull(1 + column) : null;
                var row = new Row(reader.GetFieldValue<DateTimeOffset>(0), dimension, ValueOf(0), ValueOf(1), ValueOf(2), ValueOf(3), ValueOf(4), ValueOf(5));
                if (!rows.TryGetValue(row, out var totals))
                {
                    rows[row] = totals = new CallTotals();
                }

                totals.AddSums(reader, firstSum);
                totals.AddMeasured(reader, firstMeasured);
            }
        }

        return rows;
    }

    private static async Task WriteAsync(NpgsqlConnection connection, string period, Dictionary<Row, CallTotals> rows, CancellationToken cancellationToken)
    {
        IEnumerable<string> columns =
        [
            "period", "starts", "dimension", .. Columns.Select(column => column.Column),
            .. CallTotals.Counts.Concat(CallTotals.Costs).Select(sum => sum.Column), .. CallTotals.Distributions,
        ];
        await using var copy = await connection.BeginBinaryImportAsync(
            $"copy guru.call_rollups ({string.Join(", ", columns)}) from stdin (format binary)", cancellationToken);
        foreach (var (row, totals) in rows)
        {
            await copy.StartRowAsync(cancellationToken);
            await copy.WriteAsync(period, NpgsqlDbType.Text, cancellationToken);
            await copy.WriteAsync(row.Starts, NpgsqlDbType.TimestampTz, cancellationToken);
            await copy.WriteAsync(EnumText.Of(row.Dimension), NpgsqlDbType.Text, cancellationToken);
            foreach (var value in (string?[])[row.Agent, row.Language, row.Channel, row.Direction, row.Status, row.EndReason])
            {
                await copy.WriteAsync(value, NpgsqlDbType.Text, cancellationToken);
            }

            for (var index = 0; index < CallTotals.Counts.Length; index++)
            {
                await copy.WriteAsync(totals.CountOf(index), NpgsqlDbType.Bigint, cancellationToken);
            }

            for (var index = 0; index < CallTotals.Costs.Length; index++)
            {
                await copy.WriteAsync(totals.CostOf(index), NpgsqlDbType.Numeric, cancellationToken);
            }

            for (var index = 0; index < CallTotals.Distributions.Length; index++)
            {
                await copy.WriteAsync(totals.DistributionOf(index), NpgsqlDbType.Bytea, cancellationToken);
            }
        }

        await copy.CompleteAsync(cancellationToken);
    }

    private readonly record struct Row(
        DateTimeOffset Starts, RollupDimension Dimension, string? Agent, string? Language, string? Channel, string? Direction, string? Status, string? EndReason);
}
