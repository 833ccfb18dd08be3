using Guru.Domain;
using Guru.Domain.Calls;
using Guru.Domain.Conversations;
using static NpgsqlTypes.NpgsqlDbType;

namespace Guru.Infrastructure.Postgres;

/// <summary>
/// One row for each utterance of a call, and its figures added to the call. The words are readable here, so that they can be searched. What an
/// agent said has no language of its own: it is searched in that of the call.
/// </summary>
/// <param name="searched">Without it, the words for the search are left out: they are most of the work, and only rows that are kept need them.</param>
internal sealed class UtterancesProjection(string schema, bool searched = true) : IProjection
{
    private readonly SqlStatement _insert = new(
        $"""
        with said as (
            insert into {schema}.utterances (
                call_sid, utterance_id, speaker, agent, said, heard, interrupted, transcription, start_ms, end_ms, said_ms, heard_ms,
                language, first_audio_ms, first_heard_ms, at, response_id, unheard, search_language, words, unheard_words)
            select u.*, l.language, {(searched ? "guru.search_words(l.language, u.said), guru.search_words(l.language, u.unheard)" : "null::tsvector, null::tsvector")}
            from unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
                as u (call_sid, utterance_id, speaker, agent, said, heard, interrupted, transcription, start_ms, end_ms, said_ms, heard_ms,
                      language, first_audio_ms, first_heard_ms, at, response_id, unheard)
            left join {schema}.calls c on c.call_sid = u.call_sid
            cross join lateral (select coalesce(u.language, c.language) as language) l
            on conflict do nothing
            returning call_sid, speaker, interrupted, said_ms, heard_ms, first_audio_ms)
        update {schema}.calls c set
            turns = c.turns + f.turns,
            barge_ins = c.barge_ins + f.barge_ins,
            caller_talk_ms = c.caller_talk_ms + f.caller_talk_ms,
            agent_talk_ms = c.agent_talk_ms + f.agent_talk_ms,
            (latencies_ms, latency_p50_ms, latency_p95_ms) = (
                select coalesce(array_agg(ms order by ms), '{"{}"}'),
                    round(percentile_cont(0.5) within group (order by ms)::numeric, 1), round(percentile_cont(0.95) within group (order by ms)::numeric, 1)
                from unnest(c.latencies_ms || f.latencies_ms) as ms)
        from (
            select call_sid, count(*) as turns,
                count(*) filter (where speaker = 'agent' and interrupted) as barge_ins,
                coalesce(sum(heard_ms) filter (where speaker = 'caller'), 0) as caller_talk_ms,
                coalesce(sum(heard_ms) filter (where speaker = 'agent'), 0) as agent_talk_ms,
                array_remove(array_agg(case when not interrupted then first_audio_ms end), null) as latencies_ms
            from said group by call_sid) f
        where c.call_sid = f.call_sid
        """,
        Text, Text, Text, Text, Text, Text, NpgsqlTypes.NpgsqlDbType.Boolean, Text,
        Bigint, Bigint, Bigint, Bigint, Text, Bigint, Bigint, TimestampTz, Text, Text);

    private readonly SqlStatement _erase = new(
        $"delete from {schema}.utterances u using unnest($1) as e (call_sid) where u.call_sid = e.call_sid", Text);

    /// <summary>That and how long somebody spoke stays; their words do not.</summary>
    private readonly SqlStatement _silence = new(
        $"""
        update {schema}.utterances u set said = '', heard = '', unheard = null, words = guru.search_words(u.search_language, ''), unheard_words = null
        from unnest($1, $2) as r (caller_id, before) join {schema}.calls c on c.caller_id = r.caller_id
        where u.call_sid = c.call_sid and u.at < r.before
        """,
        Text, TimestampTz);

    public IReadOnlyList<string> Tables => ["utterances"];

    public IReadOnlyList<string> AddsTo => ["calls"];

    public string Version => "7";

    public IEnumerable<SqlCommand> Project(ProjectedEvent @event) =>
        @event.Data is UtteranceTranscribed e && CallStream.SidOf(@event.StreamId) is { } callSid
            ?
            [
                new SqlCommand(
                    _insert, null,
                    callSid, e.UtteranceId, EnumText.Of(e.Speaker), e.Agent, e.Said ?? "", e.Heard ?? "", e.Interrupted,
                    EnumText.Of(e.Transcription), e.StartMs, e.EndMs, e.SaidMs, e.HeardMs, e.Language, e.FirstAudioMs, e.FirstHeardMs,
                    e.At, e.ResponseId, Unheard(e))
                {
                    Reads = callSid,
                },
            ]
            : @event.Data is CallErased && CallStream.SidOf(@event.StreamId) is { } erased
            ? [SqlCommand.Between(_erase, erased)]
            : @event.Data is RetentionApplied { Kind: Retained.Transcripts } over
            ? [SqlCommand.Between(_silence, over.CallerId.Value, over.Before)]
            : [];

    /// <summary>What of the words did not reach the other's ear; null where all did.</summary>
    private static string? Unheard(UtteranceTranscribed e)
    {
        var (said, heard) = (StorableText.Of(e.Said ?? ""), StorableText.Of(e.Heard ?? "")); // As they are read back, so that a rebuild cuts at the same place.
        return said.Length == 0 || said == heard ? null : said.StartsWith(heard, StringComparison.Ordinal) ? said[heard.Length..].Trim() : said;
    }
}
