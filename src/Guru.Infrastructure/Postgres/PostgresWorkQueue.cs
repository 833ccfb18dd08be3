using System.Text;
using Guru.Application.Work;
using Guru.Domain;
using Guru.Domain.Callers;
using Npgsql;
using NpgsqlTypes;

namespace Guru.Infrastructure.Postgres;

/// <summary>
/// The to-do list in <c>guru.work</c>, by the database's clock, so that nodes need not agree on the time. An intent holds a
/// person's words and is sealed under their key of the month: where it was destroyed, the item tells that there was an intent
/// (<see cref="WorkItem.IntentAt"/>) and no longer which.
/// </summary>
internal sealed class PostgresWorkQueue(NpgsqlDataSource dataSource, EventKeys keys, TimeProvider time) : IWorkQueue
{
    public async Task<WorkItem?> ClaimAsync(TimeSpan lease, CancellationToken cancellationToken, params string[] except)
    {
        // A lease that ran out belonged to a node that died or hung: that was an attempt too.
        await using var command = dataSource.CreateCommand(
            """
            with next as (
                select id from guru.work
                where due_at <= now() and (lease_until is null or lease_until <= now()) and kind <> all($3)
                order by due_at, id limit 1
                for update skip locked)
            update guru.work w set
                lease = $1, lease_until = now() + $2, attempts = w.attempts + case when w.lease is null then 0 else 1 end
            from next where w.id = next.id
            returning w.id, w.kind, w.caller_id, w.subject, w.attempts, w.intent, w.intent_at, w.round
            """);
        var mine = Guid.NewGuid();
        command.Parameters.Add(new() { Value = mine });
        command.Parameters.Add(Interval(lease));
        command.Parameters.Add(new() { Value = except });
        if (await ClaimedAsync(command, mine, cancellationToken) is not { } item)
        {
            return null;
        }

        return item.Intent is null ? item : item with { Intent = await OpenAsync(item, item.Intent, cancellationToken) };
    }

    public async Task RenewAsync(WorkItem item, TimeSpan lease, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand("update guru.work set lease_until = now() + $3 where id = $1 and lease = $2");
        AddLease(command.Parameters, item);
        command.Parameters.Add(Interval(lease));
        Demand(item, await command.ExecuteNonQueryAsync(cancellationToken));
    }

    public async Task SaveIntentAsync(WorkItem item, string? intent, TimeSpan lease, CancellationToken cancellationToken)
    {
        if (await TrySaveIntentAsync(item, intent, lease, cancellationToken))
        {
            return;
        }

        if (intent is not null)
        {
            keys.Forget(); // Perhaps the caller was erased since the key was cached.
            if (await TrySaveIntentAsync(item, intent, lease, cancellationToken))
            {
                return;
            }
        }

        throw new LeaseLostException(item.Id);
    }

    public async Task RetryAsync(WorkItem item, TimeSpan after, string error, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(
            """
            update guru.work set attempts = attempts + 1, due_at = now() + $3, last_error = $4, lease = null, lease_until = null
            where id = $1 and lease = $2
            """);
        AddLease(command.Parameters, item);
        command.Parameters.Add(Interval(after));
        command.Parameters.Add(new() { Value = StorableText.Of(error) });
        Demand(item, await command.ExecuteNonQueryAsync(cancellationToken));
    }

    public async Task ReleaseAsync(WorkItem item, TimeSpan after, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(
            "update guru.work set due_at = now() + $3, lease = null, lease_until = null where id = $1 and lease = $2");
        AddLease(command.Parameters, item);
        command.Parameters.Add(Interval(after));
        Demand(item, await command.ExecuteNonQueryAsync(cancellationToken));
    }

    public async Task CompleteAsync(WorkItem item, CancellationToken cancellationToken)
    {
        // The second statement finds what the first has left: the event has happened again, and that is new work.
        await using var batch = dataSource.CreateBatch();
        var delete = new NpgsqlBatchCommand("delete from guru.work where id = $1 and lease = $2 and round = $3");
        AddLease(delete.Parameters, item);
        delete.Parameters.Add(new() { Value = item.Round });
        batch.BatchCommands.Add(delete);
        var release = new NpgsqlBatchCommand(
            """
            update guru.work set
                due_at = now(), attempts = 0, lease = null, lease_until = null, intent = null, intent_at = null, last_error = null
            where id = $1 and lease = $2
            """);
        AddLease(release.Parameters, item);
        batch.BatchCommands.Add(release);
        Demand(item, await batch.ExecuteNonQueryAsync(cancellationToken));
    }

