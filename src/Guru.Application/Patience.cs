namespace Guru.Application;

/// <summary>Waits no longer than a limit, also for work that does not heed its cancellation at once.</summary>
public static class Patience
{
    /// <summary>A limit met later than this tells of a busy machine, not of slow work: that has its time once more.</summary>
    private static readonly TimeSpan Stall = TimeSpan.FromMilliseconds(150);

    /// <exception cref="TimeoutException">The limit is reached; the work is told to stop, and its outcome is of no interest any more.</exception>
    public static async Task<T> LimitAsync<T>(
        Func<CancellationToken, Task<T>> work, TimeSpan limit, TimeProvider time, CancellationToken cancellationToken)
    {
        var over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var task = work(over.Token);
        try
        {
            return await WaitAsync(task, limit, time, cancellationToken);
        }
        finally
        {
            // Not waited for: of a database that hangs, Npgsql asks in here that each command be cancelled, and waits 2 s for an answer.
            _ = LetGoAsync(over, task);
        }
    }

    private static async Task<T> WaitAsync<T>(Task<T> work, TimeSpan limit, TimeProvider time, CancellationToken cancellationToken)
    {
        var since = time.GetTimestamp();
        var reached = new TaskCompletionSource<TimeSpan>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var timer = time.CreateTimer(_ => reached.TrySetResult(time.GetElapsedTime(since)), state: null, limit, Timeout.InfiniteTimeSpan);
        await Task.WhenAny(work, reached.Task).WaitAsync(cancellationToken);

        // Where this process stood still, what the work waits for may be there to be read.
        var isLate = reached.Task.IsCompleted && await reached.Task > limit + Stall;
        return await work.WaitAsync(isLate ? limit : TimeSpan.Zero, time, cancellationToken);
    }

    private static async Task LetGoAsync(CancellationTokenSource over, Task work)
    {
        if (!work.IsCompleted)
        {
            await over.CancelAsync().ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await work.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        over.Dispose();
    }
}
