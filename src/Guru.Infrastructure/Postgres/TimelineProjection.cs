using System.Collections.Immutable;
using Guru.Domain;
using Guru.Domain.Calls;
using Guru.Domain.Conversations;
using static NpgsqlTypes.NpgsqlDbType;

namespace Guru.Infrastructure.Postgres;

/// <summary>
/// One row for whatever was written, spoken or heard with a caller. What the carrier says of a message is kept by the message's SID,
/// and shown with the reply it is a part of, whichever of the two comes first.
/// </summary>
internal sealed class TimelineProjection(string schema) : IProjection
{
    private const string Whatsapp = "whatsapp";
    private const string VoiceNote = "voiceNote";

    /// <summary>How far a message has come, as a number.</summary>
    private static readonly string Far =
        $"array_position(string_to_array('{string.Join(' ', Enum.GetValues<DeliveryStatus>().Select(EnumText.Of))}', ' '), d.status)";

    private readonly SqlStatement _message = new(
        $"""
        insert into {schema}.messages (caller_id, source_id, at, channel, speaker, text, agent, message_sid, reply_sids)
        select m.caller_id, m.source_id, m.at, m.channel, m.speaker, m.text, m.agent, m.message_sid, string_to_array(m.reply_sids, ' ')
        from unnest($1, $2, $3, $4, $5, $6, $7, $8, $9)
            as m (caller_id, source_id, at, channel, speaker, text, agent, message_sid, reply_sids)
        on conflict do nothing
        """,
        Text, Text, TimestampTz, Text, Text, Text, Text, Text, Text);

    private readonly SqlStatement _transcript = new(
        $"""
        update {schema}.messages m set text = t.text
        from unnest($1, $2, $3) as t (caller_id, source_id, text)
        where m.caller_id = t.caller_id and m.source_id = t.source_id
        """,
        Text, Text, Text);

    private readonly SqlStatement _failure = new(
        $"""
        update {schema}.messages m set failure = f.reason
        from unnest($1, $2, $3) as f (caller_id, source_id, reason)
        where m.caller_id = f.caller_id and m.source_id = f.source_id
        """,
        Text, Text, Text);

    private readonly SqlStatement _notSent = new(
        $"""
        insert into {schema}.messages (caller_id, source_id, at, channel, speaker, text, call_sid, failure)
        select * from unnest($1, $2, $3, $4, $5, $6, $7, $8) as r
        on conflict do nothing
        """,
        Text, Text, TimestampTz, Text, Text, Text, Text, Text);

    private readonly SqlStatement _utterance = new(
        $"""
        insert into {schema}.messages (caller_id, source_id, at, channel, speaker, text, agent, call_sid)
        select c.caller_id, u.call_sid || ':' || u.utterance_id, {CallStream.SpokenAt},
            case c.channel when 'webapp' then 'webapp' else 'call' end, u.speaker, u.text, u.agent, u.call_sid
        from unnest($1, $2, $3, $4, $5, $6) as u (call_sid, utterance_id, start_ms, speaker, text, agent)
        join {schema}.calls c on c.call_sid = u.call_sid
        where c.caller_id is not null
        on conflict do nothing
        """,
        Text, Text, Bigint, Text, Text, Text);

    private readonly SqlStatement _part = new(
        $"""
        insert into {schema}.deliveries as d (caller_id, message_sid, source_id)
        select * from unnest($1, $2, $3) as r
        on conflict (caller_id, message_sid) do update set source_id = coalesce(d.source_id, excluded.source_id)
        """,
        Text, Text, Text);

    private readonly SqlStatement _delivery = new(
        $"""
        insert into {schema}.deliveries (caller_id, message_sid, status, error_code)
        select * from unnest($1, $2, $3, $4) as r
        on conflict (caller_id, message_sid) do update set status = excluded.status, error_code = excluded.error_code
        """,
        Text, Text, Text, Integer);

    /// <summary>A reply shows that one of its parts has failed; else it has come as far as the part that is the furthest behind.</summary>
    private readonly SqlStatement _show = new(
        $"""
        update {schema}.messages m set (delivery, error_code) = (
            select d.status, d.error_code
            from unnest(m.reply_sids) with ordinality as part (message_sid, number)
            left join {schema}.deliveries d on d.caller_id = m.caller_id and d.message_sid = part.message_sid
            order by coalesce(d.status in ('undelivered', 'failed'), false) desc, {Far} nulls first, part.number
            limit 1)
        from unnest($1, $2) as changed (caller_id, message_sid)
        join {schema}.deliveries known on known.caller_id = changed.caller_id and known.message_sid = changed.message_sid
        where m.caller_id = known.caller_id and m.source_id = known.source_id
        """,
        Text, Text);

    private readonly SqlStatement _eraseMessages = new(
        $"delete from {schema}.messages m using unnest($1) as e (caller_id) where m.caller_id = e.caller_id", Text);

    private readonly SqlStatement _eraseDeliveries = new(
        $"delete from {schema}.deliveries d using unnest($1) as e (caller_id) where d.caller_id = e.caller_id", Text);

    private readonly SqlStatement _silence = new(
        $"""
        update {schema}.messages m set text = '' from unnest($1, $2) as r (caller_id, before)
        where m.caller_id = r.caller_id and m.call_sid is null and m.at < r.before
        """,
        Text, TimestampTz);

