using Guru.Application.Privacy;
using Guru.Application.Work;
using Guru.Domain;
using Guru.Infrastructure.Postgres;
using Guru.Infrastructure.Tests.Postgres;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Shouldly;

namespace Guru.Infrastructure.Tests.Privacy;

[Collection(PostgresCollection.Name)]
public sealed class KeepingForATime(PostgresFixture postgres) : IAsyncLifetime
{
    private static readonly DateTimeOffset January = new(2026, 1, 31, 23, 59, 0, TimeSpan.Zero);
    private readonly Person _zoe = new("Quetzalcoatl", "+15550734591", January);
    private readonly Person _amy = new("Popocatepetl", "+15550734592", January.AddMinutes(2));
    private TestDatabase _database = null!;

    public async Task InitializeAsync()
    {
        _database = await TestDatabase.NewAsync(postgres);
        await _zoe.LeaveMarksAsync(_database);
        await _amy.LeaveMarksAsync(_database);
    }

    public async Task DisposeAsync() => await _database.DisposeAsync();

    [Theory]
    [InlineData("2026-03-02", 30, "2026-01-01")]
    [InlineData("2026-03-03", 30, "2026-02-01")]
    [InlineData("2026-02-02", 1, "2026-02-01")]
    public void A_month_is_over_when_its_last_day_is(string today, int days, string before) =>
        RetentionLimits.Of(new RetentionRules { MessageDays = days }, DateTimeOffset.Parse($"{today}T12:00:00Z", provider: null))
            .ShouldBe(new RetentionLimits(Transcripts: null, DateOnly.Parse(before, provider: null), Recordings: null));

    [Fact]
    public async Task What_was_said_goes_and_what_was_written_stays()
    {
        await ApplyAsync(new(Transcripts: new(2026, 2, 1), Messages: null, Recordings: null));

        var found = await _zoe.FoundAsync(_database);
        found.ShouldContain($"{_zoe.Conversation}: MessageReceived");
        found.Where(place => place.StartsWith("call-", StringComparison.Ordinal)).ShouldBe([$"{_zoe.CallStream}: CallStarted"]); // Its number.
        found.ShouldNotContain($"{_zoe.Conversation}: ConversationSummarized");
        found.ShouldNotContain("guru.utterances");
        (await _database.OneAsync($"select count(*) from guru.messages where caller_id = '{_zoe.Id}' and call_sid is not null")).ShouldBe("0");
        (await _database.OneAsync($"select concat_ws(' ', turns, duration_seconds) from guru.calls where call_sid = '{_zoe.Call}'")).ShouldBe("1 60");
        await ErasingPeople.ShouldAgreeWithARebuildAsync(_database);
    }

    [Fact]
    public async Task What_was_written_goes_and_what_was_said_stays()
    {
        await ApplyAsync(new(Transcripts: null, Messages: new(2026, 2, 1), Recordings: null));

        var found = await _zoe.FoundAsync(_database);
        found.ShouldContain($"{_zoe.CallStream}: UtteranceTranscribed");
        found.ShouldContain("guru.utterances");
        found.ShouldNotContain($"{_zoe.Conversation}: MessageReplied");
        (await _database.OneAsync($"select count(*) from guru.messages where caller_id = '{_zoe.Id}' and call_sid is null and text <> ''")).ShouldBe("0");
        await ErasingPeople.ShouldAgreeWithARebuildAsync(_database);
    }

    [Fact]
    public async Task It_is_told_before_it_is_done_and_done_once_for_all_nodes()
    {
        RetentionLimits limits = new(Transcripts: new(2026, 2, 1), Messages: new(2026, 2, 1), Recordings: new(2026, 2, 1));

        (await _database.Retention.ReportAsync(limits, default)).ShouldBe(
        [
            new RetentionDue(Retained.Transcripts, new(2026, 2, 1), Callers: 1, Keys: 2, new DateOnly(2026, 1, 1)),
            new RetentionDue(Retained.Messages, new(2026, 2, 1), Callers: 1, Keys: 1, new DateOnly(2026, 1, 1)),
            new RetentionDue(Retained.Recordings, new(2026, 2, 1), Callers: 0, Keys: 0, Oldest: null),
        ]);
        (await _zoe.FoundAsync(_database)).ShouldContain("guru.messages");

        await _database.Retention.ScheduleAsync(limits, default);
        await _database.AnotherNode().Retention.ScheduleAsync(limits, default);
        (await _database.RowsAsync($"select caller_id from guru.work where kind = '{WorkItem.Retention}'")).ShouldBe([_zoe.Id.Value]);

        await ApplyAsync(limits);
        await ApplyAsync(limits);

        (await _database.RowsAsync("select data ->> 'kind' from events.mt_events where type = 'retention_applied' order by seq_id")).ShouldBe(["transcripts", "messages"]);
        (await _amy.FoundAsync(_database)).ShouldContain("guru.utterances");
    }

