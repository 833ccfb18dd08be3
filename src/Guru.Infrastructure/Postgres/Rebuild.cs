using Guru.Application;
using Npgsql;

namespace Guru.Infrastructure.Postgres;

/// <param name="Events">Read so far.</param>
/// <param name="Sequence">Of the last event read.</param>
/// <param name="LastSequence">Where the log ended when it was last looked at.</param>
public sealed record RebuildProgress(long Events, long Sequence, long LastSequence);

/// <summary>The read models cannot be rebuilt now. The message says why.</summary>
public sealed class RebuildException(string message) : Exception(message);

/// <summary>
/// Makes the read models anew from the events while calls go on:
/// <list type="number">
/// <item>Shadow tables are made in schemas of their own: all, or those of the projections that are others now.</item>
/// <item>A lock that appends have to wait for is taken and dropped at once. Nothing was under way at that moment, so no gap in the
/// log up to its end may still fill.</item>
/// <item>The log up to there is projected into the shadow, with no lock; then again from 2, until little is left.</item>
/// <item>The shadow's indexes are made, and what has happened meanwhile is caught up with as before.</item>
/// <item>In one transaction the lock is taken once more, the rest is projected, and the shadow tables replace the live ones.</item>
/// </list>
/// </summary>
public sealed class Rebuild(NpgsqlDataSource dataSource, IEventStore store, EventKeys keys, Projections live)
{
    internal const long Lock = 0x67757276;

    /// <summary>With fewer events to catch up than this, the rest is done while appends wait.</summary>
    private const int FewEnough = 1_000;
    private const int MostRounds = 20;

    private const int MostLockAttempts = 100;

    private const string Log = "events.mt_streams";

    /// <summary>Whether read models are the work of another version of their projections, or of other prices.</summary>
    public async Task<bool> IsDueAsync(CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);

