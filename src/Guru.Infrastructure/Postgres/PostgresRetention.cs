using Guru.Application;
using Guru.Application.Privacy;
using Guru.Application.Work;
using Guru.Domain;
using Guru.Domain.Callers;
using Guru.Domain.Conversations;
using Npgsql;
using NpgsqlTypes;

namespace Guru.Infrastructure.Postgres;

/// <summary>Each kind of personal data has keys of its own for each month: what is over is destroyed with them, wherever copies of it are.</summary>
public sealed class PostgresRetention(NpgsqlDataSource dataSource, PostgresEventStore store, EventKeys keys, TimeProvider time) : IRetention
{
    /// <summary>
    /// What was made of both goes with the first of the two; words from before they were told apart with the last. $1 to $3: before which month
    /// transcripts, messages and recordings are over.
    /// </summary>
    private const string IsOver =
        """
        k.month < case k.kind
            when 'transcript' then $1
            when 'message' then $2
            when 'recording' then $3
            when 'summary' then greatest($1, $2)
            when 'words' then case when $1 is not null and $2 is not null then least($1, $2) end end
        """;

    /// <summary>Whose limit a key that is over goes by.</summary>
    private const string GoesBy =
        """
        case k.kind
            when 'transcript' then 'transcripts'
            when 'message' then 'messages'
            when 'recording' then 'recordings'
            when 'summary' then case when greatest($1, $2) = $1 then 'transcripts' else 'messages' end
            when 'words' then case when least($1, $2) = $1 then 'transcripts' else 'messages' end
        end
        """;

    public async Task<IReadOnlyList<RetentionDue>> ReportAsync(RetentionLimits limits, CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await using var command = Command(
            connection, $"select {GoesBy}, count(distinct k.caller_id), count(*), min(k.month) from guru_keys.keys k where {IsOver} group by 1", limits);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var report = (
            from kind in Enum.GetValues<Retained>()
            where limits.Before(kind) is not null
            select new RetentionDue(kind, limits.Before(kind)!.Value, Callers: 0, Keys: 0, Oldest: null)).ToList();
        while (await reader.ReadAsync(cancellationToken))
        {
            var place = report.FindIndex(due => EnumText.Of(due.Kind) == reader.GetString(0));
            report[place] = report[place] with { Callers = reader.GetInt64(1), Keys = reader.GetInt64(2), Oldest = reader.GetFieldValue<DateOnly>(3) };
        }

        return report;
    }

    public async Task ScheduleAsync(RetentionLimits limits, CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await using var command = Command(
            connection,
            $"""
            insert into guru.work (id, kind, caller_id, subject, due_at)
            select distinct '{WorkItem.Retention}:' || k.caller_id, '{WorkItem.Retention}', k.caller_id, k.caller_id, now()
            from guru_keys.keys k where {IsOver}
            on conflict do nothing
            """,
            limits);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    public async Task ApplyAsync(CallerId callerId, RetentionLimits limits, CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        var destroyed = new HashSet<PersonalDataKind>();
        await using (var command = Command(connection, $"delete from guru_keys.keys k where k.caller_id = $4 and {IsOver} returning k.kind", limits))
        {
            command.Parameters.Add(new() { Value = callerId.Value });
            await using var reader = await command.ExecuteReaderAsync(cancellationToken);
            while (await reader.ReadAsync(cancellationToken))
            {
                destroyed.Add(EnumText.Read<PersonalDataKind>(reader.GetString(0)));
            }
        }

        (string, ExpectedVersion, object)[] events =
        [
            .. from kind in Enum.GetValues<Retained>()
               where limits.Before(kind) is not null && destroyed.Overlaps(KeysOf(kind))
               select (Conversation.StreamId(callerId), ExpectedVersion.Any, (object)new RetentionApplied(
                   callerId, kind, new DateTimeOffset(limits.Before(kind)!.Value.ToDateTime(TimeOnly.MinValue), TimeSpan.Zero), time.GetUtcNow())),
        ];
        if (events.Length > 0)
        {
            await store.AppendWithinAsync(connection, events, cancellationToken);
            await transaction.CommitAsync(cancellationToken);
            keys.Forget();
        }
    }

    private static PersonalDataKind[] KeysOf(Retained kind) => kind switch
    {
        Retained.Transcripts => [PersonalDataKind.Transcript, PersonalDataKind.Summary, PersonalDataKind.Words],
        Retained.Messages => [PersonalDataKind.Message, PersonalDataKind.Summary, PersonalDataKind.Words],
        _ => [PersonalDataKind.Recording],
    };

    private static NpgsqlCommand Command(NpgsqlConnection connection, string sql, RetentionLimits limits)
    {
        var command = new NpgsqlCommand(sql, connection) { CommandTimeout = 0 };
        foreach (var limit in new[] { limits.Transcripts, limits.Messages, limits.Recordings })
        {
            command.Parameters.Add(new() { Value = (object?)limit ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Date });
        }

        return command;
    }
}
