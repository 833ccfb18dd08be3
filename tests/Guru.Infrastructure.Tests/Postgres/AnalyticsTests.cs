using Guru.Application.Analytics;
using Guru.Application.Calls;
using Guru.Domain.Calls;
using Guru.Domain.Callers;
using Shouldly;

namespace Guru.Infrastructure.Tests.Postgres;

[Collection(PostgresCollection.Name)]
public sealed class AnalyticsTests(PostgresFixture postgres, SampleDatabase sample) : IClassFixture<SampleDatabase>
{
    private IAnalyticsQueries Analytics => sample.Database.Analytics;

    [Fact]
    public async Task A_summary_is_what_the_calls_come_to()
    {
        var filter = new CallFilter { Languages = ["en", "zh"] };
        var calls = sample.Calls.Where(call => call.Language is "en" or "zh").ToList();

        var figures = (await Analytics.SummaryAsync(filter, asOf: null, default)).Figures;

        figures.Calls.ShouldBe(calls.Count);
        figures.Callers.ShouldBe(calls.Select(call => call.CallerId).Distinct().Count());
        figures.DurationSeconds.ShouldBe(calls.Sum(call => (long)call.DurationSeconds!));
        figures.Cost.ShouldBe(calls.Sum(call => call.Cost));
        figures.BargeIns.ShouldBe(calls.Sum(call => (long)call.BargeIns));
        figures.Interrupted.ShouldBe(calls.Count(call => call.Interrupted));
        (figures.CostText + figures.CostAudio + figures.CostCached + figures.CostTranscription + figures.CostCarrier).ShouldBe(figures.Cost);
    }

    [Fact]
    public async Task Nothing_comes_to_nothing()
    {
        var filter = new CallFilter { Agents = ["nobody"] };

        (await Analytics.SummaryAsync(filter, asOf: null, default)).Figures.Calls.ShouldBe(0);
        (await Analytics.BreakdownAsync(filter, BreakdownBy.Agent, "UTC", asOf: null, default)).Items.ShouldBeEmpty();
        (await Analytics.TimeSeriesAsync(filter, Interval.Day, "UTC", default)).Items.ShouldBeEmpty();
        (await Analytics.LatencyAsync(filter, default)).Answers.ShouldBe(new LatencyFigures(0, null, null, null, null, null, null, null));
    }

    [Theory]
    [InlineData(BreakdownBy.Agent)]
    [InlineData(BreakdownBy.Language)]
    [InlineData(BreakdownBy.EndReason)]
    [InlineData(BreakdownBy.Status)]
    [InlineData(BreakdownBy.Channel)]
    [InlineData(BreakdownBy.Direction)]
    [InlineData(BreakdownBy.Hour)]
    public async Task The_parts_of_a_breakdown_add_up_to_the_summary(BreakdownBy by)
    {
        var summary = (await Analytics.SummaryAsync(CallFilter.All, asOf: null, default)).Figures;

        var items = (await Analytics.BreakdownAsync(CallFilter.All, by, "America/New_York", asOf: null, default)).Items;

        items.Select(item => item.Key).ShouldBeUnique();
        items.Sum(item => item.Figures.Calls).ShouldBe(summary.Calls);
        items.Sum(item => item.Figures.Cost).ShouldBe(summary.Cost);
        items.Sum(item => item.Figures.Turns).ShouldBe(summary.Turns);
    }

