using Guru.Application;
using Guru.Domain;
using Guru.Domain.Calls;
using Guru.Domain.Conversations;
using Guru.Infrastructure.Postgres;
using Npgsql;
using Shouldly;

namespace Guru.Infrastructure.Tests.Postgres;

[Collection(RebuildingCollection.Name)]
public sealed class RebuildTests(PostgresFixture postgres) : OnADatabase(postgres)
{
    private const string Shape =
        """
        select table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable || ' ' || is_generated || coalesce(collation_name, '')
        from information_schema.columns where table_schema = 'guru' and table_name <> 'migrations'
        union all select indexdef from pg_indexes where schemaname = 'guru'
        union all select relname || ' ' || reloptions::text from pg_class where relnamespace = 'guru'::regnamespace and reloptions is not null
        union all select conname || ' ' || pg_get_constraintdef(oid) from pg_constraint where connamespace = 'guru'::regnamespace
        order by 1
        """;

    private const string Left = "select count(*) from pg_namespace where nspname like 'guru_rebuild%'";

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task Rebuilt_tables_are_those_that_the_appends_have_made(int seed)
    {
        await AppendAsync(new RandomCalls(seed).Take(150), new RandomConversations(seed).Take(150));
        var (tables, shape) = (await DumpAsync(), await _database.RowsAsync(Shape));
        tables["calls"].Count.ShouldBeGreaterThan(100);
        tables["utterances"].Count.ShouldBeGreaterThan(500);
        tables["messages"].Count.ShouldBeGreaterThan(800);
        tables["deliveries"].Count.ShouldBeGreaterThan(300);
        tables["conversations"].Count.ShouldBeGreaterThan(40);
        tables["consent"].Count.ShouldBeGreaterThan(300);

        var events = await _database.Rebuild.RebuildAsync(progress: null, CancellationToken.None);

        await ShouldStillBeAsync(tables);
        (await _database.RowsAsync(Shape)).ShouldBe(shape);
        events.ToString(System.Globalization.CultureInfo.InvariantCulture).ShouldBe(await _database.OneAsync("select count(*) from events.mt_events"));
    }

    [Fact]
    public async Task Where_one_projection_is_another_only_its_tables_and_those_of_its_readers_are_made_anew()
    {
        var (calls, conversations) = (new RandomCalls(13).Take(60).ToList(), new RandomConversations(13).Take(60).ToList());
        await AppendAsync(calls, conversations);
        await ForgetAsync(calls, conversations);
        await AppendAsync(new RandomCalls(14).Take(20), new RandomConversations(14).Take(20));
        await _database.Rebuild.RebuildAsync(progress: null, CancellationToken.None);
        var tables = await DumpAsync();
        foreach (var (projection, expected) in (IEnumerable<(string, string)>)[
            ("calls", "calls routings messages deliveries conversations"),
            ("utterances", "calls utterances messages deliveries"),
            ("usages", "calls usages"),
            ("routings", "routings"),
            ("messages", "messages deliveries"),
            ("conversations", "conversations"),
            ("consent", "consent"),
            ("caller_aliases", "caller_aliases")])
        {
            var before = await TablesAsync();
            string[] due = expected.Split(' ');
            foreach (var table in due)
            {
                await _database.ExecuteAsync($"truncate guru.{table}");
            }

            await _database.ExecuteAsync($"update guru.read_models set version = replace(version, '{projection}:', '{projection}:0')");

            (await _database.Rebuild.IsDueAsync(default)).ShouldBeTrue(projection);
            (await _database.Rebuild.RebuildDueAsync(progress: null, CancellationToken.None)).ShouldBeGreaterThan(500, projection);

            await ShouldStillBeAsync(tables);
            (await TablesAsync()).Except(before).Select(table => table.Name).ShouldBe(due, ignoreOrder: true, projection);
            (await _database.OneAsync("select version from guru.read_models")).ShouldBe(TestDatabase.Live.Version, projection);
            (await _database.Rebuild.RebuildDueAsync(progress: null, CancellationToken.None)).ShouldBe(0, projection);
            (await _database.OneAsync("select count(*) from pg_namespace where nspname like 'guru_rebuild%'")).ShouldBe("0", projection);
        }
    }

