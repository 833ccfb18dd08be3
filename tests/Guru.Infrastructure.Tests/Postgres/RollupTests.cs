using System.Globalization;
using Guru.Application;
using Guru.Application.Analytics;
using Guru.Application.Calls;
using Guru.Domain.Calls;
using Guru.Infrastructure.Postgres;
using Guru.SampleData;
using Microsoft.Extensions.Logging.Abstractions;
using Shouldly;

namespace Guru.Infrastructure.Tests.Postgres;

/// <summary>Figures from roll-ups are those of the calls themselves, whatever of them is added up already.</summary>
[Collection(RebuildingCollection.Name)]
public sealed class RollupTests(PostgresFixture postgres) : IAsyncLifetime
{
    private static readonly TimeRange Range = new(new(2026, 3, 6, 7, 20, 0, TimeSpan.Zero), new(2026, 3, 21, 16, 45, 30, TimeSpan.Zero));

    private static readonly CallFilter[] Filters =
    [
        CallFilter.All,
        new() { StartedAt = Range },
        new() { StartedAt = Range with { To = null }, Agents = ["legal", "healthcare"] },
        new() { StartedAt = Range, Languages = ["es", null] },
        new() { StartedAt = Range with { From = null }, Agents = ["healthcare"], Languages = ["en"] },
        new() { EndReasons = [CallEndReason.CallerHungUp, null], Statuses = [CallStatus.Completed, CallStatus.InProgress] },
        new() { StartedAt = new(Range.From, Range.From!.Value.AddMinutes(20)) },
        new() { StartedAt = new(Range.From, Range.From!.Value.AddHours(30)), Directions = [CallDirection.Inbound], Channels = [CallChannel.Whatsapp] },
    ];

    private TestDatabase _database = null!;
    private RollupFollower _follower = null!;

    public async Task InitializeAsync()
    {
        _database = await TestDatabase.NewAsync(postgres);
        _follower = FollowerOf(_database);
    }

    public async Task DisposeAsync()
    {
        _follower.Dispose();
        await _database.DisposeAsync();
    }

    [Fact]
    public async Task They_are_the_figures_of_the_calls_before_while_and_after_these_are_added_up()
    {
        var calls = SampleDatabase.Make(160).ToList();
        await _database.AppendAsync(calls.Take(60));
        await FiguresShouldBeThoseOfTheCallsAsync("none added up");

        await _follower.CatchUpAsync(default);
        await FiguresShouldBeThoseOfTheCallsAsync("all added up");

        // Half of a call, so that it goes on and ends later.
        await _database.AppendAsync(calls.Skip(60).Take(60).Select(call => call with { Events = [.. call.Events.Take(call.Events.Count / 2)] }));
        await FiguresShouldBeThoseOfTheCallsAsync("some not added up yet");

        await _follower.CatchUpAsync(default);
        await _database.AppendAsync(calls.Skip(60).Take(60).Select(call => call with { Events = [.. call.Events.Skip(call.Events.Count / 2)] }));
        await FiguresShouldBeThoseOfTheCallsAsync("some changed after they were added up");

        await _database.AppendAsync(calls.Skip(120));
        await _follower.CatchUpAsync(default);
        await FiguresShouldBeThoseOfTheCallsAsync("all added up again");
        (await _database.OneAsync("select count(*) from guru.call_rollups_stale")).ShouldBe("0");
    }

    [Fact]
    public async Task Nothing_of_a_day_that_is_added_up_is_read_from_the_calls()
    {
        await _database.AppendAsync(SampleDatabase.Make(40));
        await _follower.CatchUpAsync(default);
        var before = await RolledUp().SummaryAsync(CallFilter.All, asOf: null, default);

        await _database.ExecuteAsync("update guru.calls set duration_seconds = default, turns = 0, cost_text = 0");

        (await RolledUp().SummaryAsync(CallFilter.All, asOf: null, default)).Figures.ShouldBe(before.Figures);
        before.Precision.ShouldBe(Precision.OfRollups);
    }

    [Fact]
    public async Task A_call_that_turns_out_to_have_begun_in_an_earlier_hour_counts_there_alone()
    {
        var late = SampleDatabase.Make(1).Single();
        var at = new DateTimeOffset(2026, 3, 10, 9, 0, 1, TimeSpan.Zero);
        await AppendAsync(late, new CallStarted(late.CallSid, late.CallerId, "+15550100001", CallChannel.Whatsapp, CallDirection.Inbound, null, null, at));
        await _follower.CatchUpAsync(default);
        await AppendAsync(late, new CallStatusChanged(CallStatus.Ringing, late.CallSid, late.CallerId, CallDirection.Inbound, null, null, at.AddSeconds(-2)));

        (await CountsByHourAsync()).ShouldBe("08: 1");
        await _follower.CatchUpAsync(default);
        (await CountsByHourAsync()).ShouldBe("08: 1");
    }

