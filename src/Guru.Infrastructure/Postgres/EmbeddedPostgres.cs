using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Guru.Infrastructure.Postgres;

internal sealed record EmbeddedPostgresOptions
{
    /// <summary>Where the data goes when Guru is root and its data directory is closed to others.</summary>
    public string Refuge { get; init; } = "/var/lib/guru";

    /// <summary>How long a server of an earlier Guru may take to answer, or to be gone.</summary>
    public TimeSpan AnswerWithin { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>How long it may then take to stop, before it is killed.</summary>
    public TimeSpan StopWithin { get; init; } = TimeSpan.FromSeconds(10);
}

/// <summary>
/// A PostgreSQL server of Guru's own, on loopback, with its data in Guru's data directory. It runs in a session of its own, so that
/// Ctrl+C reaches only Guru, which then stops it in good order; when Guru is killed it lives on, and the next Guru adopts it. While
/// Guru runs, a server that dies is started again on the same port.
/// </summary>
public sealed partial class EmbeddedPostgres : IAsyncDisposable
{
    private const string DatabaseName = "guru";
    private const int MostAttempts = 10;
    private static readonly TimeSpan StopInGoodOrder = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan LookEvery = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan LongestBackOff = TimeSpan.FromSeconds(10);

    private readonly EmbeddedPostgresOptions _options;
    private readonly PostgresServer _server;
    private readonly List<DirectoryLock> _locks;
    private readonly ILogger _logger;
    private readonly CancellationTokenSource _stopping = new();
    private Postmaster _running = new(0, 0, "");
    private Task _watch = Task.CompletedTask;

    private EmbeddedPostgres(EmbeddedPostgresOptions options, PostgresServer server, List<DirectoryLock> locks, ILogger logger) =>
        (_options, _server, _locks, _logger) = (options, server, locks, logger);

    public string ConnectionString => _server.ConnectionTo(_running.Port, DatabaseName);

    internal int ProcessId => _running.Pid;

    /// <exception cref="DataDirectoryInUseException">Another Guru runs on this directory.</exception>
    /// <exception cref="EmbeddedPostgresException">It cannot be started; the message says what to do.</exception>
    public static Task<EmbeddedPostgres> StartAsync(string dataDirectory, ILogger logger, CancellationToken cancellationToken) =>
        StartAsync(dataDirectory, new EmbeddedPostgresOptions(), logger, cancellationToken);

    internal static async Task<EmbeddedPostgres> StartAsync(
        string dataDirectory, EmbeddedPostgresOptions options, ILogger logger, CancellationToken cancellationToken)
    {
        if (OperatingSystem.IsWindows())
        {
            throw new EmbeddedPostgresException("On Windows, Guru has no PostgreSQL of its own: set DATABASE_URL to a server.");
        }

        dataDirectory = Path.GetFullPath(dataDirectory);
        Directory.CreateDirectory(dataDirectory);
        var locks = new List<DirectoryLock> { DirectoryLock.Take(dataDirectory, dataDirectory) };
        EmbeddedPostgres? postgres = null;
        try
        {
            var user = await ServerUser.ChooseAsync(cancellationToken);
            var home = await PostgresHome.FindOrMakeAsync(dataDirectory, user, options.Refuge, cancellationToken);
            var binaries = PostgresBinaries.Find(home.ClusterVersion);

            // A copied data directory has a lock of its own, and a link to the same server.
            locks.Add(DirectoryLock.Take(home.Directory, dataDirectory));
            var password = await home.PasswordAsync(binaries, cancellationToken);
            postgres = new EmbeddedPostgres(options, new PostgresServer(binaries, user, home, password), locks, logger);
            await postgres.AdoptOrStartAsync(cancellationToken);
            await postgres.MakeDatabaseAsync(cancellationToken);
            postgres._watch = Task.Run(() => postgres.WatchAsync(postgres._stopping.Token), CancellationToken.None);
            return postgres;
        }
        catch
        {
            if (postgres?._running.IsAlive() == true)
            {
                await postgres._server.StopAsync("fast", StopInGoodOrder);
            }

            locks.ForEach(held => held.Dispose());
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_stopping.IsCancellationRequested)
        {
            return;
        }

        await StopWatchingAsync();
        NpgsqlConnection.ClearPool(new NpgsqlConnection(ConnectionString));
        if (_running.IsAlive())
        {
            var stop = await _server.StopAsync("fast", StopInGoodOrder);
            if (!stop.Succeeded)
            {
                LogStopFailed(stop.Output.Trim());
                await _server.EndAsync(_running, _options.StopWithin, CancellationToken.None);
            }
        }

        _locks.ForEach(held => held.Dispose());
    }

