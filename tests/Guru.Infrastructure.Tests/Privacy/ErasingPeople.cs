using Guru.Application;
using Guru.Application.Calls;
using Guru.Application.Conversations;
using Guru.Domain;
using Guru.Domain.Calls;
using Guru.Domain.Conversations;
using Guru.Infrastructure.Postgres;
using Guru.Infrastructure.Tests.Postgres;
using Shouldly;

namespace Guru.Infrastructure.Tests.Privacy;

[Collection(RebuildingCollection.Name)]
public sealed class ErasingPeople(PostgresFixture postgres) : OnADatabase(postgres)
{
    /// <summary>What stays of a person's calls: figures. Their rows name no person.</summary>
    private static readonly string[] Figures = ["guru.calls", "guru.usages"];

    private static readonly DateTimeOffset LastYear = new(2025, 11, 3, 12, 0, 0, TimeSpan.Zero);
    private readonly Person _zoe = new("Quetzalcoatl", "+15550734591", LastYear);
    private readonly Person _amy = new("Popocatepetl", "+15550734592", LastYear);
    [Fact]
    public async Task Leaves_no_word_and_no_number_in_any_table_or_event_neither_after_a_rebuild()
    {
        await _zoe.LeaveMarksAsync(_database);
        await _amy.LeaveMarksAsync(_database);
        (await _zoe.FoundAsync(_database)).ShouldContain("guru.messages");
        (await _zoe.FoundAsync(_database)).ShouldContain($"{_zoe.CallStream}: CallSummarized");
        var others = await _amy.FoundAsync(_database);

        var erased = await _database.Erasures.EraseAsync(_zoe.Id, isKnownElsewhere: false, default);

        (await _zoe.FoundAsync(_database)).ShouldBeEmpty();
        (await _amy.FoundAsync(_database)).ShouldBe(others);
        erased.Calls.ShouldBe(1);
        erased.Event.StreamId.ShouldBe(_zoe.Conversation);
        erased.Tables.Single(rows => rows.Table == "guru_keys.keys").Removed.ShouldBeGreaterThanOrEqualTo(4);
        await ShouldAgreeWithARebuildAsync(_database);
        (await _zoe.FoundAsync(_database)).ShouldBeEmpty();
        await _database.Erasures.VacuumAsync(default);
    }

    [Fact]
    public async Task Empties_every_table_that_names_callers_or_calls_of_them_or_leaves_figures_alone()
    {
        await _zoe.LeaveMarksAsync(_database);
        var tables = await PlantEverywhereAsync();

        await _database.Erasures.EraseAsync(_zoe.Id, isKnownElsewhere: false, default);

        foreach (var (table, ofCallers, ofCalls) in tables)
        {
            var condition = ofCallers ? $"caller_id = '{_zoe.Id}'" : $"call_sid = '{_zoe.Call}'";
            var rows = await _database.RowsAsync($"select * from {table} where {condition}{(ofCallers && ofCalls ? $" or call_sid = '{_zoe.Call}'" : "")}");
            if (table == "guru.consent")
            {
                (await _database.OneAsync($"select concat(type, note, request_id, grant_id, call_sid) from guru.consent where caller_id = '{_zoe.Id}'")).ShouldBe("CallerErased");
            }
            else if (!Figures.Contains(table))
            {
                rows.ShouldBeEmpty(table);
            }
        }

        (await _database.OneAsync($"select concat_ws(' ', caller_id, address_masked, erased, turns, duration_seconds) from guru.calls where call_sid = '{_zoe.Call}'")).ShouldBe("t 1 60");
        (await _database.OneAsync($"select count(*) from guru.usages where call_sid = '{_zoe.Call}'")).ShouldBe("1");
    }

    [Fact]
    public async Task Has_to_wait_while_a_call_goes_on()
    {
        var call = CallSid.Parse($"CA{7:x32}");
        CallEvent[] begun = [new CallStarted(call, _zoe.Id, "+15550734591", CallChannel.Whatsapp, CallDirection.Inbound, Language: null, StreamTokenHash: null, DateTimeOffset.UtcNow)];
        await _database.Store.AppendAsync(Call.StreamId(call), ExpectedVersion.None, _zoe.Id, begun, default);

        (await Should.ThrowAsync<RuleException>(() => _database.Erasures.EraseAsync(_zoe.Id, isKnownElsewhere: false, default))).Message.ShouldContain(call.Value);

        await new CallLog(_database.Store, call).AppendAsync(new EndCall(CallEndReason.CallerHungUp, DateTimeOffset.UtcNow), default);
        (await _database.Erasures.EraseAsync(_zoe.Id, isKnownElsewhere: false, default)).Calls.ShouldBe(1);
    }

