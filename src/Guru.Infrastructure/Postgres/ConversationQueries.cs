using Guru.Application;
using Guru.Application.Conversations;
using Guru.Domain.Callers;
using Guru.Domain.Calls;
using Npgsql;
using NpgsqlTypes;

namespace Guru.Infrastructure.Postgres;

internal sealed class ConversationQueries(NpgsqlDataSource dataSource) : IConversationQueries
{
    private const int MostRows = 1_000;

    private const string Summaries = "select caller_id, language, agent, last_activity_at, address_masked from guru.conversations";

    private const string AllEntries = "select at, channel, speaker, text, agent, call_sid, message_sid, delivery, failure, source_id from guru.messages";

    private const string Entries = $"{AllEntries} where caller_id = $1";

    /// <summary>What was never sent is for analysts; nobody said or heard it.</summary>
    internal const string WasSaid = "not (speaker = 'agent' and failure is not null)";

    public async Task<CallerId?> CallerOfMessageAsync(string messageSid, CancellationToken cancellationToken)
    {
        // Of one that the carrier told of before it was on record, whoever has it on record.
        await using var command = dataSource.CreateCommand("select caller_id from guru.deliveries where message_sid = $1 order by source_id is null limit 1");
        command.Parameters.Add(new() { Value = messageSid });
        return await command.ExecuteScalarAsync(cancellationToken) is string callerId ? CallerId.Parse(callerId) : null;
    }

    public async Task<Page<ConversationSummary>> ListAsync(
        ConversationFilter filter, int limit, string? cursor, CancellationToken cancellationToken)
    {
        limit = Math.Clamp(limit, 1, MostRows);
        var query = new SqlQuery();
        query.And("last_activity_at is not null");
        query.AndOneOf("agent", filter.Agents);
        query.AndOneOf("language", filter.Languages);
        query.AndWithin("last_activity_at", filter.LastActivityAt);
        if (filter.CallerId is { } callerId)
        {
            query.And($"caller_id = {query.Text(callerId.Value)}");
        }

        if (cursor is not null)
        {
            var (at, id) = TimeCursor.Parse(cursor);
            query.And($"(last_activity_at, caller_id) < ({query.Time(at)}, {query.Text(id)})");
        }

        await using var command = query.On(
            dataSource, $"{Summaries} {query.Where} order by last_activity_at desc, caller_id desc limit {query.Parameter(limit + 1, NpgsqlDbType.Integer)}");
        var conversations = await ConversationsAsync(command, cancellationToken);
        return Page.Of(conversations, limit, last => TimeCursor.Of(last.LastActivityAt, last.CallerId));
    }

    public async Task<ConversationSummary?> FindAsync(CallerId callerId, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand($"{Summaries} where caller_id = $1 and last_activity_at is not null");
        command.Parameters.Add(new() { Value = callerId.Value });
        return (await ConversationsAsync(command, cancellationToken)).SingleOrDefault();
    }

    public async Task<Page<TimelineEntry>> TimelineAsync(
        IReadOnlyList<CallerId> callerIds, TimelineFilter filter, int limit, string? cursor, CancellationToken cancellationToken)
    {
        limit = Math.Clamp(limit, 1, MostRows);
        var query = new SqlQuery();
        query.And(query.Of("caller_id", callerIds));
        query.AndOneOf("channel", filter.Channels.Select(EnumText.Of));
        query.AndOneOf("speaker", filter.Speaker is { } speaker ? [EnumText.Of(speaker)] : []);
        query.AndOneOf("agent", filter.Agents);
        query.AndOneOf("call_sid", filter.CallSid is { } callSid ? [callSid.Value] : []);
        query.AndOneOf("message_sid", filter.MessageSid is { } messageSid ? [messageSid] : []);
        query.AndWithin("at", filter.At);
        if (cursor is not null)
        {
            var (at, id) = TimeCursor.Parse(cursor);
            query.And($"(at, source_id) > ({query.Time(at)}, {query.Text(id)})");
        }

        await using var command = query.On(
            dataSource, $"{AllEntries} {query.Where} order by at, source_id limit {query.Parameter(limit + 1, NpgsqlDbType.Integer)}");
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var entries = new List<(TimelineEntry Entry, string SourceId)>();
        while (await reader.ReadAsync(cancellationToken))
        {
            entries.Add((Entry(reader), reader.GetString(9)));
        }

        var page = Page.Of(entries, limit, last => TimeCursor.Of(last.Entry.At, last.SourceId));
        return new Page<TimelineEntry>([.. page.Items.Select(item => item.Entry)], page.Next);
    }

