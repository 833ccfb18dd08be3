using System.Text.Json;
using Guru.Application;
using Guru.Domain.Callers;
using Guru.Domain.Calls;
using Guru.Domain.Conversations;
using Guru.Infrastructure.Postgres;
using Guru.Infrastructure.Tests.Postgres;
using Npgsql;
using Shouldly;

namespace Guru.Infrastructure.Marten.Tests;

/// <summary>Whatever one edition has written, the other reads, goes on with, and makes the same read models of.</summary>
[Collection(PostgresCollection.Name)]
public sealed class TwoEditionsOnOneLog(PostgresFixture postgres) : IAsyncLifetime
{
    private const int Calls = 25;

    /// <summary>What must be alike in the tables of Marten; what is sealed differs with its key and nonce.</summary>
    private const string Rows =
        """
        select e.stream_id, e.version, e.type, e.mt_dotnet_type, regexp_replace(e.data::text, '"~[0-9a-f]{32}\.[A-Za-z0-9_-]+"', '"~"', 'g'),
            e.bdata is null, e.tenant_id, e.is_archived, s.type is null, s.version, s.tenant_id, s.is_archived
        from events.mt_events e join events.mt_streams s on s.id = e.stream_id order by e.stream_id collate "C", e.version
        """;

    private static readonly DateTimeOffset Noon = new(2026, 3, 4, 12, 0, 0, TimeSpan.Zero);

    private MartenDatabase _database = null!;

    public async Task InitializeAsync() => _database = await MartenDatabase.NewAsync(postgres);

    public async Task DisposeAsync() => await _database.DisposeAsync();

    [Theory]
    [InlineData(Edition.Default)]
    [InlineData(Edition.Marten)]
    public async Task What_one_edition_has_written_both_read_alike(Edition writer)
    {
        await WriteAsync(_database, seed: 1, _ => writer);

        var all = await AllAsync(Edition.Default);
        (await AllAsync(Edition.Marten)).ShouldBe(all);
        all.Count.ShouldBeGreaterThan(500);
        foreach (var stream in await _database.Default.RowsAsync("select id from events.mt_streams order by id collate \"C\" limit 40"))
        {
            var one = await _database.Default.Store.ReadAsync(stream, 1, default);
            var other = await _database.Store.ReadAsync(stream, 1, default);

            other.Select(Told).ShouldBe(one.Select(Told));
            (await _database.Store.ReadAsync(stream, 3, default)).Select(Told).ShouldBe(one.Skip(2).Select(Told));
            State(stream, other).ShouldBe(State(stream, one));
        }
    }

    [Fact]
    public async Task Both_editions_write_the_same_rows()
    {
        await using var other = await MartenDatabase.NewAsync(postgres);

        await WriteAsync(_database, seed: 2, _ => Edition.Default);
        await WriteAsync(other, seed: 2, _ => Edition.Marten);

        var rows = await _database.Default.RowsAsync(Rows);
        (await other.Default.RowsAsync(Rows)).ShouldBe(rows);
        rows.Count(row => row.Contains("\"~\"", StringComparison.Ordinal)).ShouldBeGreaterThan(200);
    }

    [Fact]
    public async Task Editions_that_take_turns_make_the_read_models_that_one_alone_makes()
    {
        await using var alone = await MartenDatabase.NewAsync(postgres);
        await WriteAsync(alone, seed: 3, _ => Edition.Default);

        await WriteAsync(_database, seed: 3, number => number % 2 == 0 ? Edition.Default : Edition.Marten);

        var tables = await alone.ReadModelsAsync();
        await ShouldHoldAsync(_database, tables);
        tables["utterances"].Count.ShouldBeGreaterThan(100);
        tables["work"].ShouldNotBeEmpty();
    }

    [Theory]
    [InlineData(Edition.Default, Edition.Marten)]
    [InlineData(Edition.Marten, Edition.Default)]
    [InlineData(Edition.Marten, Edition.Marten)]
    public async Task Either_edition_rebuilds_what_the_other_wrote(Edition writer, Edition rebuilder)
    {
        await WriteAsync(_database, seed: 4, _ => writer);
        var tables = await _database.ReadModelsAsync();
        await _database.Default.ExecuteAsync("update guru.calls set status = 'ringing'; truncate guru.utterances, guru.messages");

        var events = await _database.RebuildWithAsync(rebuilder);

        $"{events}".ShouldBe(await _database.Default.OneAsync("select count(*) from events.mt_events where type <> 'tombstone'"));
        await ShouldHoldAsync(_database, tables);
    }

