namespace Guru.Application.Tests;

/// <summary>
/// A clock that stands still until it is told to move; timers fire on the thread that moves it. It does not run ahead of a thread that the machine
/// lets wait: it passes only while nothing is done, or left to be done, that the test has set going.
/// </summary>
/// <remarks>
/// What runs in the execution context in which the clock was made is the test's: all that the test calls, wherever it goes on, and nothing of
/// other tests. What waits for a thread of the pool is not told apart by test, so that the clock stands while anything does.
/// </remarks>
internal sealed class ManualTime : TimeProvider
{
    private static readonly AsyncLocal<Going?> Test = new(change =>
    {
        change.PreviousValue?.Leaves();
        change.CurrentValue?.Enters();
    });

    private static readonly TimeSpan Step = TimeSpan.FromMilliseconds(10);

    private readonly Going _going = Test.Value ?? new Going();
    private readonly Lock _gate = new();
    private readonly List<ManualTimer> _timers = [];
    private TimeSpan _now;

    public ManualTime() => Follow();

    /// <summary>Null where no clock was made before.</summary>
    public static Going? OfThisTest => Test.Value;

    public static DateTimeOffset Start { get; } = new(2026, 1, 2, 3, 4, 5, TimeSpan.Zero);

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override long GetTimestamp() => Read().Ticks;

    public override DateTimeOffset GetUtcNow() => Start + Read();

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = new ManualTimer(this, callback, state);
        timer.Change(dueTime, period);
        return timer;
    }

    /// <summary>What is set going from here on is the test's. To be called where the clock is a field of the test's class: what makes that runs in a context of its own.</summary>
    public void Follow() => Test.Value = _going;

    /// <summary>Moves the clock at once.</summary>
    public void Jump(TimeSpan time) => Advance(time);

    /// <summary>Moves the clock in steps of 10 ms, each when what the one before set going is done.</summary>
    public async Task PassAsync(TimeSpan time)
    {
        for (var left = time; left > TimeSpan.Zero; left -= Step)
        {
            await SettleAsync();
            Advance(left < Step ? left : Step);
        }

        await SettleAsync();
    }

    /// <summary>Moves the clock until something holds, at most by so much.</summary>
    public async Task PassUntilAsync(Func<bool> holds, TimeSpan? atMost = null)
    {
        var limit = Read() + (atMost ?? TimeSpan.FromMinutes(5));
        await SettleAsync();
        while (!holds() && Read() <= limit)
        {
            Advance(Step);
            await SettleAsync();
        }

        await UntilAsync(holds);
    }

    /// <summary>Waits for work on other threads that needs no time on this clock.</summary>
    public static async Task UntilAsync(Func<bool> holds)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        while (!holds())
        {
            limit.Token.ThrowIfCancellationRequested();
            await BreatheAsync();
        }
    }

    /// <summary>Waits until all that the test has set going waits for the clock, or for the test.</summary>
    private async Task SettleAsync()
    {
        // Looked at more than once: between the queue and its context a thread is in neither. Where time is up for something, it gets time to get there.
        var (since, most) = (Environment.TickCount64, IsSomethingDue() ? 4 : 2);
        for (var looks = 0; looks < most;)
        {
            await (looks < 2 ? BreatheAsync() : Task.Delay(1));
            looks = _going.IsQuiet && ThreadPool.PendingWorkItemCount == 0 ? looks + 1 : 0;
            if (Environment.TickCount64 - since > 20_000)
            {
                throw new TimeoutException($"Work goes on without waiting for the clock: {_going}, {ThreadPool.PendingWorkItemCount} pieces of work wait for a thread.");
            }
        }
    }

    private bool IsSomethingDue()
    {
        lock (_gate)
        {
            return _timers.Exists(timer => timer.Due <= _now + Step);
        }
    }

    private static async Task BreatheAsync()
    {
        for (var i = 0; i < 3; i++)
        {
            await Task.Yield();
        }
    }

    private TimeSpan Read()
    {
        lock (_gate)
        {
            return _now;
        }
    }

    private void Advance(TimeSpan by)
    {
        List<ManualTimer> due;
        lock (_gate)
        {
            _now += by;
            due = [.. _timers.Where(timer => timer.Due <= _now).OrderBy(timer => timer.Due)];
            due.ForEach(timer => timer.Due = null);
        }

        due.ForEach(timer => timer.Fire());
    }

    /// <summary>What goes on of one test.</summary>
    internal sealed class Going
    {
        private int _threads;
        private int _unread;

        /// <summary>Only the one that asks goes on.</summary>
        public bool IsQuiet => Volatile.Read(ref _threads) <= 1 && Volatile.Read(ref _unread) == 0;

        public void Enters() => Interlocked.Increment(ref _threads);

        public void Leaves() => Interlocked.Decrement(ref _threads);

        /// <summary>The test said something that is to be taken in; or, less than none, it was.</summary>
        public void Unread(int messages) => Interlocked.Add(ref _unread, messages);

        public override string ToString() => $"{_threads} threads, {_unread} messages to be read";
    }

    private sealed class ManualTimer(ManualTime time, TimerCallback callback, object? state) : ITimer
    {
        public TimeSpan? Due { get; set; }

        public void Fire() => callback(state);

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            lock (time._gate)
            {
                Due = dueTime < TimeSpan.Zero ? null : time._now + dueTime;
                time._timers.Remove(this);
                time._timers.Add(this);
                return true;
            }
        }

        public void Dispose()
        {
            lock (time._gate)
            {
                time._timers.Remove(this);
                Due = null;
            }
        }

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
