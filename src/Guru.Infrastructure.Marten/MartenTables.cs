using Guru.Infrastructure.Postgres;
using JasperFx;
using Marten;
using Npgsql;
using Weasel.Core;

namespace Guru.Infrastructure.Marten;

/// <summary>
/// Gives Marten the functions and tables of its own that it needs. The tables that both editions share must be as Marten would make
/// them; should a later Marten want them otherwise, nothing is changed, and nothing is appended.
/// </summary>
public sealed class MartenTables
{
    private const long Lock = 0x6D617274; // "mart"

    private static readonly string[] Shared = ["mt_streams", "mt_events", "mt_event_progression", "mt_events_sequence"];

    private readonly Lazy<Task> _ready;

    public MartenTables(IDocumentStore documents, NpgsqlDataSource dataSource) => _ready = new(() => MakeAsync(documents, dataSource));

    /// <exception cref="MigrationException">A shared table is not as Marten expects it.</exception>
    public Task ReadyAsync() => _ready.Value;

    private static async Task MakeAsync(IDocumentStore documents, NpgsqlDataSource dataSource)
    {
        // Of several nodes that start at once one goes first: Marten's own statements would meet half-way.
        await using var connection = await dataSource.OpenConnectionAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        await using (var alone = new NpgsqlCommand($"select pg_advisory_xact_lock({Lock})", connection) { CommandTimeout = 0 })
        {
            await alone.ExecuteNonQueryAsync();
        }

        var migration = await documents.Storage.Database.CreateMigrationAsync();
        var differing = migration.Deltas
            .Where(delta => delta.Difference != SchemaPatchDifference.None && Shared.Contains(delta.SchemaObject.Identifier.Name, StringComparer.Ordinal))
            .Select(delta => delta.SchemaObject.Identifier.QualifiedName)
            .ToList();
        if (differing.Count > 0)
        {
            throw new MigrationException($"Marten would change {string.Join(", ", differing)}, which the default edition reads and writes too: this version of Marten does not fit.");
        }

        await documents.Storage.ApplyAllConfiguredChangesToDatabaseAsync(AutoCreate.CreateOrUpdate);
        await transaction.CommitAsync();
    }
}
