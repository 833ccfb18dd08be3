using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using Guru.Application.Transcripts;
using Guru.Domain.Calls;
using Npgsql;
using NpgsqlTypes;

namespace Guru.Infrastructure.Postgres;

/// <param name="fewUtterances">Of so many or fewer, all are searched at once.</param>
internal sealed class TranscriptQueries(NpgsqlDataSource dataSource, int fewUtterances = SearchWindow.FewUtterances) : ITranscriptQueries
{
    private const int MostRows = 200;

    /// <summary>Signs that no text holds, put around a hit until the text is escaped.</summary>
    private const char HitBegins = '\u0002';
    private const char HitEnds = '\u0003';
    private const char SetApart = '\u001F';

    /// <summary>In place of angle brackets, which would be taken for tags and left out.</summary>
    private const char Less = '\u0011';
    private const char Greater = '\u0012';

    /// <summary>Longer ones are shown in part.</summary>
    private const int MostCharactersWhole = 400;

    private const int MostRemembered = 1_000;

    /// <summary>Of so many times as few utterances there may be a window smaller than all.</summary>
    private const int LeastForeseen = 3;

    /// <summary>Where fewer hits are found than the planner foresaw, all has to be looked at again.</summary>
    private const double MoreThanForeseen = 1.25;

    private static readonly HtmlEncoder Encoder = HtmlEncoder.Create(System.Text.Unicode.UnicodeRanges.All);

    /// <summary>Among how many of the newest utterances a search found enough when it was made last: it begins with as many when it is made again.</summary>
    private readonly BoundedCache<TranscriptSearch, double> _enough = new(MostRemembered);

    public async Task<SearchPage> SearchAsync(TranscriptSearch search, int limit, string? cursor, CancellationToken cancellationToken)
    {
        limit = Math.Clamp(limit, 1, MostRows);
        var after = cursor is null ? null : SearchCursor.Parse(cursor);
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        var (text, window) = await ReadAsync(connection, search, after, cancellationToken);
        window.Take(
            _enough.TryGet(Everywhen(search), out var enough) ? enough
            : window.OnRecord > LeastForeseen * fewUtterances && !text.HasPhrases ? await ForeseenAsync(connection, text, search, window.OnRecord, cancellationToken)
            : fewUtterances);
        while (true)
        {
            var (page, found, oldest) = await SearchAsync(connection, text, search, window, limit, after, cancellationToken);
            if (found > ITranscriptQueries.MostHits || window.From is null)
            {
                if (search.At == default && HasWindow(search))
                {
                    _enough.Set(search, found > ITranscriptQueries.MostHits ? window.UtterancesSince(oldest!.Value) : double.PositiveInfinity);
                }

                return page;
            }

            window.Widen(found, ITranscriptQueries.MostHits + 1);
        }
    }

    private static bool HasWindow(TranscriptSearch search) => search.CallSid is null && search.CallerIds is null;

    private static TranscriptSearch Everywhen(TranscriptSearch search) => search with { At = default };

    /// <summary>What is to be known before the search itself, in one go.</summary>
    private static async Task<(TextSearch Text, SearchWindow Window)> ReadAsync(
        NpgsqlConnection connection, TranscriptSearch search, SearchPlace? after, CancellationToken cancellationToken)
    {
        await using var batch = new NpgsqlBatch(connection) { BatchCommands = { TextSearch.Asking(search.Query, Projections.LiveSchema, search.Language) } };
        if (HasWindow(search))
        {
            batch.BatchCommands.Add(SearchWindow.Asking(search.At, after?.Newest.At));
        }

        await using var reader = await batch.ExecuteReaderAsync(cancellationToken);
        var text = await TextSearch.ReadAsync(reader, cancellationToken);
        await reader.NextResultAsync(cancellationToken);
        return (text, HasWindow(search) ? await SearchWindow.ReadAsync(reader, search.At, after?.Newest.At, cancellationToken) : SearchWindow.Everything);
    }

    /// <summary>Among how many utterances the planner thinks enough hits to be.</summary>
    private static async Task<double> ForeseenAsync(
        NpgsqlConnection connection, TextSearch text, TranscriptSearch search, double onRecord, CancellationToken cancellationToken)
    {
        var query = new SqlQuery();
        query.And(text.FoundByAny(query, "u", search.Unheard));
        AddConditions(query, search);
        await using var command = query.On(connection, $"explain (format json) select from guru.utterances u {query.Where}");
        using var plan = JsonDocument.Parse((string)(await command.ExecuteScalarAsync(cancellationToken))!);
        var hits = plan.RootElement[0].GetProperty("Plan").GetProperty("Plan Rows").GetDouble();
        return MoreThanForeseen * (ITranscriptQueries.MostHits + 1) / Math.Max(hits, 1) * onRecord;
    }

