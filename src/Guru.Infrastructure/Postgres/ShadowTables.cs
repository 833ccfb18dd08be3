using Npgsql;

namespace Guru.Infrastructure.Postgres;

/// <summary>
/// Empty copies of the read models in a schema of their own, to be filled and then put in the place of the live tables: same
/// columns, constraints, indexes, names and grants.
/// </summary>
internal sealed class ShadowTables(IReadOnlyList<string> tables)
{
    public const string Schema = "guru_rebuild";

    /// <summary>Nearly every event of a call has written its row anew, too quickly for what was there before to be cleared away.</summary>
    private const string Rewritten = "calls";

    public async Task CreateAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        await ExecuteAsync(connection, $"drop schema if exists {Schema} cascade; create schema {Schema}", cancellationToken);
        foreach (var table in tables)
        {
            await ExecuteAsync(
                connection, $"create table {Schema}.{table} (like guru.{table} including all excluding indexes)", cancellationToken);

            await AddIndexesAsync(connection, table, unique: true, cancellationToken); // What the projections go by.
        }
    }

    /// <summary>The indexes that only readers need: over rows that are there, they are made in a fraction of the time that keeping them takes.</summary>
    public async Task IndexAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        await ExecuteAsync(connection, $"vacuum full {Schema}.{Rewritten}", cancellationToken);
        foreach (var table in tables)
        {
            await AddIndexesAsync(connection, table, unique: false, cancellationToken);
        }
    }

    /// <summary>Within a transaction: the shadow becomes the live table. Nothing may depend on the old one, such as a view.</summary>
    public async Task SwapAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        foreach (var table in tables)
        {
            foreach (var grant in await GrantsAsync(connection, table, cancellationToken))
            {
                await ExecuteAsync(connection, grant, cancellationToken);
            }

            await ExecuteAsync(
                connection, $"drop table guru.{table}; alter table {Schema}.{table} set schema guru", cancellationToken);
        }

        await ExecuteAsync(connection, $"drop schema {Schema}", cancellationToken);
    }

    /// <summary>LIKE would invent names for the indexes, and later migrations go by name.</summary>
    private static async Task AddIndexesAsync(NpgsqlConnection connection, string table, bool unique, CancellationToken cancellationToken)
    {
        foreach (var definition in await IndexesAsync(connection, table, unique, cancellationToken))
        {
            await ExecuteAsync(connection, definition, cancellationToken);
        }
    }

    private static Task<List<string>> IndexesAsync(NpgsqlConnection connection, string table, bool unique, CancellationToken cancellationToken) =>
        TextsAsync(
            connection,
            $"""
            select case
                when c.oid is not null then format('alter table {Schema}.%I add constraint %I %s', '{table}', c.conname, pg_get_constraintdef(c.oid))
                else replace(pg_get_indexdef(i.indexrelid), ' ON guru.', ' ON {Schema}.') end
            from pg_index i left join pg_constraint c on c.conindid = i.indexrelid and c.conrelid = i.indrelid
            where i.indrelid = 'guru.{table}'::regclass and i.indisunique = {(unique ? "true" : "false")}
            order by i.indexrelid
            """,
            cancellationToken);

    private static Task<List<string>> GrantsAsync(NpgsqlConnection connection, string table, CancellationToken cancellationToken) =>
        TextsAsync(
            connection,
            $"""
            select format('grant %s on {Schema}.%I to %s', a.privilege_type, '{table}', case a.grantee when 0 then 'public' else a.grantee::regrole::text end)
            from pg_class t, aclexplode(t.relacl) a
            where t.oid = 'guru.{table}'::regclass and a.grantee <> t.relowner
            """,
            cancellationToken);

    private static async Task<List<string>> TextsAsync(NpgsqlConnection connection, string sql, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var texts = new List<string>();
        while (await reader.ReadAsync(cancellationToken))
        {
            texts.Add(reader.GetString(0));
        }

        return texts;
    }

    private static async Task ExecuteAsync(NpgsqlConnection connection, string sql, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand(sql, connection) { CommandTimeout = 0 };
        await command.ExecuteNonQueryAsync(cancellationToken);
    }
}
