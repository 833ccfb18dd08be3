using Guru.Infrastructure.Postgres;
using Npgsql;
using Shouldly;

namespace Guru.Infrastructure.Tests.Postgres;

[Collection(PostgresCollection.Name)]
public sealed class TableLockTests(PostgresFixture postgres) : IAsyncLifetime
{
    private TestDatabase _database = null!;

    public async Task InitializeAsync() => _database = await TestDatabase.NewAsync(postgres);

    public async Task DisposeAsync() => await _database.DisposeAsync();

    [Fact]
    public async Task A_wait_that_is_cancelled_leaves_the_connection_as_it_was()
    {
        await using var other = await _database.DataSource.OpenConnectionAsync();
        await using var reading = await TableLock.TakeAsync(other, 1, default, "lock table guru.calls in access share mode");
        await using var connection = await _database.DataSource.OpenConnectionAsync();
        using var cancelling = new CancellationTokenSource();
        var waiting = TableLock.TakeAsync(connection, 1, cancelling.Token, "lock table guru.calls in access exclusive mode");
        await _database.UntilItWaitsForAsync(waiting, "guru.calls");

        await cancelling.CancelAsync();

        await Should.ThrowAsync<OperationCanceledException>(() => waiting);
        await using var timeout = new NpgsqlCommand("show lock_timeout", connection);
        (await timeout.ExecuteScalarAsync()).ShouldBe("0");
    }
}
