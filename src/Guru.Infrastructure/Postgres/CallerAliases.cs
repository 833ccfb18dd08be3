using Guru.Application.Callers;
using Guru.Domain.Callers;
using Guru.Domain.Conversations;
using Npgsql;

namespace Guru.Infrastructure.Postgres;

internal sealed class CallerAliases(NpgsqlDataSource dataSource) : ICallerAliases
{
    public async Task<CallerId> OwnerOfAsync(CallerId id, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand("select caller_id from guru.caller_aliases where alias_id = $1");
        command.Parameters.Add(new() { Value = id.Value });
        return await command.ExecuteScalarAsync(cancellationToken) is string owner ? CallerId.Parse(owner) : id;
    }

    public async Task<(CallerTies One, CallerTies Other)> TiesOfAsync(CallerId one, CallerId other, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(
            """
            select (select a.caller_id from guru.caller_aliases a where a.alias_id = i.id),
                exists (select from guru.caller_aliases a where a.caller_id = i.id),
                exists (select from events.mt_streams s where s.id = i.stream) or exists (select from guru.calls c where c.caller_id = i.id)
            from unnest($1, $2) with ordinality as i (id, stream, place) order by i.place
            """);
        command.Parameters.Add(new() { Value = new[] { one.Value, other.Value } });
        command.Parameters.Add(new() { Value = new[] { Conversation.StreamId(one), Conversation.StreamId(other) } });
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        return (await TiesAsync(reader, one, cancellationToken), await TiesAsync(reader, other, cancellationToken));
    }

    public async Task<IReadOnlyList<CallerId>> AliasesOfAsync(CallerId owner, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand("select alias_id from guru.caller_aliases where caller_id = $1 order by at, alias_id");
        command.Parameters.Add(new() { Value = owner.Value });
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var aliases = new List<CallerId>();
        while (await reader.ReadAsync(cancellationToken))
        {
            aliases.Add(CallerId.Parse(reader.GetString(0)));
        }

        return aliases;
    }

    private static async Task<CallerTies> TiesAsync(NpgsqlDataReader reader, CallerId id, CancellationToken cancellationToken)
    {
        await reader.ReadAsync(cancellationToken);
        return new CallerTies(id, reader.TextOrNull(0) is { } owner ? CallerId.Parse(owner) : null, HasAliases: reader.GetBoolean(1), IsKnown: reader.GetBoolean(2));
    }
}