    public async Task<Memory> RememberAsync(CallerId callerId, int most, CancellationToken cancellationToken)
    {
        var memory = await MemoryAsync($"{Entries} and {WasSaid} order by at desc, source_id desc limit $2", callerId, most, cancellationToken);
        return memory with { Entries = [.. memory.Entries.Reverse()] };
    }

    public Task<Memory> UnsummarizedAsync(CallerId callerId, int most, CancellationToken cancellationToken) => MemoryAsync(
        $"""
        {Entries} and {WasSaid} and at >= coalesce((select summarized_up_to from guru.conversations where caller_id = $1), '-infinity')
        order by at, source_id limit $2
        """,
        callerId, most, cancellationToken);

    private async Task<Memory> MemoryAsync(string entries, CallerId callerId, int most, CancellationToken cancellationToken)
    {
        // Both in one round trip: somebody is waiting for the first word.
        await using var batch = dataSource.CreateBatch();
        batch.BatchCommands.Add(new NpgsqlBatchCommand(
            "select agent, language, nullif(summary, ''), summarized_up_to from guru.conversations where caller_id = $1")
        {
            Parameters = { new() { Value = callerId.Value } },
        });
        batch.BatchCommands.Add(new NpgsqlBatchCommand(entries)
        {
            Parameters = { new() { Value = callerId.Value }, new() { Value = Math.Max(0, most) } },
        });
        await using var reader = await batch.ExecuteReaderAsync(cancellationToken);
        var memory = await reader.ReadAsync(cancellationToken)
            ? new Memory(reader.TextOrNull(0), reader.TextOrNull(1), reader.TextOrNull(2), reader.ValueOrNull<DateTimeOffset>(3), [])
            : Memory.None;
        await reader.NextResultAsync(cancellationToken);
        var found = new List<TimelineEntry>();
        while (await reader.ReadAsync(cancellationToken))
        {
            found.Add(Entry(reader));
        }

        return memory with { Entries = found };
    }

    private static async Task<List<ConversationSummary>> ConversationsAsync(NpgsqlCommand command, CancellationToken cancellationToken)
    {
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var conversations = new List<ConversationSummary>();
        while (await reader.ReadAsync(cancellationToken))
        {
            conversations.Add(new ConversationSummary(
                CallerId: reader.GetString(0),
                Language: reader.TextOrNull(1),
                Agent: reader.TextOrNull(2),
                LastActivityAt: reader.GetFieldValue<DateTimeOffset>(3),
                PhoneNumberMasked: reader.TextOrNull(4)));
        }

        return conversations;
    }

    private static TimelineEntry Entry(NpgsqlDataReader reader) => new(
        At: reader.GetFieldValue<DateTimeOffset>(0),
        Channel: EnumText.Read<TimelineChannel>(reader.GetString(1)),
        Speaker: EnumText.Read<Speaker>(reader.GetString(2)),
        Text: reader.GetString(3),
        Agent: reader.TextOrNull(4),
        CallSid: reader.TextOrNull(5),
        MessageSid: reader.TextOrNull(6),
        Delivery: reader.TextOrNull(7))
    {
        Failure = reader.TextOrNull(8),
    };
}
