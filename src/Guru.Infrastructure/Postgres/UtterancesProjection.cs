using Guru.Domain.Calls;
using static NpgsqlTypes.NpgsqlDbType;

namespace Guru.Infrastructure.Postgres;

/// <summary>One row for each utterance of a call. The words are readable here, so that they can be searched.</summary>
internal sealed class UtterancesProjection(string schema) : IProjection
{
    private readonly SqlStatement _insert = new(
        $"""
        insert into {schema}.utterances (
            call_sid, utterance_id, speaker, agent, said, heard, interrupted, transcription,
            start_ms, end_ms, said_ms, heard_ms, language, first_audio_ms, first_heard_ms, at)
        select * from unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
        on conflict do nothing
        """,
        Text, Text, Text, Text, Text, Text, NpgsqlTypes.NpgsqlDbType.Boolean, Text,
        Bigint, Bigint, Bigint, Bigint, Text, Bigint, Bigint, TimestampTz);

    public IReadOnlyList<string> Tables => ["utterances"];

    public IEnumerable<SqlCommand> Project(ProjectedEvent @event) =>
        @event.Data is UtteranceTranscribed e && CallStream.SidOf(@event.StreamId) is { } callSid
            ?
            [
                new SqlCommand(
                    _insert, $"{callSid}/{e.UtteranceId}",
                    callSid, e.UtteranceId, EnumText.Of(e.Speaker), e.Agent, e.Said ?? "", e.Heard ?? "", e.Interrupted,
                    EnumText.Of(e.Transcription), e.StartMs, e.EndMs, e.SaidMs, e.HeardMs, e.Language, e.FirstAudioMs, e.FirstHeardMs,
                    e.At),
            ]
            : [];
}