    [Fact]
    public async Task What_all_projections_of_version_7_have_made_need_not_be_made_anew_by_those_with_versions_of_their_own()
    {
        await _database.ExecuteAsync("update guru.read_models set version = '7-0123456789abcdef'");

        await _database.ExecuteAsync(Migration.Shipped.Single(migration => migration.Name == "versions_of_projections").Sql);

        (await _database.OneAsync("select version from guru.read_models")).ShouldBe(
            "calls:7-0123456789abcdef utterances:7 usages:7-0123456789abcdef routings:7 messages:7 conversations:7 consent:7 caller_aliases:7");
        TestDatabase.Live.DueAfter("").ShouldBe(TestDatabase.Live.Tables);
    }

    [Fact]
    public async Task Read_models_that_are_marked_as_outdated_while_they_are_made_anew_stay_marked()
    {
        await AppendAsync(new RandomCalls(15).Take(5), []);
        var calls = await TablesAsync();
        await using var other = await _database.DataSource.OpenConnectionAsync();
        await using var reading = await other.BeginTransactionAsync();
        await using (var read = new NpgsqlCommand("select count(*) from events.mt_streams", other, reading))
        {
            await read.ExecuteScalarAsync();
        }

        await _database.ExecuteAsync($"update guru.read_models set version = '{TestDatabase.Live.Version}'");
        var rebuild = _database.Rebuild.RebuildAsync(progress: null, CancellationToken.None);
        await _database.UntilItWaitsForAsync(rebuild, "events.mt_streams");

        await _database.ExecuteAsync("update guru.read_models set version = ''");
        await reading.RollbackAsync();

        await Should.ThrowAsync<RebuildException>(() => rebuild);
        (await _database.OneAsync("select version from guru.read_models")).ShouldBe("");
        (await TablesAsync()).ShouldBe(calls);
    }

    [Fact]
    public async Task A_part_that_cannot_be_written_stops_the_others_and_leaves_everything_as_it_was()
    {
        await AppendAsync(new RandomCalls(16).Take(20), new RandomConversations(16).Take(20));
        await _database.ExecuteAsync("alter table guru.messages add constraint nothing_more check (text = '-') not valid"); // Of what is there, it is not asked.
        var (tables, before) = (await DumpAsync(), await TablesAsync());

        (await Should.ThrowAsync<PostgresException>(() => _database.Rebuild.RebuildAsync(progress: null, CancellationToken.None))).ConstraintName.ShouldBe("nothing_more");

        (await TablesAsync()).ShouldBe(before);
        await ShouldStillBeAsync(tables);
        await ConnectionsShouldBeAsOthersExpectThemAsync();
        await _database.ExecuteAsync("alter table guru.messages drop constraint nothing_more");
        await _database.Rebuild.RebuildAsync(progress: null, CancellationToken.None);
        await ShouldStillBeAsync(tables);
    }

    [Fact]
    public async Task A_rebuild_that_is_given_up_while_it_waits_leaves_its_connection_as_others_expect_it()
    {
        await AppendAsync(new RandomCalls(12).Take(5), []);
        await using var other = await _database.DataSource.OpenConnectionAsync();
        await using var reading = await other.BeginTransactionAsync();
        await using (var read = new NpgsqlCommand("select count(*) from events.mt_streams", other, reading))
        {
            await read.ExecuteScalarAsync();
        }

        using var cancellation = new CancellationTokenSource();
        var rebuild = _database.Rebuild.RebuildAsync(progress: null, cancellation.Token);
        await _database.UntilItWaitsForAsync(rebuild, "events.mt_streams");

        await cancellation.CancelAsync();

        await Should.ThrowAsync<OperationCanceledException>(() => rebuild);
        await ConnectionsShouldBeAsOthersExpectThemAsync();
        await reading.RollbackAsync();
        await _database.Rebuild.RebuildAsync(progress: null, CancellationToken.None);
    }

    [Fact]
    public async Task A_rebuild_does_no_work_anew()
    {
        await AppendAsync(new RandomCalls(11).Take(20), new RandomConversations(11).Take(20));
        (await _database.OneAsync("select count(*) > 1 from guru.work")).ShouldBe("True");
        await _database.ExecuteAsync("delete from guru.work where id = (select min(id) from guru.work); update guru.work set round = 7");
        var work = await _database.DumpAsync("work");

        await _database.Rebuild.RebuildAsync(progress: null, CancellationToken.None);

        (await _database.DumpAsync("work")).ShouldBe(work);
    }

