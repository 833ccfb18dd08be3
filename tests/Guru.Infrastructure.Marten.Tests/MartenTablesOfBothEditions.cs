using Guru.Application;
using Guru.Domain.Calls;
using Guru.Infrastructure.Postgres;
using Guru.Infrastructure.Tests.Postgres;
using JasperFx;
using Microsoft.Extensions.Logging.Abstractions;
using Shouldly;
using Weasel.Core;
using Migrator = Guru.Infrastructure.Postgres.Migrator;

namespace Guru.Infrastructure.Marten.Tests;

/// <summary>What Marten itself says of the tables that the default edition lays out.</summary>
[Collection(PostgresCollection.Name)]
public sealed class MartenTablesOfBothEditions(PostgresFixture postgres)
{
    private static readonly string[] Shared = ["mt_event_progression", "mt_events", "mt_streams"];

    private const string Layout =
        """
        select table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable || coalesce(column_default, '')
        from information_schema.columns where table_schema = 'events' and table_name in ('mt_streams', 'mt_events', 'mt_event_progression')
        union all select indexdef from pg_indexes where schemaname = 'events' and tablename in ('mt_streams', 'mt_events', 'mt_event_progression')
        union all select conname || ' ' || pg_get_constraintdef(oid) from pg_constraint
            where conrelid in ('events.mt_streams'::regclass, 'events.mt_events'::regclass, 'events.mt_event_progression'::regclass)
        order by 1
        """;

    [Fact]
    public async Task Marten_finds_nothing_to_change_in_the_tables_that_the_default_edition_lays_out()
    {
        await using var database = await MartenDatabase.BareAsync(postgres);
        await AppendAsync(database.Default.Store, "call-CA1");

        var migration = await database.Documents.Storage.Database.CreateMigrationAsync();

        var tables = migration.Deltas.Where(delta => Shared.Contains(delta.SchemaObject.Identifier.Name, StringComparer.Ordinal)).ToList();
        tables.Select(delta => delta.SchemaObject.Identifier.Name).Order(StringComparer.Ordinal).ShouldBe(Shared);
        tables.ShouldAllBe(delta => delta.Difference == SchemaPatchDifference.None);
        migration.Deltas.Except(tables).ShouldAllBe(delta => delta.Difference == SchemaPatchDifference.None || delta.Difference == SchemaPatchDifference.Create);
    }

    [Fact]
    public async Task A_start_gives_Marten_what_it_lacks_and_leaves_the_shared_tables_as_they_are()
    {
        await using var database = await MartenDatabase.BareAsync(postgres);
        await AppendAsync(database.Default.Store, "call-CA1");
        var layout = await database.Default.RowsAsync(Layout);

        List<MartenDatabase> nodes = [.. Enumerable.Range(0, 4).Select(_ => database.AnotherNode(Upcasters.Shipped))];
        await Task.WhenAll(nodes.Select(node => node.StartAsync()));

        await database.Documents.Storage.Database.AssertDatabaseMatchesConfigurationAsync();
        (await database.Default.RowsAsync(Layout)).ShouldBe(layout);
        await AppendAsync(database.Store, "call-CA2");
        await AppendAsync(database.Default.Store, "call-CA3");
        (await database.Default.RowsAsync("select id from events.mt_streams order by id")).ShouldBe(["call-CA1", "call-CA2", "call-CA3"]);
        await database.Documents.Storage.Database.AssertDatabaseMatchesConfigurationAsync();
        foreach (var node in nodes)
        {
            await node.DisposeAsync();
        }
    }

    [Fact]
    public async Task A_shared_table_that_Marten_would_change_keeps_the_edition_from_starting()
    {
        await using var database = await MartenDatabase.BareAsync(postgres);
        await database.Default.ExecuteAsync("alter table events.mt_events add column ours text");

        var refused = await Should.ThrowAsync<MigrationException>(database.StartAsync);

        refused.Message.ShouldContain("events.mt_events");
        (await database.Default.RowsAsync(Layout)).ShouldContain("mt_events.ours text YES");
    }

    [Fact]
    public async Task Guru_is_at_home_where_Marten_was_first()
    {
        await using var dataSource = Database.DataSourceFor(await postgres.NewDatabaseAsync(migrated: false));
        using (var first = MartenStore.Open(dataSource, EventTypes.Shipped, Upcasters.Shipped))
        {
            await first.Storage.ApplyAllConfiguredChangesToDatabaseAsync(AutoCreate.CreateOrUpdate);
            await new Migrator(dataSource, Migration.Shipped, NullLogger.Instance).MigrateAsync(CancellationToken.None);

            await first.Storage.Database.AssertDatabaseMatchesConfigurationAsync();
        }

        var keys = new EventKeys(dataSource, TimeProvider.System);
        var store = new PostgresEventStore(dataSource, new EventSerializer(EventTypes.Shipped, keys, Upcasters.Shipped), keys, TestDatabase.Live);
        await AppendAsync(store, "call-CA1");
        (await store.ReadAsync("call-CA1", 1, default)).Count.ShouldBe(1);
    }

    private static Task<long> AppendAsync(Application.IEventStore store, string stream) => store.AppendAsync(
        stream, ExpectedVersion.None, owner: null, [new CallEnded(CallEndReason.CallerHungUp, new DateTimeOffset(2026, 3, 4, 12, 0, 0, TimeSpan.Zero))], default);
}
