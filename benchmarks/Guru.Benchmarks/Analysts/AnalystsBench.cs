using System.Buffers;
using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net.ServerSentEvents;
using Guru.Application;
using Guru.Domain.Callers;
using Guru.Domain.Calls;
using Guru.Infrastructure.Costs;
using Guru.Infrastructure.Postgres;
using Guru.Sandbox.Commands;
using Guru.Sandbox.OpenAI;
using Guru.Sandbox.Twilio;
using Guru.SampleData;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

namespace Guru.Benchmarks.Analysts;

/// <summary>What analysts wait for, over HTTP, with many calls on record: a PostgreSQL and a Guru process of their own.</summary>
internal static class AnalystsBench
{
    private const int Seed = 1;
    private const int Days = 90;
    private const int LiveEvents = 200;
    private static readonly DateTimeOffset Until = new(2026, 11, 1, 0, 0, 0, TimeSpan.Zero);
    private static readonly byte[] Secret = "a secret of the bench, 32 bytes!"u8.ToArray();
    private static readonly TimeSpan Goal = TimeSpan.FromMilliseconds(100);

    /// <param name="keep">Where the database stays for the next run; null for one that is thrown away.</param>
    public static async Task RunAsync(int calls, int turns, int clients, int seconds, string? keep, History history)
    {
        var directory = keep ?? Directory.CreateTempSubdirectory("guru-bench-").FullName;
        try
        {
            await using var server = await EmbeddedPostgres.StartAsync(directory, NullLogger.Instance, CancellationToken.None);
            await using var database = await Database.OpenAsync(
                new DatabaseOptions { Url = server.ConnectionString, DataDirectory = directory }, NullLoggerFactory.Instance, CancellationToken.None);
            await using var services = new ServiceCollection().AddLogging().AddSingleton(TimeProvider.System)
                .AddPostgres(database, PricesFile.Load(PricesFile.ShippedPath)).BuildServiceProvider();
            if (await ScalarAsync<long>(database.DataSource, "select count(*) from (select 1 from events.mt_events limit 1) e") == 0)
            {
                await ActivatorUtilities.CreateInstance<SampleLoad>(services).RunAsync(new SampleCalls(Seed, Until, Days, Secret, turns), calls);
            }

            Console.WriteLine(
                $"on record {await ScalarAsync<long>(database.DataSource, "select count(*) from guru.calls"):N0} calls, "
                + $"{await ScalarAsync<long>(database.DataSource, "select count(*) from guru.utterances"):N0} utterances; "
                + $"{await ScalarAsync<long>(database.DataSource, "select pg_database_size(current_database())") / 1_000_000:N0} MB");
            await MeasureAsync(server, database, services.GetRequiredService<IEventStore>(), clients, seconds, history);
        }
        finally
        {
            if (keep is null)
            {
                BenchDirectory.Delete(directory);
            }
        }
    }

    private static async Task MeasureAsync(EmbeddedPostgres server, Database database, IEventStore store, int clients, int seconds, History history)
    {
        await using var openai = await OpenAIStandIn.StartAsync(new OpenAIStandInOptions { ApiKey = GuruProcess.OpenAIKey });
        await using var twilio = await TwilioStandIn.StartAsync();
        await using var guru = await GuruProcess.StartAsync(openai, twilio, new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["DATABASE_URL"] = server.ConnectionString,
            ["GURU_SECRET"] = Convert.ToBase64String(Secret),
        });
        await AddedUpAsync(database.DataSource);
        using var http = new HttpClient(new SocketsHttpHandler { MaxConnectionsPerServer = clients + 2 }) { BaseAddress = guru.Address, Timeout = Timeout.InfiniteTimeSpan };
        http.DefaultRequestHeaders.Authorization = new("Bearer", GuruProcess.AnalystKey);
        var mix = new QueryMix(
            await ColumnAsync(database.DataSource, "select call_sid from guru.calls tablesample bernoulli (2) repeatable (1)"),
            await ColumnAsync(database.DataSource, "select distinct caller_id from guru.calls order by 1 limit 500"),
            Until);

        foreach (var question in mix.Questions)
        {
            await AskAsync(http, question, new Random(Seed)); // What is asked for the first time is compiled, and read from the disk.
        }

