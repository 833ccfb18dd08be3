using Guru.Application.Calls;
using Guru.Application.Transcripts;
using Guru.Domain.Callers;
using Guru.Domain.Calls;
using Guru.Infrastructure.Postgres;
using Shouldly;

namespace Guru.Infrastructure.Tests.Postgres;

[Collection(PostgresCollection.Name)]
public sealed class ListingCallsTests(PostgresFixture postgres, SampleDatabase sample) : IClassFixture<SampleDatabase>
{
    [Fact]
    public async Task Any_filter_finds_in_any_order_what_it_says()
    {
        var random = new Random(7);
        for (var trial = 0; trial < 120; trial++)
        {
            var (filter, holds) = RandomFilter(random);
            var order = new CallOrder(Pick(random, Enum.GetValues<CallSort>()), random.Next(2) == 0);

            var listed = await ListAsync(filter, order, random.Next(1, 60));

            var expected = sample.Calls.Where(holds).OrderBy(call => ValueOf(call, order.By)).ThenBy(call => call.CallSid, StringComparer.Ordinal).ToList();
            if (order.Descending)
            {
                expected.Reverse();
            }

            listed.ShouldBe(expected.Select(call => call.CallSid), $"trial {trial}: {filter} {order}");
        }
    }

    [Theory]
    [InlineData(CallSort.StartedAt, true)]
    [InlineData(CallSort.StartedAt, false)]
    [InlineData(CallSort.Cost, true)]
    public async Task No_call_is_missed_or_doubled_while_others_are_added(CallSort by, bool descending)
    {
        await using var database = await TestDatabase.NewAsync(postgres);
        await database.AppendAsync(SampleDatabase.Make(60));
        using var added = SampleDatabase.Make(30, seed: 2).GetEnumerator();
        var listed = new List<string>();
        string? cursor = null;
        do
        {
            var page = await database.Queries.ListAsync(CallFilter.All, new CallOrder(by, descending), 7, cursor, default);
            listed.AddRange(page.Items.Select(call => call.CallSid));
            cursor = page.Next;
            for (var more = 0; more < 4 && added.MoveNext(); more++)
            {
                await database.AppendAsync(added.Current);
            }
        }
        while (cursor is not null);

        listed.ShouldBeUnique();
        SampleDatabase.Make(60).Select(call => call.CallSid.Value).Except(listed, StringComparer.Ordinal).ShouldBeEmpty();
    }

    [Fact]
    public async Task The_cursor_of_one_order_is_not_that_of_another()
    {
        var page = await sample.Database.Queries.ListAsync(CallFilter.All, CallOrder.NewestFirst, 5, cursor: null, default);

        await Should.ThrowAsync<FormatException>(() => sample.Database.Queries.ListAsync(
            CallFilter.All, new CallOrder(CallSort.Cost, Descending: true), 5, page.Next, default));
    }

    [Fact]
    public async Task A_call_is_found_by_what_was_said_in_it()
    {
        var listed = await ListAsync(new CallFilter { Text = TextQuery.Parse("itemized \"billing office\"") }, CallOrder.NewestFirst, 200);

        listed.ShouldNotBeEmpty();
        foreach (var callSid in listed)
        {
            var transcript = (await sample.Database.Queries.TranscriptAsync(CallSid.Parse(callSid), default))!;
            transcript.Utterances.ShouldContain(line => line.Said.Contains("billing office") && line.Said.Contains("itemized"));
        }
    }

    [Theory]
    [InlineData(20)]
    [InlineData(700)]
    public async Task Which_calls_with_a_text_are_the_newest_does_not_depend_on_how_far_back_is_looked_first(int fewUtterances)
    {
        var (lookingBack, _) = await sample.Database.LookingBackAsync(fewUtterances);
        var random = new Random(11);
        foreach (var text in (string[])["hospital", "Guru", "Clinic", "Elmhurst", "passport bank", "nobody"])
        {
            for (var trial = 0; trial < 4; trial++)
            {
                var filter = (trial == 0 ? CallFilter.All : RandomFilter(random).Filter) with { Text = TextQuery.Parse(text) };
                var limit = random.Next(1, 60);

                (await ListAsync(filter, CallOrder.NewestFirst, limit, lookingBack)).ShouldBe(
                    (await ListAsync(filter, new CallOrder(CallSort.StartedAt, Descending: false), 500)).AsEnumerable().Reverse(), $"{text}: {filter}");
            }
        }
    }

    [Fact]
    public async Task The_turns_of_a_call_and_the_rest_add_up_to_its_cost()
    {
        sample.Calls.Count(call => call.Cost > 0).ShouldBeGreaterThan(200);
        foreach (var listed in sample.Calls)
        {
            var call = (await sample.Database.Queries.DetailAsync(CallSid.Parse(listed.CallSid), default))!;
            var turns = (await sample.Database.Queries.TranscriptAsync(CallSid.Parse(listed.CallSid), default))!.Utterances.Sum(line => line.Cost ?? 0);

            var costs = call.Costs;
            costs.Turns.ShouldBe(turns);
            (costs.Turns + costs.OfNoTurn + (costs.Carrier ?? 0)).ShouldBe(call.Cost);
            (costs.Text + costs.Audio + costs.Cached + costs.Transcription + (costs.Carrier ?? 0)).ShouldBe(call.Cost);
            costs.OfNoTurn.ShouldBe(0); // Every response of the sample calls spoke.
            call.Cost.ShouldBe(listed.Cost);
        }
    }

