using Npgsql;

namespace Guru.Infrastructure.Postgres;

/// <summary>The programs of PostgreSQL applied to one home: start, stop, ask whether it answers.</summary>
internal sealed class PostgresServer(PostgresBinaries binaries, ServerUser user, PostgresHome home, string password)
{
    public const string User = "guru";
    private static readonly TimeSpan LookEvery = TimeSpan.FromMilliseconds(200);

    /// <summary>The process its directory names, dead or alive.</summary>
    public Postmaster? Postmaster => Postmaster.Read(home.Cluster);

    /// <summary>Not to be cancelled: pg_ctl would go on, and leave a server that nobody knows of.</summary>
    public async Task<ProcessResult> StartAsync(int port)
    {
        if (Postmaster is { } stale && !stale.IsAlive())
        {
            File.Delete(Path.Combine(home.Cluster, Postmaster.FileName));
        }

        File.Delete(home.Log); // It would grow for ever, and what matters in it is the last start.
        return await user.RunAsync(
            binaries.PgCtl,
            ["start", "-w", "-t", "120", "-s", "-D", home.Cluster, "-l", home.Log, "-o", ServerSettings.Options(port)],
            CancellationToken.None);
    }

    public Task<ProcessResult> StopAsync(string mode, TimeSpan within) =>
        user.RunAsync(
            binaries.PgCtl,
            ["stop", "-w", "-t", $"{(int)within.TotalSeconds}", "-s", "-m", mode, "-D", home.Cluster],
            CancellationToken.None);

    /// <summary>
    /// Whether a server left behind is ours and works. One that is starting is waited for; one that is shutting down will be gone.
    /// </summary>
    public async Task<bool> AnswersAsync(Postmaster server, TimeSpan within, CancellationToken cancellationToken)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(within);
        while (server.IsAlive())
        {
            try
            {
                await using var connection = new NpgsqlConnection(ConnectionTo(server.Port, "postgres", pooling: false));
                await connection.OpenAsync(patience.Token);
                await using var command = new NpgsqlCommand("show data_directory", connection);
                return await command.ExecuteScalarAsync(patience.Token) is string directory && directory == home.Cluster;
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
    public async Task EndAsync(Postmaster server, TimeSpan within, CancellationToken cancellationToken)
    {
        if (!server.IsAlive())
        {
            return;
        }

        await StopAsync("immediate", within);
        if (server.IsAlive())
        {
            server.Kill();
            while (server.IsAlive())
            {
                await Task.Delay(LookEvery, cancellationToken);
            }
        }
    }

    public string ConnectionTo(int port, string database, bool pooling = true) => new NpgsqlConnectionStringBuilder
    {
        Host = "127.0.0.1",
        Port = port,
        Username = User,
        Password = password,
        Database = database,
        Pooling = pooling,
        Timeout = 3,
        SslMode = SslMode.Disable,
    }.ConnectionString;

    /// <summary>
    /// Whether the last start failed for something that passes: another program took the port between our looking and its binding,
    /// or the last sessions of a server that was killed are still ending.
    /// </summary>
    public async Task<bool> MayStartLaterAsync(CancellationToken cancellationToken)
    {
        var log = await LogTextAsync(cancellationToken);
        return log.Contains("could not bind", StringComparison.Ordinal) || log.Contains("still in use", StringComparison.Ordinal);
    }

    /// <summary>Why a start failed, in a line.</summary>
    public async Task<string> ReasonAsync(ProcessResult result, CancellationToken cancellationToken)
    {
        var log = await LogTextAsync(cancellationToken);
        return string.Join("; ", (log.Length > 0 ? log : result.Output).Split('\n', StringSplitOptions.RemoveEmptyEntries).TakeLast(3));
    }

    private async Task<string> LogTextAsync(CancellationToken cancellationToken) =>
        File.Exists(home.Log) ? await File.ReadAllTextAsync(home.Log, cancellationToken) : "";
}