    public async Task<IReadOnlyList<WorkCount>> CountAsync(CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(
            """
            select kind, count(*), greatest(now() - min(due_at), interval '0')
            from guru.work where due_at <= now() or attempts > 0 group by kind order by kind
            """);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var counts = new List<WorkCount>();
        while (await reader.ReadAsync(cancellationToken))
        {
            counts.Add(new WorkCount(reader.GetString(0), reader.GetInt64(1), reader.GetTimeSpan(2)));
        }

        return counts;
    }

    private static async Task<WorkItem?> ClaimedAsync(NpgsqlCommand command, Guid lease, CancellationToken cancellationToken)
    {
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        return await reader.ReadAsync(cancellationToken)
            ? new WorkItem(
                Id: reader.GetString(0),
                Kind: reader.GetString(1),
                CallerId: CallerId.Parse(reader.GetString(2)),
                Subject: reader.GetString(3),
                Attempts: reader.GetInt32(4),
                Intent: reader.IsDBNull(5) ? null : reader.GetString(5),
                IntentAt: reader.IsDBNull(6) ? null : reader.GetFieldValue<DateTimeOffset>(6),
                Round: reader.GetInt64(7),
                lease)
            : null;
    }

    /// <returns>False: the lease is lost, or the key is.</returns>
    private async Task<bool> TrySaveIntentAsync(WorkItem item, string? intent, TimeSpan lease, CancellationToken cancellationToken)
    {
        var key = intent is null ? null : await KeyAsync(item.CallerId, cancellationToken);
        await using var command = dataSource.CreateCommand(
            """
            update guru.work set
                intent = $3, intent_at = case when $3 is not null then now() end, lease_until = now() + $4
            where id = $1 and lease = $2 and ($3 is null or exists (select from guru_keys.keys k where k.key_id = $5))
            """);
        AddLease(command.Parameters, item);
        command.Parameters.Add(new()
        {
            Value = key is null ? DBNull.Value : SealedText.Seal(key.Id, key.Bytes, StorableText.Of(intent!), Binding(item)),
            NpgsqlDbType = NpgsqlDbType.Text,
        });
        command.Parameters.Add(Interval(lease));
        command.Parameters.Add(new() { Value = key is null ? DBNull.Value : key.Id, NpgsqlDbType = NpgsqlDbType.Uuid });
        return await command.ExecuteNonQueryAsync(cancellationToken) == 1;
    }

    private async Task<EventKey> KeyAsync(CallerId callerId, CancellationToken cancellationToken)
    {
        var scope = KeyScope.Of(callerId, PersonalDataKind.Message, time.GetUtcNow());
        return (await keys.ForWritingAsync([scope], cancellationToken))[scope];
    }

    private async Task<string?> OpenAsync(WorkItem item, string intent, CancellationToken cancellationToken) =>
        SealedText.TryKeyId(intent, out var id) && (await keys.ForReadingAsync([id], cancellationToken)).TryGetValue(id, out var key)
            ? SealedText.Open(intent, key, Binding(item))
            : null;

    /// <summary>An intent opens only in the item it was written for.</summary>
    private static byte[] Binding(WorkItem item) => Encoding.UTF8.GetBytes($"work.{item.Id}.intent");

    private static void AddLease(NpgsqlParameterCollection parameters, WorkItem item)
    {
        parameters.Add(new() { Value = item.Id });
        parameters.Add(new() { Value = item.Lease });
    }

    private static NpgsqlParameter Interval(TimeSpan length) => new() { Value = length, NpgsqlDbType = NpgsqlDbType.Interval };

    private static void Demand(WorkItem item, int rows)
    {
        if (rows != 1)
        {
            throw new LeaseLostException(item.Id);
        }
    }
}
