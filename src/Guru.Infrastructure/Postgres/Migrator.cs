using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Guru.Infrastructure.Postgres;

/// <summary>A numbered SQL file: <c>0001_events.sql</c> is version 1, named events.</summary>
internal sealed record Migration(int Version, string Name, string Sql)
{
    public string Checksum => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(Sql)));

    /// <summary>The files embedded in this assembly, in order.</summary>
    public static IReadOnlyList<Migration> Shipped { get; } =
    [
        .. from resource in typeof(Migration).Assembly.GetManifestResourceNames()
           where resource.StartsWith(Prefix, StringComparison.Ordinal)
           orderby resource
           select Read(resource),
    ];

    private const string Prefix = "Migrations/";

    private static Migration Read(string resource)
    {
        using var reader = new StreamReader(typeof(Migration).Assembly.GetManifestResourceStream(resource)!, Encoding.UTF8);
        var name = Path.GetFileNameWithoutExtension(resource[Prefix.Length..]);
        return new Migration(
            int.Parse(name.AsSpan(0, 4), provider: null), name[5..], reader.ReadToEnd().ReplaceLineEndings("\n"));
    }
}

/// <summary>The database and this version of Guru do not fit. The message says why.</summary>
public sealed class MigrationException(string message) : Exception(message);

/// <summary>
/// Brings a database up to date. Each migration is one transaction, which first takes a lock that only one node can hold and then
/// looks what is left to do: any number of nodes may start at once, and a pooler in between does no harm.
/// </summary>
internal sealed partial class Migrator(NpgsqlDataSource dataSource, IReadOnlyList<Migration> migrations, ILogger logger)
{
    /// <summary>Held by whoever changes what all nodes share.</summary>
    public const long Lock = 0x67757275; // "guru"

    private const int TimeoutSeconds = 600;

    /// <summary>What was applied, oldest first; none where there is no schema yet.</summary>
    public static async Task<IReadOnlyList<(int Version, string Checksum)>> AppliedAsync(
        NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        await using var exists = new NpgsqlCommand("select to_regclass('guru.migrations') is not null", connection);
        if (await exists.ExecuteScalarAsync(cancellationToken) is not true)
        {
            return [];
        }

        await using var command = new NpgsqlCommand("select version, checksum from guru.migrations order by version", connection);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var applied = new List<(int, string)>();
        while (await reader.ReadAsync(cancellationToken))
        {
            applied.Add((reader.GetInt32(0), reader.GetString(1)));
        }

        return applied;
    }

    public async Task MigrateAsync(CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        if (Pending(await AppliedAsync(connection, cancellationToken)) is null)
        {
            return; // No lock is needed to see that nothing is to be done.
        }

        while (await ApplyNextAsync(connection, cancellationToken))
        {
        }
    }

    private async Task<bool> ApplyNextAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        await ExecuteAsync(connection, $"select pg_advisory_xact_lock({Lock})", cancellationToken);
        await ExecuteAsync(
            connection,
            """
            create schema if not exists guru;
            create table if not exists guru.migrations (
                version int primary key, name text not null, checksum text not null, applied_at timestamptz not null default now());
            """,
            cancellationToken);

        if (Pending(await AppliedAsync(connection, cancellationToken)) is not { } next)
        {
            return false;
        }

        await ExecuteAsync(connection, next.Sql, cancellationToken);
        await using (var record = new NpgsqlCommand("insert into guru.migrations (version, name, checksum) values ($1, $2, $3)", connection))
        {
            record.Parameters.Add(new() { Value = next.Version });
            record.Parameters.Add(new() { Value = next.Name });
            record.Parameters.Add(new() { Value = next.Checksum });
            await record.ExecuteNonQueryAsync(cancellationToken);
        }

        await transaction.CommitAsync(cancellationToken);
        LogApplied(next.Version, next.Name);
        return true;
    }

    /// <summary>The next one to apply, once what was applied is known to be ours.</summary>
    private Migration? Pending(IReadOnlyList<(int Version, string Checksum)> applied)
    {
        foreach (var (version, checksum) in applied)
        {
            var known = migrations.FirstOrDefault(migration => migration.Version == version)
                ?? throw new MigrationException(
                    $"The database is at migration {applied[^1].Version}, and this Guru knows only {migrations[^1].Version}: start the newer Guru.");
            if (known.Checksum != checksum)
            {
                throw new MigrationException(
                    $"Migration {version:0000}_{known.Name}.sql differs from the one this database was made with: restore the file, and put the change into a new one.");
            }
        }

        return migrations.FirstOrDefault(migration => applied.All(done => done.Version != migration.Version));
    }

    private static async Task ExecuteAsync(NpgsqlConnection connection, string sql, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand(sql, connection) { CommandTimeout = TimeoutSeconds };
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Database migration {Version:0000} ({Name}) applied")]
    private partial void LogApplied(int version, string name);
}
