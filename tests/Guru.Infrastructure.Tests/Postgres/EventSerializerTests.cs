using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Guru.Application;
using Guru.Domain;
using Guru.Domain.Callers;
using Guru.Domain.Calls;
using Guru.Domain.Conversations;
using Guru.Infrastructure.Postgres;
using Shouldly;

namespace Guru.Infrastructure.Tests.Postgres;

[Collection(PostgresCollection.Name)]
public sealed class EventSerializerTests(PostgresFixture postgres) : OnADatabase(postgres)
{
    private static readonly DateTimeOffset March = new(2026, 3, 4, 12, 0, 0, TimeSpan.Zero);
    private static readonly CallerId Maria = CallerId.Parse("0123456789abcdef0123456789abcdef");
    private static readonly CallerId Jean = CallerId.Parse("fedcba9876543210fedcba9876543210");
    [Fact]
    public void Every_event_of_the_domain_has_its_names()
    {
        var events = typeof(CallEvent).Assembly.GetTypes()
            .Where(type => !type.IsAbstract && (type.IsSubclassOf(typeof(CallEvent)) || type.IsSubclassOf(typeof(ConversationEvent))));

        EventTypes.Shipped.All.Select(type => type.ClrType).ShouldBe(events, ignoreOrder: true);
        EventTypes.Shipped.All.ShouldAllBe(type => type.Name == type.ClrType.Name && type.StoredName == SnakeCase(type.Name));
    }

    [Fact]
    public async Task Words_and_numbers_are_unreadable_in_the_database()
    {
        await AppendAsync(Maria, Started("+15550100001"), new AgentRouted("legal", "asked about a visa", March), Said("I need a lawyer", "I need"));

        var stored = string.Join('\n', await _database.RowsAsync("select data::text from events.mt_events"));

        stored.ShouldNotContain("a visa");
        stored.ShouldNotContain("a lawyer");
        stored.ShouldNotContain("+1555");
        stored.ShouldContain("\"said\": \"~");
        (await ReadAsync()).ShouldBe(
            [Started("+15550100001"), new AgentRouted("legal", "asked about a visa", March), Said("I need a lawyer", "I need")]);
    }

    [Fact]
    public async Task A_stream_that_was_overtaken_says_so_and_others_say_nothing_of_it()
    {
        var stream = new MediaStreamConnected("MZ1", "hash", "one", March);
        await AppendAsync(Maria, Started("+15550100001"), stream, stream with { Overtaken = true });

        (await _database.RowsAsync("select data ->> 'overtaken' from events.mt_events where type = 'media_stream_connected' order by seq_id")).ShouldBe(["", "true"]);
        (await ReadAsync()).Skip(1).ShouldBe([stream, stream with { Overtaken = true }]);
    }

    [Fact]
    public async Task The_same_words_never_look_the_same()
    {
        await AppendAsync(Maria, Said("yes", "yes"), Said("yes", "yes"));

        (await _database.RowsAsync("select data ->> 'said' from events.mt_events union select data ->> 'heard' from events.mt_events")).Count.ShouldBe(4);
    }

    [Fact]
    public async Task There_is_a_key_for_each_caller_kind_and_month()
    {
        await AppendAsync(Maria, Started("+15550100001"), Said("one", "one"), Said("two", "two"));
        await AppendAsync(Maria, Said("three", "three") with { At = new(2026, 4, 1, 0, 30, 0, TimeSpan.FromHours(1)) }); // Still March in UTC.
        await AppendAsync(Maria, Said("four", "four") with { At = March.AddMonths(1) });
        await AppendAsync(Jean, Said("five", "five"));

        (await _database.RowsAsync("select caller_id, kind, to_char(month, 'YYYY-MM-DD'), length(key) from guru_keys.keys order by 1, 2, 3")).ShouldBe(
        [
            $"{Maria}\tcontact\t2026-03-01\t32",
            $"{Maria}\ttranscript\t2026-03-01\t32",
            $"{Maria}\ttranscript\t2026-04-01\t32",
            $"{Jean}\ttranscript\t2026-03-01\t32",
        ]);
    }

    [Fact]
    public async Task Keys_that_were_prepared_are_those_that_what_comes_is_sealed_under()
    {
        await _database.Keys.PrepareAsync(Maria, March, [PersonalDataKind.Contact, PersonalDataKind.Transcript], default);
        var prepared = await _database.RowsAsync("select kind, key_id from guru_keys.keys order by 1");

        await AppendAsync(Maria, Started("+15550100001"), Said("one", "one"));

        (await _database.RowsAsync("select kind, key_id from guru_keys.keys order by 1")).ShouldBe(prepared);
        prepared.Select(row => row.Split('\t')[0]).ShouldBe(["contact", "transcript"]);
        (await _database.OneAsync("show synchronous_commit")).ShouldBe("on", "Only keys that are prepared do not wait for the disk.");
    }

