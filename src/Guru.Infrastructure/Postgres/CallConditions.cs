using Guru.Application.Calls;
using Npgsql;
using NpgsqlTypes;

namespace Guru.Infrastructure.Postgres;

/// <summary>A filter of calls as conditions on <c>calls c</c>.</summary>
internal static class CallConditions
{
    /// <param name="schema">Where the utterances are that a text is looked for in.</param>
    /// <param name="window">Where it is not everything: only calls that began in it.</param>
    public static async Task AddAsync(
        SqlQuery query, CallFilter filter, string schema, NpgsqlConnection connection, CancellationToken cancellationToken, SearchWindow? window = null)
    {
        query.AndWithin("c.started_at", new TimeRange(window?.From, To: null));
        query.AndWithin("c.started_at", filter.StartedAt);
        query.AndWithin("c.ended_at", filter.EndedAt);
        query.AndOneOf("c.call_sid", filter.CallSid is { } callSid ? [callSid.Value] : []);
        query.AndOneOf("c.channel", filter.Channels.Select(EnumText.Of));
        query.AndOneOf("c.direction", filter.Directions.Select(EnumText.Of));
        query.AndOneOf("c.status", filter.Statuses.Select(EnumText.Of));
        query.AndOneOf("c.agent", filter.Agents);
        query.AndOneOf("c.language", filter.Languages);
        query.AndOneOf("c.end_reason", filter.EndReasons.Select(reason => reason is { } known ? EnumText.Of(known) : null));
        query.AndBetween("c.duration_seconds", filter.DurationSeconds);
        query.AndBetween("c.latency_p50_ms::numeric", filter.LatencyP50Ms);
        query.AndBetween("c.latency_p95_ms::numeric", filter.LatencyP95Ms);
        query.AndBetween("c.cost", filter.Cost);
        query.AndBetween("c.turns", filter.Turns);
        query.AndBetween("c.barge_ins", filter.BargeIns);
        if (filter.AgentsInvolved.Count > 0)
        {
            query.And($"c.agents && {query.Parameter(filter.AgentsInvolved.ToArray(), NpgsqlDbType.Array | NpgsqlDbType.Text)}");
        }

        if (filter.Interrupted is { } interrupted)
        {
            query.And(interrupted ? "c.barge_ins > 0" : "c.barge_ins = 0");
        }

        if (filter.CallerIds is { } callerIds)
        {
            query.And(query.Of("c.caller_id", callerIds));
        }

        if (filter.Text is { } text)
        {
            var search = await TextSearch.ReadAsync(connection, text, schema, cancellationToken);
            var words = search.Matches(query, "u", unheard: false, out _);
            var recorded = window?.From is null ? "" : $" and {window.Condition(query, "u", ofCalls: true)}";
            query.And($"c.call_sid in (select u.call_sid from {schema}.utterances u where {words}{recorded})");
        }
    }
}
