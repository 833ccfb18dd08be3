using Guru.Application.Calling;
using Guru.Application.Work;
using Guru.Domain.Callers;
using Guru.Domain.Calls;
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

    /// <summary>The last words of a call are transcribed after its end.</summary>
    private const string LastFacts = "interval '5 seconds'";

    /// <summary>A session is over when nothing happened for an hour; the nodes' clocks may differ a little.</summary>
    private static readonly TimeSpan SessionIsOver = TimeSpan.FromMinutes(61);

    /// <summary>A digest in the midst of a session, where more was said than an agent can be told word for word.</summary>
    private const string Now = "now:";

    /// <summary>What is being done is finished first.</summary>
    private const string Later = "case when w.lease_until > now() then w.due_at else greatest(w.due_at, excluded.due_at) end";

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

    /// <summary>Every message is answered, or it is on record that it could not be: that is when it is asked for.</summary>
    private static readonly SqlStatement Digest = new(
        $"""
        insert into guru.work as w (id, kind, caller_id, subject, due_at)
        select '{WorkItem.Digest}:' || m.part || m.caller_id, '{WorkItem.Digest}', m.caller_id, m.caller_id, m.due_at
        from unnest($1, $2, $3) as m (part, caller_id, due_at)
        on conflict (id) do update set round = w.round + 1, due_at = {Later}
        """,
        Text, Text, TimestampTz);

    /// <summary>A call has items of its own, so that its transactions and those of texts do not wait for each other.</summary>
    private static readonly SqlStatement AfterCall = new(
        $"""
        insert into guru.work as w (id, kind, caller_id, subject, due_at)
        select due.kind || ':' || due.part || e.call_sid, due.kind, c.caller_id, due.subject, e.at + due.wait
        from unnest($1, $2) as e (call_sid, at)
        join guru.calls c on c.call_sid = e.call_sid and c.caller_id is not null
        cross join lateral (values
            ('{WorkItem.Summary}', '', e.call_sid, {LastFacts}),
            ('{WorkItem.Digest}', '{Now}', c.caller_id, {LastFacts}),
            ('{WorkItem.Digest}', '', c.caller_id, interval '{SessionIsOver.TotalMinutes} minutes')) as due (kind, part, subject, wait)
        on conflict do nothing
        """,
        Text, TimestampTz);

    /// <summary>What is recorded after the end of a call belongs in its summary.</summary>
    private static readonly SqlStatement LateFact = new(
        $"""
        update guru.work w set round = w.round + excluded.facts, due_at = {Later}
        from (
            select '{WorkItem.Summary}:' || call_sid as id, count(*) as facts, max(at) + {LastFacts} as due_at
            from unnest($1, $2) as e (call_sid, at) group by call_sid) as excluded
        where w.id = excluded.id
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

    /// <summary>A call of ours is over, or one that the caller did not have because of us.</summary>
    private static readonly SqlStatement FollowUp = new(
        $"""
        insert into guru.work as w (id, kind, caller_id, subject, due_at)
        select '{WorkItem.FollowUp}:' || e.call_sid, '{WorkItem.FollowUp}', c.caller_id, e.call_sid, e.at
        from unnest($1, $2, $3) as e (call_sid, at, ours)
        join guru.calls c on c.call_sid = e.call_sid and c.caller_id is not null
        where (e.ours or c.direction = 'outbound') and c.channel = 'whatsapp'
        on conflict (id) do update set
            round = w.round + 1,
            due_at = case when w.lease_until > now() then w.due_at else least(w.due_at, excluded.due_at) end
        """,
        Text, TimestampTz, NpgsqlTypes.NpgsqlDbType.Boolean);

    public IReadOnlyList<string> Tables => ["work"];

    /// <summary>It is never made anew.</summary>
    public string Version => "";

    public IEnumerable<SqlCommand> Project(ProjectedEvent @event) => @event.Data switch
    {
        MessageReceived e => [new SqlCommand(Reply, $"work/{e.CallerId}", e.CallerId.Value, e.At)],
        CallPermissionRequested e => [Do(WorkItem.Permission, e.CallerId, e.RequestId, e.At)],
        OutboundCallRequested e => [Do(WorkItem.Call, e.CallerId, e.RequestId, e.Earliest > e.At ? e.Earliest.Value : e.At)],
        OutboundCallPlaced e => [Do(WorkItem.FollowUp, e.CallerId, e.CallSid.Value, e.At + CallFollowUp.LongestRinging)],
        OutboundCallRefused e => [Do(WorkItem.FollowUp, e.CallerId, e.RequestId, e.At)],
        CallBackCancelled { By: CallBackCancelled.ByOperator } e => [Do(WorkItem.FollowUp, e.CallerId, e.CallBackId, e.At)],
        CallBackConfirmed e => [Do(WorkItem.Call, e.CallerId, e.CallBackId, e.DueAt)],
        MessageReplied e => [DigestOf(e.CallerId, "", e.At + SessionIsOver), DigestOf(e.CallerId, Now, e.At)],
        MessageReplyFailed e => [DigestOf(e.CallerId, "", e.At + SessionIsOver)],
        MessageSent e => [DigestOf(e.CallerId, "", e.At + SessionIsOver)],
        CallEnded e when CallStream.SidOf(@event.StreamId) is { } callSid =>
        [
            new SqlCommand(AfterCall, $"work/{callSid}", callSid, e.At) { Reads = callSid },
            new SqlCommand(FollowUp, $"work/{WorkItem.FollowUp}/{callSid}", callSid, e.At, CallFollowUp.IsOurDoing(e.Reason)) { Reads = callSid },
        ],
        UtteranceTranscribed e when CallStream.SidOf(@event.StreamId) is { } callSid =>
        [
            new SqlCommand(LateFact, $"work/{callSid}/{e.UtteranceId}", callSid, e.At) { Reads = $"work/{callSid}" },
        ],
        _ => [],
    };

    private static SqlCommand DigestOf(CallerId callerId, string part, DateTimeOffset dueAt) =>
        new(Digest, $"work/{WorkItem.Digest}:{part}{callerId}", part, callerId.Value, dueAt);

    private static SqlCommand Do(string kind, CallerId callerId, string subject, DateTimeOffset at) =>
        new(Once, $"work/{kind}/{subject}", kind, callerId.Value, subject, at);
}
