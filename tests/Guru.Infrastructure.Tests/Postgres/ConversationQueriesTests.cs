using System.Collections.Immutable;
using Guru.Application;
using Guru.Application.Conversations;
using Guru.Domain.Callers;
using Guru.Domain.Calls;
using Guru.Domain.Conversations;
using Shouldly;

namespace Guru.Infrastructure.Tests.Postgres;

[Collection(PostgresCollection.Name)]
public sealed class ConversationQueriesTests(PostgresFixture postgres) : OnADatabase(postgres)
{
    private static readonly DateTimeOffset Noon = new(2026, 3, 4, 12, 0, 0, TimeSpan.Zero);
    private static readonly CallerId Maria = CallerId.Parse("0123456789abcdef0123456789abcdef");
    private static readonly CallerId Jean = CallerId.Parse("fedcba9876543210fedcba9876543210");
    private static readonly CallSid Sid = CallSid.Parse("CA00000000000000000000000000000001");
    private static readonly ConversationFilter OfMaria = ConversationFilter.All with { CallerId = Maria };

    [Fact]
    public async Task Texts_and_replies_are_entries_of_the_timeline()
    {
        await WriteAsync(Message("SM1", 0, "The bill is too high"), Selected("SM1", 1, "financial"), Reply(2, "Let us look at it", "SM2"));

        (await TimelineAsync()).ShouldBe(
        [
            new TimelineEntry(Noon, TimelineChannel.Whatsapp, Speaker.Caller, "The bill is too high", Agent: null, CallSid: null, "SM1", Delivery: null),
            new TimelineEntry(At(2), TimelineChannel.Whatsapp, Speaker.Agent, "Let us look at it", "financial", CallSid: null, "SM2", Delivery: null),
        ]);
    }

    [Fact]
    public async Task A_voice_note_is_there_before_its_words_are()
    {
        await WriteAsync(Message("SM1", 0, "") with { Kind = MessageKind.VoiceNote });
        var before = (await TimelineAsync()).ShouldHaveSingleItem();
        (before.Channel, before.Text).ShouldBe((TimelineChannel.VoiceNote, ""));

        await WriteAsync(new VoiceNoteTranscribed("SM1", Maria, "Hola", "es", Understood: true, At(3)));

        (await TimelineAsync()).ShouldBe([before with { Text = "Hola" }]);
    }

    [Fact]
    public async Task Utterances_are_entries_at_the_time_they_were_spoken_as_they_were_heard()
    {
        await WriteAsync(Message("SM1", 12, "in between"));
        await SpeakAsync(Started(), Connected(10), Said("a", 5_000), Said("b", 1_000) with { Heard = "said", Interrupted = true, Speaker = Speaker.Agent });

        (await TimelineAsync()).ShouldBe(
        [
            new TimelineEntry(At(11), TimelineChannel.Call, Speaker.Agent, "said", "general", Sid.Value, MessageSid: null, Delivery: null),
            new TimelineEntry(At(12), TimelineChannel.Whatsapp, Speaker.Caller, "in between", Agent: null, CallSid: null, "SM1", Delivery: null),
            new TimelineEntry(At(15), TimelineChannel.Call, Speaker.Caller, "said a", "general", Sid.Value, MessageSid: null, Delivery: null),
        ]);
    }

    [Fact]
    public async Task Conversations_are_listed_by_agent_language_and_when_they_were_last_active()
    {
        await WriteAsync(Message("SM1", 0, "Hello"), new LanguageDetermined(Maria, "es", "messages", At(0)), Selected("SM1", 1, "financial"));
        await WriteAsync(Message("SM2", 60, "Bonjour") with { CallerId = Jean });

        (await ListedAsync(new() { Agents = ["financial"] })).ShouldBe([Maria.Value]);
        (await ListedAsync(new() { Agents = [null] })).ShouldBe([Jean.Value]);
        (await ListedAsync(new() { Agents = ["financial", null] })).ShouldBe([Jean.Value, Maria.Value]);
        (await ListedAsync(new() { Languages = ["es"] })).ShouldBe([Maria.Value]);
        (await ListedAsync(new() { LastActivityAt = new(At(60), To: null) })).ShouldBe([Jean.Value]);
        (await ListedAsync(new() { LastActivityAt = new(From: null, At(60)) })).ShouldBe([Maria.Value]);
        (await ListedAsync(OfMaria with { Agents = ["legal"] })).ShouldBeEmpty();

        async Task<IEnumerable<string>> ListedAsync(ConversationFilter filter) =>
            (await _database.Conversations.ListAsync(filter, 10, cursor: null, default)).Items.Select(item => item.CallerId);
    }

