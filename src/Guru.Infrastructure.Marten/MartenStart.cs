using Guru.Infrastructure.Postgres;
using JasperFx;
using Marten;
using Microsoft.Extensions.Hosting;
using Npgsql;
using Weasel.Core;

namespace Guru.Infrastructure.Marten;

/// <summary>
/// Before Guru serves, gives Marten the functions and tables of its own that it needs, and warms it. The tables that both editions share
/// must be as Marten would make them; should a later Marten want them otherwise, nothing is changed, and Guru does not start.
/// </summary>
public sealed class MartenStart(IDocumentStore documents, MartenEventStore store, NpgsqlDataSource dataSource) : IHostedService
{
    private const long Lock = 0x6D617274; // "mart"

    private static readonly string[] Shared = ["mt_streams", "mt_events", "mt_event_progression", "mt_events_sequence"];

    /// <exception cref="MigrationException">A shared table is not as Marten expects it.</exception>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        // Of several nodes that start at once one goes first: Marten's own statements would meet half-way.
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        await using (var alone = new NpgsqlCommand($"select pg_advisory_xact_lock({Lock})", connection) { CommandTimeout = 0 })
        {
            await alone.ExecuteNonQueryAsync(cancellationToken);
        }

        var migration = await documents.Storage.Database.CreateMigrationAsync(cancellationToken);
        var differing = migration.Deltas
            .Where(delta => delta.Difference != SchemaPatchDifference.None && Shared.Contains(delta.SchemaObject.Identifier.Name, StringComparer.Ordinal))
            .Select(delta => delta.SchemaObject.Identifier.QualifiedName)
            .ToList();
        if (differing.Count > 0)
        {
            throw new MigrationException($"Marten would change {string.Join(", ", differing)}, which the default edition reads and writes too: this version of Marten does not fit.");
        }

        await documents.Storage.ApplyAllConfiguredChangesToDatabaseAsync(AutoCreate.CreateOrUpdate);
        await store.WarmUpAsync(transaction, cancellationToken);
        await transaction.RollbackAsync(cancellationToken);
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
