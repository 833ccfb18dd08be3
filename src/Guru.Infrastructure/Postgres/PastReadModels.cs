using Npgsql;

namespace Guru.Infrastructure.Postgres;

/// <summary>
/// The calls as they were at a moment: the events that were stored until then, projected into temporary tables by the projections of today. It reads
/// every event of every call, so it takes its time, and few do it at once.
/// </summary>
internal sealed class PastReadModels(NpgsqlDataSource dataSource, PostgresEventStore store, Projections live) : IDisposable
{
    /// <summary>The schema of a session's temporary tables.</summary>
    private const string Schema = "pg_temp";
    private const int PageSize = 4_000;
    private const int MostAtOnce = 2;

    private static readonly string[] Tables = ["calls", "utterances", "usages"];

    private readonly SemaphoreSlim _room = new(MostAtOnce);

    public async Task<T> ReadAsync<T>(DateTimeOffset moment, Func<NpgsqlConnection, string, Task<T>> read, CancellationToken cancellationToken)
    {
        await _room.WaitAsync(cancellationToken);
        try
        {
            await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
            await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
            foreach (var table in Tables)
            {
                await using var create = new NpgsqlCommand(
                    $"create temporary table {table} (like guru.{table} including defaults including generated including constraints) on commit drop", connection);
                await create.ExecuteNonQueryAsync(cancellationToken);
            }

            await using (var keys = new NpgsqlCommand(
                """
                alter table pg_temp.calls add primary key (call_sid);
                alter table pg_temp.utterances add primary key (call_sid, utterance_id);
                alter table pg_temp.usages add primary key (call_sid, kind, usage_id)
                """, connection))
            {
                await keys.ExecuteNonQueryAsync(cancellationToken);
            }

            await ProjectAsync(connection, moment, cancellationToken);
            await using (var analyze = new NpgsqlCommand("analyze pg_temp.calls, pg_temp.utterances", connection))
            {
                await analyze.ExecuteNonQueryAsync(cancellationToken);
            }

            return await read(connection, Schema);
        }
        finally
        {
            _room.Release();
        }
    }

    public void Dispose() => _room.Dispose();

    private async Task ProjectAsync(NpgsqlConnection connection, DateTimeOffset moment, CancellationToken cancellationToken)
    {
        var projections = live.CallsIn(Schema);
        long after = 0;
        int read;
        do
        {
            var page = await store.ReadCallsAsync(after, moment, PageSize, cancellationToken);
            read = page.Count;
            var changes = new SqlBatch();
            foreach (var stored in page)
            {
                changes.Add(projections.SelectMany(projection => projection.Project(new ProjectedEvent(stored.StreamId, stored.Data))));
                after = stored.Sequence;
            }

            if (!changes.IsEmpty)
            {
                await using var batch = new NpgsqlBatch(connection) { Timeout = 0 };
                changes.AppendTo(batch);
                await batch.ExecuteNonQueryAsync(cancellationToken);
            }
        }
        while (read == PageSize);
    }
}
