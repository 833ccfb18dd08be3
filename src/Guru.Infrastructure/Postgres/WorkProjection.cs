using Guru.Application.Work;
using Guru.Domain.Conversations;
using static NpgsqlTypes.NpgsqlDbType;

namespace Guru.Infrastructure.Postgres;

/// <summary>
/// What must still happen because of an event, added in the event's transaction. It is live only: a rebuild would bring back what
/// is done. There is one reply to do for each caller, so that answers keep their order and a burst is answered once.
/// </summary>
internal sealed class WorkProjection : IProjection
{
    /// <summary>Who writes in bursts seldom pauses for longer.</summary>
    private const string EndOfBurst = "interval '1.5 seconds'";

    /// <summary>Who writes without a pause is answered in between.</summary>
    private const string LongestBurst = "interval '10 seconds'";

    private static readonly SqlStatement Reply = new(
        $"""
        insert into guru.work as w (id, kind, caller_id, subject, due_at, due_by)
        select '{WorkItem.Reply}:' || m.caller_id, '{WorkItem.Reply}', m.caller_id, m.caller_id, m.at + {EndOfBurst}, m.at + {LongestBurst}
        from unnest($1, $2) as m (caller_id, at)
        on conflict (id) do update set
            round = w.round + 1,
            due_at = case when w.lease_until > now() then w.due_at else greatest(w.due_at, least(excluded.due_at, w.due_by)) end
        """,
        Text, TimestampTz);

    public IReadOnlyList<string> Tables => ["work"];

    public IEnumerable<SqlCommand> Project(ProjectedEvent @event) => @event.Data switch
    {
        MessageReceived e => [new SqlCommand(Reply, $"work/{e.CallerId}", e.CallerId.Value, e.At)],
        _ => [],
    };
}
