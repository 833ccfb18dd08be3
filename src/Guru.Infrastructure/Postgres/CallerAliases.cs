using Guru.Application.Callers;
using Guru.Domain.Callers;
using Guru.Domain.Conversations;
using Npgsql;

namespace Guru.Infrastructure.Postgres;

internal sealed class CallerAliases(NpgsqlDataSource dataSource) : ICallerAliases
{
    /// <summary>Nobody has come by so many ids one after the other.</summary>
    private const int MostHops = 16;

    /// <summary>Whom an id stands for in the end: who is nobody's alias, or, where they go round in a circle, the first of it by name.</summary>
    private static string Owner(string id) =>
        $"""
        with recursive line (id, hops) as (
            select {id}, 0
            union
            select a.caller_id, line.hops + 1 from line join guru.caller_aliases a on a.alias_id = line.id where line.hops < {MostHops})
        select line.id from line order by exists (select from guru.caller_aliases a where a.alias_id = line.id), line.id limit 1
        """;

    public async Task<CallerId> OwnerOfAsync(CallerId id, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(Owner("$1::text collate \"C\""));
        command.Parameters.Add(new() { Value = id.Value });
        return CallerId.Parse((string)(await command.ExecuteScalarAsync(cancellationToken))!);
    }

    public async Task<(CallerTies One, CallerTies Other)> TiesOfAsync(CallerId one, CallerId other, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(
            $"""
            select nullif(({Owner("i.id collate \"C\"")}), i.id),
                exists (select from guru.caller_aliases a where a.caller_id = i.id),
                exists (select from events.mt_events e where e.stream_id = i.stream and e.type <> 'caller_erased')
                    or exists (select from guru.calls c where c.caller_id = i.id)
            from unnest($1, $2) with ordinality as i (id, stream, place) order by i.place
            """);
        command.Parameters.Add(new() { Value = new[] { one.Value, other.Value } });
        command.Parameters.Add(new() { Value = new[] { Conversation.StreamId(one), Conversation.StreamId(other) } });
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        return (await TiesAsync(reader, one, cancellationToken), await TiesAsync(reader, other, cancellationToken));
    }

    public async Task<IReadOnlyList<CallerId>> AliasesOfAsync(CallerId owner, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand(
            $"""
            with recursive line (id, at, hops) as (
                select a.alias_id, a.at, 1 from guru.caller_aliases a where a.caller_id = $1
                union
                select a.alias_id, a.at, line.hops + 1 from line join guru.caller_aliases a on a.caller_id = line.id where line.hops < {MostHops})
            select id from line where id <> $1 group by id order by max(hops) desc, max(at), id
            """);
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
