namespace Guru.Sandbox.Timing;

/// <summary>The time of day in the sandbox: real, until a test moves it on.</summary>
public sealed class SandboxClock : TimeProvider
{
    private long _aheadTicks;

    public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + TimeSpan.FromTicks(Interlocked.Read(ref _aheadTicks));

    /// <summary>So much time has passed. Nothing that is under way waits less or longer for it.</summary>
    public void Advance(TimeSpan by) => Interlocked.Add(ref _aheadTicks, by.Ticks);
}
