using System.Globalization;
using Guru.Application;
using Guru.Application.Calls;
using Guru.Domain.Calls;
using Guru.Domain.Costs;
using Npgsql;
using NpgsqlTypes;

namespace Guru.Infrastructure.Postgres;

/// <param name="fewUtterances">Of so many or fewer, all are searched at once for the newest calls with a text.</param>
internal sealed class CallQueries(
    NpgsqlDataSource dataSource, PostgresEventStore store, EventSerializer serializer, PriceTable prices, int fewUtterances = SearchWindow.FewUtterances) : ICallQueries
{
    private const int MostRows = 1_000;

    /// <summary>What a summary is read from, in the order of <see cref="Read"/>.</summary>
    internal const string Columns =
        """
        c.call_sid, c.caller_id, c.channel, c.direction, c.agent, c.language, c.status, c.end_reason, c.started_at, c.ended_at,
        c.duration_seconds, c.agents, c.node, c.turns, c.barge_ins, c.caller_talk_ms, c.agent_talk_ms, c.latency_p50_ms, c.latency_p95_ms,
        c.cost, c.unpriced = 0, c.address_masked
        """;

    private const int ColumnCount = 22;

    /// <summary>
    /// The utterances of a call, in the order of speech, with what they cost: what the transcription cost, or the response it is of; where that made several,
    /// the first of them bears it.
    /// </summary>
    /// <param name="callSid">An expression.</param>
    internal static string TurnsOf(string callSid) =>
        $"""
        select u.*, coalesce(t.cost, case when u.of_response = 1 then r.cost end) as cost
        from (
            select u.*, row_number() over (partition by u.response_id order by u.start_ms, u.at, u.utterance_id) as of_response
            from guru.utterances u where u.call_sid = {callSid}) u
        left join guru.usages t on t.call_sid = {callSid} and t.kind = '{UsageRecorded.Transcription}' and t.usage_id = u.utterance_id
        left join guru.usages r on r.call_sid = {callSid} and r.kind = '{UsageRecorded.Response}' and r.usage_id = u.response_id
        order by u.start_ms, u.at, u.utterance_id
        """;

    public async Task<Page<CallSummary>> ListAsync(
        CallFilter filter, CallOrder order, int limit, string? cursor, CancellationToken cancellationToken)
    {
        limit = Math.Clamp(limit, 1, MostRows);
        var after = cursor is null ? default((string Value, string CallSid)?) : CallCursor.Parse(cursor, order);
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        var window = filter is { Text: not null, CallerIds: null } && order == CallOrder.NewestFirst
            ? await SearchWindow.ReadAsync(connection, filter.StartedAt, CallCursor.TimeOf(after), fewUtterances, cancellationToken)
            : SearchWindow.Everything;
        List<(CallSummary Call, decimal Value)> rows;
        while ((rows = await RowsAsync(connection, filter, order, limit + 1, after, window, cancellationToken)).Count <= limit && window.From is not null)
        {
            window.Widen(rows.Count, limit + 1);
        }

        var page = Page.Of(rows, limit, row => CallCursor.Of(order, row.Call, row.Value));
        return new Page<CallSummary>([.. page.Items.Select(row => row.Call)], page.Next);
    }

    private static async Task<List<(CallSummary Call, decimal Value)>> RowsAsync(
        NpgsqlConnection connection, CallFilter filter, CallOrder order, int most, (string Value, string CallSid)? after, SearchWindow window, CancellationToken cancellationToken)
    {
        var query = new SqlQuery();
        await CallConditions.AddAsync(query, filter, Projections.LiveSchema, connection, cancellationToken, window);
        var (by, type) = SortedBy(order.By);
        if (after is var (value, callSid))
        {
            query.And($"({by}, c.call_sid) {(order.Descending ? '<' : '>')} ({query.Text(value)}::{type}, {query.Text(callSid)})");
        }

        // Which calls it is can be seen in an index for most filters; only those are then looked up.
        var inOrder = $"order by {by} {(order.Descending ? "desc" : "asc")}, c.call_sid {(order.Descending ? "desc" : "asc")}";
        var rows = new List<(CallSummary Call, decimal Value)>();
        await foreach (var reader in query.ReadAsync(
            connection,
            $"""
            select {Columns}, {(type == "numeric" ? by : "0")} from guru.calls c
            where c.call_sid = any (array(
                select c.call_sid from guru.calls c {query.Where} {inOrder} limit {query.Parameter(most, NpgsqlDbType.Integer)}))
            {inOrder}
            """,
            cancellationToken))
        {
            rows.Add((Read(reader), reader.GetDecimal(ColumnCount)));
        }

        return rows;
    }

    public async Task<CallSummary?> FindAsync(CallSid callSid, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand($"select {Columns} from guru.calls c where c.call_sid = $1");
        command.Parameters.Add(new() { Value = callSid.Value });
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        return await reader.ReadAsync(cancellationToken) ? Read(reader) : null;
    }

    public async Task<CallDetail?> DetailAsync(CallSid callSid, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(
            $"""
            select {Columns}, c.input_text, c.input_audio, c.cached_text, c.cached_audio, c.output_text, c.output_audio, c.transcription_seconds,
                c.cost_text, c.cost_audio, c.cost_cached, c.cost_transcription, c.cost_carrier,
                coalesce((select sum(t.cost) from ({TurnsOf("c.call_sid")}) t), 0),
                case when not c.erased then c.recording_ms end, c.recording_bytes
            from guru.calls c where c.call_sid = $1
            """);
        command.Parameters.Add(new() { Value = callSid.Value });
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        if (!await reader.ReadAsync(cancellationToken))
        {
            return null;
        }

        long Tokens(int column) => reader.GetInt64(ColumnCount + column);
        decimal Amount(int column) => reader.GetDecimal(ColumnCount + column);
        var call = Read(reader);
        var (carrier, turns) = (reader.ValueOrNull<decimal>(ColumnCount + 11), Amount(12));
        var tokens = new CallTokens(Tokens(0), Tokens(1), Tokens(2), Tokens(3), Tokens(4), Tokens(5), Amount(6));
        var costs = new CallCosts(
            Amount(7), Amount(8), Amount(9), Amount(10), carrier, turns, call.Cost - (carrier ?? 0) - turns, prices.Dated);
        var recording = reader.ValueOrNull<long>(ColumnCount + 13) is { } ms ? new CallRecordingSummary(ms, reader.GetInt64(ColumnCount + 14)) : null;
        await reader.CloseAsync();
        return new CallDetail(call)
        {
            Recording = recording,
            Tokens = tokens,
            Costs = costs,
            Routing = await RoutingAsync(dataSource, "call_sid = $1", callSid.Value, cancellationToken),
        };
    }

    public async Task<Transcript?> TranscriptAsync(CallSid callSid, CancellationToken cancellationToken)
    {
        if (await FindAsync(callSid, cancellationToken) is not { } call)
        {
            return null;
        }

        await using var command = dataSource.CreateCommand(
            $"""
            select utterance_id, speaker, agent, said, heard, interrupted, transcription, start_ms, end_ms, said_ms, heard_ms, language,
                   first_audio_ms, first_heard_ms, cost
            from ({TurnsOf("$1")}) t
            """);
        command.Parameters.Add(new() { Value = callSid.Value });
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var lines = new List<TranscriptLine>();
        while (await reader.ReadAsync(cancellationToken))
        {
            lines.Add(ReadLine(reader, 0));
        }

        return new Transcript(call.CallSid, call.Status, lines);
    }

    public async Task<Page<EventView>?> EventsAsync(
        CallSid callSid, EventFilter filter, int limit, string? cursor, CancellationToken cancellationToken)
    {
        limit = Math.Clamp(limit, 1, MostRows);
        var from = cursor is null ? 1 : EventCursor.Parse(cursor);
        var events = await store.ReadAsync(Call.StreamId(callSid), from, limit + 1, filter, cancellationToken);
        if (events.Count == 0 && cursor is null)
        {
            return null;
        }

        return new Page<EventView>(
            [.. events.Take(limit).Select(serializer.View)],
            events.Count > limit ? EventCursor.Of(events[limit].Version) : null);
    }

    internal static CallSummary Read(NpgsqlDataReader reader) => new(
        CallSid: reader.GetString(0),
        CallerId: reader.TextOrNull(1),
        Channel: EnumText.Read<CallChannel>(reader.GetString(2)),
        Direction: EnumText.Read<CallDirection>(reader.GetString(3)),
        Agent: reader.TextOrNull(4),
        Language: reader.TextOrNull(5),
        Status: EnumText.Read<CallStatus>(reader.GetString(6)),
        EndReason: reader.TextOrNull(7) is { } reason ? EnumText.Read<CallEndReason>(reason) : null,
        StartedAt: reader.GetFieldValue<DateTimeOffset>(8),
        EndedAt: reader.ValueOrNull<DateTimeOffset>(9),
        DurationSeconds: reader.ValueOrNull<int>(10),
        Agents: reader.GetFieldValue<string[]>(11),
        Node: reader.TextOrNull(12),
        Turns: reader.GetInt32(13),
        BargeIns: reader.GetInt32(14),
        Interrupted: reader.GetInt32(14) > 0,
        CallerTalkMs: reader.GetInt64(15),
        AgentTalkMs: reader.GetInt64(16),
        LatencyP50Ms: reader.ValueOrNull<double>(17),
        LatencyP95Ms: reader.ValueOrNull<double>(18),
        Cost: reader.GetDecimal(19),
        CostIsComplete: reader.GetBoolean(20),
        PhoneNumberMasked: reader.TextOrNull(21));

    /// <summary>A line from fifteen columns, from a column on.</summary>
    internal static TranscriptLine ReadLine(NpgsqlDataReader reader, int first) => new(
        Id: reader.GetString(first),
        Speaker: EnumText.Read<Speaker>(reader.GetString(first + 1)),
        Agent: reader.TextOrNull(first + 2),
        Said: reader.GetString(first + 3),
        Heard: reader.GetString(first + 4),
        Interrupted: reader.GetBoolean(first + 5),
        Transcription: EnumText.Read<TranscriptionOutcome>(reader.GetString(first + 6)),
        StartMs: reader.GetInt64(first + 7),
        EndMs: reader.GetInt64(first + 8),
        SaidMs: reader.GetInt64(first + 9),
        HeardMs: reader.GetInt64(first + 10),
        Language: reader.TextOrNull(first + 11),
        FirstAudioMs: reader.ValueOrNull<long>(first + 12),
        FirstHeardMs: reader.ValueOrNull<long>(first + 13),
        Cost: reader.ValueOrNull<decimal>(first + 14));

    /// <param name="condition">On $1, which is the key.</param>
    internal static async Task<List<AgentChoice>> RoutingAsync(
        NpgsqlDataSource dataSource, string condition, object key, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(
            $"""
            select at, call_sid, message_sid, agent, reason, confidence, alternatives, prompt_version
            from guru.routings where {condition} order by at desc, source_id desc limit {MostRows}
            """);
        command.Parameters.Add(new() { Value = key });
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var decisions = new List<AgentChoice>();
        while (await reader.ReadAsync(cancellationToken))
        {
            decisions.Add(new AgentChoice(
                At: reader.GetFieldValue<DateTimeOffset>(0),
                CallSid: reader.TextOrNull(1),
                MessageSid: reader.TextOrNull(2),
                Agent: reader.GetString(3),
                Reason: reader.GetString(4),
                Confidence: reader.ValueOrNull<double>(5),
                Alternatives: reader.GetFieldValue<string[]>(6),
                PromptVersion: reader.TextOrNull(7)));
        }

        decisions.Reverse();
        return decisions;
    }

    /// <summary>What is not known comes before everything that is.</summary>
    private static (string Expression, string Type) SortedBy(CallSort sort) => sort switch
    {
        CallSort.StartedAt => ("c.started_at", "timestamptz"),
        CallSort.DurationSeconds => ("coalesce(c.duration_seconds, -1)::numeric", "numeric"),
        CallSort.Turns => ("c.turns::numeric", "numeric"),
        CallSort.BargeIns => ("c.barge_ins::numeric", "numeric"),
        CallSort.LatencyP50Ms => ("coalesce(c.latency_p50_ms, -1)::numeric", "numeric"),
        CallSort.LatencyP95Ms => ("coalesce(c.latency_p95_ms, -1)::numeric", "numeric"),
        CallSort.Cost => ("c.cost", "numeric"),
        _ => throw new ArgumentOutOfRangeException(nameof(sort)),
    };
}

