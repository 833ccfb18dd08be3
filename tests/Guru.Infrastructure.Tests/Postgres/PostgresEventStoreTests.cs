using Guru.Application;
using Guru.EventStore.Contract;

namespace Guru.Infrastructure.Tests.Postgres;

/// <summary>The contract, over the default adapter.</summary>
[Collection(PostgresCollection.Name)]
public sealed class PostgresEventStoreContract(PostgresFixture postgres) : EventStoreContract, IAsyncLifetime
{
    private TestDatabase _database = null!;

    protected override IEventStore Store => _database.Store;

    public async Task InitializeAsync() => _database = await TestDatabase.NewAsync(postgres);

    async Task IAsyncLifetime.DisposeAsync() => await _database.DisposeAsync();
}
