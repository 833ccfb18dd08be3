namespace Guru.Infrastructure.Postgres;

/// <summary>
/// The settings of the embedded server. They go on its command line: a file in its directory could be a link that the server's
/// user has laid for a Guru that is root.
/// </summary>
internal static class ServerSettings
{
    /// <summary>An eighth of what the machine, or its container, gives: the rest is the system's, which caches too, and Guru's.</summary>
    private static long SharedMegabytes => Math.Clamp(GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 8 / 1024 / 1024, 128, 2_048);

    /// <summary>As pg_ctl wants them, which hands them to a shell.</summary>
    public static string Options(int port) => string.Join(' ', All(port).Select(setting => $"-c {setting.Name}='{setting.Value}'"));

    private static (string Name, string Value)[] All(int port) =>
    [
        ("port", $"{port}"),
        ("listen_addresses", "127.0.0.1"),
        ("unix_socket_directories", ""),
        ("max_connections", "200"),
        ("fsync", "on"),
        ("shared_buffers", $"{SharedMegabytes}MB"),
        ("work_mem", "8MB"),
        ("maintenance_work_mem", "128MB"),
        ("max_wal_size", "2GB"),
        ("checkpoint_timeout", "15min"),
        ("random_page_cost", "1.1"),
        ("jit", "off"),

        // Many ask at once, each for little: what one takes of the processors the others lack.
        ("max_parallel_workers_per_gather", "0"),
        ("timezone", "UTC"),
        ("log_timezone", "UTC"),
        ("log_checkpoints", "off"),

        // Statements and rows may hold a caller's words.
        ("log_min_error_statement", "panic"),
        ("log_error_verbosity", "terse"),
    ];
}