        var times = await AskAsync(http, mix, clients, TimeSpan.FromSeconds(seconds));
        Report(mix, times, clients, history);
        await ExportAsync(http, "calls");
        await ExportAsync(http, "utterances");
        await FollowAsync(http, store);
    }

    /// <summary>Guru adds up its roll-ups after a rebuild; what is asked meanwhile is answered from the calls.</summary>
    private static async Task AddedUpAsync(NpgsqlDataSource database)
    {
        var started = Stopwatch.GetTimestamp();
        while (await ScalarAsync<long>(database, "select count(*) from guru.call_rollups_stale where starts < now() - interval '1 day'") > 0)
        {
            await Task.Delay(100);
        }

        Console.WriteLine($"added up in {Stopwatch.GetElapsedTime(started).TotalSeconds:F0} s: {await ScalarAsync<long>(database, "select count(*) from guru.call_rollups"):N0} rows of roll-ups");
    }

    /// <summary>Clients that ask one question after the other, each the next as soon as it has its answer.</summary>
    private static async Task<ConcurrentBag<(Question Question, TimeSpan Took)>> AskAsync(HttpClient http, QueryMix mix, int clients, TimeSpan duration)
    {
        var times = new ConcurrentBag<(Question, TimeSpan)>();
        var (questions, began) = (mix.Questions, Stopwatch.GetTimestamp());
        await Task.WhenAll(Enumerable.Range(0, clients).Select(async client =>
        {
            var random = new Random(client);
            while (Stopwatch.GetElapsedTime(began) < duration)
            {
                var left = random.Next(questions.Sum(question => question.Share));
                var question = questions.First(question => (left -= question.Share) < 0);
                var started = Stopwatch.GetTimestamp();
                await AskAsync(http, question, random);
                times.Add((question, Stopwatch.GetElapsedTime(started)));
            }
        }));
        return times;
    }

    private static async Task AskAsync(HttpClient http, Question question, Random random)
    {
        foreach (var path in question.Paths(random))
        {
            using var response = await http.GetAsync(path);
            response.EnsureSuccessStatusCode();
        }
    }

    private static void Report(QueryMix mix, ConcurrentBag<(Question Question, TimeSpan Took)> times, int clients, History history)
    {
        Console.WriteLine($"{clients} clients, each asking again at once; {times.Count:N0} answers; milliseconds:");
        Console.WriteLine($"{"",-48} {"share",6} {"count",7} {"p50",8} {"p95",8} {"p99",8}");
        var shares = (double)mix.Questions.Sum(question => question.Share);
        foreach (var group in mix.Questions.GroupBy(question => question.Group))
        {
            foreach (var question in group)
            {
                Line($"  {question.Name}", question.Share / shares, [.. times.Where(time => time.Question.Name == question.Name).Select(time => time.Took)]);
            }

            List<TimeSpan> all = [.. times.Where(time => time.Question.Group == group.Key).Select(time => time.Took)];
            Line(group.Key, group.Sum(question => question.Share) / shares, all, goal: true);
            history.AddLatency($"analysts {group.Key} by {clients} clients", At(all, 0.95));
        }
    }

    private static void Line(string name, double share, List<TimeSpan> times, bool goal = false)
    {
        times.Sort();
        double Ms(double part) => At(times, part).TotalMilliseconds;
        Console.WriteLine($"{name,-48} {share,6:P0} {times.Count,7:N0} {Ms(0.5),8:F1} {Ms(0.95),8:F1} {Ms(0.99),8:F1}{(goal ? $"   (goal: p95 less than {Goal.TotalMilliseconds})" : "")}");
    }

    private static TimeSpan At(List<TimeSpan> sorted, double part) => sorted.Count == 0 ? TimeSpan.Zero : sorted[(int)(part * (sorted.Count - 1))];

    private static async Task ExportAsync(HttpClient http, string what)
    {
        var started = Stopwatch.GetTimestamp();
        using var response = await http.GetAsync($"/api/export/{what}?format=csv", HttpCompletionOption.ResponseHeadersRead);
        response.EnsureSuccessStatusCode();
        await using var body = await response.Content.ReadAsStreamAsync();
        var (buffer, rows) = (ArrayPool<byte>.Shared.Rent(1 << 16), -1L);
        for (int read; (read = await body.ReadAsync(buffer)) > 0;)
        {
            rows += buffer.AsSpan(0, read).Count((byte)'\n');
        }

        var seconds = Stopwatch.GetElapsedTime(started).TotalSeconds;
        Console.WriteLine($"export of {what,-12} {rows,10:N0} rows in {seconds,6:F1} s: {rows / seconds,10:N0} rows/s   (goal: more than 50,000)");
    }

    /// <summary>From the commit of an event to its message on the live stream.</summary>
    private static async Task FollowAsync(HttpClient http, IEventStore store)
    {
        var sid = CallSid.Parse($"CA{Guid.NewGuid():N}");
        var caller = CallerId.Of(CallerAddress.Parse("+15550109999"), Secret);
        using var response = await http.GetAsync($"/api/live?callSid={sid}", HttpCompletionOption.ResponseHeadersRead);
        await using var messages = SseParser.Create(await response.Content.ReadAsStreamAsync()).EnumerateAsync().GetAsyncEnumerator();
        await messages.MoveNextAsync();
        var delays = new List<TimeSpan>();
        var random = new Random(Seed);
        for (var number = 0; number < LiveEvents; number++)
        {
            await Task.Delay(random.Next(20, 120)); // At any moment between two looks at the log.
            await store.AppendAsync(Call.StreamId(sid), ExpectedVersion.Any, caller, [Said(number)], CancellationToken.None);
            var stored = Stopwatch.GetTimestamp();
            do
            {
                await messages.MoveNextAsync();
            }
            while (messages.Current.EventType == "position");

            delays.Add(Stopwatch.GetElapsedTime(stored));
        }

        delays.Sort();
        Console.WriteLine(
            $"live: an event is seen after p50 {delays[delays.Count / 2].TotalMilliseconds:F0} ms, p95 {delays[(int)(0.95 * (delays.Count - 1))].TotalMilliseconds:F0} ms, "
            + $"at most {delays[^1].TotalMilliseconds:F0} ms   (goal: less than 300)");
    }

    private static UtteranceTranscribed Said(int number) => new(
        $"sess:item_{number}", Speaker.Caller, "general", "What time is it?", "What time is it?", Interrupted: false, TranscriptionOutcome.Completed,
        1_000 * number, (1_000 * number) + 900, 900, 900, "en", FirstAudioMs: null, FirstHeardMs: null, DateTimeOffset.UtcNow);

    private static async Task<T> ScalarAsync<T>(NpgsqlDataSource database, string sql)
    {
        await using var command = database.CreateCommand(sql);
        command.CommandTimeout = 0;
        return (T)(await command.ExecuteScalarAsync())!;
    }

    private static async Task<List<string>> ColumnAsync(NpgsqlDataSource database, string sql)
    {
        await using var command = database.CreateCommand(sql);
        command.CommandTimeout = 0;
        await using var reader = await command.ExecuteReaderAsync();
        var column = new List<string>();
        while (await reader.ReadAsync())
        {
            column.Add(reader.GetString(0));
        }

        return column;
    }
}
