using Guru.Domain.Calls;
using static NpgsqlTypes.NpgsqlDbType;

namespace Guru.Infrastructure.Postgres;

/// <summary>
/// Of the table of utterances only when each was put on record: for a rebuild of tables whose projections ask for that. The rows are thrown away in the end.
/// </summary>
internal sealed class UtteranceMomentsProjection(string schema) : IProjection
{
    private readonly SqlStatement _insert = new(
        $"""
        insert into {schema}.utterances (call_sid, utterance_id, at, speaker, said, heard, interrupted, transcription, start_ms, end_ms, said_ms, heard_ms)
        select u.call_sid, u.utterance_id, u.at, '', '', '', false, '', 0, 0, 0, 0 from unnest($1, $2, $3) as u (call_sid, utterance_id, at)
        on conflict do nothing
        """,
        Text, Text, TimestampTz);

    private readonly SqlStatement _erase = new(
        $"delete from {schema}.utterances u using unnest($1) as e (call_sid) where u.call_sid = e.call_sid", Text);

    public IReadOnlyList<string> Tables => ["utterances"];

    /// <summary>What it makes is not kept.</summary>
    public string Version => "";

    public IEnumerable<SqlCommand> Project(ProjectedEvent @event) => CallStream.SidOf(@event.StreamId) is not { } callSid ? []
        : @event.Data is UtteranceTranscribed e ? [new SqlCommand(_insert, null, callSid, e.UtteranceId, e.At)]
        : @event.Data is CallErased ? [SqlCommand.Between(_erase, callSid)]
        : [];
}
