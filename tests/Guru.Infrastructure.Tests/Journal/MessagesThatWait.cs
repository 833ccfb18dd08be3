using System.Text;
using Guru.Application;
using Guru.Application.Conversations;
using Guru.Application.Privacy;
using Guru.Application.Tests;
using Guru.Domain.Callers;
using Guru.Infrastructure.Journal;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Shouldly;

namespace Guru.Infrastructure.Tests.Journal;

public sealed class MessagesThatWait : IDisposable
{
    private const string One = "whatsapp:+15550001111";
    private const string Other = "whatsapp:+15550002222";
    private const string Id = "US.13491208655302741918";

    private static readonly ServerSecret Secret = new("a secret of the server"u8.ToArray());

    private readonly string _directory = Directory.CreateTempSubdirectory("guru-messages-").FullName;

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public void Are_the_next_processes_as_they_were_and_in_their_order()
    {
        ReceiveWhatsAppMessage[] written = [Message(1, One), Message(2, Other), Message(3, One)];
        using (var journal = Open())
        {
            foreach (var message in written)
            {
                journal.Keep(message);
                journal.Keep(message);
            }

            journal.Waiting.ShouldBe(written);
        }

        File.ReadAllBytes(Files().Single()).AsSpan().IndexOf(Encoding.UTF8.GetBytes(written[0].Body!)).ShouldBe(-1);
        using var next = Open();
        next.Waiting.ShouldBe(written);
        next.HasWaiting(Id).ShouldBeTrue();
        using (var third = Open())
        {
            third.Waiting.ShouldBeEmpty(); // They are a living process's.
        }

        Array.ForEach(written, next.Stored);
        next.HasWaiting(Id).ShouldBeFalse();
        Files().ShouldBeEmpty();
    }

    [Fact]
    public void Of_a_process_that_ends_later_are_taken_over_and_come_in_the_order_in_which_they_were_written()
    {
        using var next = Open();
        using (var journal = Open())
        {
            journal.Keep(Message(1, One));
            next.Keep(Message(2, One));
            journal.Keep(Message(3, One));
            next.TakeOver();
            next.Waiting.ShouldBe([Message(2, One)]);
        }

        next.TakeOver();
        next.Waiting.ShouldBe([Message(1, One), Message(2, One), Message(3, One)]);
        next.TakeOver();
        next.Waiting.Count.ShouldBe(3);
    }

    [Fact]
    public async Task Of_a_process_that_ends_later_go_with_the_person_who_may_be_known_by_nothing_else()
    {
        var one = CallerId.Of(CallerAddress.Parse(One), Secret.Value);
        using var next = Open();
        using (var journal = Open())
        {
            journal.Keep(Message(1, One));
            journal.Keep(Message(2, Other));
            next.HasOf(one).ShouldBeFalse();
        }

        next.HasOf(one).ShouldBeTrue();
        next.HasOf(CallerId.Of(CallerAddress.Parse(Id), Secret.Value)).ShouldBeTrue();
        await next.EraseAsync(new Erasure(one, Message(1, One).ReceivedAt!.Value), [], CancellationToken.None);
        next.Waiting.ShouldBe([Message(2, Other)]);
    }

    [Fact]
    public void Hold_up_nobody_when_the_database_refuses_them_and_are_tried_again_at_the_next_start()
    {
        using (var journal = Open())
        {
            journal.Keep(Message(1, One));
            journal.SetAside(Message(1, One));
            journal.HasWaiting(Id).ShouldBeFalse();
            journal.Waiting.ShouldBeEmpty();
        }

        using var next = Open();
        next.Waiting.ShouldBe([Message(1, One)]);
    }

    [Theory]
    [InlineData(One)]
    [InlineData(Id)]
    public async Task Go_with_the_person_whichever_id_is_erased(string erased)
    {
        using (var journal = Open())
        {
            journal.Keep(Message(1, One));
            journal.Keep(Message(2, Other));
            journal.Keep(Message(3, One));
            journal.Stored(Message(1, One));
            journal.Keep(Message(4, One));
            await journal.EraseAsync(
                new Erasure(CallerId.Of(CallerAddress.Parse(erased), Secret.Value), Message(3, One).ReceivedAt!.Value), [], CancellationToken.None);
            journal.Waiting.ShouldBe([Message(2, Other), Message(4, One)]);
        }

        using var next = Open();
        next.Waiting.ShouldBe([Message(2, Other), Message(4, One)]);
    }

