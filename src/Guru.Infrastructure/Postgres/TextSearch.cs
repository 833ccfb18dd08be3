using Guru.Application.Transcripts;
using Npgsql;
using NpgsqlTypes;

namespace Guru.Infrastructure.Postgres;

/// <summary>
/// Text search in SQL. An utterance is searched with the configuration of its own language; so that one look into the index finds the utterances of
/// all languages, they are first found by the query as any language reads it, and then held against that of their own. Most queries are read alike by
/// nearly all languages, so what each makes of it is asked first.
/// </summary>
internal sealed class TextSearch
{
    /// <summary>The languages with a configuration; the last stands for all others.</summary>
    private static readonly string[] Languages =
    [
        "ar", "ca", "da", "de", "el", "en", "es", "eu", "fi", "fr", "ga", "hi", "hu", "hy", "id", "it", "lt", "ne", "nl", "no", "pt", "ro", "ru",
        "sr", "sv", "ta", "tr", "yi", "",
    ];

    /// <summary>That of all other languages last.</summary>
    private readonly IReadOnlyList<Reading> _readings;

    private TextSearch(IReadOnlyList<Reading> readings) => _readings = readings;

    public static async Task<TextSearch> ReadAsync(NpgsqlConnection connection, TextQuery text, CancellationToken cancellationToken)
    {
        var query = new SqlQuery();
        var terms = text.Terms.Select(term => Term("guru.search_config(l.language)", term, query.Text(term.Text))).ToList();
        await using var command = query.On(
            connection,
            $"""
            select case when numnode(q.query) > 0 then q.query::text end, array_agg(q.language) from (
                select l.language, {string.Join(" && ", terms)} as query
                from unnest({query.Parameter(Languages, NpgsqlDbType.Array | NpgsqlDbType.Text)}) as l (language)) q
            group by q.query
            """);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var readings = new List<Reading>();
        while (await reader.ReadAsync(cancellationToken))
        {
            readings.Add(new Reading(reader.TextOrNull(0), reader.GetFieldValue<string[]>(1)));
        }

        return new TextSearch([.. readings.OrderBy(reading => reading.OfOthers)]);
    }

    /// <param name="utterances">Alias of the table.</param>
    /// <param name="own">The query as the language of a row reads it, for rank and highlights.</param>
    public string Matches(SqlQuery query, string utterances, bool unheard, out string own)
    {
        var words = unheard ? $"{utterances}.unheard_words" : $"{utterances}.words";
        var queries = _readings.Select(reading => reading.Query is { } text ? $"{query.Text(text)}::tsquery" : "null::tsquery").ToList();
        var known = _readings.Where(reading => reading.Query is not null).Select(reading => $"({reading.Query})").ToList();
        if (known.Count == 0 || _readings.Count == 1)
        {
            own = queries[0];
            return known.Count == 0 ? "false" : $"{words} @@ {own}";
        }

        // As a case, which the planner takes to hold for half of the rows; a comparison with what it cannot foresee it takes to hold for hardly any.
        var languages = _readings.Select(reading => query.Parameter(reading.Languages.ToArray(), NpgsqlDbType.Array | NpgsqlDbType.Text)).ToList();
        string ByLanguage(Func<string, string> of) =>
            $"""
            (case {string.Join(' ', _readings.Select((reading, index) => reading.OfOthers
                ? $"else {of(queries[index])}"
                : $"when {utterances}.search_language = any ({languages[index]}) then {of(queries[index])}"))} end)
            """;
        own = ByLanguage(one => one);
        return $"{words} @@ {query.Text(string.Join(" | ", known))}::tsquery and {ByLanguage(one => $"{words} @@ {one}")}";
    }

    private static string Term(string configuration, TextTerm term, string parameter)
    {
        // A quoted word in to_tsquery is read as text: a quote and a backslash in it are doubled.
        var found = term.Kind == TermKind.Prefix
            ? $@"to_tsquery('pg_catalog.simple', '''' || replace(replace(guru.search_text({parameter}), '\', '\\'), '''', '''''') || ''':*')"
            : $"phraseto_tsquery({configuration}, guru.search_text({parameter}))";
        return term.Without ? $"!!{found}" : found;
    }

    /// <summary>What some languages make of the same query.</summary>
    /// <param name="Query">Null where nothing is left of it.</param>
    private sealed record Reading(string? Query, IReadOnlyList<string> Languages)
    {
        public bool OfOthers => Languages.Contains("");
    }
}
