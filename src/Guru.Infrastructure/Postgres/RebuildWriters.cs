using Npgsql;

namespace Guru.Infrastructure.Postgres;

/// <summary>A connection for each part of a rebuild. They go back to the pool as others expect them.</summary>
internal sealed class RebuildWriters : IAsyncDisposable
{
    /// <summary>Shared by those who write into the shadow.</summary>
    internal const long Lock = 0x67757278;

    /// <summary>
    /// The shadow is worth nothing before the swap, and the swap's commit waits for the disk as ever. And as in an append, statements go by index, however
    /// large the tables grow after the first plan; a plan that must do without one is not compiled.
    /// </summary>
    private const string Settings =
        "set synchronous_commit = off; set plan_cache_mode = force_generic_plan; set enable_hashjoin = off; set enable_mergejoin = off; set enable_seqscan = off; set jit = off";

    private readonly List<(RebuildPart Part, NpgsqlConnection Connection)> _parts = [];

    private RebuildWriters()
    {
    }

    public IReadOnlyList<(RebuildPart Part, NpgsqlConnection Connection)> Parts => _parts;

    public static async Task<RebuildWriters> OpenAsync(
        NpgsqlDataSource dataSource, IReadOnlyList<RebuildPart> parts, CancellationToken cancellationToken)
    {
        var writers = new RebuildWriters();
        try
        {
            foreach (var part in parts)
            {
                writers._parts.Add((part, await dataSource.OpenConnectionAsync(cancellationToken)));
            }

            await writers.ForEachAsync((_, connection) => ExecuteAsync(connection, $"select pg_advisory_lock_shared({Lock}); {Settings}", cancellationToken));
            return writers;
        }
        catch
        {
            await writers.DisposeAsync();
            throw;
        }
    }

    /// <summary>On all connections side by side; when one fails, the others are waited for.</summary>
    public Task ForEachAsync(Func<ShadowTables, NpgsqlConnection, Task> work) =>
        Task.WhenAll(_parts.Select(part => work(new ShadowTables(part.Part), part.Connection)));

    public async ValueTask DisposeAsync()
    {
        foreach (var (_, connection) in _parts)
        {
            await using (connection)
            {
                // One that is broken is not used again.
                if (connection.FullState == System.Data.ConnectionState.Open)
                {
                    await ExecuteAsync(connection, "reset all; select pg_advisory_unlock_all()", CancellationToken.None);
                }
            }
        }
    }

    private static async Task ExecuteAsync(NpgsqlConnection connection, string sql, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }
}
