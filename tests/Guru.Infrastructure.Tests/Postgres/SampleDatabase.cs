using Guru.Application.Calls;
using Guru.SampleData;

namespace Guru.Infrastructure.Tests.Postgres;

/// <summary>A database with sample calls, for tests that only read.</summary>
public sealed class SampleDatabase(PostgresFixture postgres) : IAsyncLifetime
{
    public const int Count = 250;
    public static readonly DateTimeOffset Until = new(2026, 4, 1, 0, 0, 0, TimeSpan.Zero);
    public static readonly byte[] Secret = "sample-secret-16"u8.ToArray();

    public TestDatabase Database { get; private set; } = null!;

    public IReadOnlyList<CallSummary> Calls { get; private set; } = [];

    public static IEnumerable<SampleCall> Make(int count, int seed = 1) => new SampleCalls(seed, Until, days: 30, Secret).Take(count);

    public async Task InitializeAsync()
    {
        Database = await TestDatabase.NewAsync(postgres);
        await Database.AppendAsync(Make(Count));
        Calls = await Database.Exports.CallsAsync(CallFilter.All, CancellationToken.None).ToListAsync();
    }

    public async Task DisposeAsync() => await Database.DisposeAsync();
}
