using Npgsql;

namespace Guru.Infrastructure.Postgres;

/// <summary>A lock on whole tables: others queue behind one that is waited for, and somebody may be reading for an hour, so it is waited for briefly, and often.</summary>
internal static class TableLock
{
    private const string Timeout = "2s";
    private static readonly TimeSpan BetweenAttempts = TimeSpan.FromSeconds(1);

    /// <summary>A transaction that has the lock.</summary>
    /// <param name="statements">That take it, one after the other.</param>
    public static async Task<NpgsqlTransaction> TakeAsync(
        NpgsqlConnection connection, int mostAttempts, CancellationToken cancellationToken, params IReadOnlyList<string> statements)
    {
        while (true)
        {
            var transaction = await connection.BeginTransactionAsync(cancellationToken);
            try
            {
                foreach (var statement in statements.Prepend($"set local lock_timeout = '{Timeout}'"))
                {
                    await using var command = new NpgsqlCommand(statement, connection) { CommandTimeout = 0 };
                    await command.ExecuteNonQueryAsync(cancellationToken);
                }

                return transaction;
            }
            catch (Exception e)
            {
                await transaction.DisposeAsync(); // Within one that has failed, the connection could not be put back to what others expect of it.
                if (--mostAttempts <= 0 || e is not PostgresException { SqlState: PostgresErrorCodes.LockNotAvailable })
                {
                    throw;
                }
            }

            await Task.Delay(BetweenAttempts, cancellationToken);
        }
    }
}