    private static decimal ValueOf(CallSummary call, CallSort by) => by switch
    {
        CallSort.StartedAt => call.StartedAt.UtcTicks,
        CallSort.DurationSeconds => call.DurationSeconds ?? -1,
        CallSort.Turns => call.Turns,
        CallSort.BargeIns => call.BargeIns,
        CallSort.LatencyP50Ms => (decimal)(call.LatencyP50Ms ?? -1),
        CallSort.LatencyP95Ms => (decimal)(call.LatencyP95Ms ?? -1),
        CallSort.Cost => call.Cost,
        _ => throw new ArgumentOutOfRangeException(nameof(by)),
    };

    /// <summary>A filter of up to three conditions, and the same in C#.</summary>
    private (CallFilter Filter, Func<CallSummary, bool> Holds) RandomFilter(Random random)
    {
        var filter = CallFilter.All;
        Func<CallSummary, bool> holds = _ => true;
        for (var conditions = random.Next(4); conditions > 0; conditions--)
        {
            var before = holds;
            var (next, also) = Condition(filter, random);
            (filter, holds) = (next, call => before(call) && also(call));
        }

        return (filter, holds);
    }

    private (CallFilter Filter, Func<CallSummary, bool> Holds) Condition(CallFilter filter, Random random)
    {
        var example = Pick(random, sample.Calls);
        switch (random.Next(16))
        {
            case 0 when filter.StartedAt.From is null:
                return (filter with { StartedAt = new TimeRange(example.StartedAt, filter.StartedAt.To) }, call => call.StartedAt >= example.StartedAt);
            case 1 when filter.StartedAt.To is null:
                return (filter with { StartedAt = new TimeRange(filter.StartedAt.From, example.StartedAt) }, call => call.StartedAt < example.StartedAt);
            case 2 when filter.Agents.Count == 0:
                return (filter with { Agents = [example.Agent, "nobody"] }, call => call.Agent == example.Agent);
            case 3 when filter.Languages.Count == 0:
                return (filter with { Languages = [example.Language, null] }, call => call.Language == example.Language || call.Language is null);
            case 4 when filter.EndReasons.Count == 0:
                return (filter with { EndReasons = [example.EndReason] }, call => call.EndReason == example.EndReason);
            case 5 when filter.DurationSeconds.Min is null && example.DurationSeconds is not null:
                return (filter with { DurationSeconds = filter.DurationSeconds with { Min = example.DurationSeconds } }, call => call.DurationSeconds >= example.DurationSeconds);
            case 6 when filter.Cost.Max is null:
                return (filter with { Cost = filter.Cost with { Max = example.Cost } }, call => call.Cost <= example.Cost);
            case 7 when filter.LatencyP95Ms.Min is null && example.LatencyP95Ms is { } p95:
                var limit = Math.Round((decimal)p95);
                return (filter with { LatencyP95Ms = filter.LatencyP95Ms with { Min = limit } }, call => call.LatencyP95Ms is { } ms && (decimal)ms >= limit);
            case 8 when filter.Interrupted is null:
                return (filter with { Interrupted = example.Interrupted }, call => call.Interrupted == example.Interrupted);
            case 9 when filter.CallerIds is null:
                return (filter with { CallerIds = [CallerId.Parse(example.CallerId!)] }, call => call.CallerId == example.CallerId);
            case 10 when filter.AgentsInvolved.Count == 0:
                return (filter with { AgentsInvolved = [example.Agents[0]] }, call => call.Agents.Contains(example.Agents[0]));
            case 11 when filter.Statuses.Count == 0:
                return (filter with { Statuses = [example.Status], Directions = [example.Direction], Channels = [example.Channel] }, call => call.Status == example.Status);
            case 13 when filter.EndedAt.From is null && example.EndedAt is { } earliest:
                return (filter with { EndedAt = filter.EndedAt with { From = earliest } }, call => call.EndedAt >= earliest);
            case 14 when filter.EndedAt.To is null && example.EndedAt is { } end:
                return (filter with { EndedAt = filter.EndedAt with { To = end } }, call => call.EndedAt < end);
            case 15 when filter.CallSid is null:
                return (filter with { CallSid = CallSid.Parse(example.CallSid) }, call => call.CallSid == example.CallSid);
            case 12 when filter.Turns.Min is null:
                return (filter with { Turns = filter.Turns with { Min = example.Turns } }, call => call.Turns >= example.Turns);
            default:
                return (filter, _ => true);
        }
    }

    private static T Pick<T>(Random random, IReadOnlyList<T> among) => among[random.Next(among.Count)];

    private async Task<List<string>> ListAsync(CallFilter filter, CallOrder order, int limit, CallQueries? queries = null)
    {
        var listed = new List<string>();
        string? cursor = null;
        do
        {
            var page = await (queries ?? sample.Database.Queries).ListAsync(filter, order, limit, cursor, default);
            page.Items.Count.ShouldBeLessThanOrEqualTo(limit);
            listed.AddRange(page.Items.Select(call => call.CallSid));
            cursor = page.Next;
        }
        while (cursor is not null);

        return listed;
    }
}
