using System.Diagnostics;
using System.Globalization;
using Guru.Benchmarks.Analysts;
using Guru.Benchmarks.Calls;
using Guru.Domain.Callers;
using Guru.Domain.Calls;
using Guru.Infrastructure.Costs;
using Guru.Infrastructure.Postgres;
using Guru.SampleData;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

namespace Guru.Benchmarks;

/// <summary>How fast the read models are made anew, from a log of utterances and nearly nothing else, and from one of whole calls.</summary>
internal static class RebuildBench
{
    private const int LinesOfACall = 20;
    private const int Callers = 50;
    private const int EventsOfASampleCall = 20;

    /// <summary>Projections, by their first table, that are made anew alone. That of usages stands for other prices, which are those of calls too.</summary>
    private static readonly string[] One = ["usages", "conversations", "messages", "consent"];

    private static readonly DateTimeOffset Until = new(2026, 11, 1, 0, 0, 0, TimeSpan.Zero);
    private static readonly byte[] Secret = "a secret of the bench, 32 bytes!"u8.ToArray();

    /// <param name="events">In each log, about.</param>
    /// <param name="rounds">How often each is measured, after once that does not count.</param>
    /// <param name="keep">Where the logs stay for the next run; null for some that are thrown away.</param>
    public static async Task RunAsync(int events, int rounds, string? keep, History history)
    {
        var directory = keep ?? Directory.CreateTempSubdirectory("guru-bench-").FullName;
        try
        {
            await using var server = await EmbeddedPostgres.StartAsync(directory, NullLogger.Instance, CancellationToken.None);
            await using var lines = await Log.MakeAsync(server, "lines", Lines().Take(events / (1 + LinesOfACall)));
            await using var calls = await Log.MakeAsync(server, "calls", new SampleCalls(seed: 1, Until, days: 90, Secret).TakeInOrder(events / EventsOfASampleCall));
            for (var round = 0; round <= rounds; round++)
            {
                foreach (var log in (Log[])[lines, calls])
                {
                    var kept = round == 0 ? new History(path: null) : history;
                    Console.WriteLine($"{(round == 0 ? "warming" : $"round {round}"),-8} {await log.RebuildAsync("all", "", kept)}");
                    foreach (var projection in One)
                    {
                        Console.WriteLine($"{"",-8} {await log.RebuildAsync(projection, projection, kept)}");
                    }
                }
            }
        }
        finally
        {
            if (keep is null)
            {
                BenchDirectory.Delete(directory);
            }
        }
    }

    /// <summary>Calls in which somebody says the same twenty times.</summary>
    private static IEnumerable<SampleCall> Lines()
    {
        const string Words = "I got a bill from the hospital for 800 dollars, and I do not understand it.";
        for (var call = 0; ; call++)
        {
            var (sid, caller, at) = (CallSid.Parse($"CA{call:x32}"), CallerId.Parse($"{call % Callers:x32}"), Until.AddSeconds(call));
            yield return new SampleCall(sid, caller,
            [
                new CallStarted(sid, caller, "+15550100001", CallChannel.Whatsapp, CallDirection.Inbound, Language: null, StreamTokenHash: null, at),
                .. Enumerable.Range(0, LinesOfACall).Select(line => new UtteranceTranscribed(
                    $"item_{line}", Speaker.Caller, "general", Words, Words, Interrupted: false, TranscriptionOutcome.Completed,
                    StartMs: 0, EndMs: 4_000, SaidMs: 4_000, HeardMs: 4_000, Language: "en", FirstAudioMs: null, FirstHeardMs: null, at)),
            ]);
        }
    }

    private sealed class Log(EmbeddedPostgres server, string name, Database database, ServiceProvider services) : IAsyncDisposable
    {
        public static async Task<Log> MakeAsync(EmbeddedPostgres server, string name, IEnumerable<SampleCall> calls)
        {
            await using (var connection = NpgsqlDataSource.Create(server.ConnectionString))
            {
                await using var find = connection.CreateCommand($"select exists (select 1 from pg_database where datname = '{name}')");
                if (await find.ExecuteScalarAsync() is not true)
                {
                    await using var create = connection.CreateCommand($"create database {name}");
                    await create.ExecuteNonQueryAsync();
                }
            }

            var url = new NpgsqlConnectionStringBuilder(server.ConnectionString) { Database = name }.ConnectionString;
            var database = await Database.OpenAsync(new DatabaseOptions { Url = url, DataDirectory = "" }, NullLoggerFactory.Instance, CancellationToken.None);
            var services = new ServiceCollection().AddLogging().AddSingleton(TimeProvider.System)
                .AddPostgres(database, PricesFile.Load(PricesFile.ShippedPath)).BuildServiceProvider();
            await using var stored = database.DataSource.CreateCommand("select exists (select 1 from events.mt_events)");
            if (await stored.ExecuteScalarAsync() is not true)
            {
                await ActivatorUtilities.CreateInstance<SampleLoad>(services).StoreAsync(calls);
            }

            return new Log(server, name, database, services);
        }

        /// <param name="of">The projection whose version is another than the one its tables were made with; all where it is empty.</param>
        public async Task<string> RebuildAsync(string what, string of, History history)
        {
            var version = services.GetRequiredService<Projections>().Version;
            await using (var mark = database.DataSource.CreateCommand("update guru.read_models set version = $1"))
            {
                mark.Parameters.Add(new() { Value = of.Length == 0 ? "" : version.Replace($"{of}:", $"{of}:0-", StringComparison.Ordinal) });
                await mark.ExecuteNonQueryAsync();
            }

            var (started, own, servers) = (Stopwatch.GetTimestamp(), PinnedProcess.CpuOfTree(Environment.ProcessId), PinnedProcess.CpuOfTree(server.ProcessId));
            var events = await services.GetRequiredService<Rebuild>().RebuildDueAsync(progress: null, CancellationToken.None);
            var seconds = Stopwatch.GetElapsedTime(started).TotalSeconds;
            history.AddRebuild($"{what} from {name}", events / seconds);
            return string.Create(CultureInfo.InvariantCulture, $"{name,-6} {what,-14} {events,9:N0} events in {seconds,5:F1} s   {events / seconds,8:F0} events/s   CPU of an event: Guru {1e6 * (PinnedProcess.CpuOfTree(Environment.ProcessId) - own) / events,5:F1} us, PostgreSQL {1e6 * (PinnedProcess.CpuOfTree(server.ProcessId) - servers) / events,5:F1} us");
        }

        public async ValueTask DisposeAsync()
        {
            await services.DisposeAsync();
            await database.DisposeAsync();
        }
    }
}
