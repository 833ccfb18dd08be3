using System.ComponentModel.DataAnnotations;
using Guru.Application.Conversations;
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
}

/// <summary>Works off the to-do list, on any number of nodes.</summary>
public sealed partial class WorkLoop(IWorkQueue queue, Replier replier, IOptions<WorkRules> rules, TimeProvider time, ILogger<WorkLoop> logger) : BackgroundService
{
    private static readonly TimeSpan AfterFailure = TimeSpan.FromSeconds(5);

    protected override Task ExecuteAsync(CancellationToken stoppingToken) =>
        Task.WhenAll(Enumerable.Range(0, rules.Value.AtOnce).Select(_ => Task.Run(() => WorkAsync(stoppingToken), stoppingToken)));

    private async Task WorkAsync(CancellationToken cancellationToken)
    {
        while (!cancellationToken.IsCancellationRequested)
        {
            var wait = TimeSpan.FromSeconds(rules.Value.PollSeconds);
            try
            {
                if (await queue.ClaimAsync(Replier.Lease, cancellationToken) is { } item)
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
            await replier.RunAsync(item, cancellationToken);
        }
        catch (LeaseLostException)
        {
            LogLeaseLost(item.Id);
        }
        catch (Exception error) when (error is not OperationCanceledException)
        {
            LogFailed(item.Id, error);
            await queue.RetryAsync(item, AfterFailure, error.GetType().Name, cancellationToken);
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The to-do list cannot be read ({Error}); again in a few seconds")]
    private partial void LogNoQueue(string error);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Work {Id}: another node took over")]
    private partial void LogLeaseLost(string id);

    [LoggerMessage(Level = LogLevel.Error, Message = "Work {Id} failed; it is put back")]
    private partial void LogFailed(string id, Exception error);
}
