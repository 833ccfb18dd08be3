using Guru.Application;
using Guru.Application.Calls;
using Guru.Domain.Callers;
using Guru.Domain.Calls;
using Shouldly;

namespace Guru.Infrastructure.Tests.Postgres;

[Collection(PostgresCollection.Name)]
public sealed class CallQueriesTests(PostgresFixture postgres) : OnADatabase(postgres)
{
    private static readonly DateTimeOffset Noon = new(2026, 3, 4, 12, 0, 0, TimeSpan.Zero);
    private static readonly CallerId Maria = CallerId.Parse("0123456789abcdef0123456789abcdef");
    private static readonly CallSid Sid = CallSid.Parse("CA00000000000000000000000000000001");
    [Fact]
    public async Task A_call_rings_from_its_webhook_on()
    {
        await AppendAsync(Started() with { Language = "ht" }, new AgentRouted("legal", "why", Noon));

        var call = (await FindAsync())!;
        (call.CallSid, call.CallerId, call.Channel, call.Direction).ShouldBe((Sid.Value, Maria.Value, CallChannel.Whatsapp, CallDirection.Inbound));
        (call.Agent, call.Language, call.Status, call.EndReason).ShouldBe(("legal", "ht", CallStatus.Ringing, null));
        (call.StartedAt, call.EndedAt, call.DurationSeconds).ShouldBe((Noon, null, null));
        call.Agents.ShouldBe(["legal"]);
    }

    [Fact]
    public async Task A_call_shows_the_agent_it_was_handed_to_and_each_utterance_its_own()
    {
        await AppendAsync(
            Started(), new AgentRouted("general", "why", Noon), Connected(2), Said("a", 100) with { Agent = "general" },
            new AgentHandedOff("general", "legal", "a visa", At(5)), Said("b", 9000) with { Agent = "legal" });

        (await FindAsync())!.Agent.ShouldBe("legal");
        (await _database.OneAsync("select string_agg(agent, ' ' order by start_ms) from guru.utterances")).ShouldBe("general legal");
    }

    [Fact]
    public async Task A_call_shows_the_language_that_was_determined_and_before_that_the_first_one_heard()
    {
        await AppendAsync(Started(), Connected(2), Heard("a", 100, language: null), Heard("b", 200, "es"), Heard("c", 300, "ht"));
        (await FindAsync())!.Language.ShouldBe("es");

        await AppendAsync(new CallLanguageDetermined("ht", "call", At(9)), Heard("d", 400, "en"));
        (await FindAsync())!.Language.ShouldBe("ht");
    }

    [Fact]
    public async Task The_recording_of_a_call_is_that_of_its_streams_together_and_gone_once_it_is_erased()
    {
        await AppendAsync(Started(), Connected(2));
        (await _database.Queries.DetailAsync(Sid, CancellationToken.None))!.Recording.ShouldBeNull();

        await AppendAsync(new RecordingStored("MZ0", 0, 12_000, 200_000, "node", At(20)), new RecordingStored("MZ1", 30_000, 5000, 80_000, "node", At(40)));

        (await _database.Queries.DetailAsync(Sid, CancellationToken.None))!.Recording.ShouldBe(new CallRecordingSummary(35_000, 280_000));

        await AppendAsync(new CallErased(At(60)));

        (await _database.Queries.DetailAsync(Sid, CancellationToken.None))!.Recording.ShouldBeNull();
    }

    [Fact]
    public async Task A_call_is_on_the_node_whose_stream_has_it_whichever_told_of_its_own_last()
    {
        await AppendAsync(
            Started(), new MediaStreamConnected("MZ1", "token-1", "one", At(2)), new MediaStreamConnected("MZ0", "token-0", "other", At(3)) { Overtaken = true });

        (await FindAsync())!.Node.ShouldBe("one");
    }

    [Fact]
    public async Task The_callers_number_is_masked_in_the_read_model()
    {
        await AppendAsync(Started());

        (await _database.OneAsync("select address_masked from guru.calls")).ShouldBe("+1***01");
        (await _database.DumpAsync("calls")).ShouldAllBe(row => !row.Contains("555"));
    }

    [Fact]
    public async Task A_call_lasts_from_its_first_stream_to_its_end_in_whole_seconds()
    {
        await AppendAsync(Started(), Connected(2));
        (await FindAsync())!.Status.ShouldBe(CallStatus.InProgress);

        await AppendAsync(new MediaStreamRequested("t", 1, At(20)), Connected(30), new CallEnded(CallEndReason.AgentEnded, At(63.5)));

        var call = (await FindAsync())!;
        (call.Status, call.EndReason, call.EndedAt, call.DurationSeconds)
            .ShouldBe((CallStatus.Completed, CallEndReason.AgentEnded, At(63.5), 61));
    }

