using System.IO.Compression;
using System.Text;
using Guru.Application.Traces;
using Guru.Domain;
using Guru.Domain.Callers;
using Guru.Domain.Calls;
using Npgsql;

namespace Guru.Infrastructure.Postgres;

/// <summary>In <c>guru.call_traces</c>, packed and then sealed.</summary>
internal sealed class PostgresCallTraces(NpgsqlDataSource dataSource, EventKeys keys) : ICallTraces
{
    private static readonly byte[] Binding = "call_traces.body"u8.ToArray();

    public async Task KeepAsync(KeptTrace trace, DateTimeOffset oldest, CancellationToken cancellationToken)
    {
        var scope = KeyScope.Of(trace.CallerId, PersonalDataKind.Transcript, trace.StartedAt);
        var key = (await keys.ForWritingAsync([scope], cancellationToken))[scope];
        await using var batch = dataSource.CreateBatch();

        // It comes when the call is over, and perhaps when the caller is erased: then nothing is kept, neither under the key of before nor under a new one.
        batch.BatchCommands.Add(new NpgsqlBatchCommand(
            """
            insert into guru.call_traces (call_sid, stream_sid, caller_id, version, started_at, key_id, body)
            select $1, $2, $3, $4, $5, key_id, $7 from guru_keys.keys
            where key_id = $6 and not exists (select from events.mt_events where stream_id = $8 and type = 'call_erased')
            for key share
            on conflict (call_sid, stream_sid) do nothing
            """)
        {
            Parameters =
            {
                new() { Value = trace.CallSid.Value },
                new() { Value = trace.StreamSid },
                new() { Value = trace.CallerId.Value },
                new() { Value = CallTrace.Version },
                new() { Value = trace.StartedAt.ToUniversalTime() },
                new() { Value = key.Id },
                new() { Value = SealedBytes.Seal(key.Bytes, Pack(trace.Text ?? ""), Binding) },
                new() { Value = Call.StreamId(trace.CallSid) },
            },
        });
        batch.BatchCommands.Add(new NpgsqlBatchCommand("delete from guru.call_traces where started_at < $1")
        {
            Parameters = { new() { Value = oldest.ToUniversalTime() } },
        });
        await batch.ExecuteNonQueryAsync(cancellationToken);
    }

    public async Task<IReadOnlyList<KeptTrace>> OfAsync(CallSid callSid, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(
            """
            select t.stream_sid, t.caller_id, t.started_at, t.body, k.key from guru.call_traces t left join guru_keys.keys k using (key_id)
            where t.call_sid = $1 order by t.started_at, t.stream_sid
            """);
        command.Parameters.Add(new() { Value = callSid.Value });
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var traces = new List<KeptTrace>();
        while (await reader.ReadAsync(cancellationToken))
        {
            traces.Add(new KeptTrace(
                callSid,
                CallerId.Parse(reader.GetString(1)),
                reader.GetString(0),
                reader.GetFieldValue<DateTimeOffset>(2),
                reader.IsDBNull(4) ? null : Unpack(SealedBytes.Open(reader.GetFieldValue<byte[]>(4), reader.GetFieldValue<byte[]>(3), Binding))));
        }

        return traces;
    }

    public async Task<IReadOnlyList<CallSid>> CallsAsync(CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand("select call_sid from guru.call_traces group by call_sid order by min(started_at), call_sid");
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var calls = new List<CallSid>();
        while (await reader.ReadAsync(cancellationToken))
        {
            calls.Add(CallSid.Parse(reader.GetString(0)));
        }

        return calls;
    }

    private static byte[] Pack(string text)
    {
        using var packed = new MemoryStream();
        using (var brotli = new BrotliStream(packed, CompressionLevel.Optimal))
        {
            brotli.Write(Encoding.UTF8.GetBytes(text));
        }

        return packed.ToArray();
    }

    private static string Unpack(byte[] packed)
    {
        using var brotli = new BrotliStream(new MemoryStream(packed), CompressionMode.Decompress);
        using var reader = new StreamReader(brotli, Encoding.UTF8);
        return reader.ReadToEnd();
    }
}
