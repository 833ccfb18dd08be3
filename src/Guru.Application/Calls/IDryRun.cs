using Guru.Application.Privacy;

namespace Guru.Application.Calls;

/// <summary>For a process that is new, and slow with all that it does for the first time.</summary>
public interface IDryRun
{
    /// <summary>Acts with a store and keys of which nothing stays: what is written there is seen by nobody else, and taken back at the end.</summary>
    /// <param name="act">One thing after the other; all of it once more where it held up others for too long.</param>
    Task<T> TryAsync<T>(Func<IEventStore, IPersonalKeys, Task<T>> act, CancellationToken cancellationToken);
}
