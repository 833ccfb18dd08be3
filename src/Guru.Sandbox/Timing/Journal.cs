using System.Runtime.CompilerServices;

namespace Guru.Sandbox.Timing;

/// <summary>What happened, in order, and a way to wait for what is going to.</summary>
public sealed class Journal<T>
{
    readonly Lock _gate = new();
    readonly List<T> _entries = [];
    Action<T>? _told;
    readonly List<(Func<T, bool> Wanted, TaskCompletionSource<T> Found)> _waiting = [];

    public IReadOnlyList<T> Entries
    {
        get
        {
            lock (_gate)
            {
                return [.. _entries];
            }
        }
    }

    public IReadOnlyList<TEntry> Of<TEntry>()
        where TEntry : T => [.. Entries.OfType<TEntry>()];

    /// <summary>Tells of every entry, past and future, once and in order; who listens must be quick.</summary>
    public void Follow(Action<T> told)
    {
        lock (_gate)
        {
            foreach (var entry in _entries)
            {
                told(entry);
            }

            _told += told;
        }
    }

    public void Add(T entry)
    {
        lock (_gate)
        {
            _entries.Add(entry);
            _told?.Invoke(entry);
            for (var i = _waiting.Count - 1; i >= 0; i--)
            {
                if (_waiting[i].Wanted(entry))
                {
                    _waiting[i].Found.TrySetResult(entry);
                    _waiting.RemoveAt(i);
                }
            }
        }
    }

    /// <summary>As if it had not happened: for runs that are too long for everything to be kept.</summary>
    public void Forget(T entry)
    {
        lock (_gate)
        {
            _entries.Remove(entry);
        }
    }

    /// <summary>The first entry that is wanted, be it past or future.</summary>
    /// <param name="what">For the message, if it does not come.</param>
    /// <exception cref="TimeoutException">It did not come in time (30 s unless told otherwise).</exception>
    public async Task<T> WaitAsync(
        Func<T, bool> wanted, TimeSpan? atMost = null, CancellationToken cancellationToken = default, [CallerArgumentExpression(nameof(wanted))] string? what = null)
    {
        var limit = atMost ?? TimeSpan.FromSeconds(30);
        var found = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_gate)
        {
            foreach (var entry in _entries)
            {
                if (wanted(entry))
                {
                    return entry;
                }
            }

            _waiting.Add((wanted, found));
        }

        try
        {
            return await found.Task.WaitAsync(limit, cancellationToken);
        }
        catch (TimeoutException late)
        {
            throw new TimeoutException(
                $"It did not happen within {limit.TotalSeconds:0.###} s: a {typeof(T).Name} with {what}. What did: {string.Join(" | ", Entries.TakeLast(40))}", late);
        }
    }

    public async Task<TEntry> WaitAsync<TEntry>(
        Func<TEntry, bool>? wanted = null, TimeSpan? atMost = null, CancellationToken cancellationToken = default,
        [CallerArgumentExpression(nameof(wanted))] string? what = null)
        where TEntry : T =>
        (TEntry)(await WaitAsync(entry => entry is TEntry of && (wanted?.Invoke(of) ?? true), atMost, cancellationToken, $"{typeof(TEntry).Name} {what}".Trim()))!;
}
