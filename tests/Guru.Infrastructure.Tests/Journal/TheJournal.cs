using System.Diagnostics;
using System.Text;
using Guru.Application;
using Guru.Application.Tests;
using Guru.Domain.Callers;
using Guru.Domain.Calls;
using Guru.Infrastructure.Journal;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Shouldly;

namespace Guru.Infrastructure.Tests.Journal;

public sealed class TheJournal : IDisposable
{
    private const string Words = "I got a bill from the hospital";

    private static readonly DateTimeOffset At = new(2026, 11, 22, 12, 0, 0, TimeSpan.Zero);
    private static readonly CallSid OneCall = CallSid.Parse("CA00000000000000000000000000000001");
    private static readonly CallSid OtherCall = CallSid.Parse("CA00000000000000000000000000000002");

    private readonly string _directory = Directory.CreateTempSubdirectory("guru-journal-").FullName;

    public static IEnumerable<object[]> Facts =>
        from fact in new CallCommand[]
        {
            new ConnectMediaStream("MZ1", "hash", "node", At),
            Said("item_1"),
            new RecordUsage(new UsageRecorded("sess:resp", UsageRecorded.Response, "model", "legal", new TokenUsage(1, 2, 3, 4, 5, 6), Seconds: 1.5, At)),
            new RecordReconnect(new VoiceModelReconnected("dropped", 2, 300, "sess_2", At)),
            new RecordLanguage(new CallLanguageDetermined("ht", "call", At)),
            new RecordStatus(new CallStatusChanged(CallStatus.Completed, OneCall, CallerId: null, CallDirection.Inbound, DurationSeconds: 12, ErrorCode: null, At)),
            new EndCall(CallEndReason.StreamLost, At, "MZ1"),
        }
        select new object[] { fact };

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Theory]
    [MemberData(nameof(Facts))]
    public async Task Gives_the_next_process_every_kind_of_fact_as_it_was(CallCommand fact)
    {
        await using (var journal = Open())
        {
            journal.Keep(OneCall, fact);
        }

        await using var next = Open();
        var left = next.TakeOver().ShouldHaveSingleItem();
        left.Facts.ShouldBe([(OneCall, fact)]);
        left.Delete();
        next.TakeOver().ShouldBeEmpty();
    }

    [Fact]
    public async Task Has_nothing_left_when_everything_is_stored()
    {
        await using (var journal = Open())
        {
            var kept = Enumerable.Range(1, 50).Select(number => journal.Keep(OneCall, Said($"item_{number}"))).ToList();
            await WrittenAsync(journal);
            new FileInfo(Files().Single()).Length.ShouldBeGreaterThan(50 * Words.Length);
            kept.ForEach(fact => fact.Stored());
            await WrittenAsync(journal);
            new FileInfo(Files().Single()).Length.ShouldBe(0);
        }

        Files().ShouldBeEmpty();
    }

    [Fact]
    public async Task Keeps_facts_in_their_order_over_several_files()
    {
        var facts = Enumerable.Range(1, 40).Select(number => Said($"item_{number}")).ToList();
        await using (var journal = Open(new JournalOptions { SegmentBytes = 4096 }))
        {
            facts.ForEach(fact => journal.Keep(OneCall, fact));
        }

        Files().Count.ShouldBeGreaterThan(3);
        await using var next = Open();
        next.TakeOver().SelectMany(left => left.Facts).Select(kept => kept.Fact).ShouldBe(facts);
    }

    [Fact]
    public async Task Tells_behind_the_facts_what_was_unfinished_at_last()
    {
        await using (var journal = Open(new JournalOptions { SegmentBytes = 1024 }))
        {
            journal.KeepUnfinished(OneCall, [Said("item_1", $"{Words} 0")]);
            for (var word = 1; word <= 20; word++)
            {
                journal.KeepUnfinished(OtherCall, [Said("item_1", $"{Words} {word}"), Said("item_2")]);
                await WrittenAsync(journal);
            }

            journal.Keep(OneCall, Said("item_3"));
        }

        Files().Count.ShouldBeGreaterThan(2);
        await using var next = Open();
        next.TakeOver().SelectMany(left => left.Facts).ShouldBe(
            [(OneCall, Said("item_3")), (OneCall, Said("item_1", $"{Words} 0")), (OtherCall, Said("item_1", $"{Words} 20")), (OtherCall, Said("item_2"))]);
    }

    [Theory]
    [InlineData(1024)] // What has become of it stands in a later file than the utterance.
    [InlineData(1024 * 1024)]
    public async Task Tells_nothing_of_an_utterance_that_was_unfinished_and_came_to_nothing_although_another_goes_on(int segmentBytes)
    {
        await using (var journal = Open(new JournalOptions { SegmentBytes = segmentBytes }))
        {
            journal.KeepUnfinished(OtherCall, [Said("item_1")]);
            journal.KeepUnfinished(OneCall, [Said("item_1"), Said("item_2")]);
            await WrittenAsync(journal);
            journal.KeepUnfinished(OneCall, [Said("item_2")]);
            await WrittenAsync(journal);
            journal.KeepUnfinished(OneCall, []);
            await WrittenAsync(journal);
        }

        await using var next = Open();
        next.TakeOver().SelectMany(left => left.Facts).ShouldBe([(OtherCall, Said("item_1"))]);
    }

    [Fact]
    public async Task Keeps_little_on_the_disk_of_utterances_that_go_on_while_a_fact_waits()
    {
        await using var journal = Open(new JournalOptions { SegmentBytes = 4096, MaxBytes = 16 * 1024 });
        var waiting = journal.Keep(OneCall, Said("item_1"));
        for (var word = 1; word <= 500; word++)
        {
            journal.KeepUnfinished(OneCall, [Said("item_2", $"{Words} {word}")]);
            await WrittenAsync(journal);
        }

        await WrittenAsync(journal);
        Files().Sum(file => new FileInfo(file).Length).ShouldBeLessThan(10 * 1024);
        waiting.Stored();
        journal.KeepUnfinished(OneCall, []);
        await WrittenAsync(journal);
        Files().Sum(file => new FileInfo(file).Length).ShouldBe(0);
    }

    [Fact]
    public async Task Shows_nobody_what_was_said()
    {
        await using (var journal = Open())
        {
            journal.Keep(OneCall, Said("item_1"));
        }

        var file = Files().ShouldHaveSingleItem();
        Encoding.UTF8.GetString(await File.ReadAllBytesAsync(file)).ShouldNotContain("hospital");
        File.GetUnixFileMode(file).ShouldBe(UnixFileMode.UserRead | UnixFileMode.UserWrite);
    }

    [Fact]
    public async Task Leaves_alone_what_a_living_process_keeps()
    {
        await using var journal = Open();
        journal.Keep(OneCall, Said("item_1"));
        await WrittenAsync(journal);
        await using var beside = Open();

        beside.TakeOver().ShouldBeEmpty();
    }

    [Theory]
    [InlineData(-7, "item_1")]
    [InlineData(+4096, "item_1", "item_2")] // A file may be longer, with zeros, than what had come to the disk when the power failed.
    public async Task Ends_where_the_last_fact_was_half_written(int more, params string[] items)
    {
        await using (var journal = Open())
        {
            journal.Keep(OneCall, Said("item_1"));
            journal.Keep(OneCall, Said("item_2"));
        }

        await using (var file = new FileStream(Files().Single(), FileMode.Open))
        {
            file.SetLength(file.Length + more);
        }

        await using var next = Open();
        next.TakeOver().ShouldHaveSingleItem().Facts.ShouldBe(items.Select(item => (OneCall, (CallCommand)Said(item))));
    }

    [Theory]
    [InlineData(0)] // Its length.
    [InlineData(100)] // Its words.
    public async Task Loses_of_a_damaged_file_what_is_damaged_and_says_so(int at)
    {
        await using (var journal = Open())
        {
            for (var number = 1; number <= 5; number++)
            {
                journal.Keep(OneCall, Said($"item_{number}"));
            }
        }

        var bytes = await File.ReadAllBytesAsync(Files().Single());
        var size = bytes.Length / 5;
        bytes.AsSpan(at, 8).Clear();
        bytes.AsSpan((2 * size) + at, size).Clear();
        await File.WriteAllBytesAsync(Files().Single(), bytes);

        var log = new KeptLog<CallJournal>();
        await using var next = Open(log: log);
        string[] whole = at == 0 ? ["item_2", "item_4", "item_5"] : ["item_2", "item_5"];
        next.TakeOver().ShouldHaveSingleItem().Facts.ShouldBe(whole.Select(item => (OneCall, (CallCommand)Said(item))));
        log.Lines.ShouldHaveSingleItem().ShouldContain($"{(5 - whole.Length) * size} bytes");
    }

    [Fact]
    public async Task Goes_on_behind_the_last_whole_fact_where_a_full_disk_took_half_of_the_next()
    {
        var log = new KeptLog<CallJournal>();
        await using (var journal = Open())
        {
            journal.Keep(OneCall, Said("item_1"));
            await WrittenAsync(journal);
            using var half = Process.Start("sh", ["-c", "head -c 60 \"$0\" >> \"$0\"", Files().Single()]); // The lock of the journal is not for it.
            await half.WaitForExitAsync();
            await WrittenAsync(journal);
            journal.Keep(OneCall, Said("item_2"));
        }

        await using var next = Open(log: log);
        next.TakeOver().ShouldHaveSingleItem().Facts.ShouldBe([(OneCall, Said("item_1")), (OneCall, Said("item_2"))]);
        log.Lines.ShouldBeEmpty();
    }

    [Fact]
    public async Task Keeps_beside_the_others_what_it_cannot_open()
    {
        await using (var journal = Open())
        {
            journal.Keep(OneCall, Said("item_1"));
        }

        await using (var stranger = Open(secret: "another secret of the server"))
        {
            stranger.TakeOver().ShouldBeEmpty();
        }

        Files().ShouldHaveSingleItem().ShouldEndWith(".unreadable");
    }

    [Fact]
    public async Task Has_set_aside_what_the_database_refused_until_a_start_that_can_store_it()
    {
        await using (var journal = Open())
        {
            journal.Keep(OneCall, Said("item_1")).Stored();
            journal.Keep(OneCall, Said("item_2")).SetAside();
            journal.SetAside.ShouldBe(1);
        }

        await using var next = Open();
        var facts = next.TakeOver().SelectMany(left => left.Facts).ToList();
        facts.ShouldBe([(OneCall, Said("item_2"))]);
    }

    [Fact]
    public async Task Forgets_the_calls_of_a_person()
    {
        await using (var journal = Open())
        {
            journal.Keep(OneCall, Said("item_1"));
            journal.Keep(OtherCall, Said("item_2"));
            journal.KeepUnfinished(OneCall, [Said("item_4")]);
            journal.KeepUnfinished(OtherCall, [Said("item_5")]);
            await journal.EraseAsync(new(Somebody, DateTimeOffset.UtcNow), [OneCall.Value], CancellationToken.None);
            journal.Keep(OtherCall, Said("item_3"));
        }

        await using var next = Open();
        next.TakeOver().SelectMany(left => left.Facts).ShouldBe([(OtherCall, Said("item_2")), (OtherCall, Said("item_3")), (OtherCall, Said("item_5"))]);
    }

    [Fact]
    public async Task Names_what_it_could_not_look_into_for_a_person()
    {
        await using (var journal = Open())
        {
            journal.Keep(OneCall, Said("item_1"));
        }

        await File.WriteAllTextAsync(Path.Combine(_directory, "journal", "0.messages.unreadable"), "Not of calls.");
        await using var stranger = Open(secret: "another secret of the server");
        await WrittenAsync(stranger);
        stranger.Unread.ShouldBe([Path.GetFileName(Files().Single(file => file.EndsWith(".facts", StringComparison.Ordinal)))]);
        stranger.TakeOver().ShouldBeEmpty();
        await WrittenAsync(stranger);
        stranger.Unread.ShouldHaveSingleItem().ShouldEndWith(".facts.unreadable");
    }

    [Fact]
    public async Task Forgets_somebody_although_a_file_of_its_own_is_damaged()
    {
        await using var journal = Open();
        journal.Keep(OtherCall, Said("item_1"));
        journal.KeepUnfinished(OneCall, [Said("item_2")]);
        await WrittenAsync(journal);
        var damaged = Files().Single(file => file.EndsWith(".facts", StringComparison.Ordinal));
        using var zeros = Process.Start("sh", ["-c", "dd if=/dev/zero of=\"$0\" bs=64 count=1 conv=notrunc status=none", damaged]);
        await zeros.WaitForExitAsync();

        await journal.EraseAsync(new(Somebody, DateTimeOffset.UtcNow), [OneCall.Value], CancellationToken.None);

        journal.Unread.ShouldBe([Path.GetFileName(damaged)]);
        new FileInfo(Files().Single(file => file != damaged)).Length.ShouldBe(0);
    }

    [Fact]
    public async Task Forgets_somebody_in_what_was_taken_over_and_is_not_stored_yet()
    {
        await using (var journal = Open())
        {
            journal.Keep(OneCall, Said("item_1"));
            journal.Keep(OtherCall, Said("item_2"));
        }

        await using (var next = Open())
        {
            using var left = next.TakeOver().ShouldHaveSingleItem();
            await next.EraseAsync(new(Somebody, DateTimeOffset.UtcNow), [OneCall.Value], CancellationToken.None);
        }

        await using var third = Open();
        third.TakeOver().ShouldHaveSingleItem().Facts.ShouldBe([(OtherCall, Said("item_2"))]);
    }

    [Fact]
    public async Task Takes_over_what_cannot_be_read_for_a_while_when_it_can_and_nothing_of_its_process_before()
    {
        await using (var journal = Open())
        {
            journal.Keep(OneCall, Said("item_1"));
            journal.KeepUnfinished(OneCall, [Said("item_1", "I got a")]);
        }

        var log = new KeptLog<CallJournal>();
        await using var next = Open(log: log);
        var facts = Files().Single(file => file.EndsWith(".facts", StringComparison.Ordinal));
        using (new FileOutOfReach(facts))
        {
            next.TakeOver().ShouldBeEmpty();
            next.TakeOver().ShouldBeEmpty();
            await Should.ThrowAsync<IOException>(WrittenAsync(next));
            next.Unread.ShouldBe([Path.GetFileName(facts)]);
        }

        var left = next.TakeOver();
        left.SelectMany(journal => journal.Facts).ShouldBe([(OneCall, Said("item_1")), (OneCall, Said("item_1", "I got a"))]);
        foreach (var journal in left)
        {
            journal.Delete();
        }

        next.TakeOver().ShouldBeEmpty();
        log.Lines.ShouldHaveSingleItem().ShouldContain("cannot be used now");
    }

    [Fact]
    public async Task Deletes_what_a_process_left_that_died_over_forgetting_somebody()
    {
        await using (var journal = Open())
        {
            journal.Keep(OneCall, Said("item_1"));
        }

        var file = Files().Single();
        File.Copy(file, file + ".new");
        await using var next = Open();
        next.TakeOver().ShouldHaveSingleItem().Facts.ShouldBe([(OneCall, Said("item_1"))]);
        Files().ShouldBe([file]);
    }

    [Fact]
    public async Task Does_not_grow_without_bound()
    {
        await using (var journal = Open(new JournalOptions { MaxBytes = 1 << 16, SegmentBytes = 1 << 14 }))
        {
            for (var number = 0; number < 1000; number++)
            {
                journal.Keep(OneCall, Said($"item_{number}"));
            }
        }

        Files().Sum(file => new FileInfo(file).Length).ShouldBeLessThan((1 << 16) + 4096);
    }

    [Fact]
    public async Task Does_without_a_directory_that_it_can_write_to()
    {
        await File.WriteAllTextAsync(Path.Combine(_directory, "journal"), "A file where the directory should be.");
        await using var journal = Open();

        journal.TakeOver().ShouldBeEmpty();
        journal.Keep(OneCall, Said("item_1")).Stored();
    }

    private static CallerId Somebody { get; } = CallerId.Of(CallerAddress.Parse("+233201234567"), "secret"u8);

    private static RecordUtterance Said(string item, string words = Words) => new(new UtteranceTranscribed(
        $"sess_1:{item}", Speaker.Caller, "general", words, words, Interrupted: false, TranscriptionOutcome.Completed, StartMs: 100, EndMs: 900, SaidMs: 800,
        HeardMs: 800, Language: "en", FirstAudioMs: null, FirstHeardMs: null, At));

    /// <summary>What is asked of the journal is done in order.</summary>
    private static Task WrittenAsync(CallJournal journal) =>
        journal.EraseAsync(new(Somebody, DateTimeOffset.UtcNow), [], CancellationToken.None);

    private List<string> Files() => Directory.Exists(Path.Combine(_directory, "journal")) ? [.. Directory.GetFiles(Path.Combine(_directory, "journal"))] : [];

    private CallJournal Open(JournalOptions? options = null, string secret = "a secret of the server", ILogger<CallJournal>? log = null) =>
        new(_directory, new ServerSecret(Encoding.UTF8.GetBytes(secret)), options ?? new JournalOptions(), log ?? NullLogger<CallJournal>.Instance);
}
