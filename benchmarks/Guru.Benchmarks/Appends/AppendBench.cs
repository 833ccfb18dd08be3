using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Guru.Application;
using Guru.Infrastructure.Costs;
using Guru.Infrastructure.Postgres;
using Guru.SampleData;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using NpgsqlTypes;

namespace Guru.Benchmarks.Appends;

/// <param name="Seconds">How long each figure is measured.</param>
internal sealed record AppendPlan(int Seconds, IReadOnlyList<int> Writers);

/// <summary>
/// The event store, projections on, in a PostgreSQL of its own: invented calls, appended event by event or ten at once, beside the same without projections,
/// the same rows written plainly, the stream's and the events' in one transaction, and pgbench's transactions of one event.
/// </summary>
internal static class AppendBench
{
    private const int Calls = 20_000;
    private const int WarmSeconds = 8;
    private static readonly int[] Sizes = [1, 10];

    public static async Task<IReadOnlyList<AppendFigures>> RunAsync(AppendPlan plan)
    {
        var directory = Directory.CreateTempSubdirectory("guru-bench-").FullName;
        try
        {
            await using var database = await Database.OpenAsync(new DatabaseOptions { DataDirectory = directory }, NullLoggerFactory.Instance, CancellationToken.None);
            await using var services = new ServiceCollection()
                .AddLogging()
                .AddSingleton(TimeProvider.System)
                .AddPostgres(database, PricesFile.Load(PricesFile.ShippedPath))
                .BuildServiceProvider();
            var store = services.GetRequiredService<IEventStore>();
            var log = new PostgresEventStore(
                database.DataSource, services.GetRequiredService<EventSerializer>(), services.GetRequiredService<EventKeys>(), Projections.None);
            var floor = await PlainRows.CreateAsync(database.DataSource, services.GetRequiredService<EventSerializer>().Types);
            var pgbench = await PgBench.CreateAsync(database.DataSource, directory);
            var figures = new List<AppendFigures>();
            var seed = 1;
            await MeasureAsync(Sample(seed++), 1, 8, TimeSpan.FromSeconds(WarmSeconds), store.WriteAsync); // JIT, prepared statements.
            foreach (var size in Sizes)
            {
                foreach (var writers in plan.Writers)
                {
                    var calls = Sample(seed++);
                    var span = TimeSpan.FromSeconds(plan.Seconds);
                    var plain = await MeasureAsync(calls, size, writers, span, floor.WriteAsync);
                    var alone = await MeasureAsync(calls, size, writers, span, log.WriteAsync);
                    var ours = await MeasureAsync(calls, size, writers, span, store.WriteAsync);
                    figures.Add(new AppendFigures(size, writers, ours, alone, plain, size == 1 ? await pgbench.RunAsync(writers, plan.Seconds) : null));
                    Print(figures[^1]);
                }
            }

            return figures;
        }
        finally
        {
            BenchDirectory.Delete(directory);
        }
    }

    private static void Print(AppendFigures f) => Console.WriteLine(string.Create(
        CultureInfo.InvariantCulture,
        $"{f.Size,3} at once {f.Writers,3} writers  {f.EventsPerSecond,8:F0} events/s   the log alone {f.LogPerSecond,8:F0}   plain {f.FloorPerSecond,8:F0} {f.Ratio,5:F2}{(f.PgBenchPerSecond is { } pgbench ? $"   pgbench {pgbench,8:F0} {f.EventsPerSecond / pgbench,5:F2}" : "")}"));

    private static IEnumerator<SampleCall> Sample(int seed) =>
        new SampleCalls(seed, DateTimeOffset.UtcNow, days: 30, "a secret of sixteen"u8.ToArray()).Take(Calls).GetEnumerator();

    /// <returns>Events a second.</returns>
    private static async Task<double> MeasureAsync(
        IEnumerator<SampleCall> calls, int size, int writers, TimeSpan span, Func<SampleCall, int, Task> write)
    {
        long events = 0;
        var began = Stopwatch.GetTimestamp();
        await Task.WhenAll(Enumerable.Range(0, writers).Select(_ => Task.Run(async () =>
        {
            while (Stopwatch.GetElapsedTime(began) < span)
            {
                SampleCall call;
                lock (calls)
                {
                    calls.MoveNext();
                    call = calls.Current;
                }

                await write(call, size);
                Interlocked.Add(ref events, call.Events.Count);
            }
        })));
        return events / Stopwatch.GetElapsedTime(began).TotalSeconds;
    }

    private static async Task WriteAsync(this IEventStore store, SampleCall call, int size)
    {
        long version = 0;
        foreach (var some in call.Events.Chunk(size))
        {
            version = await store.AppendAsync(call.StreamId, ExpectedVersion.Exactly(version), call.CallerId, some, CancellationToken.None);
        }
    }
}

/// <param name="Size">Events in an append.</param>
/// <param name="LogPerSecond">Appended without projections.</param>
/// <param name="PgBenchPerSecond">For appends of one event; null where pgbench is not installed.</param>
internal sealed record AppendFigures(int Size, int Writers, double EventsPerSecond, double LogPerSecond, double FloorPerSecond, double? PgBenchPerSecond)
{
    public double Ratio => EventsPerSecond / FloorPerSecond;
}

/// <summary>The floor: the same rows in tables of the same shape, with nothing checked, sealed anew or projected.</summary>
internal sealed class PlainRows(NpgsqlDataSource database, EventTypes types)
{
    public static async Task<PlainRows> CreateAsync(NpgsqlDataSource database, EventTypes types)
    {
        await using var create = database.CreateCommand(
            """
            create schema plain;
            create table plain.mt_streams (like events.mt_streams including all);
            create table plain.mt_events (like events.mt_events including all);
            """);
        await create.ExecuteNonQueryAsync();
        return new PlainRows(database, types);
    }

    public async Task WriteAsync(SampleCall call, int size)
    {
        long version = 0;
        foreach (var some in call.Events.Chunk(size))
        {
            await using var batch = database.CreateBatch();
            batch.BatchCommands.Add(new NpgsqlBatchCommand(
                version == 0 ? "insert into plain.mt_streams (id, version) values ($1, $2)" : "update plain.mt_streams set version = $2, \"timestamp\" = now() where id = $1")
            {
                Parameters = { new() { Value = call.StreamId, NpgsqlDbType = NpgsqlDbType.Varchar }, new() { Value = version + some.Length } },
            });
            foreach (var @event in some)
            {
                var type = types.Of(@event);
                batch.BatchCommands.Add(new NpgsqlBatchCommand(
                    "insert into plain.mt_events (seq_id, id, stream_id, version, data, type, mt_dotnet_type) values (nextval('events.mt_events_sequence'), $1, $2, $3, $4, $5, $6)")
                {
                    Parameters =
                    {
                        new() { Value = Guid.CreateVersion7() }, new() { Value = call.StreamId, NpgsqlDbType = NpgsqlDbType.Varchar }, new() { Value = ++version },
                        new() { Value = JsonSerializer.Serialize(@event, type.ClrType, EventJson.Options), NpgsqlDbType = NpgsqlDbType.Jsonb }, new() { Value = type.StoredName, NpgsqlDbType = NpgsqlDbType.Varchar },
                        new() { Value = type.DotnetType, NpgsqlDbType = NpgsqlDbType.Varchar },
                    },
                });
            }

            await batch.ExecuteNonQueryAsync();
        }
    }
}
