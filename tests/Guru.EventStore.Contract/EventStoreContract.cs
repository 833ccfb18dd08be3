using Guru.Application;
using Guru.Domain.Callers;
using Guru.Domain.Calls;
using Shouldly;

namespace Guru.EventStore.Contract;

/// <summary>What an event store must do, whichever adapter it is. Each test has an empty store.</summary>
public abstract class EventStoreContract
{
    private const int Writers = 32;
    private static readonly DateTimeOffset Noon = new(2026, 3, 4, 12, 0, 0, TimeSpan.Zero);
    private static readonly CallerAddress Address = CallerAddress.TryParse("+15550100001", out var address) ? address : default;
    private static readonly CallerId Caller = CallerId.Of(Address, "secret"u8);
    private static readonly CallSid Sid = CallSid.Parse("CA00000000000000000000000000000001");
    private static readonly string Stream = Call.StreamId(Sid);

    protected abstract IEventStore Store { get; }

    [Fact]
    public async Task A_stream_is_read_back_in_the_order_it_was_written()
    {
        await AppendAsync(ExpectedVersion.None, Started(), Said("one"));
        await AppendAsync(ExpectedVersion.Exactly(2), Said("two"), Ended());

        var events = await ReadAsync();

        events.Select(e => e.Data).ShouldBe([Started(), Said("one"), Said("two"), Ended()]);
        events.Select(e => e.Version).ShouldBe([1, 2, 3, 4]);
        events.Select(e => e.Sequence).ShouldBeInOrder();
        events.ShouldAllBe(e => e.StreamId == Stream);
    }

    [Fact]
    public async Task An_append_tells_the_version_of_its_last_event()
    {
        (await AppendAsync(ExpectedVersion.None, Started(), Said("one"))).ShouldBe(2);
        (await AppendAsync(ExpectedVersion.Exactly(2), Said("two"))).ShouldBe(3);
        (await AppendAsync(ExpectedVersion.Any, Said("three"), Said("four"))).ShouldBe(5);
    }

    [Fact]
    public async Task A_stream_that_does_not_exist_is_empty() => (await ReadAsync()).ShouldBeEmpty();

    [Fact]
    public async Task A_stream_can_be_read_from_a_version_on()
    {
        await AppendAsync(ExpectedVersion.None, Started(), Said("one"), Said("two"));

        (await Store.ReadAsync(Stream, 3, default)).Select(e => e.Data).ShouldBe([Said("two")]);
        (await Store.ReadAsync(Stream, 4, default)).ShouldBeEmpty();
    }

    [Fact]
    public async Task What_can_never_be_stored_is_refused_as_such_and_the_stream_goes_on()
    {
        await AppendAsync(ExpectedVersion.None, Started());
        var random = new Random(1);
        var tooLongForAnIndex = new string([.. Enumerable.Range(0, 20_000).Select(_ => (char)random.Next(0x4E00, 0x9FFF))]);

        await Should.ThrowAsync<EventsRefusedException>(() => AppendAsync(ExpectedVersion.Exactly(1), Said("one") with { UtteranceId = tooLongForAnIndex }));

        await AppendAsync(ExpectedVersion.Exactly(1), Said("two"));
        (await ReadAsync()).Select(e => e.Data).ShouldBe([Started(), Said("two")]);
    }

