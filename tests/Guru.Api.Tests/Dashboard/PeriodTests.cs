using Guru.Api.Dashboard;
using Guru.Application.Analytics;
using Shouldly;

namespace Guru.Api.Tests.Dashboard;

public sealed class PeriodTests
{
    private static readonly DateTimeOffset Now = new(2026, 3, 10, 15, 30, 0, TimeSpan.Zero);

    [Fact]
    public void Seven_days_end_now_and_are_compared_with_as_much_of_the_seven_before()
    {
        var period = Of("7d", "UTC");

        period.Now.From.ShouldBe(new DateTimeOffset(2026, 3, 4, 0, 0, 0, TimeSpan.Zero));
        period.Now.To.ShouldBe(Now);
        period.Before.From.ShouldBe(new DateTimeOffset(2026, 2, 25, 0, 0, 0, TimeSpan.Zero));
        period.Before.To.ShouldBe(Now.AddDays(-7));
        period.Interval.ShouldBe(Interval.Day);
    }

    [Fact]
    public void A_day_begins_by_the_clock_of_who_looks()
    {
        var period = Of("today", "America/New_York");

        period.Now.From.ShouldBe(new DateTimeOffset(2026, 3, 10, 4, 0, 0, TimeSpan.Zero));
        period.Interval.ShouldBe(Interval.Hour);
    }

    [Fact]
    public void Chosen_days_are_whole_days_the_last_included()
    {
        var period = Of(Period.Chosen, "UTC", new DateOnly(2026, 2, 1), new DateOnly(2026, 2, 28));

        period.Now.From.ShouldBe(new DateTimeOffset(2026, 2, 1, 0, 0, 0, TimeSpan.Zero));
        period.Now.To.ShouldBe(new DateTimeOffset(2026, 3, 1, 0, 0, 0, TimeSpan.Zero));
        period.Before.From.ShouldBe(new DateTimeOffset(2026, 1, 4, 0, 0, 0, TimeSpan.Zero));
        period.Before.To.ShouldBe(period.Now.From);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("tomorrow")]
    [InlineData(Period.Chosen)]
    public void What_cannot_be_read_is_the_standard_period(string? name) => Of(name, "UTC").Name.ShouldBe(Period.Standard);

    [Theory]
    [InlineData("9999-12-31", "9999-12-31")]
    [InlineData("0001-01-01", "9999-12-31")]
    [InlineData("0001-01-01", "0001-01-02")]
    [InlineData("2001-01-01", "2011-01-01")]
    public void Days_out_of_reach_are_the_standard_period(string from, string to) =>
        Of(Period.Chosen, "America/New_York", DateOnly.ParseExact(from, "yyyy-MM-dd"), DateOnly.ParseExact(to, "yyyy-MM-dd")).Name.ShouldBe(Period.Standard);

    private static Period Of(string? name, string zone, DateOnly? from = null, DateOnly? to = null) =>
        Period.Of(name, from, to, new Viewer("key", SeesNumbers: false, TimeZoneInfo.FindSystemTimeZoneById(zone)), Now);
}
