using System.Data;
using System.Runtime.CompilerServices;
using Guru.Application.Analytics;
using Guru.Application.Calls;
using Npgsql;

namespace Guru.Infrastructure.Postgres;

internal sealed class Exports(NpgsqlDataSource dataSource) : IExports
{
    public async IAsyncEnumerable<CallSummary> CallsAsync(CallFilter filter, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        var query = new SqlQuery();
        await CallConditions.AddAsync(query, filter, Projections.LiveSchema, connection, cancellationToken);
        await foreach (var call in ReadAsync(
            connection, query, $"select {CallQueries.Columns} from guru.calls c {query.Where} order by c.started_at, c.call_sid", CallQueries.Read, cancellationToken))
        {
            yield return call;
        }
    }

    public async IAsyncEnumerable<ExportedUtterance> UtterancesAsync(CallFilter filter, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        var query = new SqlQuery();
        await CallConditions.AddAsync(query, filter, Projections.LiveSchema, connection, cancellationToken);
        var rows = ReadAsync(
            connection,
            query,
            $"""
            select c.call_sid, c.caller_id, c.started_at, u.utterance_id, u.speaker, u.agent, u.said, u.heard, u.interrupted, u.transcription,
                u.start_ms, u.end_ms, u.said_ms, u.heard_ms, u.language, u.first_audio_ms, u.first_heard_ms, u.cost
            from guru.calls c
            cross join lateral ({CallQueries.TurnsOf("c.call_sid")}) u
            {query.Where}
            order by c.started_at, c.call_sid
            """,
            reader => new ExportedUtterance(
                reader.GetString(0), reader.TextOrNull(1), reader.GetFieldValue<DateTimeOffset>(2), CallQueries.ReadLine(reader, 3)),
            cancellationToken);
        await foreach (var utterance in rows)
        {
            yield return utterance;
        }
    }

    private static async IAsyncEnumerable<T> ReadAsync<T>(
        NpgsqlConnection connection, SqlQuery query, string sql, Func<NpgsqlDataReader, T> read, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await using var command = query.On(connection, sql);
        command.CommandTimeout = 0; // As long as who reads it takes.
        await using var reader = await command.ExecuteReaderAsync(CommandBehavior.SingleResult, cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
        {
            yield return read(reader);
        }
    }
}