    [Fact]
    public async Task Keys_that_were_prepared_and_lost_when_the_server_crashed_are_made_anew()
    {
        await _database.Keys.PrepareAsync(Maria, March, [PersonalDataKind.Contact, PersonalDataKind.Transcript], default);
        await _database.ExecuteAsync("delete from guru_keys.keys");

        await AppendAsync(Maria, Started("+15550100001"), Said("one", "one"));

        await using var reader = _database.AnotherNode();
        (await reader.Store.ReadAllAsync(0, default).ToListAsync()).Select(stored => stored.Data).ShouldBe([Started("+15550100001"), Said("one", "one")]);
    }

    [Fact]
    public async Task Nodes_that_need_the_same_key_first_share_one()
    {
        var nodes = Enumerable.Range(0, 10).Select(_ => _database.AnotherNode()).ToList();

        await Task.WhenAll(nodes.Select((node, number) => node.Store.AppendAsync(
            $"call-{number}", ExpectedVersion.None, Maria, [Started("+15550100001"), Said("hello", "hello")], default)));

        (await _database.OneAsync("select count(*) from guru_keys.keys")).ShouldBe("2");
        await using var reader = _database.AnotherNode();
        await foreach (var stored in reader.Store.ReadAllAsync(0, default))
        {
            stored.Data.ShouldBeOneOf(Started("+15550100001"), Said("hello", "hello"));
        }

        foreach (var node in nodes)
        {
            await node.DisposeAsync();
        }
    }

    [Fact]
    public async Task What_a_destroyed_key_protected_reads_as_an_empty_text()
    {
        await AppendAsync(Maria, Started("+15550100001"), Said("one", "one"));
        await AppendAsync(Jean, Said("two", "two"));

        await _database.ExecuteAsync($"delete from guru_keys.keys where caller_id = '{Maria}'");

        await using var node = _database.AnotherNode();
        (await node.Store.ReadAsync("call-1", 1, default)).Select(e => e.Data).ShouldBe([Started(""), Said("", ""), Said("two", "two")]);
    }

    [Fact]
    public async Task A_node_with_a_destroyed_key_in_its_cache_writes_under_a_new_one()
    {
        await AppendAsync(Maria, Said("before", "before"));
        await _database.ExecuteAsync("delete from guru_keys.keys");

        await AppendAsync(Maria, Said("after", "after"));

        (await ReadAsync()).ShouldBe([Said("", ""), Said("after", "after")]);
    }

    [Fact]
    public async Task Sealed_words_open_only_where_they_were_written()
    {
        await AppendAsync(Maria, Said("secret", "heard"));
        await _database.ExecuteAsync("update events.mt_events set data = jsonb_set(data, '{heard}', data -> 'said')");

        await Should.ThrowAsync<CryptographicException>(ReadAsync);
    }

    [Fact]
    public async Task Members_that_came_or_went_since_an_event_was_stored_do_no_harm()
    {
        await AppendAsync(Maria, Said("one", "one"), new CallEnded(CallEndReason.Silence, March));
        await _database.ExecuteAsync(
            """
            update events.mt_events set data = case type
                when 'call_ended' then '{"reason": "silence", "mood": {"good": [1, 2]}, "at": "2026-03-04T12:00:00Z"}'
                else data - 'heard' - 'speaker' - 'endMs' - 'at' end
            """);

        var events = await ReadAsync();

        events[0].ShouldBe(Said("one", "one") with { Heard = null!, Speaker = default, EndMs = 0, At = default });
        events[1].ShouldBe(new CallEnded(CallEndReason.Silence, March));
    }

    /// <summary>An invented older shape: the line's words were one member, and its length was told in seconds.</summary>
    [Fact]
    public async Task An_old_shape_is_brought_into_todays_before_it_is_read()
    {
        var types = new EventTypes([.. EventTypes.Shipped.All, .. EventTypes.Family<LineSpoken>(e => e.At, (typeof(LineSpoken), "LineSpoken", "line_spoken"))]);
        await using var then = _database.AnotherNode(types);
        await then.Store.AppendAsync("call-1", ExpectedVersion.None, Maria, [new LineSpoken("item_1", "Bonjou", 1.5, March), Said("two", "two")], default);

        var upcasters = Upcasters.Shipped.With("line_spoken", old => new UpcastEvent("utterance_transcribed", new JsonObject
        {
            ["utteranceId"] = (string?)old["item"],
            ["agent"] = "general",
            ["said"] = (string?)old["text"],
            ["heard"] = (string?)old["text"],
            ["endMs"] = (long)((double)old["seconds"]! * 1000),
            ["saidMs"] = (long)((double)old["seconds"]! * 1000),
            ["heardMs"] = (long)((double)old["seconds"]! * 1000),
            ["at"] = (string?)old["at"],
        }));
        await using var today = _database.AnotherNode(upcasters: upcasters);

        var line = Said("Bonjou", "Bonjou") with { UtteranceId = "item_1", EndMs = 1_500, SaidMs = 1_500, HeardMs = 1_500 };
        (await today.Store.ReadAsync("call-1", 1, default)).Select(e => e.Data).ShouldBe([line, Said("two", "two")]);

        await _database.ExecuteAsync("delete from guru_keys.keys");
        await using var later = _database.AnotherNode(upcasters: upcasters);
        (await later.Store.ReadAsync("call-1", 1, default))[0].Data.ShouldBe(line with { Said = "", Heard = "" });
    }

