using Guru.Application;
using Guru.Application.Calls;
using Guru.Domain.Calls;
using Npgsql;

namespace Guru.Infrastructure.Postgres;

internal sealed class CallQueries(NpgsqlDataSource dataSource, PostgresEventStore store, EventSerializer serializer) : ICallQueries
{
    private const int MostRows = 1_000;

    private const string Columns =
        """
        select call_sid, caller_id, channel, direction, agent, language, status, end_reason, started_at, ended_at, duration_seconds
        from guru.calls
        """;

    public async Task<Page<CallSummary>> ListAsync(int limit, string? cursor, CancellationToken cancellationToken)
    {
        limit = Math.Clamp(limit, 1, MostRows);
        await using var command = dataSource.CreateCommand(
            $"{Columns} {(cursor is null ? "" : "where (started_at, call_sid) < ($2, $3)")} order by started_at desc, call_sid desc limit $1");
        command.Parameters.Add(new() { Value = limit + 1 });
        if (cursor is not null)
        {
            var (startedAt, callSid) = TimeCursor.Parse(cursor);
            command.Parameters.Add(new() { Value = startedAt });
            command.Parameters.Add(new() { Value = callSid });
        }

        var calls = await CallsAsync(command, cancellationToken);
        return calls.Count <= limit
            ? new Page<CallSummary>(calls, Next: null)
            : new Page<CallSummary>(calls[..limit], TimeCursor.Of(calls[limit - 1].StartedAt, calls[limit - 1].CallSid));
    }

    public async Task<CallSummary?> FindAsync(CallSid callSid, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand($"{Columns} where call_sid = $1");
        command.Parameters.Add(new() { Value = callSid.Value });
        return (await CallsAsync(command, cancellationToken)).SingleOrDefault();
    }

    public async Task<Transcript?> TranscriptAsync(CallSid callSid, CancellationToken cancellationToken)
    {
        if (await FindAsync(callSid, cancellationToken) is not { } call)
        {
            return null;
        }

        await using var command = dataSource.CreateCommand(
            """
            select utterance_id, speaker, agent, said, heard, interrupted, transcription, start_ms, end_ms, said_ms, heard_ms, language,
                   first_audio_ms, first_heard_ms
            from guru.utterances where call_sid = $1
            order by start_ms, at, utterance_id
            """);
        command.Parameters.Add(new() { Value = callSid.Value });
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var lines = new List<TranscriptLine>();
        while (await reader.ReadAsync(cancellationToken))
        {
            lines.Add(new TranscriptLine(
                Id: reader.GetString(0),
                Speaker: EnumText.Read<Speaker>(reader.GetString(1)),
                Agent: TextOrNull(reader, 2),
                Said: reader.GetString(3),
                Heard: reader.GetString(4),
                Interrupted: reader.GetBoolean(5),
                Transcription: EnumText.Read<TranscriptionOutcome>(reader.GetString(6)),
                StartMs: reader.GetInt64(7),
                EndMs: reader.GetInt64(8),
                SaidMs: reader.GetInt64(9),
                HeardMs: reader.GetInt64(10),
                Language: TextOrNull(reader, 11),
                FirstAudioMs: ValueOrNull<long>(reader, 12),
                FirstHeardMs: ValueOrNull<long>(reader, 13)));
        }

        return new Transcript(call.CallSid, call.Status, lines);
    }

    public async Task<Page<EventView>?> EventsAsync(CallSid callSid, int limit, string? cursor, CancellationToken cancellationToken)
    {
        limit = Math.Clamp(limit, 1, MostRows);
        var from = cursor is null ? 1 : EventCursor.Parse(cursor);
        var events = await store.ReadAsync(Call.StreamId(callSid), from, limit + 1, cancellationToken);
        if (events.Count == 0 && cursor is null)
        {
            return null;
        }

        return new Page<EventView>(
            [.. events.Take(limit).Select(View)],
            events.Count > limit ? EventCursor.Of(events[limit].Version) : null);
    }

    private EventView View(StoredEvent stored)
    {
        var type = serializer.Types.Of(stored.Data);
        return new EventView(
            stored.Sequence, stored.StreamId, stored.Version, type.Name, type.At(stored.Data), serializer.Readable(stored.Data));
    }

    private static async Task<List<CallSummary>> CallsAsync(NpgsqlCommand command, CancellationToken cancellationToken)
    {
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var calls = new List<CallSummary>();
        while (await reader.ReadAsync(cancellationToken))
        {
            calls.Add(new CallSummary(
                CallSid: reader.GetString(0),
                CallerId: TextOrNull(reader, 1),
                Channel: EnumText.Read<CallChannel>(reader.GetString(2)),
                Direction: EnumText.Read<CallDirection>(reader.GetString(3)),
                Agent: TextOrNull(reader, 4),
                Language: TextOrNull(reader, 5),
                Status: EnumText.Read<CallStatus>(reader.GetString(6)),
                EndReason: TextOrNull(reader, 7) is { } reason ? EnumText.Read<CallEndReason>(reason) : null,
                StartedAt: reader.GetFieldValue<DateTimeOffset>(8),
                EndedAt: ValueOrNull<DateTimeOffset>(reader, 9),
                DurationSeconds: ValueOrNull<int>(reader, 10)));
        }

        return calls;
    }

    private static string? TextOrNull(NpgsqlDataReader reader, int column) => reader.IsDBNull(column) ? null : reader.GetString(column);

    private static T? ValueOrNull<T>(NpgsqlDataReader reader, int column)
        where T : struct => reader.IsDBNull(column) ? null : reader.GetFieldValue<T>(column);
}