    [Fact]
    public async Task A_call_without_a_stream_lasts_from_its_start()
    {
        await AppendAsync(Started(), Status(CallStatus.NoAnswer, 30), new CallEnded(CallEndReason.NoAnswer, At(30)));

        var call = (await FindAsync())!;
        (call.Status, call.EndReason, call.DurationSeconds).ShouldBe((CallStatus.NoAnswer, CallEndReason.NoAnswer, 30));
    }

    [Fact]
    public async Task A_call_known_by_its_status_alone_is_a_call()
    {
        await AppendAsync(Status(CallStatus.InProgress, 1));

        var call = (await FindAsync())!;
        (call.CallerId, call.Channel, call.Status, call.StartedAt).ShouldBe((Maria.Value, CallChannel.Whatsapp, CallStatus.InProgress, At(1)));

        await AppendAsync(Started(), new AgentRouted("general", "why", Noon));

        call = (await FindAsync())!;
        (call.Agent, call.Status, call.StartedAt).ShouldBe(("general", CallStatus.InProgress, Noon));
    }

    [Fact]
    public async Task A_final_status_stays_whatever_comes_later()
    {
        await AppendAsync(Status(CallStatus.Busy, 5), new CallEnded(CallEndReason.Busy, At(5)), Started(), Connected(6), Status(CallStatus.Ringing, 7));

        var call = (await FindAsync())!;
        (call.Status, call.EndReason, call.EndedAt, call.DurationSeconds).ShouldBe((CallStatus.Busy, CallEndReason.Busy, At(5), 0));
    }

    [Fact]
    public async Task A_late_ringing_does_not_unanswer_a_call()
    {
        await AppendAsync(Started(), Connected(1), Status(CallStatus.Ringing, 2));

        (await FindAsync())!.Status.ShouldBe(CallStatus.InProgress);
    }

    [Fact]
    public async Task An_unknown_call_is_nothing()
    {
        (await FindAsync()).ShouldBeNull();
        (await _database.Queries.TranscriptAsync(Sid, default)).ShouldBeNull();
        (await _database.Queries.EventsAsync(Sid, EventFilter.All, 10, cursor: null, default)).ShouldBeNull();
        (await _database.Queries.ListAsync(CallFilter.All, CallOrder.NewestFirst, 10, cursor: null, default)).Items.ShouldBeEmpty();
    }

    [Fact]
    public async Task Calls_are_listed_newest_first_page_by_page()
    {
        // Three at each moment, so that a page ends between equals.
        for (var number = 0; number < 10; number++)
        {
            var sid = CallSid.Parse($"CA{number:x32}");
            await _database.Store.AppendAsync(
                Call.StreamId(sid), ExpectedVersion.None, Maria, [Started() with { CallSid = sid, At = Noon.AddTicks(10 * (number / 3)) }], default);
        }

        var listed = new List<string>();
        string? cursor = null;
        do
        {
            var page = await _database.Queries.ListAsync(CallFilter.All, CallOrder.NewestFirst, 4, cursor, default);
            listed.AddRange(page.Items.Select(call => call.CallSid));
            cursor = page.Next;
        }
        while (cursor is not null);

        listed.ShouldBe(Enumerable.Range(0, 10).Reverse().Select(number => $"CA{number:x32}"));
    }

    [Theory]
    [InlineData("")]
    [InlineData("%")]
    [InlineData("bm90IG91cnM")]
    [InlineData("OTk5OTk5OTk5OTk5OTk5OTk5OSBDQTE")]
    public async Task A_cursor_that_is_not_ours_is_a_format_error(string cursor)
    {
        await AppendAsync(Started());

        await Should.ThrowAsync<FormatException>(() => _database.Queries.ListAsync(CallFilter.All, CallOrder.NewestFirst, 10, cursor, default));
        await Should.ThrowAsync<FormatException>(() => _database.Queries.EventsAsync(Sid, EventFilter.All, 10, cursor, default));
    }

    [Fact]
    public async Task A_transcript_is_in_the_order_of_speech_not_of_recording()
    {
        var late = Said("late", 100) with { FirstAudioMs = 420, FirstHeardMs = 610, Language = "es", Interrupted = true, Heard = "la" };
        await AppendAsync(Started(), Said("b", 900), Said("a", 900), Said("c", 2_000), late);

        var transcript = (await _database.Queries.TranscriptAsync(Sid, default))!;

        transcript.Utterances.Select(line => line.Id).ShouldBe(["late", "a", "b", "c"]);
        transcript.Utterances[0].ShouldBe(new TranscriptLine(
            "late", Speaker.Agent, "general", "said late", "la", Interrupted: true, TranscriptionOutcome.Completed, 100, 150, 50, 40, "es", 420, 610));
    }

    [Fact]
    public async Task An_utterance_that_is_recorded_twice_is_shown_once()
    {
        await AppendAsync(Started(), Said("a", 1), Said("a", 2));
        await AppendAsync(Said("a", 3));

        (await _database.Queries.TranscriptAsync(Sid, default))!.Utterances.ShouldHaveSingleItem().StartMs.ShouldBe(1);
    }

