using System.Diagnostics;
using System.Net.Sockets;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Guru.Infrastructure.Postgres;

public sealed record DatabaseOptions
{
    /// <summary>DATABASE_URL; without it Guru starts a PostgreSQL of its own.</summary>
    public string? Url { get; init; }

    /// <summary>GURU_DATA_DIR, where that PostgreSQL has its data.</summary>
    public required string DataDirectory { get; init; }

    /// <summary>How long a server that does not answer yet is waited for.</summary>
    public TimeSpan WaitForServer { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>An address with its password does not belong in a log.</summary>
    public override string ToString() => $"{nameof(DatabaseOptions)} {{ {(Url is null ? DataDirectory : "DATABASE_URL")} }}";
}

/// <summary>An open, migrated database, and the embedded server behind it where there is one.</summary>
public sealed partial class Database : IAsyncDisposable
{
    private const int ConnectSeconds = 3;
    private const int CommandSeconds = 5;

    /// <summary>
    /// Of one node; more than what writes at once there. Four nodes fit into the 100 connections that PostgreSQL takes by default;
    /// for more, lower it with <c>Maximum Pool Size</c> in DATABASE_URL, or raise max_connections.
    /// </summary>
    private const int MostConnections = 20;

    /// <summary>A connection that is idle for long, such as the one that holds a rebuild's lock, is not to be dropped on the way for that.</summary>
    private const int KeepAliveSeconds = 30;
    private const int MostPreparedStatements = 100;
    private static readonly TimeSpan BetweenAttempts = TimeSpan.FromMilliseconds(500);

    private readonly EmbeddedPostgres? _server;

    private Database(NpgsqlDataSource dataSource, EmbeddedPostgres? server) => (DataSource, _server) = (dataSource, server);

    public NpgsqlDataSource DataSource { get; }

    public bool IsEmbedded => _server is not null;

    /// <exception cref="FormatException">The address cannot be read.</exception>
    /// <exception cref="EmbeddedPostgresException">There is no address, and the embedded server cannot be started.</exception>
    /// <exception cref="MigrationException">The database belongs to another version of Guru.</exception>
    /// <exception cref="DatabaseException">The server of the address cannot be reached, or refuses, or its database is not in UTF-8.</exception>
    public static async Task<Database> OpenAsync(DatabaseOptions options, ILoggerFactory loggers, CancellationToken cancellationToken)
    {
        var logger = loggers.CreateLogger<Database>();
        var server = string.IsNullOrWhiteSpace(options.Url)
            ? await EmbeddedPostgres.StartAsync(options.DataDirectory, loggers.CreateLogger<EmbeddedPostgres>(), cancellationToken)
            : null;
        var database = new Database(DataSourceFor(server?.ConnectionString ?? options.Url!.Trim()), server);
        try
        {
            await WaitAsync(database.DataSource, options.WaitForServer, logger, cancellationToken);
            await DemandUtf8Async(database.DataSource, cancellationToken);
            await new Migrator(database.DataSource, Migration.Shipped, logger).MigrateAsync(cancellationToken);
            await new ReaderRole(database.DataSource, ReaderRole.Name, Projections.ReadModels, logger).EnsureAsync(cancellationToken);
            return database;
        }
        catch (Exception error) when (server is null && error is (NpgsqlException or SocketException or TimeoutException))
        {
            await database.DisposeAsync();
            throw DatabaseException.Of(error, DatabaseUrl.Parse(options.Url!.Trim()));
        }
        catch
        {
            await database.DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await DataSource.DisposeAsync();
        if (_server is not null)
        {
            await _server.DisposeAsync();
        }
    }

    /// <summary>Whether the server is away, too busy or too slow: asked later, it may answer.</summary>
    public static bool DoesNotAnswer(Exception error) => error is NpgsqlException { IsTransient: true } or TimeoutException { Source: nameof(Npgsql) };

    internal static NpgsqlDataSource DataSourceFor(string url)
    {
        var connection = DatabaseUrl.Parse(url);
        Default(connection, "Timeout", ConnectSeconds);
        Default(connection, "Command Timeout", CommandSeconds);
        Default(connection, "Maximum Pool Size", MostConnections);
        Default(connection, "Max Auto Prepare", MostPreparedStatements);
        Default(connection, "Auto Prepare Min Usages", 3);
        Default(connection, "No Reset On Close", true); // Whoever sets something for a session sets it back.
        Default(connection, "Keepalive", KeepAliveSeconds);
        Default(connection, "Application Name", "guru");
        return new NpgsqlDataSourceBuilder(connection.ConnectionString) { Name = "guru" }.Build();
    }

    private static void Default(NpgsqlConnectionStringBuilder connection, string key, object value)
    {
        if (!connection.ShouldSerialize(key))
        {
            connection[key] = value;
        }
    }

    /// <summary>A server may start beside Guru. What will not change by waiting, such as a wrong password, is not waited for.</summary>
    private static async Task WaitAsync(NpgsqlDataSource dataSource, TimeSpan patience, ILogger logger, CancellationToken cancellationToken)
    {
        var (started, isTold) = (Stopwatch.GetTimestamp(), false);
        while (true)
        {
            try
            {
                await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
                return;
            }
            catch (NpgsqlException e) when (e.IsTransient && Stopwatch.GetElapsedTime(started) < patience)
            {
                if (!isTold)
                {
                    isTold = true;
                    LogWaiting(logger, patience);
                }

                await Task.Delay(BetweenAttempts, cancellationToken);
            }
        }
    }

    /// <summary>What people say and write is in every script; another encoding would refuse most of it, or change it.</summary>
    private static async Task DemandUtf8Async(NpgsqlDataSource dataSource, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand("show server_encoding");
        if (await command.ExecuteScalarAsync(cancellationToken) is string encoding and not "UTF8")
        {
            throw DatabaseException.OfEncoding(encoding, new NpgsqlConnectionStringBuilder(dataSource.ConnectionString));
        }
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "PostgreSQL does not answer yet; waiting up to {Patience}")]
    private static partial void LogWaiting(ILogger logger, TimeSpan patience);
}
