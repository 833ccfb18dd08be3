using System.Globalization;
using Guru.Application.Analytics;
using Guru.Application.Calls;

namespace Guru.Api.Dashboard;

/// <summary>A stretch of time that is looked at, and the one before it, which is as long.</summary>
/// <param name="Name">As in the address.</param>
internal sealed record Period(string Name, TimeRange Now, TimeRange Before, Interval Interval)
{
    public const string Standard = "7d";
    public const string Chosen = "custom";

    private const int MostYears = 10;
    private static readonly DateOnly Earliest = new(2000, 1, 1);
    private static readonly DateOnly Latest = new(2100, 1, 1);

    public static IReadOnlyList<(string Name, string Title)> Presets { get; } =
        [("today", "Today"), ("7d", "7 days"), ("30d", "30 days"), ("90d", "90 days")];

    /// <summary>Days are those of the viewer's clock; a period that is not over ends now, and is compared with as much of the one before.</summary>
    /// <param name="from">The first and the last day of a period that somebody has chosen.</param>
    public static Period Of(string? name, DateOnly? from, DateOnly? to, Viewer viewer, DateTimeOffset now)
    {
        var today = viewer.DayOf(now);
        name = Presets.Any(preset => preset.Name == name) || (name == Chosen && from <= to && from > Earliest && to < Latest && to < from?.AddYears(MostYears)) ? name : Standard;
        var (first, last) = name switch
        {
            Chosen => (from!.Value, to!.Value),
            "today" => (today, today),
            "30d" => (today.AddDays(-29), today),
            "90d" => (today.AddDays(-89), today),
            _ => (today.AddDays(-6), today),
        };
        var days = last.DayNumber - first.DayNumber + 1;
        var (begins, over) = (viewer.StartOf(first), viewer.StartOf(last.AddDays(1)));
        var ends = first <= today && over > now ? now : over;
        var before = viewer.StartOf(first.AddDays(-days));
        return new Period(
            name!, new TimeRange(begins, ends), new TimeRange(before, before + (ends - begins)),
            days <= 2 ? Interval.Hour : days <= 92 ? Interval.Day : days <= 366 ? Interval.Week : Interval.Month);
    }

    public string LabelOf(DateTime at) => at.ToString(Interval switch { Interval.Hour => "HH:mm", Interval.Month => "MMM yyyy", _ => "d MMM" }, CultureInfo.InvariantCulture);
}
