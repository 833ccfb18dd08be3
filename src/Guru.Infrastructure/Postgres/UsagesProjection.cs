using Guru.Domain.Calls;
using Guru.Domain.Costs;
using static NpgsqlTypes.NpgsqlDbType;

namespace Guru.Infrastructure.Postgres;

/// <summary>One row for whatever was used of a model in a call, with what it cost, and both added to the call.</summary>
internal sealed class UsagesProjection(string schema, PriceTable prices) : IProjection
{
    private readonly SqlStatement _insert = new(
        $"""
        with used as (
            insert into {schema}.usages (
                call_sid, kind, usage_id, model, agent, input_text, input_audio, cached_text, cached_audio, output_text, output_audio, seconds,
                cost_text, cost_audio, cost_cached, cost_transcription, at)
            select * from unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17) as r
            on conflict do nothing
            returning *)
        update {schema}.calls c set
            input_text = c.input_text + f.input_text,
            input_audio = c.input_audio + f.input_audio,
            cached_text = c.cached_text + f.cached_text,
            cached_audio = c.cached_audio + f.cached_audio,
            output_text = c.output_text + f.output_text,
            output_audio = c.output_audio + f.output_audio,
            transcription_seconds = c.transcription_seconds + f.transcription_seconds,
            cost_text = c.cost_text + f.cost_text,
            cost_audio = c.cost_audio + f.cost_audio,
            cost_cached = c.cost_cached + f.cost_cached,
            cost_transcription = c.cost_transcription + f.cost_transcription,
            unpriced = c.unpriced + f.unpriced
        from (
            select call_sid,
                coalesce(sum(input_text) filter (where kind = '{UsageRecorded.Response}'), 0) as input_text,
                coalesce(sum(input_audio) filter (where kind = '{UsageRecorded.Response}'), 0) as input_audio,
                coalesce(sum(cached_text) filter (where kind = '{UsageRecorded.Response}'), 0) as cached_text,
                coalesce(sum(cached_audio) filter (where kind = '{UsageRecorded.Response}'), 0) as cached_audio,
                coalesce(sum(output_text) filter (where kind = '{UsageRecorded.Response}'), 0) as output_text,
                coalesce(sum(output_audio) filter (where kind = '{UsageRecorded.Response}'), 0) as output_audio,
                coalesce(sum(seconds), 0) as transcription_seconds,
                coalesce(sum(cost_text), 0) as cost_text,
                coalesce(sum(cost_audio), 0) as cost_audio,
                coalesce(sum(cost_cached), 0) as cost_cached,
                coalesce(sum(cost_transcription), 0) as cost_transcription,
                count(*) filter (where cost is null) as unpriced
            from used group by call_sid) f
        where c.call_sid = f.call_sid
        """,
        Text, Text, Text, Text, Text, Integer, Integer, Integer, Integer, Integer, Integer, Numeric, Numeric, Numeric, Numeric, Numeric, TimestampTz);

    public IReadOnlyList<string> Tables => ["usages"];

    public IReadOnlyList<string> AddsTo => ["calls"];

    public string Version => "7";

    public string? Prices => Projections.VersionOf(prices);

    public IEnumerable<SqlCommand> Project(ProjectedEvent @event)
    {
        if (@event.Data is not UsageRecorded e || CallStream.SidOf(@event.StreamId) is not { } callSid)
        {
            yield break;
        }

        var (cost, used) = (prices.Of(e), e.Tokens);
        yield return new SqlCommand(
            _insert, $"usage/{callSid}/{e.Kind}/{e.UsageId}",
            callSid, e.Kind, e.UsageId, e.Model, e.Agent, used.InputText, used.InputAudio, used.CachedText, used.CachedAudio, used.OutputText,
            used.OutputAudio, e.Kind == UsageRecorded.Transcription ? PriceTable.SecondsOf(e) : null, cost?.Text, cost?.Audio, cost?.Cached,
            cost?.Transcription, e.At)
        {
            Reads = callSid,
        };
    }
}