    [Fact]
    public async Task Events_are_shown_under_their_names_with_words_readable()
    {
        await AppendAsync(Started(), Said("a", 1), new CallEnded(CallEndReason.MaxDuration, At(60)));

        var first = (await _database.Queries.EventsAsync(Sid, EventFilter.All, 2, cursor: null, default))!;
        var second = (await _database.Queries.EventsAsync(Sid, EventFilter.All, 2, first.Next, default))!;

        first.Items.Select(e => (e.Version, e.Type)).ShouldBe([(1, "CallStarted"), (2, "UtteranceTranscribed")]);
        first.Items[1].Data.GetProperty("said").GetString().ShouldBe("said a");
        first.Items[1].StreamId.ShouldBe($"call-{Sid}");
        second.Items.ShouldHaveSingleItem().Type.ShouldBe("CallEnded");
        second.Items[0].Data.GetProperty("reason").GetString().ShouldBe("maxDuration");
        second.Items[0].At.ShouldBe(At(60));
        second.Next.ShouldBeNull();
    }

    [Fact]
    public async Task Events_are_narrowed_down_by_what_they_are_and_when_they_happened_page_by_page()
    {
        await AppendAsync(Started(), Said("a", 1), Said("b", 2), Status(CallStatus.InProgress, 30), new CallEnded(CallEndReason.MaxDuration, At(60)));

        (await ShownAsync(new EventFilter { Types = ["UtteranceTranscribed", "CallEnded"] })).ShouldBe([2, 3, 5]);
        (await ShownAsync(new EventFilter { At = new TimeRange(At(30), To: null) })).ShouldBe([4, 5]);
        (await ShownAsync(new EventFilter { At = new TimeRange(From: null, At(60)) })).ShouldBe([1, 2, 3, 4]);
        (await ShownAsync(new EventFilter { Types = ["CallEnded"], At = new TimeRange(From: null, At(60)) })).ShouldBeEmpty();
        (await ShownAsync(new EventFilter { Types = ["NothingOfTheKind"] })).ShouldBeEmpty();

        async Task<List<long>> ShownAsync(EventFilter filter)
        {
            var shown = new List<long>();
            string? cursor = null;
            do
            {
                var page = await _database.Queries.EventsAsync(Sid, filter, 2, cursor, default);
                shown.AddRange(page?.Items.Select(e => e.Version) ?? []);
                cursor = page?.Next;
            }
            while (cursor is not null);

            return shown;
        }
    }

    [Fact]
    public async Task Events_show_how_a_person_can_be_reached_masked_and_what_they_are_kept_as_stays()
    {
        await AppendAsync(Started());

        var shown = (await _database.Queries.EventsAsync(Sid, EventFilter.All, 10, cursor: null, default))!.Items.ShouldHaveSingleItem();

        shown.Data.GetProperty("address").GetString().ShouldBe("+1***01");
        shown.Data.GetRawText().ShouldNotContain("555");
        (await _database.Store.ReadAsync(Call.StreamId(Sid), 1, default)).ShouldHaveSingleItem().Data.ShouldBe(Started());
    }

    [Fact]
    public async Task A_page_of_a_stream_holds_no_more_than_was_asked_for()
    {
        await AppendAsync(Started(), Said("a", 1), Said("b", 2), Said("c", 3));

        (await _database.Store.ReadAsync(Call.StreamId(Sid), 2, 2, default)).Select(e => e.Version).ShouldBe([2, 3]);
    }

    private static DateTimeOffset At(double seconds) => Noon.AddSeconds(seconds);

    private static CallStarted Started() => new(
        Sid, Maria, "+15550100001", CallChannel.Whatsapp, CallDirection.Inbound, Language: null, StreamTokenHash: null, Noon);

    private static MediaStreamConnected Connected(double seconds) => new("MZ1", "token", "node-1", At(seconds));

    private static CallStatusChanged Status(CallStatus status, double seconds) =>
        new(status, Sid, Maria, CallDirection.Inbound, DurationSeconds: null, ErrorCode: null, At(seconds));

    private static UtteranceTranscribed Said(string id, long startMs) => new(
        id, Speaker.Agent, "general", $"said {id}", $"said {id}", Interrupted: false, TranscriptionOutcome.Completed, startMs, startMs + 50, 50, 40,
        Language: null, FirstAudioMs: null, FirstHeardMs: null, Noon);

    private static UtteranceTranscribed Heard(string id, long startMs, string? language) => Said(id, startMs) with { Speaker = Speaker.Caller, Language = language };

    private Task AppendAsync(params object[] events) => _database.Store.AppendAsync(Call.StreamId(Sid), ExpectedVersion.Any, Maria, events, default);

    private Task<CallSummary?> FindAsync() => _database.Queries.FindAsync(Sid, default);
}
