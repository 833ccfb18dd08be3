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
}

/// <summary>Works off the to-do list, on any number of nodes.</summary>
public sealed partial class WorkLoop(IWorkQueue queue, IEnumerable<IWork> works, IOptions<WorkRules> rules, TimeProvider time, ILogger<WorkLoop> logger) : BackgroundService
{
    /// <summary>For the slowest step; saving an intent renews it.</summary>
    public static readonly TimeSpan Lease = TimeSpan.FromSeconds(90);

    private static readonly TimeSpan LongestWait = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan AfterFailure = TimeSpan.FromSeconds(5);

    private readonly FrozenDictionary<string, IWork> _works = works.ToFrozenDictionary(work => work.Kind);

    protected override Task ExecuteAsync(CancellationToken stoppingToken) =>
        Task.WhenAll(Enumerable.Range(0, rules.Value.AtOnce).Select(_ => Task.Run(() => WorkAsync(stoppingToken), stoppingToken)));

    private async Task WorkAsync(CancellationToken cancellationToken)
    {
        while (!cancellationToken.IsCancellationRequested)
        {
            var wait = TimeSpan.FromSeconds(rules.Value.PollSeconds);
            try
            {
                if (await queue.ClaimAsync(Lease, cancellationToken) is { } item)
                {
                    await WorkOnAsync(item, cancellationToken);
                    continue;
                }
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                return; // What was begun is claimed again when its lease is over.
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
        try
        {
            // A kind that only a newer node knows waits for one.
            if (!_works.TryGetValue(item.Kind, out var work))
            {
                await queue.RetryAsync(item, LongestWait, "unknown kind", cancellationToken);
                return;
            }

            if (await TryAsync(work, item, cancellationToken))
            {
                await queue.CompleteAsync(item, cancellationToken);
            }
        }
        catch (LeaseLostException)
        {
            LogLeaseLost(item.Id);
        }
        catch (Exception error) when (error is not OperationCanceledException || !cancellationToken.IsCancellationRequested)
        {
            LogFailed(item.Id, error);
            await queue.RetryAsync(item, Wait(item), error.GetType().Name, cancellationToken);
        }
    }

    /// <returns>False: it is to be tried again.</returns>
    private async Task<bool> TryAsync(IWork work, WorkItem item, CancellationToken cancellationToken)
    {
        try
        {
            await work.RunAsync(item, cancellationToken);
        }
        catch (OutsideException error) when (error.Transient && item.Attempts < rules.Value.MostAttempts)
        {
            LogRetry(item.Id, item.Attempts + 1, error.Reason);
            await queue.RetryAsync(item, error.RetryAfter ?? Wait(item), error.Reason, cancellationToken);
            return false;
        }
        catch (OutsideException error)
        {
            await work.GiveUpAsync(item, error, cancellationToken);
        }

        return true;
    }

    private TimeSpan Wait(WorkItem item)
    {
        var wait = TimeSpan.FromSeconds(rules.Value.RetrySeconds * Math.Pow(2, Math.Min(item.Attempts, 10)));
        return wait < LongestWait ? wait : LongestWait;
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The to-do list cannot be read ({Error}); again in a few seconds")]
    private partial void LogNoQueue(string error);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Work {Id}: attempt {Attempt} failed ({Reason}); again later")]
    private partial void LogRetry(string id, int attempt, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Work {Id}: another node took over")]
    private partial void LogLeaseLost(string id);

    [LoggerMessage(Level = LogLevel.Error, Message = "Work {Id} failed; it is put back")]
    private partial void LogFailed(string id, Exception error);
}