    [Fact]
    public async Task Lists_are_lists_in_the_log_and_what_an_event_lacks_is_an_empty_one()
    {
        await AppendAsync(
            Maria,
            new MessageReplied(["SM1", "SM2"], Maria, ["SM3"], "legal", "hello", March),
            new MessageReplied(default, Maria, [], "legal", "hello", March),
            new AgentSelected("SM1", Maria, "legal", 0.75, "a visa", ["legal", "general"], "1", March));
        (await _database.RowsAsync("select data ->> 'answers', data ->> 'replySids', data ->> 'alternatives' from events.mt_events order by version"))
            .ShouldBe(["[\"SM1\", \"SM2\"]\t[\"SM3\"]\t", "[]\t[]\t", "\t\t[\"legal\", \"general\"]"]);
        await _database.ExecuteAsync("update events.mt_events set data = data - 'answers' || '{\"replySids\": null}' where version = 2");

        var events = await ReadAsync();

        var (first, second, third) = ((MessageReplied)events[0], (MessageReplied)events[1], (AgentSelected)events[2]);
        first.Answers.ShouldBe(["SM1", "SM2"]);
        first.ReplySids.ShouldBe(["SM3"]);
        (second.Answers.IsDefault, second.ReplySids.IsDefault).ShouldBe((false, false));
        second.Answers.Concat(second.ReplySids).ShouldBeEmpty();
        (third.Confidence, third.Reason).ShouldBe((0.75, "a visa"));
        third.Alternatives.ShouldBe(["legal", "general"]);
    }

    [Fact]
    public async Task A_failure_of_the_time_before_apologies_were_on_record_is_read()
    {
        await AppendAsync(Maria, new MessageReplyFailed(["SM1"], Maria, "timeout", March) { ReplySids = ["SM2"], Agent = "legal", Text = "Sorry." });
        (await _database.OneAsync("select data ->> 'text' from events.mt_events")).ShouldNotContain("Sorry");
        await _database.ExecuteAsync("update events.mt_events set data = data - 'replySids' - 'agent' - 'text'");

        var failed = (MessageReplyFailed)(await ReadAsync()).ShouldHaveSingleItem();

        (failed.Reason, failed.ReplySids.Length, failed.Agent, failed.Text).ShouldBe(("timeout", 0, null, null));
        failed.Answers.ShouldBe(["SM1"]);
    }

    [Fact]
    public async Task A_call_back_of_the_time_before_they_were_arranged_on_the_phone_is_read()
    {
        var proposed = new CallBackProposed("b", Maria, March.AddDays(1), "Africa/Accra", Agent: null, "the rent", March, "+233201234567");
        await AppendAsync(Maria, proposed, new AgentSelected("SM1", Maria, "legal", 0.75, "a visa", [], "1", March) { OffersCall = true });
        (await _database.OneAsync("select data ->> 'address' from events.mt_events where version = 1")).ShouldNotContain("233");
        await _database.ExecuteAsync("update events.mt_events set data = data - 'address' - 'offersCall'");

        var events = await ReadAsync();

        events[0].ShouldBe(proposed with { Address = null });
        ((AgentSelected)events[1]).OffersCall.ShouldBeFalse();
    }

    [Fact]
    public void Personal_data_out_of_the_serializers_reach_is_refused_at_the_start() =>
        Should.Throw<NotSupportedException>(() => new EventType(typeof(Hidden), "Hidden", "hidden", _ => March).PersonalMembers.ShouldBeNull())
            .Message.ShouldContain("Hidden");

    internal sealed record LineSpoken(
        string Item, [property: PersonalData(PersonalDataKind.Words)] string Text, double Seconds, DateTimeOffset At);

    internal sealed record Hidden(IReadOnlyList<Inner> Inner);

    internal sealed record Inner([property: PersonalData(PersonalDataKind.Words)] string Text);

    private static CallStarted Started(string address) => new(
        CallSid.Parse("CA00000000000000000000000000000001"), Maria, address, CallChannel.Whatsapp, CallDirection.Inbound, null, null, March);

    private static UtteranceTranscribed Said(string said, string heard) => new(
        "item", Speaker.Caller, "general", said, heard, Interrupted: false, TranscriptionOutcome.Completed, 0, 100, 100, 100, null, null, null, March);

    private Task AppendAsync(CallerId owner, params object[] events) =>
        _database.Store.AppendAsync("call-1", ExpectedVersion.Any, owner, events, default);

    private async Task<IReadOnlyList<object>> ReadAsync() => [.. (await _database.Store.ReadAsync("call-1", 1, default)).Select(e => e.Data)];

    private static string SnakeCase(string name) =>
        string.Concat(name.Select((letter, index) => char.IsUpper(letter) && index > 0 ? $"_{letter}" : $"{letter}")).ToLowerInvariant();
}
