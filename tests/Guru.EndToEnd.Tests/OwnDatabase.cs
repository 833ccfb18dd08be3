using Guru.Infrastructure.Postgres;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

namespace Guru.EndToEnd.Tests;

/// <summary>
/// A migrated database, on one PostgreSQL for all who are open at the same time: the first starts it, as Guru starts one of its own, and the last
/// stops it. A cluster for each would take as long as many a test.
/// </summary>
internal sealed class OwnDatabase : IAsyncDisposable
{
    private static readonly SemaphoreSlim Turn = new(1);
    private static string _folder = "";
    private static EmbeddedPostgres? _server;
    private static int _open;
    private static int _made;

    private OwnDatabase(string url) => Url = url;

    public string Url { get; }

    public static async Task<OwnDatabase> NewAsync()
    {
        await Turn.WaitAsync();
        try
        {
            _server ??= await StartAsync();
            var name = $"own_{++_made}";
            await using var connection = new NpgsqlConnection(UrlOf("postgres", pooling: false));
            await connection.OpenAsync();
            await using var create = new NpgsqlCommand($"create database {name} template guru", connection);
            await create.ExecuteNonQueryAsync();
            _open++;
            return new OwnDatabase(UrlOf(name, pooling: true));
        }
        finally
        {
            Turn.Release();
        }
    }

    public async ValueTask DisposeAsync()
    {
        await Turn.WaitAsync();
        try
        {
            if (--_open == 0)
            {
                await _server!.DisposeAsync();
                _server = null;
                World.DeleteCluster(_folder);
            }
        }
        finally
        {
            Turn.Release();
        }
    }

    private static async Task<EmbeddedPostgres> StartAsync()
    {
        _folder = Directory.CreateTempSubdirectory("guru-e2e-db-").FullName;
        var server = await EmbeddedPostgres.StartAsync(_folder, NullLogger.Instance, CancellationToken.None);
        var options = new DatabaseOptions { Url = server.ConnectionString, DataDirectory = _folder };
        await using var migrated = await Database.OpenAsync(options, NullLoggerFactory.Instance, CancellationToken.None);
        return server;
    }

    private static string UrlOf(string database, bool pooling) =>
        new NpgsqlConnectionStringBuilder(_server!.ConnectionString) { Database = database, Pooling = pooling }.ConnectionString;
}
