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
    internal const string User = "guru";
    internal const string DatabaseName = "guru";
    private const int PortAttempts = 5;
    private static readonly TimeSpan LookEvery = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan LongestBackOff = TimeSpan.FromSeconds(10);

    private readonly EmbeddedPostgresOptions _options;
    private readonly PostgresBinaries _binaries;
    private readonly ServerUser _user;
    private readonly PostgresHome _home;
    private readonly string _password;
    private readonly List<DirectoryLock> _locks;
    private readonly ILogger _logger;
    private readonly CancellationTokenSource _stopping = new();
    private Postmaster _server = new(0, 0);
    private Task _watch = Task.CompletedTask;

    private EmbeddedPostgres(
        EmbeddedPostgresOptions options, PostgresBinaries binaries, ServerUser user, PostgresHome home, string password,
        List<DirectoryLock> locks, ILogger logger) =>
        (_options, _binaries, _user, _home, _password, _locks, _logger) = (options, binaries, user, home, password, locks, logger);

    public string ConnectionString => ConnectionTo(_server.Port, DatabaseName);

    internal int ProcessId => _server.Pid;

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
        try
        {
            var binaries = PostgresBinaries.Find();
            var user = await ServerUser.ChooseAsync(cancellationToken);
            var home = await PostgresHome.FindOrMakeAsync(dataDirectory, user, options.Refuge, cancellationToken);

            // A copied data directory has a lock of its own, and a link to the same server.
            locks.Add(DirectoryLock.Take(home.Directory, dataDirectory));
            var password = await home.PasswordAsync(binaries, cancellationToken);
            var postgres = new EmbeddedPostgres(options, binaries, user, home, password, locks, logger);
            await postgres.AdoptOrStartAsync(cancellationToken);
            await postgres.MakeDatabaseAsync(cancellationToken);
            postgres._watch = Task.Run(() => postgres.WatchAsync(postgres._stopping.Token), CancellationToken.None);
            return postgres;
        }
        catch
        {
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
        var stop = await StopServerAsync("fast", TimeSpan.FromSeconds(60));
        if (!stop.Succeeded && _server.IsAlive())
        {
            LogStopFailed(stop.Output.Trim());
            await StopServerAsync("immediate", TimeSpan.FromSeconds(10));
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
        if (Postmaster.Read(_home.Cluster) is { } left && left.IsAlive())
        {
            if (await AnswersAsync(left, cancellationToken))
            {
                _server = left;
                LogAdopted(left.Pid, left.Port);
                return;
            }

            await EndAsync(left, cancellationToken);
        }

        for (var attempt = 1; ; attempt++)
        {
            var result = await StartServerAsync(FreePort(), cancellationToken);
            if (result.Succeeded)
            {
                return;
            }

            // Between our looking and its binding, the port may have gone to somebody else.
            if (attempt == PortAttempts || !(await LogTextAsync(cancellationToken)).Contains("could not bind", StringComparison.Ordinal))
            {
                throw new EmbeddedPostgresException($"PostgreSQL does not start: {await ReasonAsync(result, cancellationToken)}");
            }
        }
    }

    /// <summary>
    /// Whether a server left behind is ours and works. One that is starting is waited for; one that is shutting down will be gone.
    /// </summary>
    private async Task<bool> AnswersAsync(Postmaster server, CancellationToken cancellationToken)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(_options.AnswerWithin);
        while (server.IsAlive())
        {
            try
            {
                await using var connection = new NpgsqlConnection(ConnectionTo(server.Port, "postgres", pooling: false));
                await connection.OpenAsync(patience.Token);
                await using var command = new NpgsqlCommand("show data_directory", connection);
                return await command.ExecuteScalarAsync(patience.Token) is string directory && directory == _home.Cluster;
            }
            catch (PostgresException e) when (e.SqlState != PostgresErrorCodes.CannotConnectNow)
            {
                return false;
            }
            catch (NpgsqlException)
            {
                await Task.Delay(LookEvery, patience.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                return false;
            }

            cancellationToken.ThrowIfCancellationRequested();
            if (patience.IsCancellationRequested)
            {
                return false;
            }
        }

        return false;
    }

    /// <summary>Ends a server that is there and of no use. Its log is complete, so the next one recovers everything committed.</summary>
    private async Task EndAsync(Postmaster server, CancellationToken cancellationToken)
    {
        if (!server.IsAlive())
        {
            return;
        }

        LogBroken(server.Pid);
        await StopServerAsync("immediate", _options.StopWithin);
        if (server.IsAlive())
        {
            server.Kill();
            while (server.IsAlive())
            {
                await Task.Delay(LookEvery, cancellationToken);
            }
        }
    }

    private async Task<ProcessResult> StartServerAsync(int port, CancellationToken cancellationToken)
    {
        if (Postmaster.Read(_home.Cluster) is { } stale && !stale.IsAlive())
        {
            File.Delete(Path.Combine(_home.Cluster, Postmaster.FileName));
        }

        await ServerSettings.WriteAsync(_home.Cluster, port, _user, cancellationToken);
        File.Delete(_home.Log); // It would grow for ever, and what matters in it is the last start.
        var result = await _user.RunAsync(
            _binaries.PgCtl, ["start", "-w", "-t", "120", "-s", "-D", _home.Cluster, "-l", _home.Log], cancellationToken);
        if (result.Succeeded)
        {
            _server = Postmaster.Read(_home.Cluster) ?? throw new EmbeddedPostgresException("PostgreSQL stopped right after its start.");
            LogStarted(_server.Pid, _server.Port);
        }

        return result;
    }

    private Task<ProcessResult> StopServerAsync(string mode, TimeSpan within) =>
        _user.RunAsync(
            _binaries.PgCtl, ["stop", "-w", "-t", $"{(int)within.TotalSeconds}", "-s", "-m", mode, "-D", _home.Cluster], CancellationToken.None);

    private async Task MakeDatabaseAsync(CancellationToken cancellationToken)
    {
        await using var connection = new NpgsqlConnection(ConnectionTo(_server.Port, "postgres", pooling: false));
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
            while (!_server.IsAlive())
            {
                LogDied(_server.Pid);
                try
                {
                    var result = await StartServerAsync(_server.Port, cancellationToken);
                    if (result.Succeeded)
                    {
                        break;
                    }

                    LogRestartFailed(await ReasonAsync(result, cancellationToken), backOff);
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

    private string ConnectionTo(int port, string database, bool pooling = true) => new NpgsqlConnectionStringBuilder
    {
        Host = "127.0.0.1",
        Port = port,
        Username = User,
        Password = _password,
        Database = database,
        Pooling = pooling,
        Timeout = 3,
        SslMode = SslMode.Disable,
    }.ConnectionString;

    private async Task<string> LogTextAsync(CancellationToken cancellationToken) =>
        File.Exists(_home.Log) ? await File.ReadAllTextAsync(_home.Log, cancellationToken) : "";

    private async Task<string> ReasonAsync(ProcessResult result, CancellationToken cancellationToken)
    {
        var log = await LogTextAsync(cancellationToken);
        return string.Join("; ", (log.Length > 0 ? log : result.Output).Split('\n', StringSplitOptions.RemoveEmptyEntries).TakeLast(3));
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

    [LoggerMessage(Level = LogLevel.Warning, Message = "PostgreSQL of an earlier Guru, process {Pid}, does not answer and is ended")]
    private partial void LogBroken(int pid);

    [LoggerMessage(Level = LogLevel.Error, Message = "PostgreSQL, process {Pid}, has died; starting it again")]
    private partial void LogDied(int pid);

    [LoggerMessage(Level = LogLevel.Error, Message = "PostgreSQL does not start again: {Reason}. Next attempt in {BackOff}")]
    private partial void LogRestartFailed(string reason, TimeSpan backOff);

    [LoggerMessage(Level = LogLevel.Warning, Message = "PostgreSQL did not stop: {Reason}. Stopping it at once")]
    private partial void LogStopFailed(string reason);
}
