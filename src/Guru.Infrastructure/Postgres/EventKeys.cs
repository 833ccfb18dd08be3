using System.Security.Cryptography;
using Guru.Application.Privacy;
using Guru.Domain;
using Guru.Domain.Callers;
using Npgsql;
using NpgsqlTypes;

namespace Guru.Infrastructure.Postgres;

/// <summary>What one key protects: one caller's data of one kind in one month (its first day, UTC).</summary>
internal readonly record struct KeyScope(CallerId CallerId, PersonalDataKind Kind, DateOnly Month)
{
    public static KeyScope Of(CallerId callerId, PersonalDataKind kind, DateTimeOffset at) =>
        new(callerId, kind, new DateOnly(at.UtcDateTime.Year, at.UtcDateTime.Month, 1));
}

internal sealed record EventKey(Guid Id, KeyScope Scope, byte[] Bytes);

/// <summary>
/// The keys of personal data, made on demand and cached. Writers may use a cached key for as long as they like, since the
/// append checks that it still exists; readers ask again after a minute, so that an erased caller is soon erased everywhere.
/// </summary>
/// <param name="within">A connection whose transaction makes them; null: each making is one.</param>
public sealed class EventKeys(NpgsqlDataSource dataSource, TimeProvider time, NpgsqlConnection? within = null) : IPersonalKeys
{
    /// <summary>Keys are safe from a crash of the server when they are made.</summary>
    private const string AtOnce = "null";

    /// <summary>Or once the append is that uses them: it comes behind them in the server's log, and waits for the disk itself.</summary>
    private const string WithTheAppend = "set_config('synchronous_commit', 'off', true)";

    private const int MostCached = 20_000;
    private static readonly TimeSpan ReadAgainAfter = TimeSpan.FromMinutes(1);

    private readonly BoundedCache<KeyScope, EventKey> _byScope = new(MostCached);
    private readonly BoundedCache<Guid, (EventKey Key, long Seen)> _byId = new(MostCached);

    public Task PrepareAsync(CallerId callerId, DateTimeOffset at, IReadOnlyCollection<PersonalDataKind> kinds, CancellationToken cancellationToken) =>
        ForWritingAsync([.. kinds.Select(kind => KeyScope.Of(callerId, kind, at))], WithTheAppend, cancellationToken).AsTask();

    /// <summary>The keys for writing; those that do not exist are made, by whichever node is first.</summary>
    internal ValueTask<IReadOnlyDictionary<KeyScope, EventKey>> ForWritingAsync(IReadOnlyCollection<KeyScope> scopes, CancellationToken cancellationToken) =>
        ForWritingAsync(scopes, AtOnce, cancellationToken);

    private async ValueTask<IReadOnlyDictionary<KeyScope, EventKey>> ForWritingAsync(
        IReadOnlyCollection<KeyScope> scopes, string safe, CancellationToken cancellationToken)
    {
        var keys = new Dictionary<KeyScope, EventKey>();
        var unknown = new List<KeyScope>();
        foreach (var scope in scopes)
        {
            if (_byScope.TryGet(scope, out var key))
            {
                keys[scope] = key;
            }
            else
            {
                unknown.Add(scope);
            }
        }

        if (unknown.Count > 0)
        {
            // In one order everywhere, or two nodes that make the same keys would wait for each other.
            unknown.Sort((one, other) => Comparer<(string, PersonalDataKind, DateOnly)>.Default.Compare(
                (one.CallerId.Value, one.Kind, one.Month), (other.CallerId.Value, other.Kind, other.Month)));
            foreach (var key in await FindOrMakeAsync(unknown, safe, cancellationToken))
            {
                keys[key.Scope] = key;
                Remember(key);
            }
        }

        return keys;
    }

