using System.Collections.Frozen;
using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Guru.Application.Work;

/// <summary>How the to-do list is worked off; section <c>Guru:Work</c>.</summary>
public sealed class WorkRules
{
    /// <summary>How many items this process works on at once.</summary>
    [Range(0, 100)]
    public int AtOnce { get; set; } = 4;

    /// <summary>How often an empty list is looked at.</summary>
    [Range(0.01, 60)]
    public double PollSeconds { get; set; } = 0.5;

    /// <summary>How often an item is tried before it is given up.</summary>
    [Range(1, 20)]
    public int MostAttempts { get; set; } = 6;

    /// <summary>The first wait after a failure; it doubles, up to a minute.</summary>
    [Range(0.01, 60)]
    public double RetrySeconds { get; set; } = 2;

    /// <summary>After how long another node takes over from one that died. A node that lives keeps what it works on.</summary>
    [Range(1, 600)]
    public double LeaseSeconds { get; set; } = 30;

    /// <summary>How often the list is counted for the metrics.</summary>
    [Range(0.1, 3600)]
    public double CountSeconds { get; set; } = 15;

    public TimeSpan Lease => TimeSpan.FromSeconds(LeaseSeconds);
}

/// <summary>Works off the to-do list, on any number of nodes.</summary>
internal sealed partial class WorkLoop(IWorkQueue queue, IEnumerable<IWork> works, IOptions<WorkRules> rules, TimeProvider time, ILogger<WorkLoop> logger) : BackgroundService
{
    private static readonly TimeSpan LongestWait = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan LongestRetryAfter = TimeSpan.FromMinutes(15);
    private static readonly TimeSpan AfterFailure = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan PuttingBack = TimeSpan.FromSeconds(3);

    private readonly FrozenDictionary<string, IWork> _works = works.ToFrozenDictionary(work => work.Kind);
    private readonly string[] _canWait = [.. works.Where(work => work.CanWait).Select(work => work.Kind)];

    protected override Task ExecuteAsync(CancellationToken stoppingToken) => rules.Value.AtOnce == 0
        ? Task.CompletedTask
        : Task.WhenAll(Enumerable.Range(0, rules.Value.AtOnce).Select(number => Task.Run(() => WorkAsync(number % 2 == 1 ? _canWait : [], stoppingToken), stoppingToken)).Append(CountAsync(stoppingToken)));