    [Fact]
    public async Task An_utterance_that_is_on_record_twice_counts_once_and_says_what_it_said_first()
    {
        var call = new RandomCalls(17).Take(20).First(one => one.Appends.SelectMany(events => events).OfType<UtteranceTranscribed>().Any(said => said.Heard is { Length: > 0 }));
        await AppendAsync([call]);
        var said = call.Appends.SelectMany(events => events).OfType<UtteranceTranscribed>().First(said => said.Heard is { Length: > 0 });
        var turns = await _database.OneAsync("select turns from guru.calls");
        await _database.Store.AppendAsync(Call.StreamId(call.Sid), ExpectedVersion.Any, call.Caller, [said with { Said = "other words", Heard = "other words", StartMs = 0 }], default);
        (await _database.OneAsync("select turns from guru.calls")).ShouldBe(turns);
        var tables = await DumpAsync();

        await _database.Rebuild.RebuildAsync(progress: null, CancellationToken.None);

        await ShouldStillBeAsync(tables);
    }

    [Fact]
    public async Task Tables_that_were_spoiled_are_made_good()
    {
        await AppendAsync(new RandomCalls(4).Take(50));
        var calls = await _database.DumpAsync("calls");
        await _database.ExecuteAsync("update guru.calls set status = 'ringing'; truncate guru.utterances");

        await _database.Rebuild.RebuildAsync(progress: null, CancellationToken.None);

        (await _database.DumpAsync("calls")).ShouldBe(calls);
        (await _database.DumpAsync("utterances")).ShouldNotBeEmpty();
    }

    [Fact]
    public async Task Calls_go_on_while_the_tables_are_rebuilt()
    {
        await AppendAsync(new RandomCalls(5).Take(150), new RandomConversations(5).Take(50));
        using var enough = new CancellationTokenSource();
        var calls = 0;
        var traffic = Enumerable.Range(100, 4).Select(async seed =>
        {
            var conversations = new RandomConversations(seed).Take(int.MaxValue);
            foreach (var (call, conversation) in new RandomCalls(seed).Take(int.MaxValue).Zip(conversations).TakeWhile(_ => !enough.IsCancellationRequested))
            {
                await Task.WhenAll(AppendAsync([call]), AppendAsync([], [conversation]));
                Interlocked.Increment(ref calls);
            }
        }).ToList();

        for (var times = 0; times < 5 || Volatile.Read(ref calls) <= 50; times++)
        {
            await _database.Rebuild.RebuildAsync(progress: null, CancellationToken.None);
            traffic.ShouldAllBe(writer => !writer.IsCompleted);
        }

        await enough.CancelAsync();
        await Task.WhenAll(traffic);

        var tables = await DumpAsync();
        tables["calls"].Count.ShouldBeGreaterThan(200);
        await _database.Rebuild.RebuildAsync(progress: null, CancellationToken.None);
        await ShouldStillBeAsync(tables);
    }

    /// <summary>An append that took its numbers before the rebuild began, and commits them after it has read past.</summary>
    [Fact]
    public async Task An_event_that_fills_a_gap_late_is_not_lost()
    {
        await AppendAsync(new RandomCalls(6).Take(5));
        await using var slow = await _database.DataSource.OpenConnectionAsync();
        await using var transaction = await slow.BeginTransactionAsync();
        await using (var append = new NpgsqlCommand(
            """
            select guru.append_events('call-CA7', 0, array[gen_random_uuid()], array['call_ended'],
                array['{"reason": "silence", "at": "2026-03-04T12:00:00Z"}'::jsonb], array['x'], array[]::uuid[]);
            """, slow))
        {
            await append.ExecuteNonQueryAsync();
        }

        await AppendAsync(new RandomCalls(7).Take(5));
        var rebuild = _database.Rebuild.RebuildAsync(progress: null, CancellationToken.None);
        while (await _database.OneAsync("select count(*) from pg_locks where not granted") == "0")
        {
            await Task.Yield();
        }

        await transaction.CommitAsync();
        await rebuild;

        (await _database.OneAsync("select end_reason from guru.calls where call_sid = 'CA7'")).ShouldBe("silence");
    }

    [Fact]
    public async Task Progress_is_shown_to_the_end()
    {
        await AppendAsync(new RandomCalls(8).Take(20));
        var shown = new List<RebuildProgress>();

        var events = await _database.Rebuild.RebuildAsync(new Listener(shown), CancellationToken.None);

        shown[^1].Events.ShouldBe(events);
        shown[^1].Sequence.ShouldBe(shown[^1].LastSequence);
    }