    [Fact]
    public async Task Utterances_after_a_resumed_stream_go_by_the_first_ones_clock()
    {
        await SpeakAsync(Started(), Connected(10), new MediaStreamRequested("t", 1, At(20)), Connected(30), Said("a", 25_000));

        (await TimelineAsync()).ShouldHaveSingleItem().At.ShouldBe(At(35));
    }

    [Fact]
    public async Task A_call_in_the_browser_says_so()
    {
        var sid = CallSid.Parse("rtc_1");
        await _database.Store.AppendAsync(
            Call.StreamId(sid), ExpectedVersion.None, Maria, [Started() with { CallSid = sid, Channel = CallChannel.Webapp }, Said("a", 0)], default);

        (await TimelineAsync()).ShouldHaveSingleItem().Channel.ShouldBe(TimelineChannel.Webapp);
    }

    [Fact]
    public async Task What_nobody_heard_is_not_in_the_timeline()
    {
        await SpeakAsync(Started(), Connected(0), Said("a", 0) with { Heard = "" }, Said("b", 1) with { Said = "", Heard = "" });

        (await TimelineAsync()).ShouldBeEmpty();
        (await FindAsync())!.LastActivityAt.ShouldBe(At(0.001));
    }

    [Fact]
    public async Task A_message_that_is_recorded_twice_is_shown_once()
    {
        await WriteAsync(Message("SM1", 0, "first"), Message("SM1", 1, "second"), Reply(2, "answer", "SM2"), Reply(3, "again", "SM2"));

        (await TimelineAsync()).Select(entry => entry.Text).ShouldBe(["first", "answer"]);
    }

    [Fact]
    public async Task A_reply_of_which_nothing_was_sent_is_not_shown()
    {
        await WriteAsync(Message("SM1", 0, "hello"), Reply(1, "unsent"), new MessageReplyFailed(["SM1"], Maria, "windowClosed", At(2)));

        var entry = (await TimelineAsync()).ShouldHaveSingleItem();
        (entry.Text, entry.Failure).ShouldBe(("hello", "windowClosed"));
        (await FindAsync())!.LastActivityAt.ShouldBe(Noon);
    }

    [Fact]
    public async Task A_message_that_got_no_reply_says_so_and_the_apology_is_an_entry_of_its_own()
    {
        await WriteAsync(
            Message("SM1", 0, "hello"), Message("SM2", 1, "are you there?"), Change("SM3 read"),
            new MessageReplyFailed(["SM1", "SM2"], Maria, "insufficient_quota", At(2)) { ReplySids = ["SM3"], Agent = "legal", Text = "Sorry." });

        (await TimelineAsync()).ShouldBe(
        [
            new TimelineEntry(Noon, TimelineChannel.Whatsapp, Speaker.Caller, "hello", Agent: null, CallSid: null, "SM1", Delivery: null) { Failure = "insufficient_quota" },
            new TimelineEntry(At(1), TimelineChannel.Whatsapp, Speaker.Caller, "are you there?", Agent: null, CallSid: null, "SM2", Delivery: null) { Failure = "insufficient_quota" },
            new TimelineEntry(At(2), TimelineChannel.Whatsapp, Speaker.Agent, "Sorry.", "legal", CallSid: null, "SM3", "read"),
        ]);
        (await FindAsync())!.LastActivityAt.ShouldBe(At(2));
    }

    [Theory]
    [InlineData(new[] { "SM2 sent" }, "sent")]
    [InlineData(new[] { "SM2 sent", "SM2 delivered", "SM2 read" }, "read")]
    [InlineData(new[] { "SM2 sent", "SM2 failed" }, "failed")]
    [InlineData(new[] { "SM9 failed" }, "")]
    public async Task A_reply_shows_how_far_it_has_come(string[] changes, string shown)
    {
        await WriteAsync(Message("SM1", 0, "hello"), Reply(1, "answer", "SM2"));

        await WriteAsync([.. changes.Select(Change)]);

        (await DeliveryAsync()).ShouldBe(shown);
    }

