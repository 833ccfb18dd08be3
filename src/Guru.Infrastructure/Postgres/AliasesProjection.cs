using Guru.Domain.Conversations;
using static NpgsqlTypes.NpgsqlDbType;

namespace Guru.Infrastructure.Postgres;

/// <summary>Which ids stand for which person: one row for each alias, the latest that was told of it.</summary>
internal sealed class AliasesProjection(string schema) : IProjection
{
    private readonly SqlStatement _alias = new(
        $"""
        insert into {schema}.caller_aliases as a (alias_id, caller_id, at)
        select * from unnest($1, $2, $3) as r
        on conflict (alias_id) do update set caller_id = excluded.caller_id, at = excluded.at
            where (excluded.at, excluded.caller_id) > (a.at, a.caller_id)
        """,
        Text, Text, TimestampTz);

    private readonly SqlStatement _erase = new(
        $"delete from {schema}.caller_aliases a using unnest($1) as e (caller_id) where a.caller_id = e.caller_id", Text);

    public IReadOnlyList<string> Tables => ["caller_aliases"];

    public string Version => "7";

    public IEnumerable<SqlCommand> Project(ProjectedEvent @event) => @event.Data switch
    {
        CallerAliased e => [new SqlCommand(_alias, $"alias/{e.Alias}", e.Alias.Value, e.CallerId.Value, e.At)],
        CallerErased e => [SqlCommand.Between(_erase, e.CallerId.Value)],
        _ => [],
    };
}
