namespace Guru.Application.Conversations;

/// <summary>What is done for one person is done one after the other, in the order in which it was asked for.</summary>
internal sealed class OneAfterAnother
{
    private readonly Dictionary<string, Task> _last = new(StringComparer.Ordinal);

    /// <summary>Waits until what was asked for before is done.</summary>
    /// <returns>To be disposed when it is the next one's turn.</returns>
    public async Task<IDisposable> TakeAsync(string person)
    {
        var turn = new Turn(this, person);
        Task? before;
        lock (_last)
        {
            _last.TryGetValue(person, out before);
            _last[person] = turn.Over;
        }

        await (before ?? Task.CompletedTask);
        return turn;
    }

    private sealed class Turn(OneAfterAnother all, string person) : IDisposable
    {
        private readonly TaskCompletionSource _over = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task Over => _over.Task;

        public void Dispose()
        {
            lock (all._last)
            {
                if (all._last.GetValueOrDefault(person) == Over)
                {
                    all._last.Remove(person);
                }
            }

            _over.TrySetResult();
        }
    }
}
