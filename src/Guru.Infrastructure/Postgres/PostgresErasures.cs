using Guru.Application;
using Guru.Application.Conversations;
using Guru.Application.Privacy;
using Guru.Domain;
using Guru.Domain.Callers;
using Guru.Domain.Calls;
using Guru.Domain.Conversations;
using Npgsql;
using NpgsqlTypes;

namespace Guru.Infrastructure.Postgres;

/// <summary>
/// Forgets people. The read models follow from what is put on record, so that a rebuild agrees; from every other table in <c>guru</c> that has a
/// caller_id or a call_sid, the rows are deleted.
/// </summary>
public sealed class PostgresErasures(
    NpgsqlDataSource dataSource, PostgresEventStore store, EventKeys keys, Projections projections) : IErasures
{
    private const string KeysTable = "guru_keys.keys";

    private const int MostLockAttempts = 15;
    private const int MostConflicts = 20;

    public async Task<bool> CanTellWhoseAsync(CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        return projections.DueAfter(await ScalarAsync(connection, "select version from guru.read_models", cancellationToken) as string ?? "").Count == 0;
    }

    public async Task<KnownPerson?> FindAsync(CallerId callerId, CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        var calls = await CallsAsync(connection, callerId, cancellationToken);
        return calls.Length > 0
            || await ScalarAsync(
                connection,
                $"select exists (select from events.mt_streams where id = $2) or exists (select from {KeysTable} where caller_id = $1)",
                cancellationToken, callerId.Value, Conversation.StreamId(callerId)) is true
            ? new KnownPerson(calls)
            : null;
    }

    public async Task<ErasedPerson> EraseAsync(CallerId callerId, bool isKnownElsewhere, CancellationToken cancellationToken)
    {
        for (var conflicts = 0; ; conflicts++)
        {
            try
            {
                return await TryEraseAsync(callerId, isKnownElsewhere, cancellationToken);
            }
            catch (VersionConflictException) when (conflicts < MostConflicts)
            {
                // Since it was read and before nobody could append any more, something happened that may forbid it, such as that Guru is about to call.
            }
        }
    }

    private async Task<ErasedPerson> TryEraseAsync(CallerId callerId, bool isKnownElsewhere, CancellationToken cancellationToken)
    {
        // It cannot be read with the keys locked.
        var log = new ConversationLog(store, callerId);
        await log.ReadAsync(cancellationToken);
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await using var transaction = await BlockAppendsAsync(connection, cancellationToken);

        // A call whose end nobody told does not stand in the way for ever.
        if (await ScalarAsync(
            connection, "select call_sid from guru.calls where caller_id = $1 and ended_at is null and started_at > now() - interval '4 hours' limit 1",
            cancellationToken, callerId.Value) is string callSid)
        {
            throw new RuleException($"The call {callSid} goes on: erase once it is over.");
        }

        var at = new DateTimeOffset((DateTime)(await ScalarAsync(connection, "select clock_timestamp()", cancellationToken))!);
        Conversation.Decide(log.State, new EraseCaller(callerId, at)); // Refused while Guru calls.
        var calls = await CallsAsync(connection, callerId, cancellationToken);
        var erased = await EraseAsync(connection, new Erasure(callerId, at), log.Version, calls, cancellationToken);
        if (!isKnownElsewhere && calls.Length == 0 && erased.Tables.All(rows => rows.Removed == 0) && log.State.ErasedAt is { } before)
        {
            await transaction.RollbackAsync(cancellationToken);
            return erased with { At = before, Event = await PlaceAsync(connection, callerId, cancellationToken) };
        }

        await transaction.CommitAsync(cancellationToken);
        keys.Forget();
        return erased;
    }

    public async Task<IReadOnlyList<(Erasure Erasure, IReadOnlyList<string> CallSids)>> EraseAgainAsync(
        IReadOnlyCollection<Erasure> erasures, CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        var (unknown, unlocked) = await UndoneAsync(connection, erasures, cancellationToken);
        var undone = erasures.Where(erasure => unknown.Contains(erasure.CallerId.Value) || unlocked.Contains(erasure.CallerId.Value)).ToList();
        if (undone.Count == 0)
        {
            return [];
        }

        var known = await CallsOfAsync([.. undone.Select(erasure => erasure.CallerId)], cancellationToken);
        foreach (var erasure in undone)
        {
            await using var transaction = await BlockAppendsAsync(connection, cancellationToken);
            if (unknown.Contains(erasure.CallerId.Value))
            {
                await EraseAsync(connection, erasure, ExpectedVersion.Any, [.. known[erasure.CallerId].Union(await CallsAsync(connection, erasure.CallerId, cancellationToken))], cancellationToken);
            }
            else
            {
                await DeleteKeysAsync(connection, erasure, cancellationToken);
            }

            await ExecuteAsync(connection, "update guru.read_models set version = ''", cancellationToken);
            await transaction.CommitAsync(cancellationToken);
        }

        keys.Forget();
        return [.. undone.Select(erasure => (erasure, (IReadOnlyList<string>)[.. known[erasure.CallerId]]))];
    }

    public async Task<IReadOnlyList<Erasure>> ListAsync(DateTimeOffset since, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand("select caller_id, at from guru.consent where type = 'CallerErased' and at >= $1 order by at");
        command.Parameters.Add(new() { Value = since.ToUniversalTime() });
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var erasures = new List<Erasure>();
        while (await reader.ReadAsync(cancellationToken))
        {
            erasures.Add(new Erasure(CallerId.Parse(reader.GetString(0)), reader.GetFieldValue<DateTimeOffset>(1)));
        }

        return erasures;
    }

    public async Task<ILookup<CallerId, string>> CallsOfAsync(IReadOnlyCollection<CallerId> callers, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(
            """
            select distinct data ->> 'callerId', substr(stream_id, 6) from events.mt_events
            where type in ('call_started', 'call_status_changed') and data ->> 'callerId' = any ($1) and stream_id like 'call-%'
            """);
        command.CommandTimeout = 0;
        command.Parameters.Add(new() { Value = callers.Select(caller => caller.Value).ToArray() });
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var calls = new List<(CallerId CallerId, string CallSid)>();
        while (await reader.ReadAsync(cancellationToken))
        {
            calls.Add((CallerId.Parse(reader.GetString(0)), reader.GetString(1)));
        }

        return calls.ToLookup(call => call.CallerId, call => call.CallSid);
    }

    public async Task VacuumAsync(CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        foreach (var table in await PersonalTable.AllAsync(connection, cancellationToken))
        {
            await ExecuteAsync(connection, $"vacuum {table.Name}", cancellationToken);
        }
    }

    /// <summary>
    /// A transaction that appends with personal data have to wait for: each looks whether its keys still exist, so that none is under way under a key
    /// that is about to be destroyed.
    /// </summary>
    private static Task<NpgsqlTransaction> BlockAppendsAsync(NpgsqlConnection connection, CancellationToken cancellationToken) =>
        TableLock.TakeAsync(connection, MostLockAttempts, cancellationToken, $"lock table {KeysTable} in access exclusive mode");

    /// <summary>First the streams, which whoever appends has to wait for, then what is made of them.</summary>
    /// <param name="expected">Of their conversation.</param>
    private async Task<ErasedPerson> EraseAsync(
        NpgsqlConnection connection, Erasure erasure, ExpectedVersion expected, string[] calls, CancellationToken cancellationToken)
    {
        var (callerId, at) = erasure;
        var tables = await PersonalTable.AllAsync(connection, cancellationToken);
        var before = new long[tables.Count];
        for (var index = 0; index < tables.Count; index++)
        {
            before[index] = await tables[index].CountAsync(connection, callerId, calls, cancellationToken);
        }

        (string, ExpectedVersion, object)[] events =
        [
            .. calls.Select(call => ($"call-{call}", ExpectedVersion.Any, (object)new CallErased(at))),
            (Conversation.StreamId(callerId), expected, new CallerErased(callerId, at)),
        ];
        await store.AppendWithinAsync(connection, events, cancellationToken);
        await DeleteKeysAsync(connection, erasure, cancellationToken);
        foreach (var table in tables.Where(table => !projections.Tables.Contains(table.Name["guru.".Length..], StringComparer.Ordinal) && table.Name != KeysTable))
        {
            await table.DeleteAsync(connection, callerId, calls, cancellationToken);
        }

        var rows = new List<ErasedRows>();
        for (var index = 0; index < tables.Count; index++)
        {
            var after = await tables[index].CountAsync(connection, callerId, calls, cancellationToken);
            if (before[index] > 0 || after > 0)
            {
                rows.Add(new ErasedRows(tables[index].Name, Math.Max(0, before[index] - after), after));
            }
        }

        return new ErasedPerson(at, await PlaceAsync(connection, callerId, cancellationToken), calls.Length, rows);
    }

    /// <summary>Those that are older than the erasing: who writes again has new ones.</summary>
    private static Task DeleteKeysAsync(NpgsqlConnection connection, Erasure erasure, CancellationToken cancellationToken) =>
        ExecuteAsync(connection, $"delete from {KeysTable} where caller_id = $1 and created_at <= $2", cancellationToken, erasure.CallerId.Value, erasure.At.ToUniversalTime());

    /// <summary>Who is not on record as erased, and of whom there are keys that are older than the erasing.</summary>
    private static async Task<(HashSet<string> Unknown, HashSet<string> Unlocked)> UndoneAsync(
        NpgsqlConnection connection, IReadOnlyCollection<Erasure> erasures, CancellationToken cancellationToken)
    {
        string[] callers = [.. erasures.Select(erasure => erasure.CallerId.Value)];
        DateTime[] times = [.. erasures.Select(erasure => erasure.At.UtcDateTime)];
        var unknown = await TextsAsync(
            connection,
            """
            select e.caller_id from unnest($1, $2) as e (caller_id, at) where not exists (
                select from events.mt_events m
                where m.stream_id = 'conversation-' || e.caller_id and m.type = 'caller_erased' and (m.data ->> 'at')::timestamptz >= e.at)
            """,
            cancellationToken, callers, times);
        var unlocked = await TextsAsync(
            connection,
            $"""
            select e.caller_id from unnest($1, $2) as e (caller_id, at)
            where exists (select from {KeysTable} k where k.caller_id = e.caller_id and k.created_at <= e.at)
            """,
            cancellationToken, callers, times);
        return ([.. unknown], [.. unlocked]);
    }

    private static async Task<EventPlace> PlaceAsync(NpgsqlConnection connection, CallerId callerId, CancellationToken cancellationToken)
    {
        var streamId = Conversation.StreamId(callerId);
        await using var command = Command(
            connection, "select version, seq_id from events.mt_events where stream_id = $1 and type = 'caller_erased' order by version desc limit 1", streamId);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        await reader.ReadAsync(cancellationToken);
        return new EventPlace(streamId, reader.GetInt64(0), reader.GetInt64(1));
    }

    private static async Task<string[]> CallsAsync(NpgsqlConnection connection, CallerId callerId, CancellationToken cancellationToken) =>
        [.. await TextsAsync(connection, "select call_sid from guru.calls where caller_id = $1", cancellationToken, callerId.Value)];

    private static async Task<List<string>> TextsAsync(NpgsqlConnection connection, string sql, CancellationToken cancellationToken, params object[] values)
    {
        await using var command = Command(connection, sql, values);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var texts = new List<string>();
        while (await reader.ReadAsync(cancellationToken))
        {
            texts.Add(reader.GetString(0));
        }

        return texts;
    }

    private static async Task<object?> ScalarAsync(NpgsqlConnection connection, string sql, CancellationToken cancellationToken, params object[] values)
    {
        await using var command = Command(connection, sql, values);
        return await command.ExecuteScalarAsync(cancellationToken);
    }

    private static async Task ExecuteAsync(NpgsqlConnection connection, string sql, CancellationToken cancellationToken, params object[] values)
    {
        await using var command = Command(connection, sql, values);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>It may have much to remove: it takes its time.</summary>
    private static NpgsqlCommand Command(NpgsqlConnection connection, string sql, params object[] values)
    {
        var command = new NpgsqlCommand(sql, connection) { CommandTimeout = 0 };
        foreach (var value in values)
        {
            var parameter = new NpgsqlParameter { Value = value };
            if (value is DateTime[])
            {
                parameter.NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.TimestampTz;
            }

            command.Parameters.Add(parameter);
        }

        return command;
    }

    /// <summary>A table that names a person, a call, or both.</summary>
    private sealed record PersonalTable(string Name, bool OfCallers, bool OfCalls)
    {
        private string Condition => string.Join(" or ", [.. OfCallers ? ["caller_id = $1"] : Array.Empty<string>(), .. OfCalls ? ["call_sid = any ($2)"] : Array.Empty<string>()]);

        public static async Task<IReadOnlyList<PersonalTable>> AllAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
        {
            await using var command = new NpgsqlCommand(
                """
                select c.table_schema || '.' || c.table_name, bool_or(c.column_name = 'caller_id'), bool_or(c.column_name = 'call_sid')
                from information_schema.columns c join information_schema.tables t using (table_schema, table_name)
                where c.table_schema in ('guru', 'guru_keys') and c.column_name in ('caller_id', 'call_sid') and t.table_type = 'BASE TABLE'
                group by 1 order by 1
                """,
                connection);
            await using var reader = await command.ExecuteReaderAsync(cancellationToken);
            var tables = new List<PersonalTable>();
            while (await reader.ReadAsync(cancellationToken))
            {
                tables.Add(new PersonalTable(reader.GetString(0), reader.GetBoolean(1), reader.GetBoolean(2)));
            }

            return tables;
        }

        public async Task<long> CountAsync(NpgsqlConnection connection, CallerId callerId, string[] calls, CancellationToken cancellationToken) =>
            (long)(await ScalarAsync(connection, $"select count(*) from {Name} where ($1::text, $2::text[]) is not null and ({Condition})", cancellationToken, callerId.Value, calls))!;

        public Task DeleteAsync(NpgsqlConnection connection, CallerId callerId, string[] calls, CancellationToken cancellationToken) =>
            ExecuteAsync(connection, $"delete from {Name} where ($1::text, $2::text[]) is not null and ({Condition})", cancellationToken, callerId.Value, calls);
    }
}
