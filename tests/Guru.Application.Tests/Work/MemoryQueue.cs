using Guru.Application.Work;
using Guru.Domain.Callers;

namespace Guru.Application.Tests.Work;

/// <summary>A to-do list in memory, by the test's clock, with the database's rules.</summary>
internal sealed class MemoryQueue(TimeProvider time) : IWorkQueue
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, Row> _rows = [];

    /// <summary>What happened to the items, in order: a word, and how often it had failed.</summary>
    public List<string> Told { get; } = [];

    /// <summary>Until it is taken away: another node has every item.</summary>
    public bool IsTaken { get; set; }

    public string? LastError { get; private set; }

    public bool IsEmpty
    {
        get
        {
            lock (_gate)
            {
                return _rows.Count == 0;
            }
        }
    }

    /// <summary>Nobody works on anything.</summary>
    public bool IsIdle
    {
        get
        {
            lock (_gate)
            {
                return _rows.Values.All(row => row.LeaseUntil is null);
            }
        }
    }

    /// <summary>The event that asks for it has happened.</summary>
    public void Add(CallerId callerId, string kind = WorkItem.Reply, int attempts = 0)
    {
        lock (_gate)
        {
            var id = $"{kind}:{callerId}";
            _rows[id] = _rows.TryGetValue(id, out var row)
                ? row with { Item = row.Item with { Round = row.Item.Round + 1 } }
                : new Row(new WorkItem(id, kind, callerId, callerId.Value, attempts, Intent: null, IntentAt: null, Round: 1, Guid.Empty), time.GetUtcNow(), LeaseUntil: null);
        }
    }

    /// <summary>As when a node had died with it: the lease is over.</summary>
    public void Expire() => Change(row => row with { LeaseUntil = row.LeaseUntil is null ? null : time.GetUtcNow(), DueAt = time.GetUtcNow() });

    /// <summary>As when the key of the words had been destroyed.</summary>
    public void Erase() => Change(row => row with { Item = row.Item with { Intent = null } });

    public Task<WorkItem?> ClaimAsync(TimeSpan lease, CancellationToken cancellationToken, params string[] except)
    {
        lock (_gate)
        {
            var now = time.GetUtcNow();
            if (_rows.Values.FirstOrDefault(row => row.DueAt <= now && !(row.LeaseUntil > now) && !except.Contains(row.Item.Kind)) is not { } row)
            {
                return Task.FromResult<WorkItem?>(null);
            }

            var item = row.Item with { Lease = Guid.NewGuid(), Attempts = row.Item.Attempts + (row.LeaseUntil is null ? 0 : 1) };
            _rows[item.Id] = row with { Item = item, LeaseUntil = now + lease };
            return Task.FromResult<WorkItem?>(item);
        }
    }

    public Task RenewAsync(WorkItem item, TimeSpan lease, CancellationToken cancellationToken) =>
        ChangeAsync(item, "renewed", row => row with { LeaseUntil = time.GetUtcNow() + lease });

    public Task SaveIntentAsync(WorkItem item, string? intent, TimeSpan lease, CancellationToken cancellationToken) => ChangeAsync(
        item, "saved", row => row with { Item = row.Item with { Intent = intent, IntentAt = intent is null ? null : time.GetUtcNow() }, LeaseUntil = time.GetUtcNow() + lease });

    public Task RetryAsync(WorkItem item, TimeSpan after, string error, CancellationToken cancellationToken)
    {
        LastError = error;
        return ChangeAsync(item, $"retry after {after.TotalSeconds} s", row => row with
        {
            Item = row.Item with { Attempts = row.Item.Attempts + 1, Lease = Guid.Empty }, DueAt = time.GetUtcNow() + after, LeaseUntil = null,
        });
    }

    public Task ReleaseAsync(WorkItem item, TimeSpan after, CancellationToken cancellationToken) =>
        ChangeAsync(item, $"released for {after.TotalSeconds} s", row => row with
        {
            Item = row.Item with { Lease = Guid.Empty }, DueAt = time.GetUtcNow() + after, LeaseUntil = null,
        });

    public Task CompleteAsync(WorkItem item, CancellationToken cancellationToken) => ChangeAsync(
        item, "completed", row => row.Item.Round == item.Round
            ? null
            : row with { Item = row.Item with { Attempts = 0, Intent = null, IntentAt = null, Lease = Guid.Empty }, DueAt = time.GetUtcNow(), LeaseUntil = null });

    public Task<IReadOnlyList<WorkCount>> CountAsync(CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            return Task.FromResult<IReadOnlyList<WorkCount>>(
                [.. _rows.Values.GroupBy(row => row.Item.Kind).Select(kind => new WorkCount(kind.Key, kind.Count(), time.GetUtcNow() - kind.Min(row => row.DueAt)))]);
        }
    }

    private Task ChangeAsync(WorkItem item, string told, Func<Row, Row?> change)
    {
        lock (_gate)
        {
            if (IsTaken || !_rows.TryGetValue(item.Id, out var row) || row.Item.Lease != item.Lease)
            {
                throw new LeaseLostException(item.Id);
            }

            Told.Add(told);
            if (change(row) is { } changed)
            {
                _rows[item.Id] = changed;
            }
            else
            {
                _rows.Remove(item.Id);
            }

            return Task.CompletedTask;
        }
    }

    private void Change(Func<Row, Row> change)
    {
        lock (_gate)
        {
            foreach (var id in _rows.Keys.ToList())
            {
                _rows[id] = change(_rows[id]);
            }
        }
    }

    private sealed record Row(WorkItem Item, DateTimeOffset DueAt, DateTimeOffset? LeaseUntil);
}
