using Guru.Application.Privacy;

namespace Guru.Application.Calls;

/// <summary>For a process that is new, and slow with all that it does for the first time.</summary>
public interface IRehearsal
{
    /// <summary>Acts with a store and keys of which nothing stays: what is written there is seen by nobody else, and taken back at the end.</summary>
    /// <param name="act">One thing after the other.</param>
    Task RehearseAsync(Func<IEventStore, IPersonalKeys, Task> act, CancellationToken cancellationToken);
}
