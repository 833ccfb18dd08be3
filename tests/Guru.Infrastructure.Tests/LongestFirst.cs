using Guru.Infrastructure.Tests;
using Guru.Infrastructure.Tests.Postgres;

[assembly: TestCollectionOrderer($"Guru.Infrastructure.Tests.{nameof(LongestFirst)}", "Guru.Infrastructure.Tests")]

namespace Guru.Infrastructure.Tests;

/// <summary>The two that take minutes, and then what mostly waits for servers to start.</summary>
public sealed class LongestFirst() : TheseFirst(RebuildingCollection.Name, PostgresCollection.Name, nameof(EmbeddedPostgresTests));
