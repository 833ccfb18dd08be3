using Guru.Domain;
using Guru.Domain.Calls;
using Guru.Domain.Conversations;
using static NpgsqlTypes.NpgsqlDbType;

namespace Guru.Infrastructure.Postgres;

/// <summary>One row for each time an agent was chosen, for a message or in a call, and why.</summary>
internal sealed class RoutingsProjection(string schema) : IProjection
{
    private readonly SqlStatement _ofMessage = new(
        $"""
        insert into {schema}.routings (caller_id, source_id, message_sid, agent, reason, confidence, alternatives, prompt_version, at)
        select r.caller_id, r.message_sid, r.message_sid, r.agent, r.reason, r.confidence, string_to_array(r.alternatives, ' '), r.prompt_version, r.at
        from unnest($1, $2, $3, $4, $5, $6, $7, $8) as r (caller_id, message_sid, agent, reason, confidence, alternatives, prompt_version, at)
        on conflict do nothing
        """,
        Text, Text, Text, Text, NpgsqlTypes.NpgsqlDbType.Double, Text, Text, TimestampTz);

    private readonly SqlStatement _inCall = new(
        $"""
        insert into {schema}.routings (caller_id, source_id, call_sid, agent, reason, alternatives, at)
        select c.caller_id, c.call_sid || ':' || cardinality(c.agents), c.call_sid, r.agent, r.reason, '{"{}"}', r.at
        from unnest($1, $2, $3, $4) as r (call_sid, agent, reason, at) join {schema}.calls c on c.call_sid = r.call_sid
        where c.caller_id is not null
        on conflict do nothing
        """,
        Text, Text, Text, TimestampTz);

    private readonly SqlStatement _erase = new(
        $"delete from {schema}.routings r using unnest($1) as e (caller_id) where r.caller_id = e.caller_id", Text);

    private readonly SqlStatement _silence = new(
        $"""
        update {schema}.routings r set reason = '' from unnest($1, $2, $3) as o (caller_id, of_calls, before)
        where r.caller_id = o.caller_id and (r.call_sid is not null) = o.of_calls and r.at < o.before
        """,
        Text, NpgsqlTypes.NpgsqlDbType.Boolean, TimestampTz);

    public IReadOnlyList<string> Tables => ["routings"];

    public IReadOnlyList<string> Reads => ["calls"];

    public string Version => "7";

    public IEnumerable<SqlCommand> Project(ProjectedEvent @event) => @event.Data switch
    {
        AgentSelected e =>
        [
            new SqlCommand(
                _ofMessage, $"routing/{e.CallerId}/{e.MessageSid}",
                e.CallerId.Value, e.MessageSid, e.Agent, e.Reason ?? "", e.Confidence, string.Join(' ', e.Alternatives), e.PromptVersion, e.At),
        ],
        AgentRouted e when CallStream.SidOf(@event.StreamId) is { } callSid => [InCall(callSid, e.Agent, e.Reason, e.At)],
        AgentHandedOff e when CallStream.SidOf(@event.StreamId) is { } callSid => [InCall(callSid, e.To, e.Reason, e.At)],
        RetentionApplied { Kind: Retained.Messages or Retained.Transcripts } e => [SqlCommand.Between(_silence, e.CallerId.Value, e.Kind == Retained.Transcripts, e.Before)],
        CallerErased e => [SqlCommand.Between(_erase, e.CallerId.Value)],
        _ => [],
    };

    private SqlCommand InCall(string callSid, string agent, string? reason, DateTimeOffset at) =>
        new(_inCall, $"routing/{callSid}", callSid, agent, reason ?? "", at) { Reads = callSid };
}
