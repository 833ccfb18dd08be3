using Guru.Application;
using Guru.Infrastructure.Postgres;
using Guru.SampleData;

namespace Guru.Api.Hosting;

/// <summary>Invented calls, marked as such, in a database that has no real ones.</summary>
internal static class SampleDataCommand
{
    private const int Days = 30;

    /// <exception cref="SettingsException">There are calls that somebody has made.</exception>
    public static async Task<int> RunAsync(GuruSettings settings, int calls, CancellationToken cancellationToken)
    {
        using var loggers = LoggerFactory.Create(logging => logging.SetMinimumLevel(LogLevel.Warning).AddConsole());
        await using var database = await Database.OpenAsync(settings.Database, loggers, cancellationToken);

        // Nobody is to be written to, and nothing to be summed up, because of them.
        await using var services = new ServiceCollection()
            .AddEventStore(database, settings.Prices).AddSingleton(Projections.WithoutWork(settings.Prices)).BuildServiceProvider();
        await using (var others = database.DataSource.CreateCommand("select exists (select 1 from events.mt_streams where not starts_with(id, $1))"))
        {
            others.Parameters.Add(new() { Value = $"call-{SampleCalls.SidPrefix}" });
            if (await others.ExecuteScalarAsync(cancellationToken) is true)
            {
                throw new SettingsException(["The database has conversations or calls of its own: sample data would be mixed up with them. Name an empty one, or another GURU_DATA_DIR."]);
            }
        }

        // Another seed each day, so that a call that is there already is not told differently.
        var today = TimeProvider.System.GetUtcNow();
        var sample = new SampleCalls((int)(today.ToUnixTimeSeconds() / 86_400), today, Days, settings.Secret.Value.ToArray());
        await services.GetRequiredService<Rebuild>().IsDueAsync(cancellationToken); // An empty database is marked as of this version.
        var store = services.GetRequiredService<IEventStore>();
        var stored = 0;
        foreach (var call in sample.TakeInOrder(calls))
        {
            try
            {
                await store.AppendAsync(call.StreamId, ExpectedVersion.None, call.CallerId, [.. call.Events], cancellationToken);
                stored++;
            }
            catch (VersionConflictException)
            {
                // It is there.
            }
        }

        Console.WriteLine($"{stored} sample calls stored{(stored == calls ? "" : $": the other {calls - stored} are in this database already. Each day has others")}.");
        return 0;
    }
}
