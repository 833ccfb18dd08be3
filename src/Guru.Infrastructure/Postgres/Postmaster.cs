using System.Globalization;

namespace Guru.Infrastructure.Postgres;

/// <summary>A PostgreSQL server process, as its <c>postmaster.pid</c> tells.</summary>
internal sealed record Postmaster(int Pid, int Port)
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
            ? new Postmaster(pid, port)
            : null;
    }

    /// <summary>Whether the process is there and is a PostgreSQL: after a reboot its number may be another program's.</summary>
    public bool IsAlive()
    {
        try
        {
            using var process = System.Diagnostics.Process.GetProcessById(Pid);
            return process.ProcessName.StartsWith("postgres", StringComparison.Ordinal) && !IsZombie();
        }
        catch (Exception e) when (e is ArgumentException or InvalidOperationException)
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

    /// <summary>A container's first process may not care for orphans, and so their dead stay in the list.</summary>
    private bool IsZombie()
    {
        try
        {
            var stat = File.ReadAllText($"/proc/{Pid}/stat");
            return stat.AsSpan(stat.LastIndexOf(')') + 1).TrimStart() is ['Z' or 'X', ..];
        }
        catch (IOException)
        {
            return false;
        }
    }
}
