using Microsoft.Extensions.Hosting;

namespace Guru.Application.Voice;

/// <summary>
/// Keeps, once a second for each call, how far what is being said has been heard: of a sentence in whose middle the process is killed there is a record then.
/// </summary>
internal sealed class UnfinishedTurns(Switchboard switchboard, TimeProvider time) : BackgroundService
{
    /// <summary>Not all calls at once, since audio waits meanwhile.</summary>
    private const int Parts = 10;
    private static readonly TimeSpan BetweenParts = TimeSpan.FromSeconds(1) / Parts;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var clock = new PeriodicTimer(BetweenParts, time);
        for (var part = 0; await clock.WaitForNextTickAsync(stoppingToken); part = (part + 1) % Parts)
        {
            switchboard.KeepUnfinished(part, Parts);
        }
    }
}
