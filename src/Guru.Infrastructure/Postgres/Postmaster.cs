using System.Globalization;

namespace Guru.Infrastructure.Postgres;

/// <summary>A PostgreSQL server process, as its <c>postmaster.pid</c> tells.</summary>
/// <param name="Cluster">Its data directory.</param>
internal sealed record Postmaster(int Pid, int Port, string Cluster)
{
    public const string FileName = "postmaster.pid";
    private const int PortLine = 3;

    /// <summary>Null when there is no such file, or it is not written to the end yet.</summary>
    public static Postmaster? Read(string cluster)
    {
        string[] lines;
        try
        {
            lines = File.ReadAllLines(Path.Combine(cluster, FileName));
        }
        catch (IOException)
        {
            return null;
        }

        return lines.Length > PortLine
            && int.TryParse(lines[0], CultureInfo.InvariantCulture, out var pid)
            && int.TryParse(lines[PortLine], CultureInfo.InvariantCulture, out var port)
            ? new Postmaster(pid, port, cluster)
            : null;
    }

    /// <summary>
    /// Whether the process is there and serves this directory: after a reboot its number may be another program's, even another
    /// PostgreSQL's. The dead that nobody has collected yet, as in a container without an init, are dead.
    /// </summary>
    public bool IsAlive()
    {
        try
        {
            if (Directory.Exists("/proc/self"))
            {
                // The command line is open to all; most else of another user's process is not, even to a container's root.
                return File.ReadAllText($"/proc/{Pid}/cmdline").Split('\0').Contains(Cluster, StringComparer.Ordinal);
            }

            using var process = System.Diagnostics.Process.GetProcessById(Pid);
            return process.ProcessName.StartsWith("postgres", StringComparison.Ordinal);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or InvalidOperationException)
        {
            return false;
        }
    }

    public void Kill()
    {
        try
        {
            using var process = System.Diagnostics.Process.GetProcessById(Pid);
            process.Kill();
        }
        catch (Exception e) when (e is ArgumentException or InvalidOperationException)
        {
            // It has gone by itself.
        }
    }
}
