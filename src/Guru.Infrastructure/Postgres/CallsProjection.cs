using Guru.Domain.Callers;
using Guru.Domain.Calls;
using Guru.Domain.Costs;
using static NpgsqlTypes.NpgsqlDbType;

namespace Guru.Infrastructure.Postgres;

/// <summary>
/// One row for each call. Every event says what it knows, null where it knows nothing, and one statement merges it into the row:
/// whichever event comes first makes it, and a final status stays. The figures of what was said and used are added by the projections of
/// those.
/// </summary>
internal sealed class CallsProjection(string schema, PriceTable prices) : IProjection
{
    private readonly SqlStatement _merge = new(
        $"""
        insert into {schema}.calls as c (
            call_sid, caller_id, address_masked, channel, direction, agent, language, status, end_reason,
            started_at, first_connected_at, ended_at, billed_seconds, error_code, node, cost_carrier, agents)
        select *, array_remove(array[f.agent], null)
        from unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
            as f (call_sid, caller_id, address_masked, channel, direction, agent, language, status, end_reason,
                  started_at, first_connected_at, ended_at, billed_seconds, error_code, node, cost_carrier)
        on conflict (call_sid) do update set
            caller_id = case when not c.erased then coalesce(c.caller_id, excluded.caller_id) end,
            address_masked = case when not c.erased then coalesce(c.address_masked, excluded.address_masked) end,
            agent = coalesce(excluded.agent, c.agent),
            language = coalesce(excluded.language, c.language),
            status = case
                when c.status in ('ringing', 'inProgress') and excluded.status <> 'ringing' then excluded.status
                else c.status end,
            end_reason = coalesce(c.end_reason, excluded.end_reason),
            started_at = least(c.started_at, excluded.started_at),
            former_hours = case
                when date_trunc('hour', excluded.started_at, 'UTC') < date_trunc('hour', c.started_at, 'UTC')
                    then c.former_hours || date_trunc('hour', c.started_at, 'UTC')
                else c.former_hours end,
            first_connected_at = coalesce(c.first_connected_at, excluded.first_connected_at),
            ended_at = coalesce(c.ended_at, excluded.ended_at),
            billed_seconds = coalesce(c.billed_seconds, excluded.billed_seconds),
            error_code = coalesce(c.error_code, excluded.error_code),
            node = coalesce(excluded.node, c.node),
            cost_carrier = coalesce(c.cost_carrier, excluded.cost_carrier),
            agents = case when excluded.agent is distinct from c.agent then c.agents || excluded.agents else c.agents end
        """,
        Text, Text, Text, Text, Text, Text, Text, Text, Text, TimestampTz, TimestampTz, TimestampTz, Integer, Integer, Text, Numeric);

    /// <summary>One utterance tells the language of a call only where nothing else does.</summary>
    private readonly SqlStatement _spoken = new(
        $"""
        update {schema}.calls c set language = s.language from unnest($1, $2) as s (call_sid, language)
        where c.call_sid = s.call_sid and c.language is null
        """,
        Text, Text);

    /// <summary>Each stream of a call adds to its recording.</summary>
    private readonly SqlStatement _recorded = new(
        $"""
        update {schema}.calls c set
            recording_ms = greatest(c.recording_ms, r.until_ms),
            recording_bytes = coalesce(c.recording_bytes, 0) + r.bytes
        from unnest($1, $2, $3) as r (call_sid, until_ms, bytes)
        where c.call_sid = r.call_sid
        """,
        Text, Bigint, Bigint);

    /// <summary>Whose call it was; its figures stay.</summary>
    private readonly SqlStatement _erase = new(
        $"update {schema}.calls c set caller_id = null, address_masked = null, erased = true from unnest($1) as e (call_sid) where c.call_sid = e.call_sid",
        Text);

    public IReadOnlyList<string> Tables => ["calls"];

    public string Version => "7";

    public string? Prices => Projections.VersionOf(prices);

    public IEnumerable<SqlCommand> Project(ProjectedEvent @event) =>
        CallStream.SidOf(@event.StreamId) is not { } callSid ? []
        : @event.Data is UtteranceTranscribed { Speaker: Speaker.Caller, Language: { } language } ? [new SqlCommand(_spoken, callSid, callSid, language) { Once = true }]
        : @event.Data is CallErased ? [new SqlCommand(_erase, callSid, callSid)]
        : @event.Data is RecordingStored recorded ? [new SqlCommand(_recorded, callSid, callSid, recorded.StartMs + recorded.DurationMs, recorded.Bytes)]
        : Said(@event.Data) is { } said ? [Merge(callSid, said)]
        : [];

    private static Facts? Said(object @event) => @event switch
    {
        CallStarted e => new Facts(e.At)
        {
            CallerId = e.CallerId.Value,
            AddressMasked = string.IsNullOrEmpty(e.Address) ? null : CallerAddress.Mask(e.Address),
            Channel = e.Channel,
            Direction = e.Direction,
            Language = e.Language,
        },
        AgentRouted e => new Facts(e.At) { Agent = e.Agent },
        AgentHandedOff e => new Facts(e.At) { Agent = e.To },
        CallLanguageDetermined e => new Facts(e.At) { Language = e.Language },
        MediaStreamConnected e => new Facts(e.At) { Status = CallStatus.InProgress, FirstConnectedAt = e.At, Node = e.Overtaken ? null : e.Node },
        CallStatusChanged e => new Facts(e.At)
        {
            CallerId = e.CallerId?.Value,
            Direction = e.Direction,
            Status = e.Status,
            BilledSeconds = e.DurationSeconds,
            ErrorCode = e.ErrorCode,
        },
        CallEnded e => new Facts(e.At) { Status = CallStatuses.After(e.Reason), EndReason = e.Reason, EndedAt = e.At },
        _ => null,
    };

    private SqlCommand Merge(string callSid, Facts said) => new(
        _merge, callSid,
        callSid, said.CallerId, said.AddressMasked, EnumText.Of(said.Channel ?? CallStream.ChannelOf(callSid)),
        EnumText.Of(said.Direction), said.Agent, said.Language, EnumText.Of(said.Status),
        said.EndReason is { } reason ? EnumText.Of(reason) : null,
        said.At, said.FirstConnectedAt, said.EndedAt, said.BilledSeconds, said.ErrorCode, said.Node,
        said.BilledSeconds is { } seconds ? prices.Of(CallStream.ChannelOf(callSid), said.Direction, seconds, said.At) : null);

    /// <summary>What one event tells of its call.</summary>
    /// <param name="At">The call had begun by then.</param>
    private sealed record Facts(DateTimeOffset At)
    {
        public string? CallerId { get; init; }
        public string? AddressMasked { get; init; }
        public CallChannel? Channel { get; init; }

        /// <summary>Counts only where the event makes the row; those that can, know it.</summary>
        public CallDirection Direction { get; init; }

        public string? Agent { get; init; }
        public string? Language { get; init; }

        /// <summary>Ringing says nothing: it never replaces another.</summary>
        public CallStatus Status { get; init; }

        public CallEndReason? EndReason { get; init; }
        public DateTimeOffset? FirstConnectedAt { get; init; }
        public DateTimeOffset? EndedAt { get; init; }
        public int? BilledSeconds { get; init; }
        public int? ErrorCode { get; init; }
        public string? Node { get; init; }
    }
}
