using Guru.EndToEnd.Tests;
using Xunit.Abstractions;

[assembly: CollectionBehavior(MaxParallelThreads = 5)]
[assembly: TestCollectionOrderer($"Guru.EndToEnd.Tests.{nameof(LongestFirst)}", "Guru.EndToEnd.Tests")]

namespace Guru.EndToEnd.Tests;

/// <summary>Tests that mostly wait run five at a time, and those that wait longest begin, so that none of them is alone at the end.</summary>
public sealed class LongestFirst : ITestCollectionOrderer
{
    /// <summary>By minutes of a run, downwards; all others are shorter.</summary>
    private static readonly string[] Long =
    [
        nameof(Scenarios), nameof(WebappCalls), nameof(NodesKilled), nameof(HandOvers), nameof(Summaries), nameof(CallingWorld), nameof(ANodeKilledInACall),
        nameof(AModelInTrouble), nameof(DatabaseOutage), nameof(HostileLines), nameof(Stopping), nameof(WebhooksAtAnotherNode), nameof(CallingNodes), nameof(Replies), nameof(Discretion), nameof(ForgottenEverywhere), nameof(KeptForATime), nameof(HospitalBill), nameof(Messages), nameof(WebappCallsHandedOver), nameof(HostileLoad),
    ];

    public IEnumerable<ITestCollection> OrderTestCollections(IEnumerable<ITestCollection> testCollections) =>
        testCollections.OrderBy(collection => Array.FindIndex(Long, name => Names(collection, name)) is >= 0 and var place ? place : Long.Length);

    /// <summary>A class that names no collection is one of its own, called after it.</summary>
    private static bool Names(ITestCollection collection, string name) =>
        collection.DisplayName == name || collection.DisplayName.EndsWith("." + name, StringComparison.Ordinal);
}
