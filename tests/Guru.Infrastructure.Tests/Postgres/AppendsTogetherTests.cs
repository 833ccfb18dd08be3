using Guru.Application;
using Guru.Domain.Callers;
using Guru.Domain.Calls;
using Guru.Infrastructure.Postgres;
using Npgsql;
using Shouldly;

namespace Guru.Infrastructure.Tests.Postgres;

/// <summary>Who goes with whom, over a database that is held back by hand.</summary>
public sealed class AppendsTogetherTests
{
    private static readonly CallerId Caller = CallerId.New();
    private readonly List<Transaction> _begun = [];
    private readonly LateTime _time = new();
    private readonly List<Task<long>> _held = [];
    private readonly AppendsTogether _appends;

    public AppendsTogetherTests() => _appends = new AppendsTogether(
        (appends, cancellationToken) =>
        {
            var transaction = new Transaction([.. appends.Select(append => append.StreamId)], cancellationToken);
            lock (_begun)
            {
                _begun.Add(transaction);
            }

            return transaction.Done.Task;
        },
        _time);

    [Fact]
    public async Task Who_finds_a_lane_free_goes_at_once_and_alone()
    {
        var (one, other) = (AppendAsync("a"), AppendAsync("b"));

        Begun.ShouldBe(["a", "b"]);
        _begun[0].Done.SetResult([3]);
        _begun[1].Done.SetResult([5]);
        (await one, await other).ShouldBe((3, 5));
    }

    [Fact]
    public async Task Those_that_wait_go_together_in_the_order_of_their_streams_and_each_has_its_own_version()
    {
        HoldLanes();
        var (e, d, c) = (AppendAsync("e"), AppendAsync("d"), AppendAsync("c"));

        await LetGoAsync(0);

        Begun.ShouldBe(["held0", "held1", "c d e"]);
        _begun[2].Done.SetResult([3, 4, 5]);
        (await c, await d, await e).ShouldBe((3, 4, 5));
    }

    [Fact]
    public async Task Of_a_stream_one_is_under_way_at_a_time_and_their_order_stays()
    {
        HoldLanes();
        var first = AppendAsync("a");
        var (second, other) = (AppendAsync("a"), AppendAsync("b"));

        await LetGoAsync(0);
        await LetGoAsync(1);
        var free = AppendAsync("z"); // There is a lane for it, since the second one of the stream still waits for the first.
        Begun.ShouldBe(["held0", "held1", "a b", "z"]);
        _begun[2].Done.SetResult([1, 1]);
        await BegunAsync(5);
        Begun[4].ShouldBe("a");
        _begun[4].Done.SetResult([2]);
        _begun[3].Done.SetResult([9]);

        (await first, await second, await other, await free).ShouldBe((1, 2, 1, 9));
    }

    [Fact]
    public async Task Of_a_caller_one_is_under_way_at_a_time()
    {
        HoldLanes();
        var (one, other) = (AppendAsync("a", Caller), AppendAsync("b", Caller));

        await LetGoAsync(0);
        await LetGoAsync(1);
        var free = AppendAsync("z");
        Begun.ShouldBe(["held0", "held1", "a", "z"]);
        _begun[2].Done.SetResult([1]);
        await BegunAsync(5);
        _begun[4].Done.SetResult([2]);
        _begun[3].Done.SetResult([9]);

        (await one, await other, await free).ShouldBe((1, 2, 9));
    }

    [Theory]
    [InlineData("22001")]
    [InlineData("57014")]
    [InlineData("XX001")]
    public async Task When_they_fail_together_each_goes_alone_and_has_an_answer_of_its_own(string sqlState)
    {
        HoldLanes();
        var (good, bad) = (AppendAsync("a"), AppendAsync("b"));
        await LetGoAsync(0);

        _begun[2].Done.SetException(Told(sqlState));
        await BegunAsync(4);
        await LetGoAsync(1);
        await BegunAsync(5);
        Begun.Skip(3).Order().ShouldBe(["a", "b"]);
        _begun.Skip(3).Single(transaction => transaction.Streams is ["a"]).Done.SetResult([7]);
        _begun.Skip(3).Single(transaction => transaction.Streams is ["b"]).Done.SetException(Told("GU001"));

        (await good).ShouldBe(7);
        (await Should.ThrowAsync<PostgresException>(bad)).SqlState.ShouldBe("GU001");
    }

