namespace Guru.Application.Work;

/// <summary>One kind of thing that the to-do list asks for. It may be done in part already, by a node that died.</summary>
internal interface IWork
{
    string Kind { get; }

    /// <summary>Nobody waits for it, so that half of the hands are kept free of it.</summary>
    bool CanWait => false;

    /// <summary>Does it; what is left of the item is up to the caller.</summary>
    /// <exception cref="OutsideException">It is to be tried again, or given up.</exception>
    /// <exception cref="LeaseLostException">Another node took over.</exception>
    Task RunAsync(WorkItem item, CancellationToken cancellationToken);

    /// <summary>It failed for good: puts that on record, and tells the person where that is possible.</summary>
    /// <param name="error">Of the service outside, or a <see cref="DefectException"/>.</param>
    /// <exception cref="OutsideException">This, too, is to be tried again, where it is transient.</exception>
    /// <exception cref="LeaseLostException">Another node took over.</exception>
    Task GiveUpAsync(WorkItem item, OutsideException error, CancellationToken cancellationToken);
}

/// <summary>What went wrong is no word of a service outside: a defect of our own, a database that is away, a node that died.</summary>
internal sealed class DefectException(string reason, Exception? inner = null) : OutsideException(reason, transient: true, retryAfter: null, inner);