    [Fact]
    public async Task Has_to_wait_where_it_was_decided_to_call_them_since_their_conversation_was_read()
    {
        await _zoe.LeaveMarksAsync(_database);
        await using var other = await _database.DataSource.OpenConnectionAsync();
        await using var deciding = await TableLock.TakeAsync(other, 1, default, "lock table guru_keys.keys in access share mode");
        var erasing = _database.Erasures.EraseAsync(_zoe.Id, isKnownElsewhere: false, default);
        await _database.UntilItWaitsForAsync(erasing, "guru_keys.keys");

        var allowed = new OutboundCallAllowed("want", _zoe.Id, "SMyes", RulesAsOf: new DateOnly(2026, 9, 1), DateTimeOffset.UtcNow);
        await _database.Store.AppendWithinAsync(other, [(_zoe.Conversation, ExpectedVersion.Any, allowed)], default);
        await deciding.CommitAsync();

        (await Should.ThrowAsync<RuleException>(() => erasing)).Message.ShouldContain("is under way");
    }

    [Fact]
    public async Task Drops_what_was_under_way_and_takes_what_comes_after_under_new_keys()
    {
        await _zoe.LeaveMarksAsync(_database);
        var (call, conversation) = (new CallLog(_database.Store, _zoe.Call), new ConversationLog(_database.Store, _zoe.Id));
        await call.ReadAsync(default);
        await conversation.ReadAsync(default);
        await _database.AnotherNode().Erasures.EraseAsync(_zoe.Id, isKnownElsewhere: false, default);

        (await call.AppendAsync(new RecordUtterance(_zoe.Said("late")), default)).ShouldBeEmpty();
        (await conversation.AppendAsync(new RecordSummary(new ConversationSummarized(_zoe.Id, "Quetzalcoatl", LastYear.AddMinutes(5), LastYear)), default)).ShouldBeEmpty();
        (await conversation.AppendAsync(new ReceiveMessage(_zoe.Wrote("SM1")), default)).ShouldBeEmpty();
        (await _zoe.FoundAsync(_database)).ShouldBeEmpty();

        (await conversation.AppendAsync(new ReceiveMessage(_zoe.Wrote("SMnew")), default)).ShouldBeEmpty(); // Written before, and waited.
        (await conversation.AppendAsync(new ReceiveMessage(_zoe.Wrote("SMnew") with { At = DateTimeOffset.UtcNow.AddMinutes(1) }), default)).Count.ShouldBe(1);
        (await _zoe.FoundAsync(_database)).ShouldBe(["guru.messages", $"{_zoe.Conversation}: MessageReceived"], ignoreOrder: true);
        await ShouldAgreeWithARebuildAsync(_database);

        await _database.Erasures.EraseAsync(_zoe.Id, isKnownElsewhere: false, default);
        (await _zoe.FoundAsync(_database)).ShouldBeEmpty();
    }

    [Fact]
    public async Task Forgets_neither_how_often_they_were_asked_nor_how_often_they_were_called()
    {
        await _zoe.LeaveMarksAsync(_database);
        await _database.Erasures.EraseAsync(_zoe.Id, isKnownElsewhere: false, default);

        var log = new ConversationLog(_database.AnotherNode().Store, _zoe.Id);
        await log.ReadAsync(default);

        var consent = log.State.Consent;
        (log.State.Address, consent.Permission, consent.CallBacks.Count).ShouldBe(("", null, 0));
        consent.Requests.Select(request => (request.RequestId, request.At, request.Variables)).ShouldBe([("ask", LastYear, null)]);
        consent.Calls.Values.Select(call => (call.RequestId, call.Reason)).ShouldBe([("want", "")]);
    }

    [Fact]
    public async Task Asked_again_tells_when_it_was_and_knows_nobody_else()
    {
        await _zoe.LeaveMarksAsync(_database);
        var first = await _database.Erasures.EraseAsync(_zoe.Id, isKnownElsewhere: false, default);

        var again = await _database.Erasures.EraseAsync(_zoe.Id, isKnownElsewhere: false, default);

        (again.At, again.Event, again.Calls).ShouldBe((first.At, first.Event, 0));
        (await _database.OneAsync("select count(*) from events.mt_events where type = 'caller_erased'")).ShouldBe("1");
        (await _database.Erasures.FindAsync(_zoe.Id, default)).ShouldNotBeNull();
        (await _database.Erasures.FindAsync(_amy.Id, default)).ShouldBeNull();
    }