    [Fact]
    public async Task The_hour_under_way_is_read_from_the_calls()
    {
        var call = SampleDatabase.Make(1).Single();
        await AppendAsync(call, new CallStarted(
            call.CallSid, call.CallerId, "+15550100001", CallChannel.Whatsapp, CallDirection.Inbound, null, null, DateTimeOffset.UtcNow));
        await _follower.CatchUpAsync(default);

        (await _database.OneAsync("select count(*) from guru.call_rollups")).ShouldBe("0");
        (await RolledUp().SummaryAsync(CallFilter.All, asOf: null, default)).Figures.Calls.ShouldBe(1);
    }

    [Fact]
    public async Task An_event_that_fills_a_gap_late_is_counted()
    {
        await _database.AppendAsync(SampleDatabase.Make(3));
        await _follower.CatchUpAsync(default);
        await using var slow = await _database.DataSource.OpenConnectionAsync();
        await using var transaction = await slow.BeginTransactionAsync();
        await using (var append = new Npgsql.NpgsqlCommand(
            """
            select guru.append_events('call-CA7', 0, array[gen_random_uuid()], array['call_ended'],
                array['{"reason": "silence", "at": "2026-03-04T12:00:00Z"}'::jsonb], array['x'], array[]::uuid[]);
            insert into guru.calls (call_sid, channel, direction, status, started_at) values ('CA7', 'whatsapp', 'inbound', 'completed', '2026-03-04T12:00:00Z')
            """, slow))
        {
            await append.ExecuteNonQueryAsync();
        }

        await _database.AppendAsync(SampleDatabase.Make(5).Skip(3));
        await _follower.CatchUpAsync(default);
        await transaction.CommitAsync();

        (await RolledUp().SummaryAsync(CallFilter.All, asOf: null, default)).Figures.Calls.ShouldBe(6);
        await _follower.CatchUpAsync(default);
        await _follower.CatchUpAsync(default);
        (await RolledUp().SummaryAsync(CallFilter.All, asOf: null, default)).Figures.Calls.ShouldBe(6);
    }

    [Fact]
    public async Task Of_several_nodes_whichever_is_free_goes_on_where_another_was()
    {
        using var other = FollowerOf(_database.AnotherNode());
        var calls = SampleDatabase.Make(60).ToList();
        foreach (var some in calls.Chunk(6))
        {
            await _database.AppendAsync(some);
            await Task.WhenAll(_follower.CatchUpAsync(default), other.CatchUpAsync(default));
        }

        await other.CatchUpAsync(default);
        await FiguresShouldBeThoseOfTheCallsAsync("by two nodes");
        (await _database.OneAsync("select sum(calls) from guru.call_rollups where dimension = 'none' and period = 'hour'")).ShouldBe("60");
    }

    [Fact]
    public async Task A_rebuild_leads_to_the_same_rows()
    {
        await _database.AppendAsync(SampleDatabase.Make(60));
        await _follower.CatchUpAsync(default);
        var rows = await _database.DumpAsync("call_rollups");

        await _database.Rebuild.RebuildAsync(progress: null, default);
        await FiguresShouldBeThoseOfTheCallsAsync("after a rebuild");
        await _follower.CatchUpAsync(default);

        (await _database.DumpAsync("call_rollups")).ShouldBe(rows);
    }

    [Fact]
    public async Task A_clock_that_is_half_an_hour_off_is_told_from_the_calls()
    {
        await _database.AppendAsync(SampleDatabase.Make(40));
        await _follower.CatchUpAsync(default);

        (await RolledUp().TimeSeriesAsync(CallFilter.All, Interval.Day, "Asia/Kolkata", default)).Precision.ShouldBe(Precision.Exact);
        (await RolledUp().TimeSeriesAsync(CallFilter.All, Interval.Day, "America/New_York", default)).Precision.ShouldBe(Precision.OfRollups);
        (await RolledUp().SummaryAsync(new CallFilter { Turns = new(1, null) }, asOf: null, default)).Precision.ShouldBe(Precision.Exact);
        (await RolledUp().SummaryAsync(new CallFilter { AgentsInvolved = ["legal"] }, asOf: null, default)).Precision.ShouldBe(Precision.Exact);
    }