        // There is nothing to make anew where nothing has happened yet.
        await ScalarAsync(
            connection,
            $"update guru.read_models set version = '{live.Version}' where version = '' and not exists (select 1 from events.mt_events)",
            cancellationToken);
        return live.DueAfter(await VersionAsync(connection, cancellationToken)).Count > 0;
    }

    /// <summary>All read models.</summary>
    /// <returns>How many events were projected.</returns>
    /// <exception cref="RebuildException">Another is under way, or the database was migrated or marked as outdated meanwhile.</exception>
    public Task<long> RebuildAsync(IProgress<RebuildProgress>? progress, CancellationToken cancellationToken) =>
        RebuildAsync(_ => live.Tables, progress, cancellationToken);

    /// <summary>Those read models that are the work of another version of their projections, or of other prices.</summary>
    /// <inheritdoc cref="RebuildAsync(IProgress{RebuildProgress}, CancellationToken)"/>
    public Task<long> RebuildDueAsync(IProgress<RebuildProgress>? progress, CancellationToken cancellationToken) =>
        RebuildAsync(live.DueAfter, progress, cancellationToken);

    /// <summary>Removes what a rebuild left that was stopped half way, unless one is under way.</summary>
    /// <exception cref="RebuildException">One has lost its lock and is still ending.</exception>
    public async Task ClearUpAsync(CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        if (await TryLockAsync(connection, cancellationToken))
        {
            try
            {
                await ClearAsync(connection, cancellationToken);
            }
            finally
            {
                await LeaveAsync(connection);
            }
        }
    }

    private async Task<long> RebuildAsync(
        Func<string, IReadOnlyList<string>> due, IProgress<RebuildProgress>? progress, CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        if (!await TryLockAsync(connection, cancellationToken))
        {
            throw new RebuildException("Another rebuild is under way.");
        }

        try
        {
            await ClearAsync(connection, cancellationToken);
            var version = await VersionAsync(connection, cancellationToken);
            var parts = live.PartsOf(due(version));
            return parts.Count == 0 ? 0 : await RebuildAsync(connection, parts, version, progress, cancellationToken);
        }
        finally
        {
            await LeaveAsync(connection);
        }
    }

    private static async Task<bool> TryLockAsync(NpgsqlConnection connection, CancellationToken cancellationToken) =>
        await ScalarAsync(connection, $"select pg_try_advisory_lock({Lock})", cancellationToken) is true;

    /// <summary>
    /// What another rebuild left half way, which holds words in clear. Its writers may still be at it where only the connection with the lock was lost, and
    /// would go on into the tables of the same name.
    /// </summary>
    private static async Task ClearAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        if (await ScalarAsync(connection, $"select pg_try_advisory_lock({RebuildWriters.Lock})", cancellationToken) is not true)
        {
            throw new RebuildException("Another rebuild is still ending.");
        }

        await ShadowTables.DropAsync(connection, cancellationToken);
        await ScalarAsync(connection, $"select pg_advisory_unlock({RebuildWriters.Lock})", cancellationToken);
    }

    /// <summary>Leaves nothing behind. A connection that is lost has taken its locks with it, and whoever rebuilds next clears up.</summary>
    private static async Task LeaveAsync(NpgsqlConnection connection)
    {
        if (connection.FullState == System.Data.ConnectionState.Open)
        {
            await ShadowTables.DropAsync(connection, CancellationToken.None);
            await ScalarAsync(connection, "select pg_advisory_unlock_all()", CancellationToken.None);
        }
    }

    private async Task<long> RebuildAsync(
        NpgsqlConnection connection, IReadOnlyList<RebuildPart> parts, string version, IProgress<RebuildProgress>? progress, CancellationToken cancellationToken)
    {
        keys.Forget(); // One may have been destroyed a moment ago.
        var migrated = await MigratedAsync(connection, cancellationToken);
        await using var writers = await RebuildWriters.OpenAsync(dataSource, parts, cancellationToken);
        await writers.ForEachAsync((shadow, own) => shadow.CreateAsync(own, cancellationToken));
        var run = new RebuildRun(store, writers.Parts, progress);
        await CatchUpAsync(run, connection, cancellationToken);
        await writers.ForEachAsync((shadow, own) => shadow.IndexAsync(own, cancellationToken));
        await CatchUpAsync(run, connection, cancellationToken); // With what has happened meanwhile.
        await writers.ForEachAsync((shadow, own) => shadow.AnalyzeAsync(own, cancellationToken));

        List<string> kept = [.. parts.SelectMany(part => part.Kept)];
        await using var transaction = await BlockAsync(connection, [Log, .. kept.Select(table => $"guru.{table}")], cancellationToken);
        await run.ProjectUpToAsync(await EndAsync(connection, cancellationToken), cancellationToken);
        if (await MigratedAsync(connection, cancellationToken) != migrated)
        {
            throw new RebuildException("The database was migrated meanwhile: start the rebuild again.");
        }

        if (await VersionAsync(connection, cancellationToken) != version)
        {
            throw new RebuildException("The read models were marked as outdated meanwhile: start the rebuild again.");
        }

        foreach (var part in parts)
        {
            await new ShadowTables(part).SwapAsync(connection, cancellationToken);
        }

        await ScalarAsync(connection, $"insert into guru.read_models (version, rebuilt_at) values ('{live.Version}', now()) on conflict (only_row) do update set version = excluded.version, rebuilt_at = excluded.rebuilt_at", cancellationToken);
        if (kept.Any(Rollups.AreMadeOf))
        {
            await Rollups.StartOverAsync(connection, await EndAsync(connection, cancellationToken), cancellationToken);
        }

        await transaction.CommitAsync(cancellationToken);
        return run.Events;
    }

    private static async Task CatchUpAsync(RebuildRun run, NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        for (var round = 0; round < MostRounds; round++)
        {
            var settled = await SettledEndAsync(connection, cancellationToken);
            var before = run.Events;
            await run.ProjectUpToAsync(settled, cancellationToken);
            if (run.Events - before < FewEnough)
            {
                break;
            }
        }
    }

    private static async Task<long> SettledEndAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        await using var transaction = await BlockAsync(connection, [Log], cancellationToken);
        return await EndAsync(connection, cancellationToken);
    }

    /// <summary>
    /// A transaction that appends have to wait for. Every append, Marten's own too, looks at the stream's row before it takes
    /// sequence numbers; so the lock is on the streams, and in the order in which an append touches the tables.
    /// </summary>
    private static Task<NpgsqlTransaction> BlockAsync(NpgsqlConnection connection, IReadOnlyList<string> tables, CancellationToken cancellationToken) => TableLock.TakeAsync(
        connection, MostLockAttempts, cancellationToken,
        $"select pg_advisory_xact_lock({Rollups.Lock})", // Before the tables, as their follower does.
        $"lock table {string.Join(", ", tables)} in access exclusive mode");

    private static async Task<long> EndAsync(NpgsqlConnection connection, CancellationToken cancellationToken) =>
        (long)(await ScalarAsync(connection, "select coalesce(max(seq_id), 0) from events.mt_events", cancellationToken))!;

    private static async Task<int> MigratedAsync(NpgsqlConnection connection, CancellationToken cancellationToken) =>
        (await Migrator.AppliedAsync(connection, cancellationToken)).Count;

    private static async Task<string> VersionAsync(NpgsqlConnection connection, CancellationToken cancellationToken) =>
        await ScalarAsync(connection, "select version from guru.read_models", cancellationToken) as string ?? "";

    private static async Task<object?> ScalarAsync(NpgsqlConnection connection, string sql, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand(sql, connection) { CommandTimeout = 0 };
        return await command.ExecuteScalarAsync(cancellationToken);
    }
}
