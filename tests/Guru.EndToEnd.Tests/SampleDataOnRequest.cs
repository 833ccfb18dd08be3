using Guru.Api.Hosting;
using Guru.Application;
using Guru.Domain.Calls;
using Guru.Infrastructure.Postgres;
using Guru.SampleData;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;

namespace Guru.EndToEnd.Tests;

/// <summary>The command that fills an empty database with invented calls.</summary>
public sealed class SampleDataOnRequest : IDisposable
{
    private const int Calls = 12;
    private readonly string _directory = Directory.CreateTempSubdirectory("guru-e2e-").FullName;

    public void Dispose() => World.DeleteCluster(_directory);

    [Fact]
    public async Task It_stores_calls_that_are_marked_once_and_refuses_where_somebody_has_called()
    {
        var settings = GuruSettings.Read(
            new ConfigurationBuilder().AddInMemoryCollection([new("GURU_DATA_DIR", _directory)]).Build(), serving: false);

        await SampleDataCommand.RunAsync(settings, Calls, CancellationToken.None);
        await SampleDataCommand.RunAsync(settings, Calls, CancellationToken.None);

        await using (var database = await Database.OpenAsync(settings.Database, NullLoggerFactory.Instance, CancellationToken.None))
        await using (var services = new ServiceCollection().AddPostgres(database, settings.Prices).BuildServiceProvider())
        {
            await using var count = database.DataSource.CreateCommand(
                $"select count(*) from guru.calls where starts_with(call_sid, '{SampleCalls.SidPrefix}') and coalesce(node, '{SampleCalls.Node}') = '{SampleCalls.Node}'");
            (await count.ExecuteScalarAsync()).ShouldBe((long)Calls);
            await using var work = database.DataSource.CreateCommand("select (select count(*) from guru.work), (select version from guru.read_models)");
            await using (var row = await work.ExecuteReaderAsync())
            {
                await row.ReadAsync();
                row.GetInt64(0).ShouldBe(0, "Nobody is written to because of invented calls, and none is summed up.");
                row.GetString(1).ShouldBe(services.GetRequiredService<Projections>().Version);
            }

            var sid = CallSid.Parse("CA0000000000000000000000000000beef");
            await services.GetRequiredService<IEventStore>().AppendAsync(
                Call.StreamId(sid), ExpectedVersion.None, owner: null, [new CallEnded(CallEndReason.CallerHungUp, DateTimeOffset.UnixEpoch)], CancellationToken.None);
        }

        (await Should.ThrowAsync<SettingsException>(() => SampleDataCommand.RunAsync(settings, Calls, CancellationToken.None))).Message.ShouldContain("of its own");
    }
}
