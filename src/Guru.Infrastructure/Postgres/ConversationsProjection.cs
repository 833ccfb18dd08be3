using Guru.Domain;
using Guru.Domain.Callers;
using Guru.Domain.Calls;
using Guru.Domain.Conversations;
using static NpgsqlTypes.NpgsqlDbType;

namespace Guru.Infrastructure.Postgres;

/// <summary>
/// One row for each caller. It is written from the caller's conversation and from all of the caller's calls, whose appends run side by
/// side: whatever two streams may write comes out the same in any order.
/// </summary>
internal sealed class ConversationsProjection(string schema) : IProjection
{
    private readonly SqlStatement _activity = new(
        $"""
        insert into {schema}.conversations as c (caller_id, address_masked, last_activity_at)
        select a.caller_id, max(a.address_masked collate "C"), max(a.at)
        from unnest($1, $2, $3) as a (caller_id, address_masked, at)
        group by a.caller_id
        on conflict (caller_id) do update set
            address_masked = greatest(c.address_masked, excluded.address_masked),
            last_activity_at = greatest(c.last_activity_at, excluded.last_activity_at)
        """,
        Text, Text, TimestampTz);

    private readonly SqlStatement _speech = new(
        $"""
        insert into {schema}.conversations as known (caller_id, last_activity_at)
        select c.caller_id, max({CallStream.SpokenAt})
        from unnest($1, $2) as u (call_sid, start_ms) join {schema}.calls c on c.call_sid = u.call_sid
        where c.caller_id is not null
        group by c.caller_id
        on conflict (caller_id) do update set last_activity_at = greatest(known.last_activity_at, excluded.last_activity_at)
        """,
        Text, Bigint);

    /// <summary>The agent who has a call has the conversation.</summary>
    private readonly SqlStatement _callAgent = new(
        $"""
        insert into {schema}.conversations as known (caller_id, agent, agent_at)
        select distinct on (c.caller_id) c.caller_id, a.agent, a.at
        from unnest($1, $2, $3) as a (call_sid, agent, at) join {schema}.calls c on c.call_sid = a.call_sid
        where c.caller_id is not null
        order by c.caller_id, a.at desc, a.agent desc
        on conflict (caller_id) do update set {LaterAgent("known")}
        """,
        Text, Text, TimestampTz);

    private readonly SqlStatement _merge = new(
        $"""
        insert into {schema}.conversations as c (caller_id, agent, agent_at, language, summary, summarized_up_to, summarized_at)
        select * from unnest($1, $2, $3, $4, $5, $6, $7) as r
        on conflict (caller_id) do update set
            {LaterAgent("c")},
            language = coalesce(excluded.language, c.language),
            summary = case
                when excluded.summarized_up_to >= coalesce(c.summarized_up_to, '-infinity') then excluded.summary
                else c.summary end,
            summarized_at = case
                when excluded.summarized_up_to >= coalesce(c.summarized_up_to, '-infinity') then excluded.summarized_at
                else c.summarized_at end,
            summarized_up_to = greatest(c.summarized_up_to, excluded.summarized_up_to)
        """,
        Text, Text, TimestampTz, Text, Text, TimestampTz, TimestampTz);

    private readonly SqlStatement _erase = new(
        $"delete from {schema}.conversations c using unnest($1) as e (caller_id) where c.caller_id = e.caller_id", Text);

    private readonly SqlStatement _silence = new(
        $"""
        update {schema}.conversations c set summary = '' from unnest($1, $2) as r (caller_id, before)
        where c.caller_id = r.caller_id and c.summarized_at < r.before
        """,
        Text, TimestampTz);

    public IReadOnlyList<string> Tables => ["conversations"];

    public IReadOnlyList<string> Reads => ["calls"];

    public string Version => "7";

    public IEnumerable<SqlCommand> Project(ProjectedEvent @event) => @event.Data switch
    {
        MessageReceived e => [Active(e.CallerId, e.Address, e.At, e.MessageSid)],
        MessageReplied { ReplySids: [var first, ..] } e => [Active(e.CallerId, address: null, e.At, first)],
        MessageSent { MessageSids: [var first, ..] } e => [Active(e.CallerId, address: null, e.At, first)],
        MessageReplyFailed { ReplySids: [var first, ..] } e => [Active(e.CallerId, address: null, e.At, first)],
        CallStarted e => [Active(e.CallerId, e.Address, e.At, e.CallSid.Value)],
        UtteranceTranscribed e when CallStream.SidOf(@event.StreamId) is { } callSid =>
        [
            new SqlCommand(_speech, null, callSid, e.StartMs) { Reads = callSid },
        ],
        AgentRouted e => CallAgent(@event.StreamId, e.Agent, e.At),
        AgentHandedOff e => CallAgent(@event.StreamId, e.To, e.At),
        AgentSelected e => [Merge(e.CallerId, agent: e.Agent, agentAt: e.At)],
        LanguageDetermined e => [Merge(e.CallerId, language: e.Language)],
        ConversationSummarized e => [Merge(e.CallerId, summary: e.Summary ?? "", upTo: e.UpTo, summarizedAt: e.At)],
        RetentionApplied { Kind: Retained.Messages or Retained.Transcripts } e => [SqlCommand.Between(_silence, e.CallerId.Value, e.Before)],
        CallerErased e => [SqlCommand.Between(_erase, e.CallerId.Value)],
        _ => [],
    };

    private static string LaterAgent(string known) =>
        $"""
        agent = case
            when (excluded.agent_at, excluded.agent) > (coalesce({known}.agent_at, '-infinity'), coalesce({known}.agent, '')) then excluded.agent
            else {known}.agent end,
        agent_at = greatest({known}.agent_at, excluded.agent_at)
        """;

    private IEnumerable<SqlCommand> CallAgent(string streamId, string agent, DateTimeOffset at) =>
        CallStream.SidOf(streamId) is { } callSid
            ? [new SqlCommand(_callAgent, $"agent/{callSid}/{at.UtcTicks}", callSid, agent, at) { Reads = callSid }]
            : [];

    /// <summary>A key for each source, since activities of one caller join into one row whatever their order.</summary>
    private SqlCommand Active(CallerId callerId, string? address, DateTimeOffset at, string source) => new(
        _activity, $"activity/{callerId}/{source}",
        callerId.Value, string.IsNullOrEmpty(address) ? null : CallerAddress.Mask(address), at);

    private SqlCommand Merge(
        CallerId callerId, string? agent = null, DateTimeOffset? agentAt = null, string? language = null, string? summary = null,
        DateTimeOffset? upTo = null, DateTimeOffset? summarizedAt = null) =>
        new(_merge, $"conversation/{callerId}", callerId.Value, agent, agentAt, language, summary, upTo, summarizedAt);
}