    [Theory]
    [InlineData(Interval.Hour, "UTC")]
    [InlineData(Interval.Day, "America/New_York")] // The clock is put forward on 8 March.
    [InlineData(Interval.Hour, "America/New_York")]
    [InlineData(Interval.Week, "Asia/Kolkata")]
    [InlineData(Interval.Month, "Pacific/Auckland")]
    public async Task The_stretches_of_a_series_follow_each_other_and_add_up(Interval interval, string timeZone)
    {
        var filter = new CallFilter { StartedAt = new TimeRange(new(2026, 3, 3, 7, 30, 0, TimeSpan.Zero), new(2026, 3, 20, 0, 0, 0, TimeSpan.Zero)) };
        var summary = (await Analytics.SummaryAsync(filter, asOf: null, default)).Figures;
        var zone = TimeZoneInfo.FindSystemTimeZoneById(timeZone);

        var items = (await Analytics.TimeSeriesAsync(filter, interval, timeZone, default)).Items;

        items.Sum(item => item.Figures.Calls).ShouldBe(summary.Calls);
        items.Sum(item => item.Figures.Cost).ShouldBe(summary.Cost);
        items.Select(item => item.From).ShouldBe(items.Select(item => item.From).Order());
        items.Select(item => item.From).ShouldBeUnique();
        if (interval != Interval.Hour)
        {
            items.ShouldAllBe(item => TimeZoneInfo.ConvertTime(item.From, zone).TimeOfDay == TimeSpan.Zero);
        }

        if (interval == Interval.Day)
        {
            items.Count.ShouldBe(17);
            items.Select(item => item.Figures.Calls).ShouldBe(items.Select(item => (long)sample.Calls.Count(call =>
                call.StartedAt >= filter.StartedAt.From && call.StartedAt < filter.StartedAt.To
                && TimeZoneInfo.ConvertTime(call.StartedAt, zone).Date == TimeZoneInfo.ConvertTime(item.From, zone).Date)));
        }
    }

    [Fact]
    public async Task A_time_zone_that_there_is_not_is_refused()
    {
        await Should.ThrowAsync<TimeZoneUnknownException>(() => Analytics.TimeSeriesAsync(CallFilter.All, Interval.Day, "Mars/Olympus", default));
        await Should.ThrowAsync<TimeZoneUnknownException>(() => Analytics.BreakdownAsync(CallFilter.All, BreakdownBy.Hour, "Mars/Olympus", asOf: null, default));
        var noCalls = new CallFilter { StartedAt = new TimeRange(DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch.AddDays(1)) };
        await Should.ThrowAsync<TimeZoneUnknownException>(() => Analytics.TimeSeriesAsync(noCalls, Interval.Day, "Mars/Olympus", default));
    }

    [Fact]
    public async Task Too_many_stretches_are_refused() => await Should.ThrowAsync<TooManyIntervalsException>(() => Analytics.TimeSeriesAsync(
        new CallFilter { StartedAt = new TimeRange(DateTimeOffset.UnixEpoch, SampleDatabase.Until) }, Interval.Hour, "UTC", default));

    [Theory]
    [InlineData(Interval.Hour)]
    [InlineData(Interval.Day)]
    [InlineData(Interval.Week)]
    [InlineData(Interval.Month)]
    public async Task A_range_to_the_end_of_time_is_refused_and_one_at_either_end_has_no_stretches(Interval interval)
    {
        var (first, last) = (DateTimeOffset.MinValue, DateTimeOffset.MaxValue);
        foreach (var range in (TimeRange[])[new(first, last), new(first, To: null), new(From: null, last)])
        {
            await Should.ThrowAsync<TooManyIntervalsException>(SeriesAsync(range));
        }

        (await SeriesAsync(new TimeRange(first, first.AddDays(1)))).Items.ShouldBeEmpty();
        (await SeriesAsync(new TimeRange(last.AddDays(-1), last))).Items.ShouldBeEmpty();

        Task<TimeSeries> SeriesAsync(TimeRange range) => Analytics.TimeSeriesAsync(new CallFilter { StartedAt = range }, interval, "America/New_York", default);
    }