    [Fact]
    public async Task As_many_keys_are_destroyed_as_were_told_whatever_the_times_of_the_kinds_are()
    {
        await _database.ExecuteAsync($"update guru_keys.keys set kind = 'words' where caller_id = '{_zoe.Id}' and kind = 'message'");
        await _database.Keys.ForWritingAsync([new KeyScope(_amy.Id, PersonalDataKind.Recording, new DateOnly(2026, 2, 1))], default);
        _database.Keys.Forget();
        var (february, march) = (new DateOnly(2026, 2, 1), new DateOnly(2026, 3, 1));

        (await ToldAsync(new(february, Messages: null, february))).ShouldBe([("transcripts", 2), ("recordings", 0)]);
        (await ToldAsync(new(march, february, Recordings: null))).ShouldBe([("transcripts", 2), ("messages", 1)]);
        (await ToldAsync(new(march, march, march))).ShouldBe([("transcripts", 0), ("messages", 1), ("recordings", 1)]);

        async Task<IEnumerable<(string, long)>> ToldAsync(RetentionLimits limits)
        {
            var (told, before) = (await _database.Retention.ReportAsync(limits, default), await KeysAsync());
            await _database.Retention.ApplyAsync(_zoe.Id, limits, default);
            await _database.Retention.ApplyAsync(_amy.Id, limits, default);
            (before - await KeysAsync()).ShouldBe(told.Sum(due => due.Keys));
            return told.Select(due => (EnumText.Of(due.Kind), due.Keys));
        }

        async Task<long> KeysAsync() => long.Parse(await _database.OneAsync("select count(*) from guru_keys.keys"), provider: null);
    }

    [Fact]
    public async Task Words_from_before_kinds_were_told_apart_go_with_the_last_of_them()
    {
        await _database.ExecuteAsync($"update guru_keys.keys set kind = 'words' where caller_id = '{_zoe.Id}' and kind = 'message'");
        _database.Keys.Forget();

        await ApplyAsync(new(Transcripts: new(2026, 2, 1), Messages: null, Recordings: null));
        (await _zoe.FoundAsync(_database)).ShouldContain($"{_zoe.Conversation}: MessageReplied");
        await ApplyAsync(new(Transcripts: new(2026, 2, 1), Messages: new(2026, 2, 1), Recordings: null));

        (await _zoe.FoundAsync(_database)).ShouldNotContain($"{_zoe.Conversation}: MessageReplied");
        await ErasingPeople.ShouldAgreeWithARebuildAsync(_database);
    }

    [Fact]
    public async Task The_to_do_list_does_it_for_everybody_and_sound_goes_with_its_key()
    {
        var sound = new KeyScope(_amy.Id, PersonalDataKind.Recording, new DateOnly(2026, 2, 1));
        await _database.Keys.ForWritingAsync([sound], default);
        var rules = Options.Create(new RetentionRules { TranscriptDays = 30, MessageDays = 30, RecordingDays = 30 });
        var work = new RetentionWork(_database.Retention, rules, TimeProvider.System, NullLogger<RetentionWork>.Instance);

        await _database.Retention.ScheduleAsync(RetentionLimits.Of(rules.Value, TimeProvider.System.GetUtcNow()), default);
        while (await _database.Work.ClaimAsync(
            TimeSpan.FromMinutes(1), default, WorkItem.Reply, WorkItem.Digest, WorkItem.Summary, WorkItem.Permission, WorkItem.Call, WorkItem.FollowUp) is { } item)
        {
            await work.RunAsync(item, default);
            await _database.Work.CompleteAsync(item, default);
        }

        (await _database.RowsAsync("select distinct kind from guru_keys.keys where month < '2026-03-01'")).ShouldBe(["contact"]);
        (await _database.OneAsync("select count(*) from guru.messages where text <> ''")).ShouldBe("0");
        (await _database.OneAsync($"select count(*) from events.mt_events where type = 'retention_applied' and data ->> 'callerId' = '{_amy.Id}'")).ShouldBe("3");
        await ErasingPeople.ShouldAgreeWithARebuildAsync(_database);
    }

    private Task ApplyAsync(RetentionLimits limits) => _database.Retention.ApplyAsync(_zoe.Id, limits, default);
}
