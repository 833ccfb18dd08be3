using System.Globalization;

namespace Guru.Infrastructure.Postgres;

/// <summary>The embedded PostgreSQL cannot be started. The message says in one line what to do.</summary>
public class EmbeddedPostgresException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>Another Guru runs on the same data directory.</summary>
internal sealed class DataDirectoryInUseException(string dataDirectory)
    : EmbeddedPostgresException($"Another Guru is using {dataDirectory}: stop it, or give this one another GURU_DATA_DIR.");

/// <summary>Where the programs of PostgreSQL are.</summary>
internal sealed record PostgresBinaries(string Directory)
{
    public string Initdb => Path.Combine(Directory, "initdb");
    public string PgCtl => Path.Combine(Directory, "pg_ctl");

    /// <summary>
    /// Those of the version that made the cluster, where they are installed; else the ones on the PATH, else the newest of Debian's
    /// or Red Hat's places.
    /// </summary>
    public static PostgresBinaries Find(string? clusterVersion) =>
        Find(Environment.GetEnvironmentVariable("PATH") ?? "", ["/usr/lib/postgresql", "/usr"], clusterVersion);

    public static PostgresBinaries Find(string path, IReadOnlyList<string> roots, string? clusterVersion = null)
    {
        var onPath = path.Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries).Select(Resolved);
        var installed = roots.Where(System.IO.Directory.Exists)
            .SelectMany(root => System.IO.Directory.GetDirectories(root))
            .Where(directory => VersionOf(directory) > 0)
            .OrderByDescending(VersionOf)
            .Select(directory => Path.Combine(directory, "bin"));
        var wanted = clusterVersion is null ? 0 : VersionOf(clusterVersion);

        return onPath.Concat(installed).Where(IsComplete)
            .OrderByDescending(directory => wanted > 0 && VersionOf(Path.GetDirectoryName(directory)!) == wanted)
            .Select(directory => new PostgresBinaries(directory))
            .FirstOrDefault()
            ?? throw new EmbeddedPostgresException(
                "PostgreSQL is not installed: 'apt install postgresql' (or your system's package), or set DATABASE_URL to a server.");
    }

    /// <summary>Debian links only some of the programs onto the PATH; the rest is beside what the link points at.</summary>
    private static string Resolved(string directory)
    {
        var program = new FileInfo(Path.Combine(directory, "pg_ctl"));
        return program.Exists ? Path.GetDirectoryName(program.ResolveLinkTarget(returnFinalTarget: true)?.FullName ?? program.FullName)! : directory;
    }

    private static bool IsComplete(string directory) =>
        ((string[])["initdb", "pg_ctl", "postgres"]).All(program => File.Exists(Path.Combine(directory, program)));

    /// <summary>Of a directory called 15, 9.6 or pgsql-16; 0 for anything else.</summary>
    private static double VersionOf(string directory)
    {
        var name = Path.GetFileName(directory);
        var number = name.StartsWith("pgsql-", StringComparison.Ordinal) ? name["pgsql-".Length..] : name;
        return double.TryParse(number, CultureInfo.InvariantCulture, out var version) ? version : 0;
    }
}
