namespace Guru.Application;

/// <summary>Waits no longer than a limit, also for work that does not heed its cancellation at once.</summary>
public static class Patience
{
    /// <exception cref="TimeoutException">The limit is reached; the work is told to stop, and its outcome is of no interest any more.</exception>
    public static async Task<T> LimitAsync<T>(
        Func<CancellationToken, Task<T>> work, TimeSpan limit, TimeProvider time, CancellationToken cancellationToken)
    {
        var over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var task = work(over.Token);
        try
        {
            return await task.WaitAsync(limit, time, cancellationToken);
        }
        finally
        {
            // Not waited for: of a database that hangs, Npgsql asks in here that each command be cancelled, and waits 2 s for an answer.
            _ = LetGoAsync(over, task);
        }
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