    [Fact]
    public async Task A_stream_that_exists_cannot_be_started()
    {
        await AppendAsync(ExpectedVersion.None, Started());

        var conflict = await Should.ThrowAsync<VersionConflictException>(() => AppendAsync(ExpectedVersion.None, Started()));

        conflict.StreamId.ShouldBe(Stream);
        (await ReadAsync()).Count.ShouldBe(1);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public async Task An_append_at_another_version_than_expected_is_a_conflict(long expected)
    {
        await AppendAsync(ExpectedVersion.None, Started(), Said("one"));

        await Should.ThrowAsync<VersionConflictException>(() => AppendAsync(ExpectedVersion.Exactly(expected), Said("two")));

        (await ReadAsync()).Count.ShouldBe(2);
    }

    [Fact]
    public async Task An_append_at_a_version_of_a_stream_that_does_not_exist_is_a_conflict() =>
        await Should.ThrowAsync<VersionConflictException>(() => AppendAsync(ExpectedVersion.Exactly(1), Said("one")));

    [Fact]
    public async Task An_append_at_any_version_starts_the_stream_when_it_does_not_exist()
    {
        (await AppendAsync(ExpectedVersion.Any, Started())).ShouldBe(1);
        (await AppendAsync(ExpectedVersion.Any, Said("one"))).ShouldBe(2);
    }

    [Fact]
    public async Task All_events_are_read_in_order_across_streams()
    {
        var other = CallSid.Parse("CA00000000000000000000000000000002");
        await AppendAsync(ExpectedVersion.None, Started());
        await Store.AppendAsync(Call.StreamId(other), ExpectedVersion.None, Caller, [Started() with { CallSid = other }], default);
        await AppendAsync(ExpectedVersion.Exactly(1), Said("one"));

        var all = await AllAsync(after: 0);

        all.Select(e => e.StreamId).ShouldBe([Stream, Call.StreamId(other), Stream]);
        all.Select(e => e.Sequence).ShouldBeInOrder();
        (await AllAsync(all[0].Sequence)).Select(e => e.Sequence).ShouldBe(all.Skip(1).Select(e => e.Sequence));
        (await AllAsync(all[^1].Sequence)).ShouldBeEmpty();
    }

    [Fact]
    public async Task All_events_are_read_though_they_do_not_fit_into_a_page()
    {
        var events = Enumerable.Range(0, 2_500).Select(number => (object)Said($"{number}")).Prepend(Started()).ToArray();
        await AppendAsync(ExpectedVersion.None, events);

        (await AllAsync(after: 0)).Select(e => e.Data).ShouldBe(events);
    }

    [Fact]
    public async Task Of_writers_who_expect_the_same_version_exactly_one_wins_it()
    {
        const int versions = 5;
        await AppendAsync(ExpectedVersion.None, Started());

        for (var version = 1L; version <= versions; version++)
        {
            var wins = await Task.WhenAll(Enumerable.Range(0, Writers).Select(writer => WinsAsync(version, writer)));
            wins.Count(won => won).ShouldBe(1);
        }

        (await ReadAsync()).Select(e => e.Version).ShouldBe(Enumerable.Range(1, versions + 1).Select(version => (long)version));
    }

    [Fact]
    public async Task Of_writers_who_start_the_same_stream_exactly_one_does()
    {
        var wins = await Task.WhenAll(Enumerable.Range(0, Writers).Select(async _ =>
        {
            try
            {
                await AppendAsync(ExpectedVersion.None, Started());
                return true;
            }
            catch (VersionConflictException)
            {
                return false;
            }
        }));

        wins.Count(won => won).ShouldBe(1);
        (await ReadAsync()).Count.ShouldBe(1);
    }

    [Fact]
    public async Task Writers_at_any_version_never_conflict()
    {
        const int appends = 5;

        await Task.WhenAll(Enumerable.Range(0, Writers).Select(async writer =>
        {
            for (var number = 0; number < appends; number++)
            {
                await AppendAsync(ExpectedVersion.Any, Said($"{writer}-{number}a"), Said($"{writer}-{number}b"));
            }
        }));

        var events = await ReadAsync();
        events.Select(e => e.Version).ShouldBe(Enumerable.Range(1, Writers * appends * 2).Select(version => (long)version));
        events.Select(e => e.Sequence).ShouldBeInOrder();
        var ids = events.Select(e => ((UtteranceTranscribed)e.Data).UtteranceId);
        ids.Chunk(2).ShouldAllBe(pair => pair[0].TrimEnd('a') == pair[1].TrimEnd('b'));
    }

    [Fact]
    public async Task Every_kind_of_event_survives_the_store_as_it_was()
    {
        object[] events =
        [
            Started() with { Language = "ht", StreamTokenHash = "abc" },
            new AgentRouted("legal", "asked about a visa", Noon),
            new AgentHandedOff("legal", "general", "it is about school", Noon),
            new CallLanguageDetermined("ht", "request", Noon),
            new MediaStreamRequested("def", 1, Noon),
            new MediaStreamConnected("MZ1", "abc", "node-1", Noon.AddTicks(1_234_567)),
            new CallResumed("MZ2", 1_200, Noon),
            Said("word") with { Language = "es", FirstAudioMs = 420, FirstHeardMs = null, Interrupted = true },
            new VoiceModelReconnected("dropped", 2, 900, "sess_2", Noon),
            new UsageRecorded("resp_1", "response", "model", "general", new TokenUsage(1, 2, 3, 4, 5, 6), 1.5, Noon),
            new CallStatusChanged(CallStatus.NoAnswer, Sid, CallerId: null, CallDirection.Outbound, 12, 31_005, Noon),
            Ended(),
        ];

        await AppendAsync(ExpectedVersion.None, events);

        (await ReadAsync()).Select(e => e.Data).ShouldBe(events);
    }

    [Theory]
    [InlineData("")]
    [InlineData("N'ap ede w. ¿Cuánto debo? 你好 👋🏽")]
    [InlineData("quotes \" and \\ and / and </script> and\nlines")]
    [InlineData("~not.sealed")]
    public async Task Words_survive_the_store_as_they_were(string words)
    {
        await AppendAsync(ExpectedVersion.None, Said("one") with { Said = words });

        ((UtteranceTranscribed)(await ReadAsync()).Single().Data).Said.ShouldBe(words);
    }

    [Fact]
    public async Task Text_that_no_database_takes_does_not_lose_the_event()
    {
        await AppendAsync(ExpectedVersion.None, Said("a\0b") with { Said = "a\0b\uD800c", Agent = "a\0b\uD800c" });

        var said = (UtteranceTranscribed)(await ReadAsync()).Single().Data;

        said.Said.ShouldBe("a\uFFFDb\uFFFDc");
        said.Agent.ShouldBe("a\uFFFDb\uFFFDc");
        said.UtteranceId.ShouldBe("a\uFFFDb");
    }

    [Fact]
    public async Task A_moment_is_kept_whatever_the_clock_that_told_it()
    {
        var inBerlin = new DateTimeOffset(2026, 1, 1, 0, 30, 0, TimeSpan.FromHours(1));
        await AppendAsync(ExpectedVersion.None, Ended() with { At = inBerlin });

        var at = ((CallEnded)(await ReadAsync()).Single().Data).At;

        at.ShouldBe(inBerlin);
        at.Offset.ShouldBe(TimeSpan.Zero);
    }

    [Fact]
    public async Task Personal_data_needs_an_owner()
    {
        await Should.ThrowAsync<EventsRefusedException>(() => Store.AppendAsync(Stream, ExpectedVersion.None, owner: null, [Started()], default));

        await Store.AppendAsync(Stream, ExpectedVersion.None, owner: null, [Ended()], default);
    }

    private static CallStarted Started() =>
        new(Sid, Caller, Address.Value, CallChannel.Whatsapp, CallDirection.Inbound, Language: null, StreamTokenHash: null, Noon);

    private static UtteranceTranscribed Said(string id) => new(
        id, Speaker.Caller, "general", $"said {id}", $"heard {id}", Interrupted: false, TranscriptionOutcome.Completed,
        StartMs: 0, EndMs: 100, SaidMs: 100, HeardMs: 100, Language: null, FirstAudioMs: null, FirstHeardMs: null, Noon);

    private static CallEnded Ended() => new(CallEndReason.CallerHungUp, Noon.AddMinutes(1));

    private Task<long> AppendAsync(ExpectedVersion expected, params object[] events) =>
        Store.AppendAsync(Stream, expected, Caller, events, default);

    private Task<IReadOnlyList<StoredEvent>> ReadAsync() => Store.ReadAsync(Stream, 1, default);

    private async Task<List<StoredEvent>> AllAsync(long after)
    {
        var all = new List<StoredEvent>();
        await foreach (var stored in Store.ReadAllAsync(after, default))
        {
            all.Add(stored);
        }

        return all;
    }

    private async Task<bool> WinsAsync(long version, int writer)
    {
        try
        {
            await AppendAsync(ExpectedVersion.Exactly(version), Said($"{version}-{writer}"));
            return true;
        }
        catch (VersionConflictException)
        {
            return false;
        }
    }
}
