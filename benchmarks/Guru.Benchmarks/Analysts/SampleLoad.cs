using System.Diagnostics;
using Guru.Infrastructure.Postgres;
using Guru.SampleData;
using Npgsql;
using NpgsqlTypes;

namespace Guru.Benchmarks.Analysts;

/// <summary>
/// Many sample calls in the event tables, sealed and serialized as an append does it but copied in bulk; the read models are then made of them by a
/// rebuild, as those of any Guru.
/// </summary>
internal sealed class SampleLoad(NpgsqlDataSource database, EventSerializer serializer, Rebuild rebuild)
{
    private const int CallsAtOnce = 400;

    public async Task RunAsync(SampleCalls sample, int calls)
    {
        var started = Stopwatch.GetTimestamp();
        var events = await StoreAsync(sample.TakeInOrder(calls));
        Console.WriteLine($"stored   {events,10:N0} events of {calls:N0} calls in {Stopwatch.GetElapsedTime(started).TotalSeconds:F0} s");
        started = Stopwatch.GetTimestamp();
        await rebuild.RebuildAsync(progress: null, CancellationToken.None);
        await using (var connection = await database.OpenConnectionAsync())
        {
            await ExecuteAsync(connection, "vacuum analyze");
        }

        Console.WriteLine($"rebuilt  {events,10:N0} events in {Stopwatch.GetElapsedTime(started).TotalSeconds:F0} s");
    }

    /// <summary>The events only.</summary>
    /// <returns>How many.</returns>
    public async Task<long> StoreAsync(IEnumerable<SampleCall> calls)
    {
        var events = 0L;
        await using var connection = await database.OpenConnectionAsync();
        var next = Task.FromResult<List<Stream>>([]);
        foreach (var chunk in calls.Chunk(CallsAtOnce))
        {
            var ready = await next;
            next = Task.Run(() => SealAsync(chunk)); // Beside the copying of those before.
            events = await CopyAsync(connection, ready, events);
        }

        events = await CopyAsync(connection, await next, events);
        await ExecuteAsync(connection, $"select setval('events.mt_events_sequence', {events})");
        await ExecuteAsync(connection, "vacuum analyze events.mt_events, events.mt_streams");
        return events;
    }

    private async Task<List<Stream>> SealAsync(IReadOnlyList<SampleCall> calls)
    {
        var streams = new List<Stream>(calls.Count);
        foreach (var call in calls)
        {
            streams.Add(new Stream(call, (await serializer.WriteAsync(call.CallerId, [.. call.Events], CancellationToken.None)).Events));
        }

        return streams;
    }

    private static async Task<long> CopyAsync(NpgsqlConnection connection, List<Stream> streams, long sequence)
    {
        await using (var rows = await connection.BeginBinaryImportAsync("copy events.mt_streams (id, version) from stdin (format binary)"))
        {
            foreach (var stream in streams)
            {
                await rows.StartRowAsync();
                await rows.WriteAsync(stream.Call.StreamId, NpgsqlDbType.Varchar);
                await rows.WriteAsync((long)stream.Events.Count, NpgsqlDbType.Bigint);
            }

            await rows.CompleteAsync();
        }

        await using (var rows = await connection.BeginBinaryImportAsync(
            "copy events.mt_events (seq_id, id, stream_id, version, data, type, mt_dotnet_type, \"timestamp\") from stdin (format binary)"))
        {
            foreach (var stream in streams)
            {
                for (var index = 0; index < stream.Events.Count; index++)
                {
                    var stored = stream.Events[index];
                    await rows.StartRowAsync();
                    await rows.WriteAsync(++sequence, NpgsqlDbType.Bigint);
                    await rows.WriteAsync(Guid.CreateVersion7(), NpgsqlDbType.Uuid);
                    await rows.WriteAsync(stream.Call.StreamId, NpgsqlDbType.Varchar);
                    await rows.WriteAsync(index + 1L, NpgsqlDbType.Bigint);
                    await rows.WriteAsync(stored.Json, NpgsqlDbType.Jsonb);
                    await rows.WriteAsync(stored.Type.StoredName, NpgsqlDbType.Varchar);
                    await rows.WriteAsync(stored.Type.DotnetType, NpgsqlDbType.Varchar);
                    await rows.WriteAsync(stream.Call.Events[index].At.UtcDateTime, NpgsqlDbType.TimestampTz);
                }
            }

            await rows.CompleteAsync();
        }

        return sequence;
    }

    private static async Task ExecuteAsync(NpgsqlConnection connection, string sql)
    {
        await using var command = new NpgsqlCommand(sql, connection) { CommandTimeout = 0 };
        await command.ExecuteNonQueryAsync();
    }

    private sealed record Stream(SampleCall Call, IReadOnlyList<WrittenEvent> Events);
}
