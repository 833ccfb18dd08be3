using Guru.Application.Calls;
using Guru.Application.Tests.Voice;
using Guru.Domain.Calls;
using Microsoft.Extensions.Logging.Abstractions;
using Shouldly;

namespace Guru.Application.Tests.Calls;

public sealed class RecoveringFacts
{
    private readonly House _house = new();

    [Fact]
    public async Task Goes_on_while_the_process_lives_so_that_what_could_not_be_read_at_its_start_is_on_record()
    {
        using var recovery = new JournalRecovery(_house.Journal, _house.Switchboard, _house.Time, NullLogger<JournalRecovery>.Instance);
        await recovery.StartAsync(CancellationToken.None);
        await ManualTime.UntilAsync(() => _house.Journal.Looks == 1);
        var left = new Left(new RecordStatus(new CallStatusChanged(
            CallStatus.Completed, House.CallSid, CallerId: null, CallDirection.Inbound, DurationSeconds: 12, ErrorCode: null, ManualTime.Start)));
        _house.Journal.Left = [left];

        _house.Time.Jump(TimeSpan.FromSeconds(15));
        await ManualTime.UntilAsync(() => left.IsDisposed);
        _house.Store.Of<CallStatusChanged>().ShouldHaveSingleItem();
        left.IsDeleted.ShouldBeTrue();
        await recovery.StopAsync(CancellationToken.None);
    }

    [Fact]
    public async Task Lets_go_of_all_that_was_left_where_it_ends_before_the_database_is_back()
    {
        using var recovery = new JournalRecovery(_house.Journal, _house.Switchboard, _house.Time, NullLogger<JournalRecovery>.Instance);
        var fact = new RecordStatus(new CallStatusChanged(
            CallStatus.Completed, House.CallSid, CallerId: null, CallDirection.Inbound, DurationSeconds: 12, ErrorCode: null, ManualTime.Start));
        Left[] left = [new(fact), new(fact)];
        (_house.Journal.Left, _house.Store.IsDown) = (left, true);
        await recovery.StartAsync(CancellationToken.None);
        await ManualTime.UntilAsync(() => _house.Store.Attempts > 0);

        await recovery.StopAsync(CancellationToken.None);
        left.ShouldAllBe(journal => journal.IsDisposed && !journal.IsDeleted);
    }

    private sealed class Left(CallCommand fact) : ILeftJournal
    {
        private volatile bool _isDisposed;

        public bool IsDeleted { get; private set; }

        public bool IsDisposed => _isDisposed;

        public IReadOnlyList<(CallSid CallSid, CallCommand Fact)> Facts { get; } = [(House.CallSid, fact)];

        public void Delete() => IsDeleted = true;

        public void Dispose() => _isDisposed = true;
    }
}
