using System.Diagnostics;

namespace Guru.Sandbox.Timing;

/// <summary>Tells how late this machine was with what was due: a run in which the stand-ins themselves were late proves little about time.</summary>
public sealed class LatenessProbe : IAsyncDisposable
{
    static readonly TimeSpan Period = TimeSpan.FromMilliseconds(20);

    readonly CancellationTokenSource _over = new();
    readonly Task _probing;
    long _worstTicks;

    public LatenessProbe() => _probing = ProbeAsync();

    public TimeSpan Worst => TimeSpan.FromTicks(Volatile.Read(ref _worstTicks));

    public async ValueTask DisposeAsync()
    {
        await _over.CancelAsync();
        await _probing.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _over.Dispose();
    }

    async Task ProbeAsync()
    {
        while (true)
        {
            var asked = Stopwatch.GetTimestamp();
            await Task.Delay(Period, _over.Token);
            var late = Stopwatch.GetElapsedTime(asked) - Period;
            if (late > Worst)
            {
                Volatile.Write(ref _worstTicks, late.Ticks);
            }
        }
    }
}
