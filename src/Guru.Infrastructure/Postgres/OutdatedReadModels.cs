using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Guru.Infrastructure.Postgres;

/// <summary>
/// After a start with other projections or prices than the read models were made with, makes them anew while calls go on. Of several nodes one does
/// it. Until then lists and figures may lack what is new, and readiness says so; calls are not kept waiting.
/// </summary>
public sealed partial class OutdatedReadModels(Rebuild rebuild, TimeProvider time, ILogger<OutdatedReadModels> logger) : BackgroundService, IHealthCheck
{
    private static readonly TimeSpan BetweenAttempts = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan BetweenReports = TimeSpan.FromSeconds(10);

    private readonly TimeProvider _time = time;
    private volatile string? _state;

    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default) =>
        Task.FromResult(_state is { } state ? HealthCheckResult.Degraded(state) : HealthCheckResult.Healthy("The read models are up to date"));

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                if (!await rebuild.IsDueAsync(stoppingToken))
                {
                    await rebuild.ClearUpAsync(stoppingToken);
                    _state = null;
                    return;
                }

                LogDue();
                var events = await rebuild.RebuildDueAsync(new Reports(this), stoppingToken);
                LogDone(events);
            }
            catch (Exception error) when (!stoppingToken.IsCancellationRequested) // Whatever stands in the way, calls go on.
            {
                _state = $"The read models are outdated: {error.Message}";
                LogFailed(error.Message, BetweenAttempts.TotalSeconds);
                await Task.Delay(BetweenAttempts, _time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The read models are of another version or of other prices: they are made anew; until then lists and figures lack what is new")]
    private partial void LogDue();

    [LoggerMessage(Level = LogLevel.Information, Message = "Making the read models anew: {Percent} %")]
    private partial void LogProgress(long percent);

    [LoggerMessage(Level = LogLevel.Information, Message = "The read models are up to date, from {Events} events")]
    private partial void LogDone(long events);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The read models are not made anew: {Error} Tried again in {Seconds} s; by hand: ./guru up rebuild")]
    private partial void LogFailed(string error, double seconds);

    private sealed class Reports(OutdatedReadModels readModels) : IProgress<RebuildProgress>
    {
        private long _reported = readModels._time.GetTimestamp();

        public void Report(RebuildProgress value)
        {
            var percent = 100 * value.Sequence / Math.Max(1, value.LastSequence);
            readModels._state = $"The read models are being made anew: {percent} %";
            if (readModels._time.GetElapsedTime(_reported) >= BetweenReports)
            {
                _reported = readModels._time.GetTimestamp();
                readModels.LogProgress(percent);
            }
        }
    }
}
