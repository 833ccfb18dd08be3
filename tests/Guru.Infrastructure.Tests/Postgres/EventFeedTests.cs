using System.Globalization;
using Guru.Application.Analytics;
using Guru.Application.Calls;
using Guru.Domain.Calls;
using Guru.Infrastructure.Postgres;
using Npgsql;
using Shouldly;

namespace Guru.Infrastructure.Tests.Postgres;

[Collection(PostgresCollection.Name)]
public sealed class EventFeedTests(PostgresFixture postgres) : IAsyncLifetime
{
    private TestDatabase _database = null!;

    public async Task InitializeAsync() => _database = await TestDatabase.NewAsync(postgres);

    public async Task DisposeAsync()
    {
        _database.Feed.Dispose();
        await _database.DisposeAsync();
    }

    [Fact]
    public async Task Whoever_follows_sees_each_event_once_and_in_order_whatever_commits_when()
    {
        await _database.AppendAsync(SampleDatabase.Make(3));
        var from = await _database.Feed.EndAsync(default);
        const int Writers = 6;
        const int CallsEach = 6;
        var writing = Enumerable.Range(0, Writers).Select(writer => Task.Run(() => _database.AppendAsync(SampleDatabase.Make(CallsEach, seed: 10 + writer)))).ToList();
        var expected = (Writers * SampleDatabase.Make(CallsEach, seed: 10).Count()) - 1;

        var seen = new List<EventView>();
        var ended = 0;
        await foreach (var batch in _database.Feed.FollowAsync(from, default))
        {
            seen.AddRange(batch.Events);
            ended += batch.Events.Count(one => one.Type == "CallStatusChanged"); // The last event of each call.
            if (ended > expected)
            {
                break;
            }
        }

        await Task.WhenAll(writing);
        seen.Select(one => one.Sequence).ShouldBe(seen.Select(one => one.Sequence).Order());
        var stored = await _database.RowsAsync($"select seq_id from events.mt_events where seq_id > {from} order by seq_id");
        seen.Select(one => $"{one.Sequence}").ShouldBe(stored);
    }

    [Fact]
    public async Task A_gap_that_may_still_fill_is_waited_for()
    {
        var log = await SettledAsync();
        var from = log.Position;
        await using var slow = await _database.DataSource.OpenConnectionAsync();
        await using var transaction = await slow.BeginTransactionAsync();
        await AppendAsync(slow, "call-CA7", "silence");
        await AppendAsync("call-CA8");
        for (var look = 0; look < 5; look++)
        {
            await log.AdvanceAsync(default);
            log.Position.ShouldBe(from);
        }

        await transaction.CommitAsync();

        await ShouldSettleAtAsync(from + 2, log);
    }

    /// <summary>Who has a newer transaction may have taken the older sequence number, and then the newest transaction that is over is older than theirs.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_gap_is_waited_for_that_a_newer_transaction_may_fill(bool atTheEnd)
    {
        var log = await SettledAsync();
        var from = log.Position;
        await using var older = await _database.DataSource.OpenConnectionAsync();
        await using var first = await older.BeginTransactionAsync();
        await using (var number = new NpgsqlCommand("select pg_current_xact_id()", older))
        {
            await number.ExecuteNonQueryAsync();
        }

        await using var newer = await _database.DataSource.OpenConnectionAsync();
        await using var second = await newer.BeginTransactionAsync();
        await AppendAsync(newer, "call-CA7", "silence");
        await AppendAsync(older, "call-CA8", "busy");
        await first.CommitAsync();
        if (atTheEnd)
        {
            log.Restart();
        }

        for (var look = 0; look < 5; look++)
        {
            await log.AdvanceAsync(default);
            log.Position.ShouldBe(atTheEnd ? -1 : from);
        }

        await second.CommitAsync();

        await ShouldSettleAtAsync(from + 2, log);
    }

    [Fact]
    public async Task Gaps_that_will_never_fill_are_stepped_over_all_at_once()
    {
        var log = await SettledAsync();
        var from = log.Position;
        for (var gap = 0; gap < 20; gap++)
        {
            await _database.ExecuteAsync("select nextval('events.mt_events_sequence')");
            await AppendAsync($"call-CA{gap}");
        }

        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        while (log.Position == from)
        {
            await log.AdvanceAsync(limit.Token);
        }

        log.Position.ShouldBe(from + 40);
    }

