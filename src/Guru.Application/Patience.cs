namespace Guru.Application;

/// <summary>Waits no longer than a limit, also for work that does not heed its cancellation at once.</summary>
internal static class Patience
{
    /// <exception cref="TimeoutException">The limit is reached; the work is told to stop, and its outcome is of no interest any more.</exception>
    public static async Task<T> LimitAsync<T>(
        Func<CancellationToken, Task<T>> work, TimeSpan limit, TimeProvider time, CancellationToken cancellationToken)
    {
        using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var task = work(over.Token);
        try
        {
            return await task.WaitAsync(limit, time, cancellationToken);
        }
        catch (Exception) when (!task.IsCompleted)
        {
            await over.CancelAsync();
            _ = task.ContinueWith(static late => late.Exception, CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted, TaskScheduler.Default);
            throw;
        }
    }
}