    [Fact]
    public async Task When_many_fail_together_they_go_again_through_the_lanes_before_those_that_came_later()
    {
        HoldLanes();
        using var cancelled = new CancellationTokenSource();
        var failing = Enumerable.Range(0, 10).Select(number => $"s{number}").ToList();
        var appends = failing.ConvertAll(stream => AppendAsync(stream, cancellationToken: stream == "s9" ? cancelled.Token : default));
        await LetGoAsync(0);
        var later = AppendAsync("s5"); // Behind the one before it on the same stream.
        var last = AppendAsync("z");
        _begun[2].Done.SetException(Told("22001"));
        await BegunAsync(4);
        await LetGoAsync(1);
        await BegunAsync(5);
        await cancelled.CancelAsync();
        await Should.ThrowAsync<OperationCanceledException>(appends[9]);

        // Never more than two: each that ends lets the next one begin.
        for (var number = 0; number < 9; number++)
        {
            await BegunAsync(5 + number);
            Begun.Count.ShouldBe(5 + number);
            _begun[3 + number].Done.SetResult([1]);
        }

        Begun.Skip(3).Take(9).ShouldBe(failing.Take(9));
        Begun[12].ShouldBe("s5 z");
        _begun[12].Done.SetResult([2, 9]);
        await Task.WhenAll(appends.Take(9));
        (await later, await last).ShouldBe((2, 9));
    }

    [Theory]
    [InlineData("53100", "ERROR")]
    [InlineData("58030", "ERROR")]
    [InlineData("57P01", "FATAL")]
    [InlineData("22001", "FATAL")]
    public async Task What_is_the_servers_failure_is_told_to_all_and_nobody_tries_again(string sqlState, string severity)
    {
        HoldLanes();
        var (one, other) = (AppendAsync("a"), AppendAsync("b"));
        await LetGoAsync(0);
        var error = Told(sqlState, severity);

        _begun[2].Done.SetException(error);

        (await Should.ThrowAsync<PostgresException>(one)).ShouldBeSameAs(error);
        (await Should.ThrowAsync<PostgresException>(other)).ShouldBeSameAs(error);
        _begun.Count.ShouldBe(3);
    }

    /// <summary>It may be stored: who appended it has to look.</summary>
    [Fact]
    public async Task When_the_connection_is_lost_nobody_tries_again()
    {
        HoldLanes();
        var (one, other) = (AppendAsync("a"), AppendAsync("b"));
        await LetGoAsync(0);

        _begun[2].Done.SetException(new NpgsqlException("gone", new IOException()));

        await Should.ThrowAsync<NpgsqlException>(one);
        await Should.ThrowAsync<NpgsqlException>(other);
        _begun.Count.ShouldBe(3);
    }

    [Fact]
    public async Task Who_is_cancelled_while_waiting_goes_away_and_the_others_go_on()
    {
        HoldLanes();
        using var cancelled = new CancellationTokenSource();
        var (gone, stays) = (AppendAsync("a", cancellationToken: cancelled.Token), AppendAsync("b"));

        await cancelled.CancelAsync();
        await Should.ThrowAsync<OperationCanceledException>(gone);
        await LetGoAsync(0);
        Begun.ShouldBe(["held0", "held1", "b"]);
        _begun[2].Done.SetResult([1]);

        (await stays).ShouldBe(1);
        await Should.ThrowAsync<OperationCanceledException>(AppendAsync("c", cancellationToken: cancelled.Token));
    }

    [Fact]
    public async Task What_has_begun_together_is_not_stopped_for_one_of_them()
    {
        HoldLanes();
        using var cancelled = new CancellationTokenSource();
        var (one, other) = (AppendAsync("a", cancellationToken: cancelled.Token), AppendAsync("b"));
        await LetGoAsync(0);

        await cancelled.CancelAsync();
        _begun[2].Cancellation.IsCancellationRequested.ShouldBeFalse();
        _begun[2].Done.SetResult([1, 2]);

        (await one, await other).ShouldBe((1, 2));
    }

