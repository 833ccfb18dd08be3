using System.Diagnostics;
using Guru.Api.Hosting;
using Guru.Application;
using Guru.Domain.Callers;
using Guru.Domain.Calls;
using Guru.Infrastructure.Costs;
using Guru.Infrastructure.Postgres;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging.Abstractions;

namespace Guru.Benchmarks;

/// <summary>
/// The event store that Guru was built with beside its own, on one database of their own, by turns: appends with all projections, sealed,
/// and a rebuild of the read models.
/// </summary>
internal static class StoreBench
{
    private const int LinesOfACall = 20;
    private static readonly int[] Writers = [1, 8, 32];

    /// <param name="appends">Of each kind, for each number of writers, in each round.</param>
    /// <param name="rebuilt">How many events are rebuilt from, at least.</param>
    public static async Task RunAsync(int appends, int rounds, int rebuilt)
    {
        var directory = Directory.CreateTempSubdirectory("guru-bench-").FullName;
        try
        {
            await using var database = await Database.OpenAsync(new DatabaseOptions { DataDirectory = directory }, NullLoggerFactory.Instance, CancellationToken.None);
            var prices = PricesFile.Load(PricesFile.ShippedPath);
            await using var own = new ServiceCollection().AddLogging().AddPostgres(database, prices).BuildServiceProvider();
            await using var built = new ServiceCollection().AddLogging().AddEventStore(database, prices).BuildServiceProvider();
            foreach (var hosted in built.GetServices<IHostedService>())
            {
                await hosted.StartAsync(CancellationToken.None);
            }

            List<Edition> editions = [new("Guru's own", own)];
            if (built.GetRequiredService<IEventStore>().GetType() != own.GetRequiredService<IEventStore>().GetType())
            {
                editions.Add(new(EventStoreEdition.Name, built));
            }

            await MeasureAsync(editions, appends, rounds, rebuilt);
        }
        finally
        {
            BenchDirectory.Delete(directory);
        }
    }

    private static async Task MeasureAsync(List<Edition> editions, int appends, int rounds, int rebuilt)
    {
        Console.WriteLine($"{"events/s, the median of " + rounds + " rounds by turns",-52}{string.Concat(editions.Select(edition => $"{edition.Name,16}"))}{(editions.Count > 1 ? "     ratio" : "")}");
        foreach (var work in Enum.GetValues<Work>())
        {
            foreach (var writers in Writers)
            {
                var rates = await RoundsAsync(editions, rounds, edition => AppendAsync(edition, work, writers, appends));
                Print($"{Name(work)}, {writers} {(writers == 1 ? "writer" : "writers")}", rates);
            }
        }

        while (await EventsAsync(editions[0]) < rebuilt)
        {
            await AppendAsync(editions[0], Work.Ten, writers: 8, appends: 1_000);
        }

        Print($"rebuild from {await EventsAsync(editions[0])} events", await RoundsAsync(editions, rounds, RebuildAsync));
    }

    /// <summary>Each edition once in a round, the first of them by turns; a round before the first is not counted.</summary>
    private static async Task<List<double>> RoundsAsync(List<Edition> editions, int rounds, Func<Edition, Task<double>> measure)
    {
        var rates = editions.ConvertAll(_ => new List<double>());
        for (var round = -1; round < rounds; round++)
        {
            foreach (var number in Enumerable.Range(0, editions.Count).Select(turn => (turn + round + 1) % editions.Count))
            {
                var rate = await measure(editions[number]);
                if (round >= 0)
                {
                    rates[number].Add(rate);
                }
            }
        }

        return rates.ConvertAll(measured => measured.Order().ElementAt(measured.Count / 2));
    }

    private static async Task<double> AppendAsync(Edition edition, Work work, int writers, int appends)
    {
        var store = edition.Services.GetRequiredService<IEventStore>();
        var started = Stopwatch.GetTimestamp();
        var events = await Task.WhenAll(Enumerable.Range(0, writers).Select(_ => WriteAsync(store, work, appends / writers)));
        return events.Sum() / Stopwatch.GetElapsedTime(started).TotalSeconds;
    }

    /// <summary>One call after the other.</summary>
    private static async Task<int> WriteAsync(IEventStore store, Work work, int appends)
    {
        var atOnce = work == Work.Ten ? 10 : 1;
        var written = 0;
        while (appends > 0)
        {
            var call = await StartAsync(store);
            appends--;
            written++;
            for (var line = 0; work != Work.Start && line < LinesOfACall && appends > 0; line += atOnce, appends--)
            {
                object[] said = [.. Enumerable.Range(line, atOnce).Select(item => Said($"item_{item}", call.At))];
                await store.AppendAsync(Call.StreamId(call.CallSid), ExpectedVersion.Exactly(1 + line), call.CallerId, said, CancellationToken.None);
                written += atOnce;
            }
        }

        return written;
    }

    private static async Task<CallStarted> StartAsync(IEventStore store)
    {
        // Callers call again: their keys are known, as those of most callers are.
        var call = new CallStarted(
            CallSid.Parse($"CA{Guid.NewGuid():N}"), CallerId.Parse($"{Random.Shared.Next(50):x32}"), "+15550100001", CallChannel.Whatsapp, CallDirection.Inbound,
            Language: null, StreamTokenHash: null, DateTimeOffset.UtcNow);
        await store.AppendAsync(Call.StreamId(call.CallSid), ExpectedVersion.None, call.CallerId, [call], CancellationToken.None);
        return call;
    }

    private static UtteranceTranscribed Said(string id, DateTimeOffset at) => new(
        id, Speaker.Caller, "general", "I got a bill from the hospital for 800 dollars, and I do not understand it.",
        "I got a bill from the hospital for 800 dollars, and I do not understand it.", Interrupted: false, TranscriptionOutcome.Completed,
        StartMs: 0, EndMs: 4_000, SaidMs: 4_000, HeardMs: 4_000, Language: "en", FirstAudioMs: null, FirstHeardMs: null, at);

    private static async Task<double> RebuildAsync(Edition edition)
    {
        var started = Stopwatch.GetTimestamp();
        var events = await edition.Services.GetRequiredService<Rebuild>().RebuildAsync(progress: null, CancellationToken.None);
        return events / Stopwatch.GetElapsedTime(started).TotalSeconds;
    }

    private static async Task<long> EventsAsync(Edition edition)
    {
        await using var command = edition.Services.GetRequiredService<Npgsql.NpgsqlDataSource>().CreateCommand("select count(*) from events.mt_events");
        return (long)(await command.ExecuteScalarAsync())!;
    }

    private static string Name(Work work) => work switch
    {
        Work.Start => "starts of calls",
        Work.One => $"calls of {LinesOfACall} utterances, 1 at once",
        _ => $"calls of {LinesOfACall} utterances, 10 at once",
    };

    private static void Print(string what, List<double> rates) => Console.WriteLine(
        $"{what,-52}{string.Concat(rates.Select(rate => $"{rate,16:F0}"))}{(rates.Count > 1 ? $"{rates[0] / rates[1],10:F1}" : "")}");

    private enum Work
    {
        Start,
        One,
        Ten,
    }

    private sealed record Edition(string Name, IServiceProvider Services);
}
