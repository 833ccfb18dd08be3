using Guru.Domain;
using Guru.Domain.Conversations;
using static NpgsqlTypes.NpgsqlDbType;

namespace Guru.Infrastructure.Postgres;

/// <summary>The consent ledger: one row for each event about calling a person back.</summary>
internal sealed class ConsentProjection(string schema) : IProjection
{
    private readonly SqlStatement _entry = new(
        $"""
        insert into {schema}.consent (
            caller_id, entry_id, at, type, request_id, grant_id, message_sid, call_sid, expires_at, due_at, reasons, outcome, error_code, note)
        select * from unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) as r
        on conflict do nothing
        """,
        Text, Text, TimestampTz, Text, Text, Text, Text, Text, TimestampTz, TimestampTz, Text, Text, Integer, Text);

    private readonly SqlStatement _erase = new(
        $"delete from {schema}.consent c using unnest($1) as e (caller_id) where c.caller_id = e.caller_id", Text);

    private readonly SqlStatement _silence = new(
        $"""
        update {schema}.consent c set note = '' from unnest($1, $2) as r (caller_id, before)
        where c.caller_id = r.caller_id and c.type in ('{nameof(OutboundCallRequested)}', '{nameof(CallBackProposed)}') and c.at < r.before
        """,
        Text, TimestampTz);

    public IReadOnlyList<string> Tables => ["consent"];

    public string Version => "7";

    public IEnumerable<SqlCommand> Project(ProjectedEvent @event) => @event.Data switch
    {
        CallerErased e => [SqlCommand.Between(_erase, e.CallerId.Value), Entry(e, Said(e))], // That nobody calls them any more is all that is left.
        RetentionApplied { Kind: Retained.Messages } e => [SqlCommand.Between(_silence, e.CallerId.Value, e.Before)],
        ConsentEvent consent => [Entry(consent, Said(consent))],
        _ => [],
    };

    private static Facts Said(ConsentEvent @event) => @event switch
    {
        CallPermissionRequested e => new Facts(e.RequestId) { RequestId = e.RequestId, Note = e.ContentSid },
        CallPermissionRequestSent e => new Facts(e.RequestId) { RequestId = e.RequestId, MessageSid = e.MessageSid },
        CallPermissionRequestFailed e => new Facts(e.RequestId) { RequestId = e.RequestId, Reasons = e.Reason, ErrorCode = e.ErrorCode },
        CallPermissionGranted e => new Facts(e.GrantId)
        {
            RequestId = e.RequestId,
            GrantId = e.GrantId,
            MessageSid = e.Source == GrantSource.Answer ? e.GrantId : null,
            CallSid = e.Source == GrantSource.Call ? e.GrantId : null,
            ExpiresAt = e.ExpiresAt,
        },
        CallPermissionDeclined e => new Facts(e.MessageSid) { RequestId = e.RequestId, MessageSid = e.MessageSid },
        CallPermissionRevoked e => new Facts(e.GrantId) { GrantId = e.GrantId, Reasons = e.Reason },
        OutboundCallRequested e => new Facts(e.RequestId) { RequestId = e.RequestId, DueAt = e.Earliest, ExpiresAt = e.Latest, Note = e.Reason },
        OutboundCallAllowed e => new Facts($"{e.RequestId}:{e.At.UtcTicks}") { RequestId = e.RequestId, GrantId = e.AllowedBy, Note = $"rules of {e.RulesAsOf:O}" },
        OutboundCallPlaced e => new Facts(e.RequestId) { RequestId = e.RequestId, GrantId = e.AllowedBy, CallSid = e.CallSid.Value },
        OutboundCallRefused e => new Facts(e.RequestId) { RequestId = e.RequestId, Reasons = string.Join(' ', e.Reasons), DueAt = e.PossibleFrom, ErrorCode = e.ErrorCode },
        OutboundCallEnded e => new Facts(e.RequestId) { RequestId = e.RequestId, CallSid = e.CallSid.Value, Outcome = EnumText.Of(e.Outcome), ErrorCode = e.ErrorCode },
        CallBackProposed e => new Facts(e.CallBackId) { RequestId = e.CallBackId, DueAt = e.DueAt, Note = e.Reason },
        CallBackConfirmed e => new Facts(e.CallBackId) { RequestId = e.CallBackId, DueAt = e.DueAt },
        CallBackCancelled e => new Facts(e.CallBackId) { RequestId = e.CallBackId, Reasons = e.By },
        _ => new Facts($"{@event.At.UtcTicks}"),
    };

    private SqlCommand Entry(ConsentEvent @event, Facts said)
    {
        var (caller, type) = (@event.CallerId.Value, @event.GetType().Name);
        var id = $"{type}:{said.Id}";
        return new SqlCommand(
            _entry, $"consent/{caller}/{id}",
            caller, id, @event.At, type, said.RequestId, said.GrantId, said.MessageSid, said.CallSid, said.ExpiresAt, said.DueAt, said.Reasons, said.Outcome, said.ErrorCode, said.Note);
    }

    /// <summary>What one event tells.</summary>
    /// <param name="Id">Tells it apart from others of its type.</param>
    private sealed record Facts(string Id)
    {
        public string? RequestId { get; init; }
        public string? GrantId { get; init; }
        public string? MessageSid { get; init; }
        public string? CallSid { get; init; }
        public DateTimeOffset? ExpiresAt { get; init; }
        public DateTimeOffset? DueAt { get; init; }
        public string? Reasons { get; init; }
        public string? Outcome { get; init; }
        public int? ErrorCode { get; init; }
        public string? Note { get; init; }
    }
}
