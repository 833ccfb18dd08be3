using System.Diagnostics;
using System.Globalization;

namespace Guru.Benchmarks.Calls;

/// <summary>A program on one core, and what the kernel counts of it.</summary>
internal sealed class PinnedProcess : IAsyncDisposable
{
    private static readonly TimeSpan StopLimit = TimeSpan.FromSeconds(30);
    private readonly Process _process;

    private PinnedProcess(Process process) => _process = process;

    public int Id => _process.Id;

    public bool HasExited => _process.HasExited;

    public double CpuSeconds => CpuOf(Id);

    public double ResidentKiB
    {
        get
        {
            var line = File.ReadLines($"/proc/{Id}/status").First(line => line.StartsWith("VmRSS:", StringComparison.Ordinal));
            return double.Parse(line["VmRSS:".Length..^"kB".Length], CultureInfo.InvariantCulture);
        }
    }

    /// <param name="log">A file for what it prints.</param>
    public static PinnedProcess Start(int core, string log, IReadOnlyDictionary<string, string> environment, params IEnumerable<string> arguments)
    {
        var start = new ProcessStartInfo("sh", ["-c", "exec taskset -c \"$0\" dotnet \"$@\" >\"$LOG\" 2>&1", core.ToString(CultureInfo.InvariantCulture), .. arguments])
        {
            UseShellExecute = false, WorkingDirectory = Path.GetTempPath(),
        };
        start.Environment["LOG"] = log;
        foreach (var (name, value) in environment)
        {
            start.Environment[name] = value;
        }

        return new PinnedProcess(Process.Start(start)!);
    }

    /// <summary>This process, and what it starts from now on.</summary>
    public static void PinThis(int core)
    {
        foreach (var thread in Directory.GetDirectories("/proc/self/task"))
        {
            using var pin = Process.Start(new ProcessStartInfo("taskset", ["-cp", core.ToString(CultureInfo.InvariantCulture), Path.GetFileName(thread)]) { RedirectStandardOutput = true, UseShellExecute = false })!;
            pin.StandardOutput.ReadToEnd();
            pin.WaitForExit();
        }
    }

    /// <summary>Of a process, and of its children alive or not.</summary>
    public static double CpuOfTree(int id)
    {
        var ticks = CpuOf(id, withEnded: true);
        foreach (var directory in Directory.GetDirectories("/proc").Where(directory => int.TryParse(Path.GetFileName(directory), out _)))
        {
            try
            {
                if (Fields(directory)[1] == id.ToString(CultureInfo.InvariantCulture))
                {
                    ticks += CpuOf(int.Parse(Path.GetFileName(directory), CultureInfo.InvariantCulture));
                }
            }
            catch (IOException)
            {
                // It has just ended.
            }
        }

        return ticks;
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            using (var kill = Process.Start("kill", ["-TERM", Id.ToString(CultureInfo.InvariantCulture)]))
            {
                await kill.WaitForExitAsync();
            }

            using var limit = new CancellationTokenSource(StopLimit);
            await _process.WaitForExitAsync(limit.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (!_process.HasExited)
            {
                _process.Kill();
            }
        }

        _process.Dispose();
    }

    private static double CpuOf(int id, bool withEnded = false)
    {
        const double TicksPerSecond = 100;
        var fields = Fields($"/proc/{id}");
        return fields.Skip(11).Take(withEnded ? 4 : 2).Sum(field => double.Parse(field, CultureInfo.InvariantCulture)) / TicksPerSecond;
    }

    /// <summary>Of stat, from the state on: the name before it may hold anything.</summary>
    private static string[] Fields(string directory)
    {
        var stat = File.ReadAllText(Path.Combine(directory, "stat"));
        return stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
    }
}