    [Fact]
    public void Leave_the_disk_when_they_are_stored_though_another_was_refused()
    {
        using (var journal = Open())
        {
            journal.Keep(Message(1, One));
            journal.Keep(Message(2, Other));
            journal.SetAside(Message(1, One));
            journal.Stored(Message(2, Other));
        }

        using var next = Open();
        next.Waiting.ShouldBe([Message(1, One)]);
    }

    [Fact]
    public async Task Are_not_held_up_by_a_file_that_cannot_be_read_which_the_next_erasing_names()
    {
        var damaged = Path.Combine(Directory.CreateDirectory(Path.Combine(_directory, "journal")).FullName, "0.messages");
        await File.WriteAllBytesAsync(damaged, new byte[100]);
        using var journal = Open();
        journal.Keep(Message(1, One));

        await journal.EraseAsync(new Erasure(CallerId.Of(CallerAddress.Parse(Other), Secret.Value), DateTimeOffset.MaxValue), [], CancellationToken.None);

        journal.Waiting.ShouldBe([Message(1, One)]);
        journal.Unread.ShouldBe(["0.messages.unreadable"]);
    }

    [Fact]
    public async Task Are_taken_over_as_soon_as_a_file_can_be_read_that_could_not_for_a_while()
    {
        var log = new KeptLog<MessageJournal>();
        using var next = Open(log: log);
        using (var journal = Open())
        {
            journal.Keep(Message(1, One));
        }

        var file = Files().Single();
        var erasure = new Erasure(CallerId.Of(CallerAddress.Parse(Other), Secret.Value), DateTimeOffset.MaxValue);
        using (new FileOutOfReach(file))
        {
            next.TakeOver();
            next.Waiting.ShouldBeEmpty();
            await Should.ThrowAsync<IOException>(async () => await next.EraseAsync(erasure, [], CancellationToken.None));
            next.Unread.ShouldBe([Path.GetFileName(file)]);
            log.Lines.ShouldHaveSingleItem().ShouldContain("cannot be used now");
        }

        next.TakeOver();
        next.TakeOver();
        next.Waiting.ShouldBe([Message(1, One)]);
        await next.EraseAsync(erasure, [], CancellationToken.None);
        next.Unread.ShouldBeEmpty();
        log.Lines.Count.ShouldBe(2, string.Join('\n', log.Lines)); // That it was taken over.
    }

    [Fact]
    public void Are_told_of_in_the_log_when_one_is_damaged()
    {
        using (var journal = Open())
        {
            journal.Keep(Message(1, One));
            journal.Keep(Message(2, One));
        }

        using (var file = File.OpenWrite(Files().Single()))
        {
            file.Write(new byte[100]);
        }

        var log = new KeptLog<MessageJournal>();
        using var next = Open(log: log);
        next.Waiting.ShouldBe([Message(2, One)]);
        log.Lines.ShouldContain(line => line.Contains("are damaged", StringComparison.Ordinal));
    }

    [Fact]
    public void Make_room_when_they_are_stored_though_another_waits_on()
    {
        using (var journal = Open(new JournalOptions { MaxBytes = 4096 }))
        {
            journal.Keep(Message(1, Other));
            for (var number = 2; number < 50; number++)
            {
                journal.Keep(Message(number, One));
                journal.Stored(Message(number, One));
            }

            journal.Waiting.ShouldBe([Message(1, Other)]);
        }

        using var next = Open();
        next.Waiting.ShouldContain(Message(1, Other));
    }

    [Fact]
    public void Are_so_many_at_most()
    {
        using var journal = Open(new JournalOptions { MostMessages = 2 });
        journal.Keep(Message(1, One));
        journal.Keep(Message(2, One));
        Should.Throw<IOException>(() => journal.Keep(Message(3, One)));
        journal.Stored(Message(1, One));
        journal.Keep(Message(3, One));
    }

    private static ReceiveWhatsAppMessage Message(int number, string from) => new(
        $"SM{number:D32}", from, "Ama", $"My rent went up, {number}", "text", ButtonText: null, "https://api.twilio.test/media", "audio/ogg", Latitude: null, Longitude: null, Place: null,
        ExternalUserId: from == One ? Id : null)
    {
        ReceivedAt = new DateTimeOffset(2026, 11, 27, 12, 0, number, TimeSpan.Zero),
    };

    private MessageJournal Open(JournalOptions? options = null, ILogger<MessageJournal>? log = null) =>
        new(_directory, Secret, options ?? new JournalOptions(), log ?? NullLogger<MessageJournal>.Instance);

    private string[] Files() => Directory.GetFiles(Path.Combine(_directory, "journal"));
}