    [Fact]
    public async Task What_has_begun_alone_is_cancelled_as_its_caller_wishes()
    {
        using var cancelled = new CancellationTokenSource();
        var alone = AppendAsync("a", cancellationToken: cancelled.Token);

        await cancelled.CancelAsync();
        _begun[0].Cancellation.IsCancellationRequested.ShouldBeTrue();
        _begun[0].Done.SetCanceled(cancelled.Token);

        await Should.ThrowAsync<OperationCanceledException>(alone);
    }

    [Fact]
    public async Task What_takes_long_leaves_its_lane_to_the_next()
    {
        HoldLanes();
        var (one, same) = (AppendAsync("a"), AppendAsync("held0"));

        _time.Pass();
        await BegunAsync(3);
        Begun.ShouldBe(["held0", "held1", "a"]); // What the slow one writes to is still its own.
        await LetGoAsync(0);
        _begun[2].Done.SetResult([1]);
        _begun[3].Done.SetResult([2]);

        (await one, await same).ShouldBe((1, 2));
    }

    [Fact]
    public async Task No_more_go_together_than_is_quickly_done()
    {
        HoldLanes();
        var many = Enumerable.Range(0, 40).Select(number => AppendAsync($"s{number}")).ToList();
        var large = AppendAsync("large", length: 300 * 1024);
        var last = AppendAsync("last");

        await LetGoAsync(0);
        _begun[2].Streams.Length.ShouldBe(32);
        _begun[2].Done.SetResult([.. Enumerable.Repeat(1L, 32)]);
        await BegunAsync(4);
        _begun[3].Streams.Length.ShouldBe(8);
        _begun[3].Done.SetResult([.. Enumerable.Repeat(1L, 8)]);
        await BegunAsync(5);
        Begun[4].ShouldBe("large");
        _begun[4].Done.SetResult([1]);
        await BegunAsync(6);
        Begun[5].ShouldBe("last");
        _begun[5].Done.SetResult([1]);

        await Task.WhenAll([.. many, large, last]);
    }

    private List<string> Begun
    {
        get
        {
            lock (_begun)
            {
                return _begun.ConvertAll(transaction => string.Join(' ', transaction.Streams));
            }
        }
    }

    /// <summary>Both.</summary>
    private void HoldLanes()
    {
        _held.AddRange(AppendAsync("held0"), AppendAsync("held1"));
    }

    /// <summary>Ends one that holds a lane; where it is the first, something takes its place.</summary>
    private async Task LetGoAsync(int number)
    {
        var next = Begun.Count + 1;
        _begun[number].Done.SetResult([1]);
        await _held[number];
        if (number == 0)
        {
            await BegunAsync(next);
        }
    }

    private async Task BegunAsync(int count)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        while (Begun.Count < count)
        {
            patience.Token.ThrowIfCancellationRequested();
            await Task.Yield();
        }
    }

    private Task<long> AppendAsync(string streamId, CallerId? owner = null, int length = 2, CancellationToken cancellationToken = default)
    {
        var type = EventTypes.Shipped.Of(new CallEnded(CallEndReason.Silence, DateTimeOffset.UnixEpoch));
        return _appends.AppendAsync(
            new ReadyAppend(streamId, ExpectedVersion.Any, owner, new WrittenEvents([new WrittenEvent(type, new string(' ', length))], []), []), cancellationToken);
    }

    private static PostgresException Told(string sqlState, string severity = "ERROR") => new("it failed", severity, severity, sqlState);

    private sealed record Transaction(string[] Streams, CancellationToken Cancellation)
    {
        public TaskCompletionSource<IReadOnlyList<long>> Done { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    /// <summary>Its timers fire when it is told that they are due.</summary>
    private sealed class LateTime : TimeProvider
    {
        private readonly List<Action> _timers = [];

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            lock (_timers)
            {
                _timers.Add(() => callback(state));
            }

            return System.CreateTimer(_ => { }, null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        }

        public void Pass() => _timers.ToList().ForEach(timer => timer());
    }
}
