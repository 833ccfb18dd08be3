using Npgsql;

namespace Guru.Infrastructure.Postgres;

/// <summary>
/// Empty copies of read models in the schema of a part, to be filled and then put in the place of the live tables: same
/// columns, constraints, indexes, storage parameters, names and grants.
/// </summary>
internal sealed class ShadowTables(RebuildPart part)
{
    /// <summary>Nearly every event of a call has written its row anew, too quickly for what was there before to be cleared away.</summary>
    private const string Rewritten = "calls";

    /// <summary>Besides the unique ones, the indexes that the projections go by: without them, whatever is done to all of a caller's would read all of everybody's.</summary>
    private const string Sought = "i.indisunique or i.indexrelid in ('guru.calls_of_caller'::regclass, 'guru.caller_aliases_of_caller'::regclass)";

    /// <summary>What is there of any rebuild, such as one that was stopped half way.</summary>
    public static async Task DropAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        foreach (var schema in await TextsAsync(
            connection, $"select quote_ident(nspname) from pg_namespace where starts_with(nspname, '{RebuildPart.Schemas}')", cancellationToken))
        {
            await ExecuteAsync(connection, $"drop schema {schema} cascade", cancellationToken);
        }
    }

    public async Task CreateAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        await ExecuteAsync(connection, $"create schema {part.Schema}", cancellationToken);
        foreach (var table in part.Kept.Concat(part.Aside))
        {
            await ExecuteAsync(
                connection, $"create table {part.Schema}.{table} (like guru.{table} including all excluding indexes)", cancellationToken);
            foreach (var parameters in await ParametersAsync(connection, table, cancellationToken))
            {
                await ExecuteAsync(connection, parameters, cancellationToken);
            }

            await AddIndexesAsync(connection, table, sought: true, cancellationToken);
        }
    }

    /// <summary>
    /// The indexes that only readers need: over rows that are there, they are made in a fraction of the time that keeping them takes.
    /// </summary>
    public async Task IndexAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        foreach (var table in part.Kept)
        {
            if (table == Rewritten)
            {
                await ExecuteAsync(connection, $"vacuum full {part.Schema}.{table}", cancellationToken);
            }

            await AddIndexesAsync(connection, table, sought: false, cancellationToken);
        }
    }

    public async Task AnalyzeAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        foreach (var table in part.Kept)
        {
            await ExecuteAsync(connection, $"analyze {part.Schema}.{table}", cancellationToken);
        }
    }

    /// <summary>Within a transaction: the shadow becomes the live table. Nothing may depend on the old one, such as a view.</summary>
    public async Task SwapAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        foreach (var table in part.Kept)
        {
            foreach (var grant in await GrantsAsync(connection, table, cancellationToken))
            {
                await ExecuteAsync(connection, grant, cancellationToken);
            }

            await ExecuteAsync(
                connection, $"drop table guru.{table}; alter table {part.Schema}.{table} set schema guru", cancellationToken);
        }

        foreach (var table in part.Aside)
        {
            await ExecuteAsync(connection, $"drop table {part.Schema}.{table}", cancellationToken);
        }

        await ExecuteAsync(connection, $"drop schema {part.Schema}", cancellationToken);
    }

    /// <summary>LIKE would invent names for the indexes, and later migrations go by name.</summary>
    private async Task AddIndexesAsync(NpgsqlConnection connection, string table, bool sought, CancellationToken cancellationToken)
    {
        foreach (var definition in await IndexesAsync(connection, table, sought, cancellationToken))
        {
            await ExecuteAsync(connection, definition, cancellationToken);
        }
    }

    private Task<List<string>> IndexesAsync(NpgsqlConnection connection, string table, bool sought, CancellationToken cancellationToken) =>
        TextsAsync(
            connection,
            $"""
            select case
                when c.oid is not null then format('alter table {part.Schema}.%I add constraint %I %s', '{table}', c.conname, pg_get_constraintdef(c.oid))
                else replace(pg_get_indexdef(i.indexrelid), ' ON guru.', ' ON {part.Schema}.') end
            from pg_index i left join pg_constraint c on c.conindid = i.indexrelid and c.conrelid = i.indrelid
            where i.indrelid = 'guru.{table}'::regclass and ({Sought}) = {(sought ? "true" : "false")}
            order by i.indexrelid
            """,
            cancellationToken);

    /// <summary>Such as how much room a page has for rows that are written anew, which LIKE leaves out.</summary>
    private Task<List<string>> ParametersAsync(NpgsqlConnection connection, string table, CancellationToken cancellationToken) =>
        TextsAsync(
            connection,
            $"""
            select format('alter table {part.Schema}.%I set (%s)', '{table}', array_to_string(reloptions, ', '))
            from pg_class where oid = 'guru.{table}'::regclass and reloptions is not null
            """,
            cancellationToken);

    private Task<List<string>> GrantsAsync(NpgsqlConnection connection, string table, CancellationToken cancellationToken) =>
        TextsAsync(
            connection,
            $"""
            select format('grant %s on {part.Schema}.%I to %s', a.privilege_type, '{table}', case a.grantee when 0 then 'public' else a.grantee::regrole::text end)
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
