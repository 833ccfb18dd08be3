using Guru.Infrastructure.Postgres;
using Guru.Infrastructure.Tests.Postgres;
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
    private static TemporaryDirectory? _directory;
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
            if (_server is null)
            {
                _server = await StartAsync();
                await ExecuteAsync("alter system set autovacuum = off"); // Its workers go from database to database, and there will be many.
                await ExecuteAsync("select pg_reload_conf()");
            }

            var name = $"own_{++_made}";
            await ExecuteAsync($"create database {name} template guru");
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
                _directory!.Dispose();
            }
        }
        finally
        {
            Turn.Release();
        }
    }

    private static async Task<EmbeddedPostgres> StartAsync()
    {
        _directory = new TemporaryDirectory();
        var server = await EmbeddedPostgres.StartAsync(_directory.Path, NullLogger.Instance, CancellationToken.None);
        var options = new DatabaseOptions { Url = server.ConnectionString, DataDirectory = _directory.Path };
        await using var migrated = await Database.OpenAsync(options, NullLoggerFactory.Instance, CancellationToken.None);
        return server;
    }

    private static async Task ExecuteAsync(string sql)
    {
        await using var connection = new NpgsqlConnection(UrlOf("postgres", pooling: false));
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync();
    }

    private static string UrlOf(string database, bool pooling) =>
        new NpgsqlConnectionStringBuilder(_server!.ConnectionString) { Database = database, Pooling = pooling }.ConnectionString;
}
