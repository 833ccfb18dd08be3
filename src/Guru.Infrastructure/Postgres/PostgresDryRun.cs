using Guru.Application;
using Guru.Application.Calls;
using Guru.Application.Privacy;
using Npgsql;

namespace Guru.Infrastructure.Postgres;

/// <summary>
/// In one transaction, which is rolled back. It has locks and a number of the log while this process compiles, or for as long as its machine is paused:
/// a rebuild or an erasing would wait for them, and all nodes' appends behind that, and whoever follows the log would wait for the number. So the server ends
/// it when it has waited for a moment for what comes next. Whatever was done by then is compiled, and the next try comes further.
/// </summary>
internal sealed class PostgresDryRun(NpgsqlDataSource dataSource, EventTypes types, Upcasters upcasters, Projections projections) : IDryRun
{
    private const string NoLongWait = "set local idle_in_transaction_session_timeout = '250ms'";
    private const string IdleForTooLong = "25P03";

    public async Task<T> TryAsync<T>(Func<IEventStore, IPersonalKeys, Task<T>> act, CancellationToken cancellationToken)
    {
        while (true)
        {
            try
            {
                return await TryOnceAsync(act, cancellationToken);
            }
            catch (PostgresException e) when (e.SqlState == IdleForTooLong)
            {
                cancellationToken.ThrowIfCancellationRequested();
            }
        }
    }

    private async Task<T> TryOnceAsync<T>(Func<IEventStore, IPersonalKeys, Task<T>> act, CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await using var rolledBack = await connection.BeginTransactionAsync(cancellationToken);
        await using (var first = new NpgsqlCommand(NoLongWait, connection))
        {
            await first.ExecuteNonQueryAsync(cancellationToken);
        }

        var keys = new EventKeys(dataSource, TimeProvider.System, connection);
        var result = await act(new PostgresEventStore(dataSource, new EventSerializer(types, keys, upcasters), keys, projections, connection), keys);
        await rolledBack.RollbackAsync(cancellationToken);
        return result;
    }
}
