using Guru.Infrastructure.Postgres;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using Shouldly;

namespace Guru.Infrastructure.Tests.Postgres;

[Collection(PostgresCollection.Name)]
public sealed class MigrationTests(PostgresFixture postgres)
{
    [Fact]
    public async Task Ten_nodes_can_start_at_once_on_an_empty_database()
    {
        var url = await postgres.NewDatabaseAsync(migrated: false);

        await Task.WhenAll(Enumerable.Range(0, 10).Select(async _ =>
        {
            await using var node = Database.DataSourceFor(url);
            await MigrateAsync(node, Migration.Shipped);
        }));

        await using var dataSource = Database.DataSourceFor(url);
        (await VersionsAsync(dataSource)).ShouldBe(Migration.Shipped.Select(migration => migration.Version));
    }

    [Fact]
    public void Each_migration_has_a_number_of_its_own() =>
        Migration.Shipped.Select(migration => migration.Version).ShouldBeUnique();

    [Fact]
    public async Task A_later_start_applies_only_what_is_new()
    {
        await using var dataSource = Database.DataSourceFor(await postgres.NewDatabaseAsync(migrated: true));

        await MigrateAsync(dataSource, [.. Migration.Shipped, Next("create table guru.news (id int)")]);

        (await VersionsAsync(dataSource))[^1].ShouldBe(Migration.Shipped[^1].Version + 1);
    }

    [Fact]
    public async Task A_migration_that_fails_leaves_nothing_behind()
    {
        await using var dataSource = Database.DataSourceFor(await postgres.NewDatabaseAsync(migrated: true));

        await Should.ThrowAsync<PostgresException>(
            () => MigrateAsync(dataSource, [.. Migration.Shipped, Next("create table guru.half (id int); select 1 / 0")]));

        (await VersionsAsync(dataSource)).Count.ShouldBe(Migration.Shipped.Count);
        await using var half = dataSource.CreateCommand("select to_regclass('guru.half') is null");
        (await half.ExecuteScalarAsync()).ShouldBe(true);
    }

    [Fact]
    public async Task A_file_that_was_changed_after_it_was_applied_is_refused()
    {
        await using var dataSource = Database.DataSourceFor(await postgres.NewDatabaseAsync(migrated: true));
        var first = Migration.Shipped[0];

        var error = await Should.ThrowAsync<MigrationException>(
            () => MigrateAsync(dataSource, [first with { Sql = first.Sql + "-- changed" }, .. Migration.Shipped.Skip(1)]));

        error.Message.ShouldContain("0001_events.sql");
    }

    [Fact]
    public async Task A_database_of_a_newer_Guru_is_refused()
    {
        await using var dataSource = Database.DataSourceFor(await postgres.NewDatabaseAsync(migrated: true));

        var error = await Should.ThrowAsync<MigrationException>(() => MigrateAsync(dataSource, [.. Migration.Shipped.SkipLast(1)]));

        error.Message.ShouldContain("start the newer Guru");
    }

    [Fact]
    public async Task A_database_is_healthy_only_when_it_is_migrated()
    {
        await using var current = Database.DataSourceFor(await postgres.NewDatabaseAsync(migrated: true));
        await using var empty = Database.DataSourceFor(await postgres.NewDatabaseAsync(migrated: false));
        await using var absent = Database.DataSourceFor("Host=127.0.0.1;Port=1;Username=nobody");

        (await StatusAsync(current)).ShouldBe(HealthStatus.Healthy);
        (await StatusAsync(empty)).ShouldBe(HealthStatus.Unhealthy);
        (await StatusAsync(absent)).ShouldBe(HealthStatus.Unhealthy);
    }

    private static async Task<HealthStatus> StatusAsync(NpgsqlDataSource dataSource) =>
        (await new PostgresHealth(dataSource).CheckHealthAsync(new HealthCheckContext(), CancellationToken.None)).Status;

    private static Migration Next(string sql) => new(Migration.Shipped[^1].Version + 1, "next", sql);

    private static Task MigrateAsync(NpgsqlDataSource dataSource, IReadOnlyList<Migration> migrations) =>
        new Migrator(dataSource, migrations, NullLogger.Instance).MigrateAsync(CancellationToken.None);

    private static async Task<IReadOnlyList<int>> VersionsAsync(NpgsqlDataSource dataSource)
    {
        await using var connection = await dataSource.OpenConnectionAsync();
        return [.. (await Migrator.AppliedAsync(connection, CancellationToken.None)).Select(applied => applied.Version)];
    }
}