    [Fact]
    public async Task A_gap_that_will_never_fill_is_stepped_over()
    {
        var log = await SettledAsync();
        var from = log.Position;
        await using (var failed = await _database.DataSource.OpenConnectionAsync())
        {
            await using var transaction = await failed.BeginTransactionAsync();
            await AppendAsync(failed, "call-CA7", "silence");
            await transaction.RollbackAsync();
        }

        await AppendAsync("call-CA8");

        await ShouldSettleAtAsync(from + 2, log);
    }

    [Fact]
    public async Task The_end_is_where_nothing_can_appear_before_any_more()
    {
        await _database.AppendAsync(SampleDatabase.Make(1));
        await using var slow = await _database.DataSource.OpenConnectionAsync();
        await using var transaction = await slow.BeginTransactionAsync();
        await AppendAsync(slow, "call-CA7", "silence");
        await AppendAsync("call-CA8");
        var log = new SettledLog(_database.DataSource);
        for (var look = 0; look < 5; look++)
        {
            await log.AdvanceAsync(default);
            log.Position.ShouldBe(-1);
        }

        await transaction.CommitAsync();

        await ShouldSettleAtAsync(long.Parse((await _database.OneAsync("select max(seq_id) from events.mt_events"))!, CultureInfo.InvariantCulture), log);
    }

    [Fact]
    public async Task Words_are_readable_numbers_are_masked_and_what_was_erased_is_null()
    {
        var call = SampleDatabase.Make(40).First(call => call.Events.OfType<UtteranceTranscribed>().Any(line => line.Said.Length > 0));
        await _database.AppendAsync(call);

        var readable = await ReadAsync(_database.Feed);
        readable.First(one => one.Type == "CallStarted").Data.GetProperty("address").GetString()!.ShouldContain("***");
        readable.First(one => one.Type == "UtteranceTranscribed").Data.GetProperty("said").GetString().ShouldNotBeNullOrEmpty();

        await _database.ExecuteAsync("delete from guru_keys.keys");
        await using var node = _database.AnotherNode();
        var erased = await ReadAsync(node.Feed);
        node.Feed.Dispose();
        erased.First(one => one.Type == "CallStarted").Data.GetProperty("address").ValueKind.ShouldBe(System.Text.Json.JsonValueKind.Null);
        var words = erased.First(one => one.Type == "UtteranceTranscribed").Data;
        words.GetProperty("said").ValueKind.ShouldBe(System.Text.Json.JsonValueKind.Null);
        words.GetProperty("startMs").ValueKind.ShouldBe(System.Text.Json.JsonValueKind.Number);
    }

    private static async Task<IReadOnlyList<EventView>> ReadAsync(IEventFeed feed)
    {
        await foreach (var batch in feed.FollowAsync(0, default))
        {
            return batch.Events;
        }

        return [];
    }

    private static async Task AppendAsync(NpgsqlConnection connection, string stream, string reason)
    {
        await using var append = new NpgsqlCommand(
            $$"""
            select guru.append_events('{{stream}}', 0, array[gen_random_uuid()], array['call_ended'],
                array['{"reason": "{{reason}}", "at": "2026-03-04T12:00:00Z"}'::jsonb], array['x'], array[]::uuid[]);
            """, connection);
        await append.ExecuteNonQueryAsync();
    }

    private async Task AppendAsync(string stream)
    {
        await using var connection = await _database.DataSource.OpenConnectionAsync();
        await AppendAsync(connection, stream, "busy");
    }

    /// <summary>Looks until it is: a transaction of the server's own may be under way, too, such as an analyze.</summary>
    private static async Task ShouldSettleAtAsync(long place, SettledLog log)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        while (log.Position < place && !limit.IsCancellationRequested)
        {
            await log.AdvanceAsync(CancellationToken.None);
        }

        log.Position.ShouldBe(place);
    }

    /// <summary>At the end of a log with a call in it.</summary>
    private async Task<SettledLog> SettledAsync()
    {
        await _database.AppendAsync(SampleDatabase.Make(1));
        var log = new SettledLog(_database.DataSource);
        while (log.Position < 0)
        {
            await log.AdvanceAsync(default);
        }

        return log;
    }
}