/// <summary>After a call in an order.</summary>
internal static class CallCursor
{
    public static string Of(CallOrder order, CallSummary call, decimal value) => Cursor.Of(string.Create(
        CultureInfo.InvariantCulture,
        $"{order.By}{(order.Descending ? '-' : '+')} {(order.By == CallSort.StartedAt ? call.StartedAt.UtcDateTime.ToString("O", CultureInfo.InvariantCulture) : value)} {call.CallSid}"));

    /// <param name="place">In the order of time.</param>
    public static DateTimeOffset? TimeOf((string Value, string CallSid)? place) =>
        place is var (value, _) ? DateTimeOffset.ParseExact(value, "O", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal) : null;

    /// <exception cref="FormatException">Not a cursor of this order.</exception>
    public static (string Value, string CallSid) Parse(string cursor, CallOrder order)
    {
        var parts = Cursor.Parse(cursor).Split(' ');
        return parts.Length == 3
            && parts[0] == $"{order.By}{(order.Descending ? '-' : '+')}"
            && !parts[2].Contains('\0')
            && (order.By == CallSort.StartedAt
                ? DateTime.TryParseExact(parts[1], "O", CultureInfo.InvariantCulture, DateTimeStyles.RoundtripKind, out _)
                : decimal.TryParse(parts[1], NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out _))
            ? (parts[1], parts[2])
            : throw new FormatException("Not a cursor of this list.");
    }
}