    [Fact]
    public async Task Few_calls_are_counted_exactly()
    {
        await _database.AppendAsync(SampleDatabase.Make(10));
        await _follower.CatchUpAsync(default);

        (await _database.Analytics.SummaryAsync(CallFilter.All, asOf: null, default)).Precision.ShouldBe(Precision.Exact);
    }

    private async Task FiguresShouldBeThoseOfTheCallsAsync(string when)
    {
        var (exact, rolledUp) = (_database.Analytics, RolledUp());
        foreach (var filter in Filters)
        {
            Same((await exact.SummaryAsync(filter, asOf: null, default)).Figures, (await rolledUp.SummaryAsync(filter, asOf: null, default)).Figures, $"{when}: {filter}");
            Same(await exact.LatencyAsync(filter, default), await rolledUp.LatencyAsync(filter, default), $"{when}: {filter}");
            foreach (var by in Enum.GetValues<BreakdownBy>())
            {
                var expected = (await exact.BreakdownAsync(filter, by, "America/New_York", asOf: null, default)).Items;
                var items = (await rolledUp.BreakdownAsync(filter, by, "America/New_York", asOf: null, default)).Items;
                items.Select(item => item.Key).ShouldBe(expected.Select(item => item.Key), $"{when}: {by}, {filter}");
                items.Zip(expected).ToList().ForEach(pair => Same(pair.Second.Figures, pair.First.Figures, $"{when}: {by} {pair.First.Key}, {filter}"));
            }

            foreach (var timeZone in (string[])["UTC", "America/New_York"])
            {
                var expected = (await exact.TimeSeriesAsync(filter, Interval.Day, timeZone, default)).Items;
                var items = (await rolledUp.TimeSeriesAsync(filter, Interval.Day, timeZone, default)).Items;
                items.Select(item => item.From).ShouldBe(expected.Select(item => item.From), $"{when}: {timeZone}, {filter}");
                items.Zip(expected).ToList().ForEach(pair => Same(pair.Second.Figures, pair.First.Figures, $"{when}: {pair.First.From}, {filter}"));
            }
        }
    }

    private static void Same(Figures exact, Figures rolledUp, string what)
    {
        (rolledUp with { LatencyP50Ms = null, LatencyP95Ms = null, Callers = 0 }).ShouldBe(exact with { LatencyP50Ms = null, LatencyP95Ms = null, Callers = 0 }, what);
        ((double)rolledUp.Callers).ShouldBe(exact.Callers, Math.Max(2, 0.05 * exact.Callers), what);
        Near(exact.LatencyP50Ms, rolledUp.LatencyP50Ms, what);
        Near(exact.LatencyP95Ms, rolledUp.LatencyP95Ms, what);
    }

    private static void Same(LatencyReport exact, LatencyReport rolledUp, string what)
    {
        foreach (var of in (Func<LatencyReport, LatencyFigures>[])[report => report.Answers, report => report.AnswersHeard, report => report.Interrupted, report => report.Greetings])
        {
            of(rolledUp).Count.ShouldBe(of(exact).Count, what);
            foreach (var figure in (Func<LatencyFigures, double?>[])[f => f.MeanMs, f => f.MinMs, f => f.P50Ms, f => f.P90Ms, f => f.P95Ms, f => f.P99Ms, f => f.MaxMs])
            {
                Near(figure(of(exact)), figure(of(rolledUp)), what);
            }
        }
    }

    private static void Near(double? exact, double? rolledUp, string what)
    {
        rolledUp.HasValue.ShouldBe(exact.HasValue, what);
        if (exact is { } ms)
        {
            rolledUp!.Value.ShouldBe(ms, (LatencyHistogram.Error * ms) + 0.11, what); // Both are rounded to a tenth.
        }
    }

    private async Task<string> CountsByHourAsync() => string.Join(
        ' ', (await RolledUp().BreakdownAsync(CallFilter.All, BreakdownBy.Hour, "UTC", asOf: null, default)).Items
            .Select(item => $"{int.Parse(item.Key!, CultureInfo.InvariantCulture):00}: {item.Figures.Calls}"));

    private AnalyticsQueries RolledUp() => new(
        _database.DataSource, new PastReadModels(_database.DataSource, _database.Store, TestDatabase.Live), TestDatabase.Prices, TimeProvider.System, fewCalls: -1);

    private async Task AppendAsync(SampleCall call, params object[] events) =>
        await _database.Store.AppendAsync(call.StreamId, ExpectedVersion.Any, call.CallerId, events, default);

    private static RollupFollower FollowerOf(TestDatabase database) => new(database.DataSource, TimeProvider.System, NullLogger<RollupFollower>.Instance);
}
