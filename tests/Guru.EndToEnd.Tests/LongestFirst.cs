using Guru.EndToEnd.Tests;
using Guru.Infrastructure.Tests;

[assembly: CollectionBehavior(MaxParallelThreads = 5)]
[assembly: TestCollectionOrderer($"Guru.EndToEnd.Tests.{nameof(LongestFirst)}", "Guru.EndToEnd.Tests")]

namespace Guru.EndToEnd.Tests;

/// <summary>Tests that mostly wait run five at a time: these by minutes of a run, downwards; all others are shorter.</summary>
public sealed class LongestFirst() : TheseFirst(
    nameof(Scenarios), nameof(WebappCalls), nameof(NodesKilled), nameof(HandOvers), nameof(Summaries), nameof(CallingWorld), nameof(ANodeKilledInACall),
    nameof(AModelInTrouble), nameof(DatabaseOutage), nameof(HostileLines), nameof(Stopping), nameof(WebhooksAtAnotherNode), nameof(CallingNodes),
    nameof(Replies), nameof(Discretion), nameof(ForgottenEverywhere), nameof(KeptForATime), nameof(HospitalBill), nameof(Messages),
    nameof(WebappCallsHandedOver), nameof(HostileLoad));
