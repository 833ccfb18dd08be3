using Guru.Application;
using Guru.Domain.Callers;
using Guru.Domain.Calls;
using Guru.Domain.Conversations;
using Shouldly;

namespace Guru.Infrastructure.Tests.Postgres;

/// <summary>When a call is summarised, and when what was said earlier is.</summary>
[Collection(PostgresCollection.Name)]
public sealed class SummaryWorkTests(PostgresFixture postgres) : OnADatabase(postgres)
{
    private const string Rows = "select id, kind, subject, extract(epoch from due_at - '2026-03-04T12:00:00Z')::int, round from guru.work order by id";

    private static readonly DateTimeOffset Noon = new(2026, 3, 4, 12, 0, 0, TimeSpan.Zero);
    private static readonly CallerId Maria = CallerId.Parse("0123456789abcdef0123456789abcdef");
    private static readonly CallSid Sid = CallSid.Parse("CA00000000000000000000000000000001");
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);
    [Fact]
    public async Task The_end_of_a_call_asks_for_its_summary_and_an_hour_later_for_that_of_the_session()
    {
        await CallAsync(Started(), Said("a"), new CallEnded(CallEndReason.CallerHungUp, Noon));

        (await _database.RowsAsync(Rows)).ShouldBe(
        [
            $"digest:{Sid}\tdigest\t{Maria}\t3660\t1",
            $"digest:now:{Sid}\tdigest\t{Maria}\t5\t1",
            $"summary:{Sid}\tsummary\t{Sid}\t5\t1",
        ]);
        (await _database.OneAsync("select distinct caller_id from guru.work")).ShouldBe(Maria.Value);
    }

    [Fact]
    public async Task A_call_that_goes_on_asks_for_nothing()
    {
        await CallAsync(Started(), Said("a"), Said("b"));

        (await _database.DumpAsync("work")).ShouldBeEmpty();
    }

    [Fact]
    public async Task The_end_of_a_call_of_which_nothing_else_is_known_asks_for_nothing()
    {
        await CallAsync(new CallEnded(CallEndReason.Busy, Noon));

        (await _database.DumpAsync("work")).ShouldBeEmpty();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_fact_that_comes_after_the_end_puts_the_summary_off(bool together)
    {
        object[] events = [Started(), new CallEnded(CallEndReason.CallerHungUp, Noon), Said("a") with { At = Noon.AddSeconds(3) }];
        foreach (var some in together ? [events] : events.Chunk(1))
        {
            await CallAsync(some);
        }

        (await _database.RowsAsync($"{Rows} limit 1 offset 2")).ShouldBe([$"summary:{Sid}\tsummary\t{Sid}\t8\t2"]);
    }

    [Fact]
    public async Task A_fact_that_comes_while_the_call_is_summarised_is_looked_at_next()
    {
        await CallAsync(Started(), new CallEnded(CallEndReason.CallerHungUp, Noon));
        await _database.ExecuteAsync("delete from guru.work where kind = 'digest'; update guru.work set due_at = now()");
        var first = (await _database.Work.ClaimAsync(Minute, default))!;

        await CallAsync(Said("a") with { At = DateTimeOffset.UtcNow.AddHours(1) });

        (await _database.Work.ClaimAsync(Minute, default)).ShouldBeNull();
        await _database.Work.CompleteAsync(first, default);
        (await _database.Work.ClaimAsync(Minute, default))!.Round.ShouldBe(2);
    }

    [Fact]
    public async Task A_fact_that_comes_when_the_summary_is_done_asks_for_nothing()
    {
        await CallAsync(Started(), new CallEnded(CallEndReason.CallerHungUp, Noon));
        await _database.ExecuteAsync("delete from guru.work");

        await CallAsync(Said("a"));

        (await _database.DumpAsync("work")).ShouldBeEmpty();
    }

    [Fact]
    public async Task Each_answer_puts_off_the_end_of_the_session_and_asks_whether_all_can_still_be_told()
    {
        await WriteAsync(Replied("SM1", 10), Replied("SM2", 20));
        await WriteAsync(new MessageSent("callSummary", "CA1", Maria, ["SM3"], "general", "We talked.", Noon.AddSeconds(30)));
        await WriteAsync(Replied("SM4", 5)); // Its clock is behind.

        (await _database.RowsAsync(Rows)).ShouldBe([$"digest:{Maria}\tdigest\t{Maria}\t3690\t4", $"digest:now:{Maria}\tdigest\t{Maria}\t20\t3"]);
    }

    [Fact]
    public async Task What_could_not_be_answered_is_remembered_too()
    {
        await WriteAsync(new MessageReplyFailed(["SM1"], Maria, "windowClosed", Noon));

        (await _database.RowsAsync(Rows)).ShouldBe([$"digest:{Maria}\tdigest\t{Maria}\t3660\t1"]);
    }

    /// <summary>Both write of the caller's session: they must not wait for each other in a circle.</summary>
    [Fact]
    public async Task Calls_and_texts_of_one_caller_are_recorded_side_by_side()
    {
        var calling = Enumerable.Range(0, 60).Select(async number =>
        {
            var sid = CallSid.Parse($"CA{number:x32}");
            await _database.Store.AppendAsync(Call.StreamId(sid), ExpectedVersion.None, Maria, [Started() with { CallSid = sid }, new CallEnded(CallEndReason.Silence, Noon)], default);
            await _database.Store.AppendAsync(Call.StreamId(sid), ExpectedVersion.Any, Maria, [Said("a"), Said("b")], default);
        });
        var writing = Enumerable.Range(0, 60).Select(number => WriteAsync(Replied($"SM{number}", number)));

        await Task.WhenAll([.. calling, .. writing]);

        (await _database.OneAsync("select count(*) from guru.work")).ShouldBe("182");
    }

    private static CallStarted Started() => new(
        Sid, Maria, "+15550100001", CallChannel.Whatsapp, CallDirection.Inbound, Language: null, StreamTokenHash: null, Noon.AddMinutes(-5));

    private static UtteranceTranscribed Said(string id) => new(
        id, Speaker.Caller, "general", $"said {id}", $"said {id}", Interrupted: false, TranscriptionOutcome.Completed, StartMs: 0, EndMs: 50, SaidMs: 50,
        HeardMs: 50, Language: null, FirstAudioMs: null, FirstHeardMs: null, Noon);

    private static MessageReplied Replied(string sid, double seconds) => new(["SM0"], Maria, [sid], "general", "hello", Noon.AddSeconds(seconds));

    private Task CallAsync(params object[] events) => _database.Store.AppendAsync(Call.StreamId(Sid), ExpectedVersion.Any, Maria, events, default);

    private Task WriteAsync(params object[] events) => _database.Store.AppendAsync(Conversation.StreamId(Maria), ExpectedVersion.Any, Maria, events, default);
}
