using Guru.Domain;
using Guru.Domain.Callers;

namespace Guru.Application.Privacy;

/// <summary>Something that keeps data of people outside the events and their read models, such as files: it must be able to forget.</summary>
public interface IPersonalStore
{
    /// <summary>In the certificate of an erasing.</summary>
    string Name => GetType().Name;

    /// <summary>Files of this node that could not be looked into when somebody was last erased.</summary>
    IReadOnlyList<string> Unread => [];

    /// <summary>Whose time of keeping goes for what it holds; null for what is gone soon by itself.</summary>
    Retained? Retained => null;

    /// <summary>Whether it has something of a person, under whichever of their ids, that the database may not have taken yet, or has refused.</summary>
    bool HasOf(CallerId callerId) => false;

    /// <summary>Removes everything about these calls of a caller that this node can reach; asked again, there is nothing left to do.</summary>
    Task EraseAsync(Erasure erasure, IReadOnlyCollection<string> callSids, CancellationToken cancellationToken);
}