    /// <summary>But for the words, the time and the calls.</summary>
    private static void AddConditions(SqlQuery query, TranscriptSearch search)
    {
        query.AndOneOf("u.speaker", search.Speaker is { } speaker ? [EnumText.Of(speaker)] : []);
        query.AndOneOf("u.agent", search.Agent is { } agent ? [agent] : []);
        query.AndOneOf("u.search_language", search.Language is { } language ? [language] : []);
        if (search.Interrupted is { } interrupted)
        {
            query.And($"u.interrupted = {query.Parameter(interrupted, NpgsqlDbType.Boolean)}");
        }
    }

    /// <returns>The page, which is empty where too few hits were found in the window; how many there were, and when the oldest of them was recorded.</returns>
    private static async Task<(SearchPage Page, int Found, DateTimeOffset? Oldest)> SearchAsync(
        NpgsqlConnection connection, TextSearch textSearch, TranscriptSearch search, SearchWindow window, int limit, SearchPlace? after, CancellationToken cancellationToken)
    {
        var query = new SqlQuery();
        query.And(textSearch.Matches(query, "u", search.Unheard, out var own));
        if (window.From is not null)
        {
            query.And(window.Condition(query, "u"));
        }

        AddConditions(query, search);
        query.AndOneOf("u.call_sid", search.CallSid is { } callSid ? [callSid.Value] : []);
        query.AndWithin("u.at", search.At);
        if (search.CallerIds is { } callerIds)
        {
            query.And($"u.call_sid in (select c.call_sid from guru.calls c where {query.Of("c.caller_id", callerIds)})");
        }

        if (after is not null)
        {
            query.And($"(u.at, u.call_sid, u.utterance_id) <= ({query.Time(after.Newest.At)}, {query.Text(after.Newest.CallSid)}, {query.Text(after.Newest.Id)})");
        }

        var words = search.Unheard ? "u.unheard_words" : "u.words";
        var text = search.Unheard ? "u.unheard" : "u.said";

        // Beginnings of words are found among the words as they stand.
        var configuration = search.Query.Terms.Any(term => term.Kind == TermKind.Prefix) ? "'pg_catalog.simple'" : textSearch.Configuration(query, "u");
        var beyond = after is null
            ? ""
            : $"and (u.rank, u.at, u.call_sid, u.utterance_id) < ({query.Parameter(after.Rank, NpgsqlDbType.Real)}, {query.Time(after.Last.At)}, {query.Text(after.Last.CallSid)}, {query.Text(after.Last.Id)})";
        var hits = new List<SearchHit>();
        var (found, oldest, newest) = (0, default(DateTimeOffset?), default(Place));
        await foreach (var reader in query.ReadAsync(
            connection,
            $"""
            with newest as materialized (
                select u.at, u.call_sid, u.utterance_id, u.ctid as place, {words} as words, u.search_language
                from guru.utterances u {query.Where}
                order by u.at desc, u.call_sid desc, u.utterance_id desc limit {ITranscriptQueries.MostHits + 1}),
            found as (select count(*)::int as hits, min(at) as oldest from newest),
            hits as materialized (
                select u.at, u.call_sid, u.utterance_id, u.place, ts_rank(u.words, {own}) as rank
                from newest u where {(window.From is null ? "true" : $"(select hits from found) > {ITranscriptQueries.MostHits}")} order by u.at desc, u.call_sid desc, u.utterance_id desc limit {ITranscriptQueries.MostHits}),
            page as materialized (
                select u.* from hits u where true {beyond}
                order by u.rank desc, u.at desc, u.call_sid desc, u.utterance_id desc limit {query.Parameter(limit + 1, NpgsqlDbType.Integer)})
            select u.call_sid, c.caller_id, u.utterance_id, u.speaker, u.agent, u.search_language, u.at, u.start_ms, u.said, u.heard, u.interrupted,
                ts_headline({configuration}, guru.spaced(translate({text}, '<>', '{Less}{Greater}')), {own},
                    'StartSel="{HitBegins}", StopSel="{HitEnds}", ' || case when length({text}) <= {MostCharactersWhole}
                        then 'HighlightAll=true' else 'MaxWords=40, MinWords=15, MaxFragments=2, FragmentDelimiter=" … "' end),
                p.rank, f.hits, n.at, n.call_sid, n.utterance_id, f.oldest
            from found f
            left join page p on true
            left join guru.utterances u on u.ctid = p.place
            left join guru.calls c on c.call_sid = u.call_sid
            left join (select at, call_sid, utterance_id from hits order by at desc, call_sid desc, utterance_id desc limit 1) n on true
            order by p.rank desc, p.at desc, p.call_sid desc, p.utterance_id desc
            """,
            cancellationToken))
        {
            (found, oldest) = (reader.GetInt32(13), reader.ValueOrNull<DateTimeOffset>(17));
            if (reader.IsDBNull(0))
            {
                break; // Not one on this page.
            }

            hits.Add(Read(reader));
            newest = new Place(reader.GetFieldValue<DateTimeOffset>(14), reader.GetString(15), reader.GetString(16));
        }

        var page = Application.Page.Of(hits, limit, hit => SearchCursor.Of(new SearchPlace(
            after?.Newest ?? newest, (float)hit.Rank, new Place(hit.At, hit.CallSid, hit.UtteranceId))));
        return (new SearchPage(page.Items, page.Next, found > ITranscriptQueries.MostHits), found, oldest);
    }

