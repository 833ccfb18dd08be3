using Guru.Application.Work;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Guru.Application.Privacy;

/// <summary>Applies the time of keeping to one person.</summary>
public sealed partial class RetentionWork(IRetention retention, IOptions<RetentionRules> rules, TimeProvider time, ILogger<RetentionWork> logger) : IWork
{
    public string Kind => WorkItem.Retention;

    public bool CanWait => true;

    public Task RunAsync(WorkItem item, CancellationToken cancellationToken) =>
        retention.ApplyAsync(item.CallerId, RetentionLimits.Of(rules.Value, time.GetUtcNow()), cancellationToken);

    public Task GiveUpAsync(WorkItem item, OutsideException error, CancellationToken cancellationToken)
    {
        LogGivenUp(item.CallerId, error.Reason); // The clock puts it on the list again.
        return Task.CompletedTask;
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "Caller {CallerId}: what has been kept for long enough could not be destroyed ({Reason}); it is tried again within the hour")]
    private partial void LogGivenUp(Domain.Callers.CallerId callerId, string reason);
}

/// <summary>Looks every hour for what has been kept for long enough.</summary>
internal sealed partial class RetentionClock(IRetention retention, IOptions<RetentionRules> rules, TimeProvider time, ILogger<RetentionClock> logger) : BackgroundService
{
    private static readonly TimeSpan BetweenLooks = TimeSpan.FromHours(1);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested && !RetentionLimits.Of(rules.Value, time.GetUtcNow()).IsNone)
        {
            try
            {
                await retention.ScheduleAsync(RetentionLimits.Of(rules.Value, time.GetUtcNow()), stoppingToken);
            }
            catch (Exception error) when (!stoppingToken.IsCancellationRequested)
            {
                LogFailed(error.GetType().Name);
            }

            await Task.Delay(BetweenLooks, time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "What has been kept for long enough could not be looked for ({Error}); it is tried again in an hour")]
    private partial void LogFailed(string error);
}
