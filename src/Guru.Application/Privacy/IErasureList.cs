namespace Guru.Application.Privacy;

/// <summary>
/// Who was erased, kept outside the database, so that a backup which is put back brings nobody back. Each node writes a list of its own; all of
/// them that it can reach are read.
/// </summary>
public interface IErasureList
{
    /// <summary>On disk when it returns.</summary>
    Task AddAsync(IReadOnlyCollection<Erasure> erasures, CancellationToken cancellationToken);

    /// <summary>What this node has written.</summary>
    Task<IReadOnlySet<Erasure>> OwnAsync(CancellationToken cancellationToken);

    /// <summary>What every node has written, the newest of each person.</summary>
    Task<IReadOnlyList<Erasure>> AllAsync(CancellationToken cancellationToken);
}