    private static SearchHit Read(NpgsqlDataReader reader) => new(
        CallSid: reader.GetString(0),
        CallerId: reader.TextOrNull(1),
        UtteranceId: reader.GetString(2),
        Speaker: EnumText.Read<Speaker>(reader.GetString(3)),
        Agent: reader.TextOrNull(4),
        Language: reader.TextOrNull(5),
        At: reader.GetFieldValue<DateTimeOffset>(6),
        StartMs: reader.GetInt64(7),
        Said: reader.GetString(8),
        Heard: reader.GetString(9),
        Interrupted: reader.GetBoolean(10),
        Snippet: Html(reader.GetString(11)),
        Rank: reader.GetFloat(12));

    /// <summary>Escaped first; then the signs around the hits, neighbouring ones joined, become elements.</summary>
    private static string Html(string headline) =>
        Encoder.Encode(Marked(headline))
            .Replace("&#x2;", "<mark>", StringComparison.Ordinal).Replace("&#x3;", "</mark>", StringComparison.Ordinal);

    private static string Marked(string headline) =>
        headline.Replace($"{SetApart}", "", StringComparison.Ordinal).Replace($"{HitEnds}{HitBegins}", "", StringComparison.Ordinal)
            .Replace(Less, '<').Replace(Greater, '>');

    /// <summary>Of an utterance among all, by when it was recorded.</summary>
    private readonly record struct Place(DateTimeOffset At, string CallSid, string Id);

    /// <param name="Newest">The newest hit when the first page was read.</param>
    /// <param name="Last">The last hit of the page before.</param>
    private sealed record SearchPlace(Place Newest, float Rank, Place Last);

    private static class SearchCursor
    {
        public static string Of(SearchPlace place) => Cursor.Of(string.Join('\n', (IEnumerable<string>)
        [
            Ticks(place.Newest.At), place.Newest.CallSid, place.Newest.Id, place.Rank.ToString("R", CultureInfo.InvariantCulture),
            Ticks(place.Last.At), place.Last.CallSid, place.Last.Id,
        ]));

        /// <exception cref="FormatException">Not one of ours.</exception>
        public static SearchPlace Parse(string cursor)
        {
            var parts = Cursor.Parse(cursor).Split('\n');
            return parts.Length == 7 && float.TryParse(parts[3], NumberStyles.Float, CultureInfo.InvariantCulture, out var rank)
                ? new SearchPlace(At(parts[0], parts[1], parts[2]), rank, At(parts[4], parts[5], parts[6]))
                : throw new FormatException("Not a cursor of this list.");
        }

        private static string Ticks(DateTimeOffset at) => at.UtcTicks.ToString(CultureInfo.InvariantCulture);

        private static Place At(string ticks, string callSid, string id) =>
            long.TryParse(ticks, NumberStyles.None, CultureInfo.InvariantCulture, out var at) && at <= DateTime.MaxValue.Ticks
                ? new Place(new DateTimeOffset(at, TimeSpan.Zero), callSid, id)
                : throw new FormatException("Not a cursor of this list.");
    }
}
