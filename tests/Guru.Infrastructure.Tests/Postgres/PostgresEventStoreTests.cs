using Guru.Application;
using Guru.Domain.Callers;
using Guru.Domain.Calls;
using Guru.EventStore.Contract;
using Npgsql;
using Shouldly;

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

[Collection(PostgresCollection.Name)]
public sealed class PostgresEventStoreTests(PostgresFixture postgres) : OnADatabase(postgres)
{
    /// <summary>Its events are written by then, and what the projections make of them is not.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task What_ends_before_its_projections_are_written_is_not_told_as_stored(bool cancelled)
    {
        var sid = CallSid.Parse("CA00000000000000000000000000000009");
        await using var other = await _database.DataSource.OpenConnectionAsync();
        await using var transaction = await other.BeginTransactionAsync();
        await using (var hold = new NpgsqlCommand("lock table guru.calls in access exclusive mode", other))
        {
            await hold.ExecuteNonQueryAsync();
        }

        using var cancellation = new CancellationTokenSource();
        var append = _database.Store.AppendAsync(
            Call.StreamId(sid), ExpectedVersion.None, CallerId.New(), [new CallEnded(CallEndReason.Silence, DateTimeOffset.UnixEpoch)], cancellation.Token);
        while (await _database.OneAsync("select count(*) from pg_locks where not granted") == "0")
        {
            await Task.Yield();
        }

        if (cancelled)
        {
            await cancellation.CancelAsync();
        }

        var error = await Should.ThrowAsync<Exception>(append);

        (error is OperationCanceledException).ShouldBe(cancelled);
        (error is NpgsqlException).ShouldBe(!cancelled);
        await transaction.RollbackAsync();
        (await _database.Store.ReadAsync(Call.StreamId(sid), 1, default)).ShouldBeEmpty();
    }
}
