using Guru.Application.Calling;
using Guru.Domain.Callers;
using Npgsql;

namespace Guru.Infrastructure.Postgres;

/// <summary>In <c>guru.request_keys</c>; the first to come binds.</summary>
internal sealed class PostgresRequestKeys(NpgsqlDataSource dataSource) : IRequestKeys
{
    public async Task<string?> BindAsync(CallerId callerId, string key, string content, string requestId, CancellationToken cancellationToken)
    {
        // Two statements: the second sees what another transaction has bound while the first waited for it.
        await using var batch = dataSource.CreateBatch();
        batch.BatchCommands.Add(new NpgsqlBatchCommand("insert into guru.request_keys (key, content, request_id, caller_id) values ($1, $2, $3, $4) on conflict (key) do nothing")
        {
            Parameters = { new() { Value = key }, new() { Value = content }, new() { Value = requestId }, new() { Value = callerId.Value } },
        });
        batch.BatchCommands.Add(new NpgsqlBatchCommand("select request_id from guru.request_keys where key = $1 and content = $2")
        {
            Parameters = { new() { Value = key }, new() { Value = content } },
        });

        // To the last result: before it, what was bound may still be rolled back.
        string? bound = null;
        await using var reader = await batch.ExecuteReaderAsync(cancellationToken);
        do
        {
            while (await reader.ReadAsync(cancellationToken))
            {
                bound = reader.GetString(0);
            }
        }
        while (await reader.NextResultAsync(cancellationToken));
        return bound;
    }
}
