using Xunit.Abstractions;

namespace Guru.Infrastructure.Tests;

/// <summary>Collections that begin in the order in which they are named, and then all others, so that none that takes long is alone at the end.</summary>
public abstract class TheseFirst(params string[] names) : ITestCollectionOrderer
{
    public IEnumerable<ITestCollection> OrderTestCollections(IEnumerable<ITestCollection> testCollections) =>
        testCollections.OrderBy(collection => Array.FindIndex(names, name => Names(collection, name)) is >= 0 and var place ? place : names.Length);

    /// <summary>A class that names no collection is one of its own, called after it.</summary>
    private static bool Names(ITestCollection collection, string name) =>
        collection.DisplayName == name || collection.DisplayName.EndsWith("." + name, StringComparison.Ordinal);
}
