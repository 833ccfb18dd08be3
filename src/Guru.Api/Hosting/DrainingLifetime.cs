using System.Runtime.InteropServices;
using Guru.Application.Voice;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Options;

namespace Guru.Api.Hosting;

/// <summary>
/// On SIGTERM or Ctrl+C: readiness goes false, no call is taken, and live ones go on up to a limit while the server still
/// answers Twilio; then it stops. A second signal stops at once.
/// </summary>
internal sealed partial class DrainingLifetime(
    Switchboard switchboard, IOptions<CallRules> rules, IHostApplicationLifetime lifetime, ILogger<DrainingLifetime> logger) : IHostLifetime, IDisposable
{
    /// <summary>After the limit: the goodbye, the carrier's last question, the records.</summary>
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(30);

    private readonly List<PosixSignalRegistration> _signals = [];
    private int _signalled;

    public Task WaitForStartAsync(CancellationToken cancellationToken)
    {
        foreach (var signal in new[] { PosixSignal.SIGTERM, PosixSignal.SIGINT, PosixSignal.SIGQUIT })
        {
            _signals.Add(PosixSignalRegistration.Create(signal, OnSignal));
        }

        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public void Dispose() => _signals.ForEach(signal => signal.Dispose());

    private void OnSignal(PosixSignalContext context)
    {
        context.Cancel = true;
        if (Interlocked.Increment(ref _signalled) == 1)
        {
            _ = Task.Run(DrainAsync, CancellationToken.None);
        }
        else
        {
            _ = Task.Run(EndCallsAsync, CancellationToken.None);
        }
    }

    /// <summary>Calls still on the line end now; each of them, and what is not stored yet, goes into the record first.</summary>
    private async Task EndCallsAsync()
    {
        await switchboard.StopAsync(Grace);
        lifetime.StopApplication();
    }

    private async Task DrainAsync()
    {
        LogDraining(switchboard.ActiveCalls, rules.Value.DrainSeconds);
        try
        {
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(lifetime.ApplicationStopping);
            limit.CancelAfter(rules.Value.Drain + Grace);
            await switchboard.DrainAsync(rules.Value.Drain, limit.Token);
        }
        catch (OperationCanceledException)
        {
            LogNotDrained(switchboard.ActiveCalls);
        }
        finally
        {
            await EndCallsAsync();
        }
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Draining: {Calls} calls may go on for up to {Seconds} s")]
    private partial void LogDraining(int calls, double seconds);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Stopping with {Calls} calls on the line")]
    private partial void LogNotDrained(int calls);
}

/// <summary>Not ready once Guru was asked to stop, so that a load balancer sends new calls elsewhere.</summary>
internal sealed class DrainingHealth(Switchboard switchboard) : IHealthCheck
{
    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default) =>
        Task.FromResult(switchboard.IsDraining ? HealthCheckResult.Unhealthy("Draining") : HealthCheckResult.Healthy("Taking calls"));
}
