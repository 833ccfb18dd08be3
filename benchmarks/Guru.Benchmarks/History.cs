using System.Diagnostics;
using System.Globalization;
using Guru.Benchmarks.Appends;
using Guru.Benchmarks.Calls;
using Guru.Benchmarks.Frames;

namespace Guru.Benchmarks;

/// <summary>Figures as lines of one CSV file, so that later ones can be held against them: one line for each figure, with what it was measured beside.</summary>
internal sealed class History(string? path)
{
    private const string Head = "at,commit,cpu,figure,value,unit,floor";

    private readonly string _run = string.Join(',', DateTime.UtcNow.ToString("yyyy-MM-ddTHH:mmZ", CultureInfo.InvariantCulture), Commit(), Cpu());

    public void Add(IReadOnlyList<CallsFigures> figures)
    {
        foreach (var f in figures.Where(f => f.Who == CallsBench.Guru))
        {
            var floor = figures.FirstOrDefault(other => other.Who == CallsBench.Floor && other.Calls == f.Calls);
            Add($"cpu at {f.Calls} calls", f.CpuMs, "ms per call-second", floor?.CpuMs);
            Add($"memory at {f.Calls} calls", f.KiBPerCall, "KiB per call", floor?.KiBPerCall);
            Add($"PostgreSQL's cpu at {f.Calls} calls", f.DatabaseMs, "ms per call-second", floor: null);
            Add($"caller to model p50 at {f.Calls} calls", f.ToModel.P50, "ms", floor?.ToModel.P50);
            Add($"caller to model p99 at {f.Calls} calls", f.ToModel.P99, "ms", floor?.ToModel.P99);
            Add($"model to caller p50 at {f.Calls} calls", f.ToCaller.P50, "ms", floor?.ToCaller.P50);
            Add($"model to caller p99 at {f.Calls} calls", f.ToCaller.P99, "ms", floor?.ToCaller.P99);
            Add($"first frame p99 up to {f.Calls} calls", f.FirstFrame, "ms", floor?.FirstFrame);
            Add($"webhook p50 up to {f.Calls} calls", f.WebhookP50, "ms", floor?.WebhookP50);
            Add($"webhook p99 up to {f.Calls} calls", f.WebhookP99, "ms", floor?.WebhookP99);
            Add($"frames lost at {f.Calls} calls", f.Lost, "frames", floor?.Lost);
        }

        Add("calls with p99 under 20 ms", CallsBench.Held(figures, CallsBench.Guru), "calls", CallsBench.Held(figures, CallsBench.Floor));
    }

    public void Add(IReadOnlyList<FrameFigures> figures)
    {
        foreach (var f in figures)
        {
            Add($"frame {f.Direction}", f.Nanoseconds, "ns", floor: null);
            Add($"frame {f.Direction} allocated", f.Allocated, "bytes", floor: null);
        }
    }

    public void Add(IReadOnlyList<AppendFigures> figures)
    {
        foreach (var f in figures)
        {
            Add($"appends of {f.Size} by {f.Writers} writers", f.EventsPerSecond, "events/s", f.FloorPerSecond);
            Add($"appends of {f.Size} by {f.Writers} writers to the log alone", f.LogPerSecond, "events/s", f.FloorPerSecond);
            if (f.PgBenchPerSecond is { } pgbench)
            {
                Add($"appends of {f.Size} by {f.Writers} writers beside pgbench", f.EventsPerSecond, "events/s", pgbench);
            }
        }
    }

    /// <param name="what">From which log, and which projections.</param>
    public void AddRebuild(string what, double eventsPerSecond) => Add($"rebuild of {what}", eventsPerSecond, "events/s", floor: null);

    /// <param name="what">Who waited for it.</param>
    public void AddLatency(string what, TimeSpan p95) => Add($"{what} p95", p95.TotalMilliseconds, "ms", floor: null);

    private void Add(string figure, double value, string unit, double? floor)
    {
        if (path is null)
        {
            return;
        }

        if (!File.Exists(path))
        {
            File.WriteAllLines(path, [Head]);
        }

        File.AppendAllLines(path, [string.Create(CultureInfo.InvariantCulture, $"{_run},{figure},{value:0.###},{unit},{floor:0.###}")]);
    }

    private static string Cpu() =>
        $"{Environment.ProcessorCount} x {File.ReadLines("/proc/cpuinfo").FirstOrDefault(line => line.StartsWith("model name", StringComparison.Ordinal))?.Split(':')[1].Trim() ?? "?"}";

    private static string Commit()
    {
        using var git = Process.Start(new ProcessStartInfo("git", ["rev-parse", "--short", "HEAD"]) { RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false });
        return git?.StandardOutput.ReadToEnd().Trim() is { Length: > 0 } commit ? commit : "?";
    }
}
