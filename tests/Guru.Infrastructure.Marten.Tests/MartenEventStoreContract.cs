using Guru.Application;
using Guru.EventStore.Contract;
using Guru.Infrastructure.Tests.Postgres;

namespace Guru.Infrastructure.Marten.Tests;

/// <summary>The contract, over Marten.</summary>
[Collection(PostgresCollection.Name)]
public sealed class MartenEventStoreContract(PostgresFixture postgres) : EventStoreContract, IAsyncLifetime
{
    private MartenDatabase _database = null!;

    protected override IEventStore Store => _database.Store;

    public async Task InitializeAsync() => _database = await MartenDatabase.NewAsync(postgres);

    async Task IAsyncLifetime.DisposeAsync() => await _database.DisposeAsync();
}

/// <summary>The contract, over the default edition.</summary>
[Collection(PostgresCollection.Name)]
public sealed class DefaultEventStoreContract(PostgresFixture postgres) : EventStoreContract, IAsyncLifetime
{
    private MartenDatabase _database = null!;

    protected override IEventStore Store => _database.Default.Store;

    public async Task InitializeAsync() => _database = await MartenDatabase.BareAsync(postgres);

    async Task IAsyncLifetime.DisposeAsync() => await _database.DisposeAsync();
}
