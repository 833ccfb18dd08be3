using Microsoft.Extensions.Logging;
using Npgsql;

namespace Guru.Infrastructure.Postgres;

/// <summary>
/// The role for programs that read figures with SQL: it sees the read models and nothing else, so no event, no key and no phone number. It cannot log in;
/// whoever administers the database gives it to a role that can.
/// </summary>
internal sealed partial class ReaderRole(NpgsqlDataSource dataSource, string name, IReadOnlyList<string> tables, ILogger logger)
{
    public const string Name = "guru_reader";

    /// <summary>Where Guru may not create roles, it says what an administrator has to do, and goes on without.</summary>
    public async Task EnsureAsync(CancellationToken cancellationToken)
    {
        try
        {
            await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
            if (await IsCompleteAsync(connection, cancellationToken))
            {
                return;
            }

            await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
            await ScalarAsync(connection, $"select pg_advisory_xact_lock({Migrator.Lock})", cancellationToken); // Of nodes that start at once, one does it.
            if (await ScalarAsync(connection, $"select to_regrole('{name}')::text", cancellationToken) is not string)
            {
                await ScalarAsync(connection, $"create role {name} nologin", cancellationToken);
            }

            await ScalarAsync(
                connection,
                $"grant usage on schema {Projections.LiveSchema} to {name}; grant select on {string.Join(", ", tables.Select(table => $"{Projections.LiveSchema}.{table}"))} to {name}",
                cancellationToken);
            await transaction.CommitAsync(cancellationToken);
            LogMade(name);
        }
        catch (PostgresException error) when (error.SqlState == PostgresErrorCodes.InsufficientPrivilege)
        {
            LogRefused(name);
        }
        catch (PostgresException error)
        {
            LogFailed(name, error.MessageText); // Another database of the same server may be at it; the next start sees to it.
        }
    }

    private async Task<bool> IsCompleteAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand(
            """
            select case when to_regrole($1) is null then false
                else has_schema_privilege($1, $2, 'usage') and (select bool_and(has_table_privilege($1, $2 || '.' || t, 'select')) from unnest($3) t) end
            """,
            connection);
        command.Parameters.Add(new() { Value = name });
        command.Parameters.Add(new() { Value = Projections.LiveSchema });
        command.Parameters.Add(new() { Value = tables.ToArray() });
        return await command.ExecuteScalarAsync(cancellationToken) is true;
    }

    private static async Task<object?> ScalarAsync(NpgsqlConnection connection, string sql, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        return await command.ExecuteScalarAsync(cancellationToken);
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "The database role {Name} may read the read models; give it to whoever reads with SQL")]
    private partial void LogMade(string name);

    [LoggerMessage(
        Level = LogLevel.Warning,
        Message = "There is no database role {Name} for programs that read with SQL, and Guru may not create one: an administrator can, with CREATE ROLE {Name} NOLOGIN; the next start of Guru gives it its rights")]
    private partial void LogRefused(string name);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The database role {Name} for programs that read with SQL could not be made: {Error}")]
    private partial void LogFailed(string name, string error);
}