    [Fact]
    public async Task Of_writers_of_both_editions_who_expect_the_same_version_exactly_one_wins_it()
    {
        const int Versions = 5;
        await _database.Store.AppendAsync("call-CA1", ExpectedVersion.None, owner: null, [Ended()], default);

        for (var version = 1L; version <= Versions; version++)
        {
            var expected = ExpectedVersion.Exactly(version);
            var wins = await Task.WhenAll(Enumerable.Range(0, 16).Select(async number =>
            {
                try
                {
                    await _database.StoreOf((Edition)(number % 2)).AppendAsync("call-CA1", expected, owner: null, [Ended()], default);
                    return true;
                }
                catch (VersionConflictException)
                {
                    return false;
                }
            }));
            wins.Count(won => won).ShouldBe(1);
        }
    }

    [Fact]
    public async Task Writers_of_both_editions_at_any_version_never_conflict()
    {
        const int Writers = 16;
        const int Appends = 5;

        await Task.WhenAll(Enumerable.Range(0, Writers).Select(async writer =>
        {
            for (var number = 0; number < Appends; number++)
            {
                await _database.StoreOf((Edition)(writer % 2)).AppendAsync("call-CA1", ExpectedVersion.Any, owner: null, [Ended(), Ended()], default);
            }
        }));

        var events = await _database.Store.ReadAsync("call-CA1", 1, default);
        events.Select(e => e.Version).ShouldBe(Enumerable.Range(1, Writers * Appends * 2).Select(version => (long)version));
        events.Select(e => e.Sequence).ShouldBeInOrder();
    }

    [Fact]
    public async Task Whoever_follows_the_log_sees_every_append_of_either_edition_once()
    {
        await _database.Store.AppendAsync("call-CA0", ExpectedVersion.None, owner: null, [Ended()], default);
        var from = await _database.Default.Feed.EndAsync(default);
        const int Writers = 8;
        const int Appends = 25;
        var writing = Enumerable.Range(0, Writers).Select(writer => Task.Run(async () =>
        {
            for (var number = 0; number < Appends; number++)
            {
                await _database.StoreOf((Edition)(writer % 2)).AppendAsync($"call-CA{writer / 2}", ExpectedVersion.Any, owner: null, [Ended()], default);
            }
        })).ToList();

        var seen = new List<long>();
        await foreach (var batch in _database.Default.Feed.FollowAsync(from, default))
        {
            seen.AddRange(batch.Events.Select(e => e.Sequence));
            if (seen.Count >= Writers * Appends)
            {
                break;
            }
        }

        await Task.WhenAll(writing);
        seen.Select(sequence => $"{sequence}").ShouldBe(await _database.Default.RowsAsync($"select seq_id from events.mt_events where seq_id > {from} order by seq_id"));
    }

    [Fact]
    public async Task A_projection_that_fails_takes_the_events_with_it()
    {
        await _database.Default.ExecuteAsync("alter table guru.calls rename to elsewhere");

        var error = await Should.ThrowAsync<PostgresException>(
            () => _database.Store.AppendAsync("call-CA1", ExpectedVersion.None, owner: null, [Ended()], default));

        error.SqlState.ShouldBe(PostgresErrorCodes.UndefinedTable);
        (await _database.Default.OneAsync("select count(*) from events.mt_events where type <> 'tombstone'")).ShouldBe("0");
        (await _database.Store.ReadAsync("call-CA1", 1, default)).ShouldBeEmpty();
    }

    [Fact]
    public async Task Words_are_sealed_and_read_as_empty_once_their_key_is_destroyed()
    {
        var caller = CallerId.Parse($"{7:x32}");
        await _database.Store.AppendAsync("call-CA1", ExpectedVersion.None, caller, [Said("Bonjou")], default);
        (await _database.Default.OneAsync("select data::text like '%Bonjou%' from events.mt_events")).ShouldBe("False");

        await _database.Default.ExecuteAsync("delete from guru_keys.keys");
        await _database.Store.AppendAsync("call-CA1", ExpectedVersion.Exactly(1), caller, [Said("Orevwa")], default);

        await using var later = _database.AnotherNode(Upcasters.Shipped);
        var events = await later.Store.ReadAsync("call-CA1", 1, default);
        events.Select(e => ((UtteranceTranscribed)e.Data).Said).ShouldBe(["", "Orevwa"]);
        events.Select(e => e.Erased).ShouldBe([true, false]);
    }

