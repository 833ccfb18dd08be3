using Guru.Application;
using Guru.Application.Calls;
using Guru.Application.Privacy;
using Npgsql;

namespace Guru.Infrastructure.Postgres;

/// <summary>In one transaction, which is rolled back.</summary>
internal sealed class PostgresRehearsal(NpgsqlDataSource dataSource, EventTypes types, Upcasters upcasters, Projections projections) : IRehearsal
{
    public async Task RehearseAsync(Func<IEventStore, IPersonalKeys, Task> act, CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await using var rolledBack = await connection.BeginTransactionAsync(cancellationToken);
        var keys = new EventKeys(dataSource, TimeProvider.System, connection);
        await act(new PostgresEventStore(dataSource, new EventSerializer(types, keys, upcasters), keys, projections, connection), keys);
        await rolledBack.RollbackAsync(cancellationToken);
    }
}