    /// <summary>The keys for reading; a destroyed one is missing in the answer.</summary>
    internal async ValueTask<IReadOnlyDictionary<Guid, byte[]>> ForReadingAsync(
        IReadOnlyCollection<Guid> ids, CancellationToken cancellationToken)
    {
        var keys = new Dictionary<Guid, byte[]>(ids.Count);
        var unknown = new List<Guid>();
        foreach (var id in ids)
        {
            if (_byId.TryGet(id, out var cached) && time.GetElapsedTime(cached.Seen) < ReadAgainAfter)
            {
                keys[id] = cached.Key.Bytes;
            }
            else
            {
                unknown.Add(id);
            }
        }

        if (unknown.Count > 0)
        {
            foreach (var key in await FindAsync(unknown, cancellationToken))
            {
                keys[key.Id] = key.Bytes;
                Remember(key);
            }
        }

        return keys;
    }

    /// <summary>Drops everything cached; to be called after keys were destroyed.</summary>
    public void Forget()
    {
        _byScope.Clear();
        _byId.Clear();
    }

    private void Remember(EventKey key)
    {
        _byScope.Set(key.Scope, key);
        _byId.Set(key.Id, (key, time.GetTimestamp()));
    }

    private async Task<List<EventKey>> FindOrMakeAsync(List<KeyScope> scopes, string safe, CancellationToken cancellationToken)
    {
        string[] callers = [.. scopes.Select(scope => scope.CallerId.Value)];
        string[] kinds = [.. scopes.Select(scope => EnumText.Of(scope.Kind))];
        DateOnly[] months = [.. scopes.Select(scope => scope.Month)];

        // The second statement sees what another node has committed while the first waited for it.
        await using var batch = within?.CreateBatch() ?? dataSource.CreateBatch();
        batch.BatchCommands.Add(new NpgsqlBatchCommand(
            $"""
            insert into guru_keys.keys (caller_id, kind, month, key_id, key)
            select made.* from (select {safe}) safe, unnest($1, $2, $3, $4, $5) as made
            on conflict (caller_id, kind, month) do nothing
            """)
        {
            Parameters =
            {
                new() { Value = callers, NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Text },
                new() { Value = kinds, NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Text },
                new() { Value = months, NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Date },
                new() { Value = scopes.Select(_ => Guid.NewGuid()).ToArray(), NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Uuid },
                new()
                {
                    Value = scopes.Select(_ => RandomNumberGenerator.GetBytes(32)).ToArray(),
                    NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Bytea,
                },
            },
        });
        batch.BatchCommands.Add(new NpgsqlBatchCommand(
            """
            select k.key_id, k.caller_id, k.kind, k.month, k.key
            from unnest($1, $2, $3) as wanted (caller_id, kind, month) join guru_keys.keys k using (caller_id, kind, month)
            """)
        {
            Parameters =
            {
                new() { Value = callers, NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Text },
                new() { Value = kinds, NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Text },
                new() { Value = months, NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Date },
            },
        });
        await using var reader = await batch.ExecuteReaderAsync(cancellationToken);
        return await KeysAsync(reader, cancellationToken);
    }

    private async Task<List<EventKey>> FindAsync(List<Guid> ids, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(
            "select key_id, caller_id, kind, month, key from guru_keys.keys where key_id = any ($1)");
        command.Parameters.Add(new() { Value = ids, NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Uuid });
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        return await KeysAsync(reader, cancellationToken);
    }

    private static async Task<List<EventKey>> KeysAsync(NpgsqlDataReader reader, CancellationToken cancellationToken)
    {
        var keys = new List<EventKey>();
        while (await reader.ReadAsync(cancellationToken))
        {
            var scope = new KeyScope(
                CallerId.Parse(reader.GetString(1)),
                EnumText.Read<PersonalDataKind>(reader.GetString(2)),
                reader.GetFieldValue<DateOnly>(3));
            keys.Add(new EventKey(reader.GetGuid(0), scope, reader.GetFieldValue<byte[]>(4)));
        }

        return keys;
    }
}