    [Theory]
    [InlineData(21)]
    [InlineData(22)]
    public async Task And_keeping_for_a_time_give_tables_that_a_rebuild_makes_too(int seed)
    {
        await AppendAsync(seed);
        foreach (var number in Enumerable.Range(0, 50))
        {
            var caller = Domain.Callers.CallerId.Parse($"{number:x32}");
            switch (number % 3)
            {
                case 0:
                    await _database.Erasures.EraseAsync(caller, isKnownElsewhere: false, default);
                    break;
                case 1:
                    await _database.Retention.ApplyAsync(caller, new(Transcripts: new(2026, 4, 1), Messages: new(2026, 4, 1), Recordings: null), default);
                    break;
            }
        }

        await AppendAsync(seed + 100);

        await ShouldAgreeWithARebuildAsync(_database);
        (await _database.OneAsync("select count(*) from guru.calls where erased")).ShouldNotBe("0");
    }

    internal static async Task ShouldAgreeWithARebuildAsync(TestDatabase database)
    {
        var live = await ReadModelsAsync(database);
        await database.AnotherNode().Rebuild.RebuildAsync(progress: null, default);
        foreach (var (table, rows) in await ReadModelsAsync(database))
        {
            rows.Except(live[table], StringComparer.Ordinal).Take(3).ShouldBeEmpty(table);
            live[table].Except(rows, StringComparer.Ordinal).Take(3).ShouldBeEmpty(table);
        }
    }

    private static async Task<Dictionary<string, List<string>>> ReadModelsAsync(TestDatabase database)
    {
        var tables = new Dictionary<string, List<string>>(StringComparer.Ordinal);
        foreach (var table in TestDatabase.Live.Tables)
        {
            tables[table] = await database.DumpAsync(table);
        }

        return tables;
    }

    private Task AppendAsync(int seed) => _database.AppendAsync(new RandomCalls(seed).Take(60), new RandomConversations(seed).Take(60));

    /// <summary>Every table has a row of the person; where nothing that happens writes one, one is made up.</summary>
    private async Task<List<(string Table, bool OfCallers, bool OfCalls)>> PlantEverywhereAsync()
    {
        var tables = new List<(string, bool, bool)>();
        foreach (var row in await _database.RowsAsync(
            """
            select c.table_name, bool_or(c.column_name = 'caller_id'), bool_or(c.column_name = 'call_sid') from information_schema.columns c
            join information_schema.tables t using (table_schema, table_name)
            where c.table_schema = 'guru' and c.column_name in ('caller_id', 'call_sid') and t.table_type = 'BASE TABLE' group by 1 order by 1
            """))
        {
            var (table, ofCallers, ofCalls) = (row.Split('\t')[0], row.Split('\t')[1] == "True", row.Split('\t')[2] == "True");
            if (await _database.OneAsync($"select count(*) from guru.{table} where {(ofCallers ? $"caller_id = '{_zoe.Id}'" : $"call_sid = '{_zoe.Call}'")}") == "0")
            {
                var columns = (await _database.RowsAsync(
                    $"select column_name, data_type from information_schema.columns where table_schema = 'guru' and table_name = '{table}' and is_nullable = 'NO' and column_default is null and is_generated = 'NEVER'"))
                    .Select(column => column.Split('\t')).ToList();
                await _database.ExecuteAsync(
                    $"insert into guru.{table} ({string.Join(", ", columns.Select(column => column[0]))}) values ({string.Join(", ", columns.Select(column => Value(column[0], column[1])))})");
            }

            tables.Add(($"guru.{table}", ofCallers, ofCalls));
        }

        return tables;
    }

    private string Value(string column, string type) => (column, type) switch
    {
        ("caller_id", _) => $"'{_zoe.Id}'",
        ("call_sid", _) => $"'{_zoe.Call}'",
        (_, "uuid") => "gen_random_uuid()",
        (_, "bytea") => "'\\x00'",
        (_, "boolean") => "false",
        (_, "date" or "timestamp with time zone") => "now()",
        (_, "ARRAY") => "'{}'",
        (_, "text" or "character varying") => "'x'",
        _ => "0",
    };
}
