using Guru.Application.Calling;
using Guru.Application.Calls;
using Guru.Application.Conversations;
using Guru.Application.Voice;
using Guru.Domain.Callers;
using Guru.Domain.Calls;
using Guru.Infrastructure.Postgres;
using Guru.Infrastructure.Tests.Postgres;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Shouldly;

namespace Guru.Infrastructure.Tests.Calling;

/// <summary>Calls that have no end on record, found in a real database. The carrier's own part is in the end-to-end tests.</summary>
[Collection(PostgresCollection.Name)]
public sealed class EndsNobodyHeard(PostgresFixture postgres) : OnADatabase(postgres)
{
    private static readonly CallerId Ama = CallerId.Parse("0123456789abcdef0123456789abcdef");
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);

    /// <summary>Seconds; no call lasts as long.</summary>
    private static readonly int Longest = (int)new CallRules().MaxDurationSeconds + 120;

    [Fact]
    public async Task Are_looked_for_among_the_calls_of_which_nothing_was_recorded_for_a_while()
    {
        var (over, speaking, quiet, quieter, browser) = (Sid('1'), Sid('2'), Sid('3'), Sid('4'), CallSid.Parse($"rtc_{new string('5', 32)}"));
        foreach (var call in (CallSid[])[quieter, quiet, speaking, over, browser])
        {
            await StartAsync(call);
        }

        await new CallLog(_database.Store, over).AppendAsync(new EndCall(CallEndReason.AgentEnded, Now), default);
        await SilentAsync(over, 90);
        await SilentAsync(quiet, 90);
        await SilentAsync(browser, 90);
        await SilentAsync(quieter, 120);

        var found = await FindAsync();

        found.ShouldBe([quiet, quieter], ignoreOrder: true);
        (await FindAsync(limit: 1)).ShouldHaveSingleItem();
    }

    [Fact]
    public async Task Are_taken_for_the_loss_of_the_stream_where_nobody_can_tell_and_no_call_lasts_as_long()
    {
        var (browser, unknown, young) = (CallSid.Parse($"rtc_{new string('5', 32)}"), Sid('6'), Sid('7'));
        foreach (var call in (CallSid[])[browser, unknown, young])
        {
            await StartAsync(call, call == young ? 90 : Longest);
            await SilentAsync(call, call == browser ? Longest : 90); // Facts may have been appended long after they were.
        }

        using var ends = Ends(new Carrier());
        await ends.StartAsync(default);
        foreach (var call in (CallSid[])[browser, unknown])
        {
            var ended = await EndAsync(call);
            ended.Reason.ShouldBe(CallEndReason.StreamLost);
            ended.At.ShouldBe(Now - TimeSpan.FromSeconds(Longest), tolerance: Minute);
        }

        await ends.StopAsync(default);
        (await FindAsync()).ShouldBe([young]);
    }

    [Fact]
    public async Task Of_calls_that_never_began_and_nobody_knows_are_failures()
    {
        var call = Sid('a');
        await new CallLog(_database.Store, call).AppendAsync(
            new RecordStatus(new CallStatusChanged(CallStatus.Ringing, call, Ama, CallDirection.Outbound, DurationSeconds: null, ErrorCode: null, Now - TimeSpan.FromSeconds(Longest))), default);
        await SilentAsync(call, 90);

        using var ends = Ends(new Carrier());
        await ends.StartAsync(default);

        (await EndAsync(call)).Reason.ShouldBe(CallEndReason.Failed);
        await ends.StopAsync(default);
    }

    [Fact]
    public async Task Of_one_call_do_not_wait_for_another_that_the_carrier_refuses_to_tell_of()
    {
        var (refused, unknown) = (Sid('8'), Sid('9'));
        await StartAsync(unknown, Longest);
        await StartAsync(refused, Longest);
        await SilentAsync(refused, 90);
        await SilentAsync(unknown, 90);

        using var ends = Ends(new Carrier { Refuses = refused });
        await ends.StartAsync(default);

        await EndAsync(unknown);
        await ends.StopAsync(default);
        (await new CallLog(_database.Store, refused).ReadAsync(default)).OfType<CallEnded>().ShouldBeEmpty();
    }

    private Task<IReadOnlyList<CallSid>> FindAsync(int limit = 10) => new QuietCalls(_database.DataSource).FindAsync(Minute, 2 * Minute, limit, default);

    private static DateTimeOffset Now => TimeProvider.System.GetUtcNow();

    private static CallSid Sid(char digit) => CallSid.Parse($"CA{new string(digit, 32)}");

    private UnheardEnds Ends(ICallCarrier carrier) => new(
        new QuietCalls(_database.DataSource), carrier, mediator: null!, _database.Store, Options.Create(new CallRules { QuietSeconds = 0.05 }), TimeProvider.System,
        NullLogger<UnheardEnds>.Instance);

    private Task StartAsync(CallSid call, int secondsAgo = 0) => new CallLog(_database.Store, call).AppendAsync(
        new StartCall(call, Ama, "+233201234567", call.IsWebapp ? CallChannel.Webapp : CallChannel.Whatsapp, CallDirection.Inbound, "en", "hash", "general", "Nothing tells yet.", Now - TimeSpan.FromSeconds(secondsAgo), Refusal: null), default);

    /// <summary>As if nothing had been recorded of it for so long.</summary>
    private Task SilentAsync(CallSid call, int seconds) => _database.ExecuteAsync(
        $"update events.mt_streams set \"timestamp\" = now() - interval '{seconds} seconds' where id = '{Call.StreamId(call)}'");

    private async Task<CallEnded> EndAsync(CallSid call)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        while (true)
        {
            if ((await new CallLog(_database.Store, call).ReadAsync(limit.Token)).OfType<CallEnded>().SingleOrDefault() is { } ended)
            {
                return ended;
            }
        }
    }

    /// <summary>A carrier that knows no call.</summary>
    private sealed class Carrier : ICallCarrier
    {
        public CallSid? Refuses { get; init; }

        public Task<CallSid> PlaceAsync(CallerAddress to, CancellationToken cancellationToken) => throw new NotSupportedException();

        public Task<IReadOnlyList<CallSid>> FindPlacedAsync(CallerAddress to, DateTimeOffset since, CancellationToken cancellationToken) => throw new NotSupportedException();

        public Task<RecordCallStatus?> TellAsync(CallSid callSid, CancellationToken cancellationToken) =>
            callSid == Refuses ? throw new MessengerException(20003, transient: false) : Task.FromResult<RecordCallStatus?>(null);
    }
}
