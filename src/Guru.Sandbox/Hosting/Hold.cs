namespace Guru.Sandbox.Hosting;

/// <summary>Requests that are held until they are let go, or who sent them is gone.</summary>
public sealed class Hold
{
    private readonly Lock _gate = new();
    private readonly List<(int Count, TaskCompletionSource Reached)> _waiting = [];
    private readonly TaskCompletionSource _letGo = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _held;

    /// <summary>So many requests have come to be held.</summary>
    /// <exception cref="TimeoutException">They did not come in time (30 s unless told otherwise).</exception>
    public Task WaitAsync(int count = 1, TimeSpan? atMost = null)
    {
        var reached = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_gate)
        {
            _waiting.Add((count, reached));
        }

        Tell();
        return reached.Task.WaitAsync(atMost ?? TimeSpan.FromSeconds(30));
    }

    /// <summary>Those that are held, and all that come later, go on.</summary>
    public void LetGo() => _letGo.TrySetResult();

    /// <returns>False: whoever sent it is gone.</returns>
    internal async Task<bool> HoldAsync(CancellationToken gone)
    {
        lock (_gate)
        {
            _held++;
        }

        Tell();
        await _letGo.Task.WaitAsync(gone).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return !gone.IsCancellationRequested;
    }

    private void Tell()
    {
        lock (_gate)
        {
            foreach (var (_, reached) in _waiting.Where(waiting => waiting.Count <= _held))
            {
                reached.TrySetResult();
            }
        }
    }
}