    [Fact]
    public async Task Latencies_are_those_of_the_turns_with_greetings_and_interrupted_answers_apart()
    {
        var (answers, interrupted, greetings) = (new List<long>(), new List<long>(), 0);
        foreach (var call in sample.Calls)
        {
            var lines = (await sample.Database.Queries.TranscriptAsync(CallSid.Parse(call.CallSid), default))!.Utterances;
            answers.AddRange(lines.Where(line => line is { FirstAudioMs: not null, Interrupted: false }).Select(line => line.FirstAudioMs!.Value));
            interrupted.AddRange(lines.Where(line => line is { FirstAudioMs: not null, Interrupted: true }).Select(line => line.FirstAudioMs!.Value));
            greetings += lines is [{ Speaker: Speaker.Agent, FirstAudioMs: null }, ..] ? 1 : 0;
        }

        var report = await Analytics.LatencyAsync(CallFilter.All, default);

        report.Answers.Count.ShouldBe(answers.Count);
        report.Answers.P50Ms!.Value.ShouldBe(Percentile(answers, 0.5), tolerance: 0.051);
        report.Answers.P99Ms!.Value.ShouldBe(Percentile(answers, 0.99), tolerance: 0.051);
        report.Interrupted.Count.ShouldBe(interrupted.Count);
        report.Interrupted.P95Ms!.Value.ShouldBe(Percentile(interrupted, 0.95), tolerance: 0.051);
        report.Greetings.Count.ShouldBe(greetings);
        var summary = (await Analytics.SummaryAsync(CallFilter.All, asOf: null, default)).Figures;
        summary.LatencyP95Ms!.Value.ShouldBe(Percentile(answers, 0.95), tolerance: 0.051);
    }

    [Fact]
    public async Task Figures_as_of_a_moment_are_those_that_were_shown_then()
    {
        await using var database = await TestDatabase.NewAsync(postgres);
        var calls = SampleDatabase.Make(30).ToList();
        await database.AppendAsync(calls.Take(12));

        // A call that is under way at that moment.
        var open = calls[12];
        await database.AppendAsync(open with { Events = [.. open.Events.Take(4)] });
        var then = await ShownAsync(database, asOf: null);
        var moment = DateTimeOffset.Parse(await database.OneAsync("select clock_timestamp()::text"), System.Globalization.CultureInfo.InvariantCulture);
        await database.AppendAsync(open with { Events = [.. open.Events.Skip(4)] });
        await database.AppendAsync(calls.Skip(13));

        (await ShownAsync(database, moment)).ShouldBe(then);
        (await ShownAsync(database, asOf: null)).ShouldNotBe(then);
        (await ShownAsync(database, DateTimeOffset.UnixEpoch)).ShouldStartWith("0 ");
    }

    [Fact]
    public async Task A_session_ends_where_nothing_happens_for_an_hour()
    {
        var call = sample.Calls.First(call => call.Turns > 3);

        var sessions = await Analytics.SessionsAsync([CallerId.Parse(call.CallerId!)], default);

        sessions.Sum(session => session.Calls).ShouldBeGreaterThanOrEqualTo(1);
        sessions.ShouldAllBe(session => session.EndedAt >= session.StartedAt);
        sessions.Zip(sessions.Skip(1)).ShouldAllBe(pair => pair.First.StartedAt - pair.Second.EndedAt >= TimeSpan.FromHours(1));
    }

    [Fact]
    public async Task It_is_told_which_agent_was_chosen_and_why()
    {
        var call = sample.Calls[0];

        var choice = (await sample.Database.Queries.DetailAsync(CallSid.Parse(call.CallSid), default))!.Routing.ShouldHaveSingleItem();

        (choice.Agent, choice.Reason).ShouldBe((call.Agent, "Sample data: invented, nobody called."));
        (await Analytics.RoutingAsync([CallerId.Parse(call.CallerId!)], default)).ShouldContain(one => one.CallSid == call.CallSid);
    }

    private static async Task<string> ShownAsync(TestDatabase database, DateTimeOffset? asOf)
    {
        var summary = await database.Analytics.SummaryAsync(CallFilter.All, asOf, default);
        var breakdown = await database.Analytics.BreakdownAsync(CallFilter.All, BreakdownBy.Language, "UTC", asOf, default);
        return $"{summary.Figures.Calls} {summary.Figures} {string.Join(',', breakdown.Items)}";
    }

    private static double Percentile(List<long> values, double fraction)
    {
        values.Sort();
        var position = fraction * (values.Count - 1);
        var below = (int)position;
        var above = Math.Min(below + 1, values.Count - 1);
        return values[below] + ((position - below) * (values[above] - values[below]));
    }
}
