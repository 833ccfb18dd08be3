namespace Guru.Application.Tests;

/// <summary>A clock that stands still until it is told to move; timers fire on the thread that moves it.</summary>
internal sealed class ManualTime : TimeProvider
{
    private readonly Lock _gate = new();
    private readonly List<ManualTimer> _timers = [];
    private TimeSpan _now;

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

    /// <summary>Moves the clock at once.</summary>
    public void Jump(TimeSpan time) => Advance(time);

    /// <summary>Moves the clock in steps of 10 ms, with a breath for what each step sets going.</summary>
    public async Task PassAsync(TimeSpan time)
    {
        var step = TimeSpan.FromMilliseconds(10);
        for (var left = time; left > TimeSpan.Zero; left -= step)
        {
            Advance(left < step ? left : step);
            await Task.Yield();
        }
    }

    /// <summary>Moves the clock until something holds, at most by so much; other threads then get time of their own.</summary>
    public async Task PassUntilAsync(Func<bool> holds, TimeSpan? atMost = null)
    {
        var limit = Read() + (atMost ?? TimeSpan.FromMinutes(5));
        while (!holds() && Read() <= limit)
        {
            Advance(TimeSpan.FromMilliseconds(10));
            await BreatheAsync();
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

    private static async Task BreatheAsync()
    {
        for (var i = 0; i < 20; i++)
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
