using System.Diagnostics.Metrics;
using Guru.Application.Voice;

namespace Guru.Application.Work;

/// <summary>The to-do list in numbers. The gauges tell what was counted last: reading them asks no database.</summary>
internal static class WorkMeter
{
    private static readonly Meter Meter = new(CallMeter.Name);
    private static readonly Counter<int> FailedWork = Meter.CreateCounter<int>("guru.work.failed", "{item}", "Work that failed, by kind, and by outcome: retried or givenUp.");
    private static volatile IReadOnlyList<WorkCount> _counts = [];

    static WorkMeter()
    {
        Meter.CreateObservableGauge(
            "guru.work.items", () => _counts.Select(count => new Measurement<long>(count.Items, Kind(count.Kind))), "{item}", "Work that is due or to be tried again, by kind.");
        Meter.CreateObservableGauge(
            "guru.work.oldest", () => _counts.Select(count => new Measurement<double>(count.Oldest.TotalSeconds, Kind(count.Kind))), "s", "How long the oldest work has been due, by kind.");
    }

    public static void Counted(IReadOnlyList<WorkCount> counts) => _counts = counts;

    public static void Failed(string kind, bool givenUp) =>
        FailedWork.Add(1, Kind(kind), new KeyValuePair<string, object?>("outcome", givenUp ? "givenUp" : "retried"));

    private static KeyValuePair<string, object?> Kind(string kind) => new("kind", kind);
}
