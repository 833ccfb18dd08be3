using Guru.Domain.Costs;
using Guru.Infrastructure.Postgres;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Logging.Abstractions;
using Shouldly;

namespace Guru.Infrastructure.Tests.Postgres;

[Collection(PostgresCollection.Name)]
public sealed class OutdatedReadModelsTests(PostgresFixture postgres) : OnADatabase(postgres)
{
    [Fact]
    public async Task A_database_without_events_needs_no_rebuild() => (await _database.Rebuild.IsDueAsync(default)).ShouldBeFalse();

    [Fact]
    public async Task The_read_models_of_an_older_Guru_are_made_anew_at_the_start()
    {
        await _database.AppendAsync(SampleDatabase.Make(5));
        var calls = await _database.DumpAsync("calls");

        // As a Guru has left them that knew no figures.
        await _database.ExecuteAsync("update guru.calls set agents = '{}', node = null, turns = 0, cost_text = 0; truncate guru.usages, guru.routings");
        (await _database.Rebuild.IsDueAsync(default)).ShouldBeTrue();

        await StartAsync(TestDatabase.Live);

        (await _database.DumpAsync("calls")).ShouldBe(calls);
        (await _database.Rebuild.IsDueAsync(default)).ShouldBeFalse();
    }

    [Fact]
    public async Task Other_prices_make_other_costs_and_another_source_does_not()
    {
        await _database.AppendAsync(SampleDatabase.Make(5));
        await StartAsync(TestDatabase.Live);
        var prices = TestDatabase.Prices;
        var renamed = Projections.Live(prices with { Models = [.. prices.Models.Select(price => price with { Source = "another page" })] });
        var doubled = Projections.Live(prices with { Models = [.. prices.Models.Select(Doubled)] });
        renamed.Version.ShouldBe(TestDatabase.Live.Version);
        doubled.DueAfter(TestDatabase.Live.Version).ShouldBe(["calls", "usages"]);
        var before = decimal.Parse(await _database.OneAsync("select sum(cost_text + cost_audio + cost_cached + cost_transcription) from guru.calls"), System.Globalization.CultureInfo.InvariantCulture);

        await StartAsync(doubled);

        var after = decimal.Parse(await _database.OneAsync("select sum(cost_text + cost_audio + cost_cached + cost_transcription) from guru.calls"), System.Globalization.CultureInfo.InvariantCulture);
        after.ShouldBe(2 * before);
        before.ShouldBeGreaterThan(0);
    }

    private static ModelPrice Doubled(ModelPrice price) => price with
    {
        PerMinute = 2 * price.PerMinute,
        Tokens = price.Tokens is { } of
            ? new TokenPrices(2 * of.TextIn, 2 * of.TextCached, 2 * of.TextOut, 2 * of.AudioIn, 2 * of.AudioCached, 2 * of.AudioOut)
            : null,
    };

    /// <summary>What the host does at its start, until it is done.</summary>
    private async Task StartAsync(Projections projections)
    {
        var rebuild = new Rebuild(_database.DataSource, _database.Store, _database.Keys, projections);
        using var outdated = new OutdatedReadModels(rebuild, TimeProvider.System, NullLogger<OutdatedReadModels>.Instance);
        await outdated.StartAsync(default);
        await outdated.ExecuteTask!;
        (await outdated.CheckHealthAsync(new HealthCheckContext())).Status.ShouldBe(HealthStatus.Healthy);
    }
}