    [Fact]
    public async Task Of_two_rebuilds_at_once_one_is_refused()
    {
        await using var other = await _database.DataSource.OpenConnectionAsync();
        await using var held = new NpgsqlCommand($"select pg_advisory_lock({Rebuild.Lock})", other);
        await held.ExecuteNonQueryAsync();

        await Should.ThrowAsync<RebuildException>(() => _database.Rebuild.RebuildAsync(progress: null, CancellationToken.None));
    }

    [Fact]
    public async Task Who_was_allowed_to_read_still_is()
    {
        await _database.ExecuteAsync("create role analyst; grant select on guru.calls to analyst");

        await _database.Rebuild.RebuildAsync(progress: null, CancellationToken.None);

        var allowed = await _database.OneAsync("select has_table_privilege('analyst', 'guru.calls', 'select')");
        await _database.ExecuteAsync("drop owned by analyst; drop role analyst");
        allowed.ShouldBe("True");
    }

    [Fact]
    public async Task What_a_table_was_set_to_stays_set()
    {
        await _database.ExecuteAsync("alter table guru.calls set (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.05)");
        var shape = await _database.RowsAsync(Shape);

        await _database.Rebuild.RebuildAsync(progress: null, CancellationToken.None);

        (await _database.RowsAsync(Shape)).ShouldBe(shape);
    }

    [Fact]
    public async Task A_rebuild_that_was_stopped_half_way_does_not_hinder_the_next()
    {
        await AppendAsync(new RandomCalls(9).Take(20));
        var calls = await _database.DumpAsync("calls");
        await _database.ExecuteAsync("create schema guru_rebuild; create table guru_rebuild.calls (half int)");

        await _database.Rebuild.RebuildAsync(progress: null, CancellationToken.None);

        (await _database.DumpAsync("calls")).ShouldBe(calls);
    }

    [Fact]
    public async Task What_a_rebuild_left_that_was_killed_is_removed_though_nothing_is_due()
    {
        await _database.ExecuteAsync("create schema guru_rebuild_calls; create table guru_rebuild_calls.utterances (said text)");

        await _database.Rebuild.ClearUpAsync(CancellationToken.None);

        (await _database.OneAsync(Left)).ShouldBe("0");
    }

    [Fact]
    public async Task A_rebuild_that_is_given_up_leaves_no_words()
    {
        await AppendAsync(new RandomCalls(9).Take(20));
        using var cancellation = new CancellationTokenSource();

        await Should.ThrowAsync<OperationCanceledException>(_database.Rebuild.RebuildAsync(new Callback(cancellation.Cancel), cancellation.Token));

        (await _database.OneAsync(Left)).ShouldBe("0");
    }

    [Fact]
    public async Task A_rebuild_whose_connection_is_lost_says_so_and_hinders_none()
    {
        await AppendAsync(new RandomCalls(9).Take(20));
        var lost = new Callback(() => _database.ExecuteAsync(
            "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and granted and mode = 'ExclusiveLock' and objid = 1735750262").GetAwaiter().GetResult());

        await Should.ThrowAsync<NpgsqlException>(_database.Rebuild.RebuildAsync(lost, CancellationToken.None));

        (await _database.Rebuild.RebuildAsync(progress: null, CancellationToken.None)).ShouldBePositive();
    }

    [Fact]
    public async Task A_rebuild_waits_for_those_who_still_write_for_another()
    {
        await using (var writer = await _database.DataSource.OpenConnectionAsync())
        {
            await using var holding = new NpgsqlCommand($"select pg_advisory_lock_shared({RebuildWriters.Lock})", writer);
            await holding.ExecuteNonQueryAsync();
            await Should.ThrowAsync<RebuildException>(_database.Rebuild.RebuildAsync(progress: null, CancellationToken.None));
            holding.CommandText = "select pg_advisory_unlock_all()";
            await holding.ExecuteNonQueryAsync();
        }

        await _database.Rebuild.RebuildAsync(progress: null, CancellationToken.None);
    }

