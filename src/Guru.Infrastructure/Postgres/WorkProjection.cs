using Guru.Application.Work;
using Guru.Domain.Callers;
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

    private static readonly SqlStatement Reply = new(
        $"""
        insert into guru.work as w (id, kind, caller_id, subject, due_at)
        select '{WorkItem.Reply}:' || m.caller_id, '{WorkItem.Reply}', m.caller_id, m.caller_id, m.at + {EndOfBurst}
        from unnest($1, $2) as m (caller_id, at)
        on conflict (id) do update set
            round = w.round + 1,
            due_at = case when w.lease_until > now() then w.due_at else greatest(w.due_at, excluded.due_at) end
        """,
        Text, TimestampTz);

    /// <summary>Once for each subject, as soon as the earliest of its events wants it.</summary>
    private static readonly SqlStatement Once = new(
        """
        insert into guru.work as w (id, kind, caller_id, subject, due_at)
        select distinct on (o.kind, o.subject) o.kind || ':' || o.subject, o.kind, o.caller_id, o.subject, o.due_at
        from unnest($1, $2, $3, $4) as o (kind, caller_id, subject, due_at)
        order by o.kind, o.subject, o.due_at
        on conflict (id) do update set
            round = w.round + 1,
            due_at = case when w.lease_until > now() then w.due_at else least(w.due_at, excluded.due_at) end
        """,
        Text, Text, Text, TimestampTz);

    public IReadOnlyList<string> Tables => ["work"];

    public IEnumerable<SqlCommand> Project(ProjectedEvent @event) => @event.Data switch
    {
        MessageReceived e => [new SqlCommand(Reply, $"work/{e.CallerId}", e.CallerId.Value, e.At)],
        CallPermissionRequested e => [Do(WorkItem.Permission, e.CallerId, e.RequestId, e.At)],
        OutboundCallRequested e => [Do(WorkItem.Call, e.CallerId, e.RequestId, e.Earliest > e.At ? e.Earliest.Value : e.At)],
        CallBackConfirmed e => [Do(WorkItem.Call, e.CallerId, e.CallBackId, e.DueAt)],
        _ => [],
    };

    private static SqlCommand Do(string kind, CallerId callerId, string subject, DateTimeOffset at) =>
        new(Once, $"work/{kind}/{subject}", kind, callerId.Value, subject, at);
}
