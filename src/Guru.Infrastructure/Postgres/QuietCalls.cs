using Guru.Application.Calls;
using Guru.Domain.Calls;
using Npgsql;

namespace Guru.Infrastructure.Postgres;

/// <summary>By the read model and, for when something was last appended, the streams of the log.</summary>
internal sealed class QuietCalls(NpgsqlDataSource dataSource) : IQuietCalls
{
    public async Task<IReadOnlyList<CallSid>> FindAsync(TimeSpan quiet, TimeSpan quietInBrowser, int limit, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(
            """
            select c.call_sid
            from guru.calls c join events.mt_streams s on s.id = 'call-' || c.call_sid
            where c.ended_at is null and s."timestamp" < now() - case c.channel when 'webapp' then $2 else $1 end
            order by random() limit $3
            """);
        command.Parameters.Add(new() { Value = quiet });
        command.Parameters.Add(new() { Value = quietInBrowser });
        command.Parameters.Add(new() { Value = limit });
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var calls = new List<CallSid>();
        while (await reader.ReadAsync(cancellationToken))
        {
            calls.Add(CallSid.Parse(reader.GetString(0)));
        }

        return calls;
    }
}