    /// <summary>By when an utterance was put on record, as its key goes.</summary>
    private readonly SqlStatement _forgetSpeech = new(
        $"""
        delete from {schema}.messages m
        using unnest($1, $2) as r (caller_id, before) join {schema}.calls c on c.caller_id = r.caller_id
            join {schema}.utterances u on u.call_sid = c.call_sid and u.at < r.before
        where m.caller_id = r.caller_id and m.source_id = u.call_sid || ':' || u.utterance_id
        """,
        Text, TimestampTz);

    public IReadOnlyList<string> Tables => ["messages", "deliveries"];

    public IReadOnlyList<string> Reads => ["calls", "utterances"];

    public string Version => "7";

    public IEnumerable<SqlCommand> Project(ProjectedEvent @event) => @event.Data switch
    {
        MessageReceived e =>
        [
            new SqlCommand(
                _message, MessageKey(e.CallerId.Value, e.MessageSid),
                e.CallerId.Value, e.MessageSid, e.At, e.Kind == MessageKind.VoiceNote ? VoiceNote : Whatsapp, EnumText.Of(Speaker.Caller),
                e.Text ?? "", null, e.MessageSid, null),
        ],
        VoiceNoteTranscribed e =>
        [
            new SqlCommand(_transcript, MessageKey(e.CallerId.Value, e.MessageSid), e.CallerId.Value, e.MessageSid, e.Text ?? ""),
        ],
        MessageReplied { ReplySids: [_, ..] } e => Ours(e.CallerId.Value, e.ReplySids, e.Agent, e.Text, e.At),
        MessageSent { MessageSids: [_, ..] } e => Ours(e.CallerId.Value, e.MessageSids, e.Agent, e.Text, e.At),
        MessageNotSent e => [NotSent(e)],
        MessageReplyFailed e => NotAnswered(e),
        MessageDeliveryChanged e => Delivery(e),
        RetentionApplied { Kind: Retained.Messages } e => [SqlCommand.Between(_silence, e.CallerId.Value, e.Before)],
        RetentionApplied { Kind: Retained.Transcripts } e => [SqlCommand.Between(_forgetSpeech, e.CallerId.Value, e.Before)],
        CallerErased e => [SqlCommand.Between(_eraseMessages, e.CallerId.Value), SqlCommand.Between(_eraseDeliveries, e.CallerId.Value)],
        UtteranceTranscribed { Heard.Length: > 0 } e when CallStream.SidOf(@event.StreamId) is { } callSid =>
        [
            new SqlCommand(
                _utterance, null,
                callSid, e.UtteranceId, e.StartMs, EnumText.Of(e.Speaker), e.Heard, e.Agent)
            {
                Reads = callSid,
            },
        ],
        _ => [],
    };

    private IEnumerable<SqlCommand> Ours(string caller, ImmutableArray<string> sids, string? agent, string? text, DateTimeOffset at)
    {
        var first = sids[0];
        yield return new SqlCommand(
            _message, MessageKey(caller, first),
            caller, first, at, Whatsapp, EnumText.Of(Speaker.Agent), text ?? "", agent, first, string.Join(' ', sids));
        foreach (var sid in sids)
        {
            yield return new SqlCommand(_part, DeliveryKey(caller, sid), caller, sid, first);
            yield return new SqlCommand(_show, DeliveryKey(caller, sid), caller, sid) { Reads = MessageKey(caller, first) };
        }
    }

    /// <summary>What Guru would have written of itself: an entry without words.</summary>
    private SqlCommand NotSent(MessageNotSent e)
    {
        var (caller, id) = (e.CallerId.Value, $"notSent:{e.Occasion}:{e.Subject}");
        return new SqlCommand(
            _notSent, MessageKey(caller, id),
            caller, id, e.At, Whatsapp, EnumText.Of(Speaker.Agent), "", CallSid.TryParse(e.Subject, out var callSid) ? callSid.Value : null, $"{e.Occasion} {e.Reason}");
    }

    /// <summary>The caller's messages say that nothing answers them; what was sent all the same is an entry like any other.</summary>
    private IEnumerable<SqlCommand> NotAnswered(MessageReplyFailed failed)
    {
        var caller = failed.CallerId.Value;
        return failed.Answers
            .Select(sid => new SqlCommand(_failure, MessageKey(caller, sid), caller, sid, failed.Reason))
            .Concat(failed.ReplySids.IsEmpty ? [] : Ours(caller, failed.ReplySids, failed.Agent, failed.Text, failed.At));
    }

    private IEnumerable<SqlCommand> Delivery(MessageDeliveryChanged change)
    {
        var caller = change.CallerId.Value;
        yield return new SqlCommand(
            _delivery, DeliveryKey(caller, change.MessageSid), caller, change.MessageSid, EnumText.Of(change.Status), change.ErrorCode);
        yield return new SqlCommand(_show, DeliveryKey(caller, change.MessageSid), caller, change.MessageSid);
    }

    private static string MessageKey(string caller, string sid) => $"message/{caller}/{sid}";

    private static string DeliveryKey(string caller, string sid) => $"delivery/{caller}/{sid}";
}