    private async Task WorkAsync(string[] except, CancellationToken cancellationToken)
    {
        while (!cancellationToken.IsCancellationRequested)
        {
            var wait = TimeSpan.FromSeconds(rules.Value.PollSeconds);
            try
            {
                if (await queue.ClaimAsync(rules.Value.Lease, cancellationToken, except) is { } item)
                {
                    await WorkOnAsync(item, cancellationToken);
                    continue;
                }
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception error)
            {
                LogNoQueue(error.GetType().Name);
                wait = AfterFailure;
            }

            await Task.Delay(wait, time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task WorkOnAsync(WorkItem item, CancellationToken cancellationToken)
    {
        // A kind that only a newer node knows waits for one.
        if (!_works.TryGetValue(item.Kind, out var work))
        {
            await queue.ReleaseAsync(item, LongestWait, cancellationToken);
            return;
        }

        using var held = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var renewing = RenewAsync(item, held);
        try
        {
            if (await TryAsync(work, item, held.Token))
            {
                await queue.CompleteAsync(item, cancellationToken);
            }
        }
        catch (LeaseLostException)
        {
            LogLeaseLost(item.Id);
        }
        catch (Exception) when (cancellationToken.IsCancellationRequested)
        {
            await PutBackAsync(item);
            throw;
        }
        catch (OperationCanceledException) when (held.IsCancellationRequested)
        {
            LogLeaseLost(item.Id);
        }
        finally
        {
            await held.CancelAsync();
            await renewing;
        }
    }

    /// <returns>False: it is to be tried again.</returns>
    private async Task<bool> TryAsync(IWork work, WorkItem item, CancellationToken cancellationToken)
    {
        var failure = item.Attempts < rules.Value.MostAttempts
            ? await FailureOfAsync(() => work.RunAsync(item, cancellationToken), item, cancellationToken)
            : new DefectException("attempts used up"); // By nodes that died over it.
        if (failure is null)
        {
            return true;
        }

        var givesUp = !failure.Transient || item.Attempts + 1 >= rules.Value.MostAttempts;
        WorkMeter.Failed(item.Kind, givesUp);
        if (givesUp)
        {
            failure = await FailureOfAsync(() => work.GiveUpAsync(item, failure, cancellationToken), item, cancellationToken);
            if (failure is not { Transient: true })
            {
                return true;
            }
        }

        LogRetry(item.Id, item.Attempts + 1, failure.Reason);
        await queue.RetryAsync(item, Wait(item, failure), failure.Reason, cancellationToken);
        return false;
    }

    /// <returns>Null: it was done.</returns>
    private async Task<OutsideException?> FailureOfAsync(Func<Task> work, WorkItem item, CancellationToken cancellationToken)
    {
        try
        {
            await work();
            return null;
        }
        catch (OutsideException error)
        {
            return error;
        }
        catch (Exception error) when (error is not LeaseLostException && !cancellationToken.IsCancellationRequested)
        {
            LogDefect(item.Id, error);
            return new DefectException(error.GetType().Name, error);
        }
    }

    /// <summary>Until the work is over; where the item is somebody else's, the work is over at once.</summary>
    private async Task RenewAsync(WorkItem item, CancellationTokenSource held)
    {
        using var timer = new PeriodicTimer(rules.Value.Lease / 3, time);
        try
        {
            while (await timer.WaitForNextTickAsync(held.Token))
            {
                try
                {
                    await queue.RenewAsync(item, rules.Value.Lease, held.Token);
                }
                catch (Exception error) when (error is not LeaseLostException && !held.IsCancellationRequested)
                {
                    LogNoQueue(error.GetType().Name);
                }
            }
        }
        catch (LeaseLostException)
        {
            await held.CancelAsync();
        }
        catch (Exception) when (held.IsCancellationRequested)
        {
            // It is over.
        }
    }

    /// <summary>This node stops: another goes on at once. What was on its way counts as sent or not, as its intent says.</summary>
    private async Task PutBackAsync(WorkItem item)
    {
        try
        {
            using var limit = new CancellationTokenSource(PuttingBack, time);
            await queue.ReleaseAsync(item, TimeSpan.Zero, limit.Token);
        }
        catch (Exception error)
        {
            LogNotPutBack(item.Id, error.GetType().Name);
        }
    }

    private async Task CountAsync(CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromSeconds(rules.Value.CountSeconds), time);
        try
        {
            do
            {
                try
                {
                    WorkMeter.Counted(await queue.CountAsync(cancellationToken));
                }
                catch (Exception error) when (!cancellationToken.IsCancellationRequested)
                {
                    LogNoQueue(error.GetType().Name);
                }
            }
            while (await timer.WaitForNextTickAsync(cancellationToken));
        }
        catch (Exception) when (cancellationToken.IsCancellationRequested)
        {
            // It stops.
        }
    }

    /// <summary>Longer each time, and no shorter than the other side asks for within reason.</summary>
    private TimeSpan Wait(WorkItem item, OutsideException failure)
    {
        var wait = TimeSpan.FromSeconds(Math.Min(rules.Value.RetrySeconds * Math.Pow(2, Math.Min(item.Attempts, 10)), LongestWait.TotalSeconds));
        return TimeSpan.FromTicks(Math.Max(wait.Ticks, Math.Min(failure.RetryAfter?.Ticks ?? 0, LongestRetryAfter.Ticks)));
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The to-do list cannot be reached ({Error}); again in a few seconds")]
    private partial void LogNoQueue(string error);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Work {Id}: attempt {Attempt} failed ({Reason}); again later")]
    private partial void LogRetry(string id, int attempt, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Work {Id}: another node took over")]
    private partial void LogLeaseLost(string id);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Work {Id} could not be put back ({Error}); another node takes it once its lease is over")]
    private partial void LogNotPutBack(string id, string error);

    [LoggerMessage(Level = LogLevel.Error, Message = "Work {Id} failed in a way that nobody foresaw")]
    private partial void LogDefect(string id, Exception error);
}