    [Fact]
    public async Task Older_shapes_get_todays_through_the_same_upcasters()
    {
        var caller = CallerId.Parse($"{7:x32}");
        await _database.Default.Store.AppendAsync("call-CA1", ExpectedVersion.None, caller, [Said("Bonjou"), Ended()], default);
        await _database.Default.ExecuteAsync("update events.mt_events set type = 'call_over', data = data - 'reason', mt_dotnet_type = null where version = 2");
        var upcasters = Upcasters.Shipped
            .With("call_over", old =>
            {
                old["reason"] = "callerHungUp";
                return new UpcastEvent("call_ended", old);
            })
            .With("utterance_transcribed", old =>
            {
                old["agent"] = "legal";
                return new UpcastEvent("utterance_transcribed", old);
            });

        await using var today = _database.AnotherNode(upcasters);

        (await today.Store.ReadAsync("call-CA1", 1, default)).Select(e => e.Data).ShouldBe([Said("Bonjou") with { Agent = "legal" }, Ended()]);
        await today.Store.AppendAsync("call-CA1", ExpectedVersion.Exactly(2), caller, [Said("Orevwa")], default);
        (await today.Store.ReadAsync("call-CA1", 3, default)).Select(e => e.Data).ShouldBe([Said("Orevwa") with { Agent = "legal" }]);
    }

    [Fact]
    public async Task The_moment_of_an_append_does_not_hang_on_the_time_zone_of_the_database()
    {
        await _database.Default.ExecuteAsync("do $$ begin execute format('alter database %I set timezone to ''Asia/Tokyo''', current_database()); end $$");
        await using var node = _database.AnotherNode(Upcasters.Shipped);

        await node.Store.AppendAsync("call-CA1", ExpectedVersion.None, owner: null, [Ended()], default);

        (await node.Default.OneAsync("select abs(extract(epoch from now() - \"timestamp\")) < 1800 from events.mt_events")).ShouldBe("True");
        (await node.Store.ReadAsync("call-CA1", 1, default)).Select(Told).ShouldBe((await node.Default.Store.ReadAsync("call-CA1", 1, default)).Select(Told));
    }

    private static CallEnded Ended() => new(CallEndReason.CallerHungUp, Noon);

    private static UtteranceTranscribed Said(string words) => new(
        "item_1", Speaker.Caller, "general", words, words, Interrupted: false, TranscriptionOutcome.Completed,
        StartMs: 0, EndMs: 100, SaidMs: 100, HeardMs: 100, Language: null, FirstAudioMs: null, FirstHeardMs: null, Noon);

    /// <summary>Everything that is told of a stored event, since a record with a list equals no copy of itself.</summary>
    private static string Told(StoredEvent stored) =>
        $"{stored.Sequence} {stored.StreamId} {stored.Version} {stored.StoredAt:O} {stored.Erased} {stored.Data.GetType().Name} "
        + JsonSerializer.Serialize(stored.Data, stored.Data.GetType());

    private static string State(string stream, IReadOnlyList<StoredEvent> events) => stream.StartsWith("call-", StringComparison.Ordinal)
        ? JsonSerializer.Serialize(Call.Fold(events.Select(e => (CallEvent)e.Data)))
        : JsonSerializer.Serialize(Conversation.Fold(events.Select(e => e.Data).OfType<ConversationEvent>()));

    private static async Task WriteAsync(MartenDatabase database, int seed, Func<int, Edition> writer)
    {
        var versions = new Dictionary<string, long>(StringComparer.Ordinal);
        var number = 0;
        foreach (var (stream, caller, events) in RandomDay.Appends(seed, Calls))
        {
            var expected = versions.TryGetValue(stream, out var version) ? ExpectedVersion.Exactly(version) : ExpectedVersion.None;
            versions[stream] = await database.StoreOf(writer(number++)).AppendAsync(stream, expected, caller, events, default);
        }
    }

    private static async Task ShouldHoldAsync(MartenDatabase database, Dictionary<string, List<string>> tables)
    {
        var now = await database.ReadModelsAsync();
        foreach (var (table, rows) in tables)
        {
            now[table].ShouldBe(rows, table);
        }
    }

    private async Task<List<string>> AllAsync(Edition reader)
    {
        var all = new List<string>();
        await foreach (var stored in _database.StoreOf(reader).ReadAllAsync(0, default))
        {
            all.Add(Told(stored));
        }

        return all;
    }
}
