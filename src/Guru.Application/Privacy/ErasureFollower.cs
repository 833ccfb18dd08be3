using System.Collections.Concurrent;
using Guru.Domain.Callers;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Guru.Application.Privacy;

/// <summary>
/// What each node does about everybody who is erased, whichever node was asked: removes what it keeps of them itself, and puts them on its list
/// outside the database. Before it serves, it erases again who came back with an older backup. docs/privacy.md.
/// </summary>
public sealed partial class ErasureFollower(
    IErasures erasures, IErasureList list, IEnumerable<IPersonalStore> stores, TimeProvider time, ILogger<ErasureFollower> logger) : BackgroundService
{
    private static readonly TimeSpan BetweenLooks = TimeSpan.FromSeconds(15);

    /// <summary>Transactions may commit out of order.</summary>
    private static readonly TimeSpan Overlap = TimeSpan.FromMinutes(5);

    /// <summary>What this process has done its part about, or was done before it began. The list does not tell: another process on this machine may write to it, too.</summary>
    private readonly ConcurrentDictionary<Erasure, bool> _done = new();

    private DateTimeOffset _seen = DateTimeOffset.MinValue + Overlap;
    private volatile bool _removed;

    public override async Task StartAsync(CancellationToken cancellationToken)
    {
        await RestoreAsync(cancellationToken);
        await base.StartAsync(cancellationToken);
    }

    /// <summary>Erases again who came back with an older backup.</summary>
    public async Task RestoreAsync(CancellationToken cancellationToken)
    {
        foreach (var (erasure, callSids) in await erasures.EraseAgainAsync(await list.AllAsync(cancellationToken), cancellationToken))
        {
            LogErasedAgain(erasure.CallerId);
            await RemoveAsync(erasure, callSids, cancellationToken);
        }

        Done(await list.OwnAsync(cancellationToken));
    }

    /// <summary>Does this node's part about somebody who was erased in the database.</summary>
    /// <param name="callSids">Of their calls; empty where they are not known any more.</param>
    public async Task FinishAsync(Erasure erasure, IReadOnlyCollection<string> callSids, CancellationToken cancellationToken)
    {
        if (_done.ContainsKey(erasure))
        {
            return;
        }

        var calls = callSids.Count > 0 ? callSids : [.. (await erasures.CallsOfAsync([erasure.CallerId], cancellationToken))[erasure.CallerId]];
        await RemoveAsync(erasure, calls, cancellationToken);
        await ListAsync([erasure], cancellationToken);
    }

    /// <summary>Does this node's part about everybody who was erased since it last looked.</summary>
    public async Task CatchUpAsync(CancellationToken cancellationToken)
    {
        var erased = await erasures.ListAsync(_seen - Overlap, cancellationToken);
        var missing = erased.Where(erasure => !_done.ContainsKey(erasure)).ToList();
        if (missing.Count > 0)
        {
            var calls = await erasures.CallsOfAsync([.. missing.Select(erasure => erasure.CallerId)], cancellationToken);
            foreach (var erasure in missing)
            {
                await RemoveAsync(erasure, [.. calls[erasure.CallerId]], cancellationToken);
            }

            await ListAsync(missing, cancellationToken);
        }

        _seen = erased.Count > 0 ? erased[^1].At : _seen;
        if (_removed)
        {
            _removed = false;
            await erasures.VacuumAsync(cancellationToken);
        }
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                await CatchUpAsync(stoppingToken);
            }
            catch (Exception error) when (!stoppingToken.IsCancellationRequested)
            {
                LogFailed(error.GetType().Name);
            }

            await Task.Delay(BetweenLooks, time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task ListAsync(IReadOnlyCollection<Erasure> erasures, CancellationToken cancellationToken)
    {
        var listed = await list.OwnAsync(cancellationToken);
        await list.AddAsync([.. erasures.Where(erasure => !listed.Contains(erasure))], cancellationToken);
        Done(erasures);
    }

    private void Done(IEnumerable<Erasure> erasures)
    {
        foreach (var erasure in erasures)
        {
            _done[erasure] = true;
        }
    }

    private async Task RemoveAsync(Erasure erasure, IReadOnlyCollection<string> callSids, CancellationToken cancellationToken)
    {
        _removed = true;
        foreach (var store in stores)
        {
            await store.EraseAsync(erasure, callSids, cancellationToken);
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Caller {CallerId}: was erased, came back with an older backup, and is erased again")]
    private partial void LogErasedAgain(CallerId callerId);

    [LoggerMessage(Level = LogLevel.Error, Message = "What this node keeps of people who were erased could not be removed ({Error}); it is tried again")]
    private partial void LogFailed(string error);
}