    [Theory]
    [InlineData(new[] { "SM2 delivered", "SM3 delivered" }, "")]
    [InlineData(new[] { "SM2 read", "SM3 delivered", "SM4 sent" }, "sent")]
    [InlineData(new[] { "SM2 read", "SM3 undelivered", "SM4 read" }, "undelivered")]
    [InlineData(new[] { "SM4 failed" }, "failed")]
    public async Task A_reply_in_several_parts_has_failed_where_any_of_them_has(string[] changes, string shown)
    {
        await WriteAsync(Message("SM1", 0, "hello"), Reply(1, "a long answer", "SM2", "SM3", "SM4"));

        await WriteAsync([.. changes.Select(Change)]);

        (await DeliveryAsync()).ShouldBe(shown);
        (await TimelineAsync()).Select(entry => entry.MessageSid).ShouldBe(["SM1", "SM2"]);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task The_carriers_word_counts_when_it_comes_before_the_reply_is_on_record(int position)
    {
        List<ConversationEvent> events = [Change("SM2 delivered"), Change("SM3 sent"), Change("SM3 failed")];
        events.Insert(position, Reply(1, "a long answer", "SM2", "SM3"));

        foreach (var @event in events)
        {
            await WriteAsync(@event);
        }

        (await DeliveryAsync()).ShouldBe("failed");
        (await _database.OneAsync("select error_code from guru.messages where speaker = 'agent'")).ShouldBe("63016");
        await _database.Rebuild.RebuildAsync(progress: null, default);
        (await DeliveryAsync()).ShouldBe("failed");
    }

    [Fact]
    public async Task What_guru_does_not_write_of_itself_is_an_entry_without_words_that_no_agent_is_told_of()
    {
        var call = "CA" + new string('2', 32);
        await WriteAsync(Message("SM1", 0, "hello"), new MessageNotSent("callSummary", call, Maria, "windowClosed", At(1)));

        (await TimelineAsync())[^1].ShouldBe(
            new TimelineEntry(At(1), TimelineChannel.Whatsapp, Speaker.Agent, "", Agent: null, call, MessageSid: null, Delivery: null) { Failure = "callSummary windowClosed" });
        (await _database.Conversations.RememberAsync(Maria, 10, default)).Entries.ShouldHaveSingleItem().Text.ShouldBe("hello");
        (await _database.Conversations.UnsummarizedAsync(Maria, 10, default)).Entries.ShouldHaveSingleItem().Text.ShouldBe("hello");
        (await FindAsync())!.LastActivityAt.ShouldBe(Noon);
    }

    [Fact]
    public async Task What_guru_writes_of_itself_is_an_entry_that_shows_how_far_it_has_come()
    {
        await WriteAsync(
            new MessageSent("callSummary", "CA1", Maria, ["SM2", "SM3"], "legal", "We talked.", Noon), Change("SM2 delivered"), Change("SM3 failed"));

        (await TimelineAsync()).ShouldBe(
            [new TimelineEntry(Noon, TimelineChannel.Whatsapp, Speaker.Agent, "We talked.", "legal", CallSid: null, "SM2", Delivery: "failed")]);
        (await FindAsync())!.LastActivityAt.ShouldBe(Noon);
    }

    [Fact]
    public async Task A_conversation_knows_its_last_agent_language_and_activity()
    {
        await WriteAsync(
            Message("SM1", 0, "hello"), new LanguageDetermined(Maria, "en", "text", At(1)), Selected("SM1", 1, "general"), Reply(2, "hi", "SM2"),
            Message("SM3", 3, "a visa"), new LanguageDetermined(Maria, "ht", "request", At(4)), Selected("SM3", 4, "legal"));

        (await FindAsync()).ShouldBe(new ConversationSummary(Maria.Value, "ht", "legal", At(3), "+1***01"));
        (await _database.OneAsync("select address_masked from guru.conversations")).ShouldBe("+1***01");
    }

    [Fact]
    public async Task An_agent_that_was_selected_earlier_does_not_come_back()
    {
        await WriteAsync(Message("SM1", 0, "hello"), Selected("SM1", 9, "legal"), Selected("SM1", 5, "general"));

        (await FindAsync())!.Agent.ShouldBe("legal");
    }

    [Fact]
    public async Task A_call_is_activity_and_who_only_called_is_listed()
    {
        await SpeakAsync(Started());
        (await FindAsync()).ShouldBe(new ConversationSummary(Maria.Value, Language: null, Agent: null, Noon, "+1***01"));

        await SpeakAsync(new AgentRouted("legal", "why", Noon), Connected(10), Said("b", 60_000), Said("a", 5_000));

        (await FindAsync()).ShouldBe(new ConversationSummary(Maria.Value, Language: null, "legal", At(70), "+1***01"));
        (await _database.OneAsync("select address_masked from guru.conversations")).ShouldBe("+1***01");
    }

    [Fact]
    public async Task The_agent_that_a_call_was_handed_to_has_the_conversation_until_another_is_selected()
    {
        await WriteAsync(Message("SM1", 0, "hello"), Selected("SM1", 1, "healthcare"));
        await SpeakAsync(Started(), new AgentRouted("healthcare", "why", At(2)), new AgentHandedOff("healthcare", "legal", "a visa", At(30)));
        (await FindAsync())!.Agent.ShouldBe("legal");

        await SpeakAsync(new AgentHandedOff("legal", "general", "school", At(40)), new AgentHandedOff("general", "financial", "money", At(50)));
        (await FindAsync())!.Agent.ShouldBe("financial");

        await WriteAsync(Selected("SM1", 45, "healthcare")); // It was selected before, and its append came after.
        (await FindAsync())!.Agent.ShouldBe("financial");
        await WriteAsync(Selected("SM1", 60, "healthcare"));
        (await FindAsync())!.Agent.ShouldBe("healthcare");

        await _database.Rebuild.RebuildAsync(progress: null, default);
        (await FindAsync())!.Agent.ShouldBe("healthcare");
    }

    [Fact]
    public async Task Nothing_but_a_language_is_no_conversation_yet()
    {
        await WriteAsync(new LanguageDetermined(Maria, "es", "request", Noon));
        (await FindAsync()).ShouldBeNull();
        (await ListAsync(10)).ShouldBeEmpty();

        await WriteAsync(Message("SM1", 5, "hola"));

        (await FindAsync()).ShouldBe(new ConversationSummary(Maria.Value, "es", Agent: null, At(5), "+1***01"));
    }

    [Fact]
    public async Task An_unknown_caller_is_nothing()
    {
        (await FindAsync()).ShouldBeNull();
        (await TimelineAsync()).ShouldBeEmpty();
        (await _database.Conversations.ListAsync(OfMaria, 10, cursor: null, default)).Items.ShouldBeEmpty();
        var memory = await _database.Conversations.RememberAsync(Maria, 10, default);
        (memory with { Entries = Memory.None.Entries }).ShouldBe(Memory.None);
        memory.Entries.ShouldBeEmpty();
    }

    [Fact]
    public async Task Conversations_are_listed_newest_first_page_by_page()
    {
        // Three at each moment, so that a page ends between equals.
        for (var number = 0; number < 10; number++)
        {
            await WriteAsync(Message($"SM{number}", number / 3, "hello") with { CallerId = CallerId.Parse($"{number:x32}") });
        }

        (await ListAsync(4)).ShouldBe(Enumerable.Range(0, 10).Reverse().Select(number => $"{number:x32}"));
    }

    [Fact]
    public async Task A_list_can_be_of_one_caller()
    {
        await WriteAsync(Message("SM1", 0, "hello"));
        await WriteAsync(Message("SM2", 1, "bonjour") with { CallerId = Jean });

        (await _database.Conversations.ListAsync(OfMaria, 10, cursor: null, default)).Items.ShouldHaveSingleItem().CallerId.ShouldBe(Maria.Value);
    }

    [Fact]
    public async Task A_timeline_is_read_oldest_first_page_by_page_and_is_of_one_caller()
    {
        await WriteAsync([.. Enumerable.Range(0, 10).Select(number => Message($"SM{number}", number / 3, $"{number}"))]);
        await WriteAsync(Message("SMother", 1, "other") with { CallerId = Jean });

        var texts = new List<string>();
        string? cursor = null;
        do
        {
            var page = await _database.Conversations.TimelineAsync([Maria], TimelineFilter.All, 4, cursor, default);
            texts.AddRange(page.Items.Select(entry => entry.Text));
            cursor = page.Next;
        }
        while (cursor is not null);

        texts.ShouldBe(Enumerable.Range(0, 10).Select(number => $"{number}"));
    }

    [Fact]
    public async Task A_timeline_is_narrowed_down_by_what_its_entries_are_page_by_page()
    {
        await WriteAsync(
            Message("SM1", 0, "1"), Reply(1, "2", "SM2"), Message("SM3", 2, "") with { Kind = MessageKind.VoiceNote }, new VoiceNoteTranscribed("SM3", Maria, "3", "es", Understood: true, At(3)));
        await SpeakAsync(Started(), Connected(10), Said("a", 0) with { Heard = "4" }, Said("b", 1_000) with { Heard = "5", Speaker = Speaker.Agent });

        (await TextsAsync(TimelineFilter.All)).ShouldBe("12345");
        (await TextsAsync(new() { Channels = [TimelineChannel.Call, TimelineChannel.VoiceNote] })).ShouldBe("345");
        (await TextsAsync(new() { Speaker = Speaker.Agent })).ShouldBe("25");
        (await TextsAsync(new() { Agents = ["financial", null] })).ShouldBe("123");
        (await TextsAsync(new() { CallSid = Sid })).ShouldBe("45");
        (await TextsAsync(new() { MessageSid = "SM2" })).ShouldBe("2");
        (await TextsAsync(new() { At = new(At(1), At(11)) })).ShouldBe("234");
        (await TextsAsync(new() { Speaker = Speaker.Caller, Channels = [TimelineChannel.Call] })).ShouldBe("4");

        async Task<string> TextsAsync(TimelineFilter filter)
        {
            var (texts, cursor) = ("", default(string));
            do
            {
                var page = await _database.Conversations.TimelineAsync([Maria], filter, 2, cursor, default);
                (texts, cursor) = (texts + string.Concat(page.Items.Select(entry => entry.Text)), page.Next);
            }
            while (cursor is not null);

            return texts;
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData("%")]
    [InlineData("bm90IG91cnM")]
    public async Task A_cursor_that_is_not_ours_is_a_format_error(string cursor)
    {
        await Should.ThrowAsync<FormatException>(() => _database.Conversations.ListAsync(ConversationFilter.All, 10, cursor, default));
        await Should.ThrowAsync<FormatException>(() => _database.Conversations.ListAsync(OfMaria, 10, cursor, default));
        await Should.ThrowAsync<FormatException>(() => _database.Conversations.TimelineAsync([Maria], TimelineFilter.All, 10, cursor, default));
    }

    [Fact]
    public async Task The_newest_entries_are_remembered_in_order_with_what_came_before_in_short()
    {
        await WriteAsync([.. Enumerable.Range(0, 20).Select(number => Message($"SM{number:00}", number, $"{number}"))]);
        await WriteAsync(
            Selected("SM19", 20, "legal"), new LanguageDetermined(Maria, "pt", "text", At(20)),
            new ConversationSummarized(Maria, "A long story.", At(15), At(21)), new ConversationSummarized(Maria, "An older one.", At(10), At(22)));

        var memory = await _database.Conversations.RememberAsync(Maria, 3, default);

        memory.Entries.Select(entry => entry.Text).ShouldBe(["17", "18", "19"]);
        (memory.Agent, memory.Language, memory.Summary, memory.SummarizedUpTo).ShouldBe(("legal", "pt", "A long story.", At(15)));
    }

    [Fact]
    public async Task What_is_in_no_summary_yet_is_found_oldest_first()
    {
        await WriteAsync([.. Enumerable.Range(0, 20).Select(number => Message($"SM{number:00}", number, $"{number}"))]);
        (await _database.Conversations.UnsummarizedAsync(Maria, 3, default)).Entries.Select(entry => entry.Text).ShouldBe(["0", "1", "2"]);

        await WriteAsync(new ConversationSummarized(Maria, "A long story.", At(15).AddMicroseconds(1), At(21)));

        var memory = await _database.Conversations.UnsummarizedAsync(Maria, 10, default);
        memory.Summary.ShouldBe("A long story.");
        memory.Entries.Select(entry => entry.Text).ShouldBe(["16", "17", "18", "19"]);
    }

    [Fact]
    public async Task A_thousand_entries_can_be_remembered()
    {
        await WriteAsync([.. Enumerable.Range(0, 1_200).Select(number => Message($"SM{number:0000}", number, $"{number}"))]);

        var memory = await _database.Conversations.RememberAsync(Maria, 1_000, default);

        memory.Entries.Select(entry => entry.Text).ShouldBe(Enumerable.Range(200, 1_000).Select(number => $"{number}"));
    }

    [Fact]
    public async Task A_summary_whose_key_was_destroyed_is_none_after_a_rebuild()
    {
        await WriteAsync(Message("SM1", 0, "hello"), new ConversationSummarized(Maria, "A long story.", Noon, Noon));
        await _database.ExecuteAsync("delete from guru_keys.keys");

        await _database.Rebuild.RebuildAsync(progress: null, default);

        var memory = await _database.Conversations.RememberAsync(Maria, 10, default);
        (memory.Summary, memory.SummarizedUpTo).ShouldBe((null, Noon));
        memory.Entries.ShouldHaveSingleItem().Text.ShouldBe("");
    }

    private static DateTimeOffset At(double seconds) => Noon.AddSeconds(seconds);

    private static MessageReceived Message(string sid, double seconds, string text) => new(
        sid, Maria, "+15550100001", "Maria", MessageKind.Text, text, MediaUrl: null, MediaType: null, At(seconds));

    private static AgentSelected Selected(string sid, double seconds, string agent) => new(
        sid, Maria, agent, 0.9, "why", ["general"], "1", At(seconds));

    private static MessageReplied Reply(double seconds, string text, params ImmutableArray<string> sids) => new(
        ["SM1"], Maria, sids, "financial", text, At(seconds));

    private static MessageDeliveryChanged Change(string change)
    {
        var (sid, status) = (change[..3], Enum.Parse<DeliveryStatus>(change[4..], ignoreCase: true));
        return new MessageDeliveryChanged(sid, Maria, status, status >= DeliveryStatus.Undelivered ? 63_016 : null, At(5));
    }

    private static CallStarted Started() => new(
        Sid, Maria, "+15550100001", CallChannel.Whatsapp, CallDirection.Inbound, Language: null, StreamTokenHash: null, Noon);

    private static MediaStreamConnected Connected(double seconds) => new("MZ1", "token", "node-1", At(seconds));

    private static UtteranceTranscribed Said(string id, long startMs) => new(
        id, Speaker.Caller, "general", $"said {id}", $"said {id}", Interrupted: false, TranscriptionOutcome.Completed, startMs, startMs + 50, 50, 40,
        Language: null, FirstAudioMs: null, FirstHeardMs: null, Noon);

    private Task SpeakAsync(params object[] events) => _database.Store.AppendAsync(Call.StreamId(Sid), ExpectedVersion.Any, Maria, events, default);

    private Task WriteAsync(params ConversationEvent[] events)
    {
        var caller = events[0] is MessageReceived { CallerId: var id } ? id : Maria;
        return _database.Store.AppendAsync(Conversation.StreamId(caller), ExpectedVersion.Any, caller, events, default);
    }

    private Task<ConversationSummary?> FindAsync() => _database.Conversations.FindAsync(Maria, default);

    private async Task<IReadOnlyList<TimelineEntry>> TimelineAsync() =>
        (await _database.Conversations.TimelineAsync([Maria], TimelineFilter.All, 100, cursor: null, default)).Items;

    private async Task<string> DeliveryAsync() => (await TimelineAsync()).Single(entry => entry.Speaker == Speaker.Agent).Delivery ?? "";

    private async Task<List<string>> ListAsync(int limit)
    {
        var listed = new List<string>();
        string? cursor = null;
        do
        {
            var page = await _database.Conversations.ListAsync(ConversationFilter.All, limit, cursor, default);
            listed.AddRange(page.Items.Select(conversation => conversation.CallerId));
            cursor = page.Next;
        }
        while (cursor is not null);

        return listed;
    }
}