    /// <summary>Leaves the server running as a killed Guru would.</summary>
    internal async Task AbandonAsync()
    {
        await StopWatchingAsync();
        _locks.ForEach(held => held.Dispose());
    }

    private async Task StopWatchingAsync()
    {
        await _stopping.CancelAsync();
        await _watch.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private async Task AdoptOrStartAsync(CancellationToken cancellationToken)
    {
        if (_server.Postmaster is { } left && left.IsAlive())
        {
            if (await _server.AnswersAsync(left, _options.AnswerWithin, cancellationToken))
            {
                _running = left;
                LogAdopted(left.Pid, left.Port);
                return;
            }

            LogUseless(left.Pid);
            await _server.EndAsync(left, _options.StopWithin, cancellationToken);
        }

        for (var attempt = 1; ; attempt++)
        {
            var result = await StartServerAsync(FreePort());
            if (result.Succeeded)
            {
                cancellationToken.ThrowIfCancellationRequested();
                return;
            }

            if (attempt == MostAttempts || !await _server.MayStartLaterAsync(cancellationToken))
            {
                throw new EmbeddedPostgresException($"PostgreSQL does not start: {await _server.ReasonAsync(result, cancellationToken)}");
            }

            await Task.Delay(LookEvery, cancellationToken);
        }
    }

    private async Task<ProcessResult> StartServerAsync(int port)
    {
        var result = await _server.StartAsync(port);
        if (result.Succeeded)
        {
            _running = _server.Postmaster ?? throw new EmbeddedPostgresException("PostgreSQL stopped right after its start.");
            LogStarted(_running.Pid, _running.Port);
        }

        return result;
    }

    private async Task MakeDatabaseAsync(CancellationToken cancellationToken)
    {
        await using var connection = new NpgsqlConnection(_server.ConnectionTo(_running.Port, "postgres", pooling: false));
        await connection.OpenAsync(cancellationToken);
        await using var exists = new NpgsqlCommand($"select 1 from pg_database where datname = '{DatabaseName}'", connection);
        if (await exists.ExecuteScalarAsync(cancellationToken) is null)
        {
            await using var create = new NpgsqlCommand($"create database {DatabaseName}", connection);
            await create.ExecuteNonQueryAsync(cancellationToken);
        }
    }

    /// <summary>Brings the server back when it dies, on the same port, waiting longer after each failure.</summary>
    private async Task WatchAsync(CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(LookEvery);
        while (await timer.WaitForNextTickAsync(cancellationToken))
        {
            var backOff = LookEvery;
            while (!_running.IsAlive())
            {
                LogDied(_running.Pid);
                try
                {
                    var result = await StartServerAsync(_running.Port);
                    if (result.Succeeded)
                    {
                        break;
                    }

                    LogRestartFailed(await _server.ReasonAsync(result, cancellationToken), backOff);
                }
                catch (Exception e) when (e is not OperationCanceledException)
                {
                    LogRestartFailed(e.Message, backOff);
                }

                await Task.Delay(backOff, cancellationToken);
                backOff = TimeSpan.FromTicks(Math.Min(backOff.Ticks * 2, LongestBackOff.Ticks));
            }
        }
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "PostgreSQL started: process {Pid}, port {Port}")]
    private partial void LogStarted(int pid, int port);

    [LoggerMessage(Level = LogLevel.Information, Message = "PostgreSQL of an earlier Guru adopted: process {Pid}, port {Port}")]
    private partial void LogAdopted(int pid, int port);

    [LoggerMessage(Level = LogLevel.Warning, Message = "PostgreSQL of an earlier Guru, process {Pid}, does not answer or is stopping; it is replaced")]
    private partial void LogUseless(int pid);

    [LoggerMessage(Level = LogLevel.Error, Message = "PostgreSQL, process {Pid}, has died; starting it again")]
    private partial void LogDied(int pid);

    [LoggerMessage(Level = LogLevel.Error, Message = "PostgreSQL does not start again: {Reason}. Next attempt in {BackOff}")]
    private partial void LogRestartFailed(string reason, TimeSpan backOff);

    [LoggerMessage(Level = LogLevel.Warning, Message = "PostgreSQL did not stop: {Reason}. Stopping it at once")]
    private partial void LogStopFailed(string reason);
}