    [Fact]
    public async Task The_words_of_an_erased_caller_are_gone_after_a_rebuild()
    {
        await AppendAsync(new RandomCalls(10).Take(20), new RandomConversations(10).Take(20));
        await _database.ExecuteAsync("delete from guru_keys.keys");

        await _database.Rebuild.RebuildAsync(progress: null, CancellationToken.None);

        (await _database.OneAsync("select count(*) from guru.utterances where said <> '' or heard <> ''")).ShouldBe("0");
        (await _database.OneAsync("select count(*) from guru.calls where address_masked <> ''")).ShouldBe("0");
        (await _database.OneAsync("select count(*) from guru.messages where text <> ''")).ShouldBe("0");
        (await _database.OneAsync("select count(*) from guru.conversations where address_masked <> '' or summary <> ''")).ShouldBe("0");
    }

    /// <summary>Some callers and calls are forgotten, and of others the words from before a moment.</summary>
    private async Task ForgetAsync(IReadOnlyList<RandomCall> calls, IReadOnlyList<RandomConversation> conversations)
    {
        var middle = DateTimeOffset.Parse(await _database.OneAsync("select percentile_disc(0.5) within group (order by at)::text from guru.utterances"), System.Globalization.CultureInfo.InvariantCulture);
        foreach (var (caller, number) in calls.Select(call => call.Caller).Concat(conversations.Select(conversation => conversation.Caller)).Distinct().Select((caller, number) => (caller, number)))
        {
            object[] events = (number % 4) switch
            {
                0 => [new RetentionApplied(caller, Retained.Transcripts, middle, middle.AddYears(1)), new RetentionApplied(caller, Retained.Messages, middle, middle.AddYears(1))],
                1 => [new CallerErased(caller, middle.AddYears(1))],
                _ => [],
            };
            if (events.Length > 0)
            {
                await _database.Store.AppendAsync(Conversation.StreamId(caller), ExpectedVersion.Any, caller, events, default);
            }
        }

        foreach (var call in calls.Where((_, number) => number % 5 == 0))
        {
            await _database.Store.AppendAsync(Call.StreamId(call.Sid), ExpectedVersion.Any, call.Caller, [new CallErased(middle.AddYears(1))], default);
        }
    }

    private async Task ConnectionsShouldBeAsOthersExpectThemAsync()
    {
        (await _database.OneAsync("select count(*) from pg_locks where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())")).ShouldBe("0");
        foreach (var connection in await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => _database.DataSource.OpenConnectionAsync().AsTask())))
        {
            await using var owned = connection;
            await using var shown = new NpgsqlCommand("select current_setting('synchronous_commit') || current_setting('enable_seqscan') || current_setting('plan_cache_mode')", connection);
            (await shown.ExecuteScalarAsync()).ShouldBe("ononauto");
        }
    }

    /// <summary>Which tables they are, whatever is in them.</summary>
    private async Task<List<(string Name, string Id)>> TablesAsync() =>
        [.. (await _database.RowsAsync("select relname, oid from pg_class where relnamespace = 'guru'::regnamespace and relkind = 'r' order by 1")).Select(row => (row.Split('\t')[0], row.Split('\t')[1]))];

    private async Task<Dictionary<string, List<string>>> DumpAsync()
    {
        var tables = new Dictionary<string, List<string>>();
        foreach (var table in TestDatabase.Live.Tables)
        {
            tables[table] = await _database.DumpAsync(table);
        }

        return tables;
    }

    private async Task ShouldStillBeAsync(Dictionary<string, List<string>> tables)
    {
        foreach (var (table, rows) in tables)
        {
            var now = await _database.DumpAsync(table);
            now.Except(rows, StringComparer.Ordinal).Take(3).ShouldBeEmpty(table);
            rows.Except(now, StringComparer.Ordinal).Take(3).ShouldBeEmpty(table);
            now.Count.ShouldBe(rows.Count, table);
        }
    }

    /// <summary>Calls and conversations take turns.</summary>
    private Task AppendAsync(IEnumerable<RandomCall> calls, IEnumerable<RandomConversation>? conversations = null) =>
        _database.AppendAsync(calls, conversations ?? []);

    private sealed class Callback(Action onFirst) : IProgress<RebuildProgress>
    {
        private bool _called;

        public void Report(RebuildProgress value)
        {
            if (!Interlocked.Exchange(ref _called, value: true))
            {
                onFirst();
            }
        }
    }

    private sealed class Listener(List<RebuildProgress> shown) : IProgress<RebuildProgress>
    {
        public void Report(RebuildProgress value) => shown.Add(value);
    }
}
