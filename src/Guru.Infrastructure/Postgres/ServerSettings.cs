namespace Guru.Infrastructure.Postgres;

/// <summary>The settings of the embedded server, written anew at every start and included last, so that they win.</summary>
internal static class ServerSettings
{
    private const string FileName = "guru.conf";
    private const string Include = $"include '{FileName}'";

    public static async Task WriteAsync(string cluster, int port, ServerUser user, CancellationToken cancellationToken)
    {
        var settings = Path.Combine(cluster, FileName);
        await File.WriteAllTextAsync(settings, Text(port), cancellationToken);
        await user.OwnAsync(settings, cancellationToken);

        var main = Path.Combine(cluster, "postgresql.conf");
        if (!(await File.ReadAllTextAsync(main, cancellationToken)).Contains(Include, StringComparison.Ordinal))
        {
            await File.AppendAllTextAsync(main, $"\n{Include}\n", cancellationToken);
        }
    }

    /// <summary>Statements are kept out of the log of errors, and so are rows: they may hold a caller's words.</summary>
    private static string Text(int port) =>
        $"""
        port = {port}
        listen_addresses = '127.0.0.1'
        unix_socket_directories = ''
        max_connections = 200
        password_encryption = 'scram-sha-256'
        shared_buffers = '256MB'
        work_mem = '8MB'
        maintenance_work_mem = '128MB'
        max_wal_size = '2GB'
        checkpoint_timeout = '15min'
        random_page_cost = 1.1
        jit = off
        timezone = 'UTC'
        log_timezone = 'UTC'
        log_checkpoints = off
        log_min_error_statement = panic
        log_error_verbosity = terse

        """;
}
