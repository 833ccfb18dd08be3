using System.Diagnostics;
using Guru.Application;
using Guru.Application.Conversations;
using Guru.Domain.Callers;
using Guru.Domain.Conversations;
using Guru.Infrastructure.Costs;
using Guru.Infrastructure.Postgres;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Npgsql;

namespace Guru.Benchmarks;

/// <summary>What an agent is told of a caller, built from the read model: a PostgreSQL of its own, and many callers with many messages.</summary>
internal static class ContextBench
{
    private const int PerAppend = 250;
    private static readonly TimeSpan Goal = TimeSpan.FromMilliseconds(5);

    /// <summary>One after the other, as often as asked; each for a caller at random, after a plain select of a row by its key.</summary>
    public static async Task RunAsync(int callers, int messages, int times, int seed)
    {
        var directory = Directory.CreateTempSubdirectory("guru-bench-").FullName;
        try
        {
            await using var database = await Database.OpenAsync(new DatabaseOptions { DataDirectory = directory }, NullLoggerFactory.Instance, CancellationToken.None);
            await using var services = new ServiceCollection()
                .AddLogging()
                .AddSingleton(Options.Create(new MemorySettings()))
                .AddSingleton<CallerMemory>()
                .AddSingleton(TimeProvider.System)
                .AddPostgres(database, PricesFile.Load(PricesFile.ShippedPath))
                .BuildServiceProvider();
            Console.WriteLine($"{callers} callers with {messages} messages each in one session, seed {seed}");
            for (var caller = 0; caller < callers; caller++)
            {
                await WriteAsync(services.GetRequiredService<IEventStore>(), IdOf(caller), messages);
            }

            await MeasureAsync(services.GetRequiredService<CallerMemory>(), database.DataSource, callers, times, new Random(seed));
        }
        finally
        {
            BenchDirectory.Delete(directory);
        }
    }

    private static async Task MeasureAsync(CallerMemory memory, NpgsqlDataSource database, int callers, int times, Random random)
    {
        var (building, selecting) = (new List<TimeSpan>(times), new List<TimeSpan>(times));
        var characters = 0;
        for (var run = -times / 10; run < times; run++)
        {
            var callerId = IdOf(random.Next(callers));
            var started = Stopwatch.GetTimestamp();
            await SelectAsync(database, callerId);
            var selected = Stopwatch.GetElapsedTime(started);
            started = Stopwatch.GetTimestamp();
            var known = await memory.OfAsync(callerId, _ => false, CancellationToken.None);
            var built = Stopwatch.GetElapsedTime(started);
            characters = known.Text?.Length ?? 0;
            if (run >= 0)
            {
                selecting.Add(selected);
                building.Add(built);
            }
        }

        building.Sort();
        selecting.Sort();
        var (p50, p99) = (At(building, 0.50), At(building, 0.99));
        Console.WriteLine($"context of {characters} characters, p50         {p50.TotalMilliseconds,6:F2} ms   {p50 / At(selecting, 0.50),5:F1} times a plain select");
        Console.WriteLine($"context of {characters} characters, p99         {p99.TotalMilliseconds,6:F2} ms   {p99 / At(selecting, 0.99),5:F1} times   (goal: less than {Goal.TotalMilliseconds} ms)");
        Console.WriteLine($"a plain select, p50                     {At(selecting, 0.50).TotalMilliseconds,6:F2} ms");
        Console.WriteLine($"a plain select, p99                     {At(selecting, 0.99).TotalMilliseconds,6:F2} ms");
    }

    private static async Task SelectAsync(NpgsqlDataSource database, CallerId callerId)
    {
        await using var command = database.CreateCommand("select language from guru.conversations where caller_id = $1");
        command.Parameters.Add(new() { Value = callerId.Value });
        await command.ExecuteScalarAsync();
    }

    /// <summary>Messages and their answers, a few seconds apart until now.</summary>
    private static async Task WriteAsync(IEventStore store, CallerId callerId, int messages)
    {
        var at = DateTimeOffset.UtcNow.AddSeconds(-5 * messages);
        var events = Enumerable.Range(0, messages / 2).SelectMany<int, object>(number =>
        [
            new MessageReceived(
                $"SM{number:x32}", callerId, "+15550100001", ProfileName: null, MessageKind.Text, $"Question {number}: what does the letter from the hospital say, and by when?",
                MediaUrl: null, MediaType: null, at.AddSeconds(10 * number)),
            new MessageReplied(
                [$"SM{number:x32}"], callerId, [$"SM{number:x31}f"], "healthcare", $"Answer {number}: it asks you to call the billing office, and to ask for an itemized bill.",
                at.AddSeconds((10 * number) + 5)),
        ]);
        foreach (var some in events.Chunk(PerAppend))
        {
            await store.AppendAsync(Conversation.StreamId(callerId), ExpectedVersion.Any, callerId, some, CancellationToken.None);
        }
    }

    private static CallerId IdOf(int caller) => CallerId.Parse($"{caller:x32}");

    private static TimeSpan At(List<TimeSpan> sorted, double share) => sorted[(int)(share * (sorted.Count - 1))];
}
