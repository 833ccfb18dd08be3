using System.Diagnostics;

namespace Guru.Sandbox.Timing;

/// <summary>A pure core that lives on a clock it is told: it says when it next wants to be asked.</summary>
public interface IPaced
{
    /// <summary>When the next thing is due; null while nothing is.</summary>
    TimeSpan? NextDue { get; }

    /// <summary>Does everything due up to now. Called by one thread at a time; must not block.</summary>
    void Advance(TimeSpan now);
}

/// <summary>
/// Real time for any number of cores, on one thread: a timer for each of hundreds of calls would cost more than the calls.
/// Everything is due at an absolute time, so that lateness never adds up.
/// </summary>
public sealed class Pacer : IDisposable
{
    static readonly TimeSpan Resolution = TimeSpan.FromMilliseconds(1);
    static readonly TimeSpan Longest = TimeSpan.FromMilliseconds(10);

    readonly long _start = Stopwatch.GetTimestamp();
    readonly Lock _gate = new();
    readonly ManualResetEventSlim _stopped = new();
    readonly Thread _thread;
    IPaced[] _paced = [];

    public Pacer(string name)
    {
        _thread = new Thread(Run) { IsBackground = true, Name = name, Priority = ThreadPriority.AboveNormal };
        _thread.Start();
    }

    /// <summary>Time since the pacer was made.</summary>
    public TimeSpan Now => Stopwatch.GetElapsedTime(_start);

    public void Add(IPaced paced)
    {
        lock (_gate)
        {
            _paced = [.. _paced, paced];
        }
    }

    public void Remove(IPaced paced)
    {
        lock (_gate)
        {
            _paced = [.. _paced.Where(other => other != paced)];
        }
    }

    public void Dispose()
    {
        _stopped.Set();
        _thread.Join();
        _stopped.Dispose();
    }

    void Run()
    {
        do
        {
            foreach (var paced in Volatile.Read(ref _paced))
            {
                paced.Advance(Now);
            }
        }
        while (!_stopped.Wait(UntilNext()));
    }

    TimeSpan UntilNext()
    {
        var wait = Longest;
        foreach (var paced in Volatile.Read(ref _paced))
        {
            if (paced.NextDue is { } due && due - Now < wait)
            {
                wait = due - Now;
            }
        }

        return wait < Resolution ? Resolution : wait;
    }
}
