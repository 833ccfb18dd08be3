using Guru.Application.Transcripts;
using Npgsql;
using NpgsqlTypes;

namespace Guru.Infrastructure.Postgres;

/// <summary>
/// Text search in SQL. An utterance is searched with the configuration of its own language; so that one look into the index finds the utterances of
/// all languages, they are first found by the query as any language on record reads it, and then held against that of their own. Most queries are read
/// alike by nearly all languages, so what each makes of it is asked first.
/// </summary>
internal sealed class TextSearch
{
    /// <summary>Stands for all languages without a configuration.</summary>
    private const string WithoutConfiguration = "";

    /// <summary>These are asked whether they are on record or not.</summary>
    private static readonly string[] Usual = ["en", "es", "fr", WithoutConfiguration];

    /// <summary>The others that have a configuration: an index has their utterances, by which it is seen at once which of them are on record.</summary>
    private static readonly string[] Others =
    [
        "ar", "ca", "da", "de", "el", "eu", "fi", "ga", "hi", "hu", "hy", "id", "it", "lt", "ne", "nl", "no", "pt", "ro", "ru", "sr", "sv", "ta", "tr", "yi",
    ];

    /// <summary>That of all languages without a configuration last.</summary>
    private readonly IReadOnlyList<Reading> _readings;

    private TextSearch(IReadOnlyList<Reading> readings) => _readings = readings;

    /// <param name="schema">Of the utterances.</param>
    public static async Task<TextSearch> ReadAsync(NpgsqlConnection connection, TextQuery text, string schema, CancellationToken cancellationToken)
    {
        await using var batch = new NpgsqlBatch(connection) { BatchCommands = { Asking(text, schema) } };
        await using var reader = await batch.ExecuteReaderAsync(cancellationToken);
        return await ReadAsync(reader, cancellationToken);
    }

    /// <summary>What is to be asked before.</summary>
    /// <param name="language">The only one that is searched; null for all.</param>
    public static NpgsqlBatchCommand Asking(TextQuery text, string schema, string? language = null)
    {
        var query = new SqlQuery();
        var others = query.Parameter(language is null ? Others : [], NpgsqlDbType.Array | NpgsqlDbType.Text);
        var asked = query.Parameter(
            language is null ? Usual : [Usual.Concat(Others).Contains(language) ? language : WithoutConfiguration], NpgsqlDbType.Array | NpgsqlDbType.Text);
        var terms = text.Terms.Select(term => Term("guru.search_config(l.language)", term, query.Text(term.Text))).ToList();
        return query.InBatch(
            $"""
            select l.language, case when numnode(l.query) > 0 then l.query::text end, guru.search_config(l.language)::oid
            from (
                select l.language, {string.Join(" && ", terms)} as query
                from (select * from unnest({asked}) union all select * from {OnRecord(others, schema)}) as l (language)) l
            """);
    }

    public static async Task<TextSearch> ReadAsync(NpgsqlDataReader reader, CancellationToken cancellationToken)
    {
        var languages = new List<(string Language, string? Query, uint Configuration)>();
        while (await reader.ReadAsync(cancellationToken))
        {
            languages.Add((reader.GetString(0), reader.TextOrNull(1), reader.GetFieldValue<uint>(2)));
        }

        return new TextSearch(
        [
            .. languages.OrderBy(read => read.Language == WithoutConfiguration).GroupBy(read => read.Query, StringComparer.Ordinal)
                .Select(alike => new Reading(alike.Key, [.. alike.Select(read => read.Language)], [.. alike.Select(read => read.Configuration)]))
                .OrderBy(reading => reading.OfOthers),
        ]);
    }

    /// <param name="utterances">Alias of the table.</param>
    /// <param name="own">The query as the language of a row reads it, for rank and highlights.</param>
    public string Matches(SqlQuery query, string utterances, bool unheard, out string own)
    {
        var words = unheard ? $"{utterances}.unheard_words" : $"{utterances}.words";
        var queries = _readings.Select(reading => reading.Query is { } text ? $"{query.Text(text)}::tsquery" : "null::tsquery").ToList();
        var foundByAny = FoundByAny(query, utterances, unheard);
        if (_readings.Count == 1)
        {
            own = queries[0];
            return foundByAny;
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
        return $"{foundByAny} and {ByLanguage(one => $"{words} @@ {one}")}";
    }

    /// <summary>Whether words have to follow each other. The planner takes them for words that have nothing to do with each other, and so for much rarer than they are.</summary>
    public bool HasPhrases => _readings.Any(reading => reading.Query?.Contains("' <", StringComparison.Ordinal) ?? false);

    /// <summary>What any language finds; how much that is the planner can foresee.</summary>
    public string FoundByAny(SqlQuery query, string utterances, bool unheard)
    {
        var known = _readings.Where(reading => reading.Query is not null).Select(reading => $"({reading.Query})").ToList();
        return known.Count == 0 ? "false" : $"{utterances}.{(unheard ? "unheard_words" : "words")} @@ {query.Text(string.Join(" | ", known))}::tsquery";
    }

    /// <summary>The configuration of a row's language.</summary>
    public string Configuration(SqlQuery query, string utterances)
    {
        var all = _readings.SelectMany(reading => reading.Languages.Zip(reading.Configurations)).ToList();
        var last = $"{query.Parameter(all[^1].Second, NpgsqlDbType.Oid)}::regconfig";
        var languages = query.Parameter(all.Select(one => one.First).ToArray(), NpgsqlDbType.Array | NpgsqlDbType.Text);
        var configurations = query.Parameter(all.Select(one => one.Second).ToArray(), NpgsqlDbType.Array | NpgsqlDbType.Oid);
        return $"coalesce({configurations}[array_position({languages}, {utterances}.search_language)]::regconfig, {last})";
    }

    private static string OnRecord(string others, string schema) => schema != Projections.LiveSchema
        ? $"unnest({others})" // A past state has no such index.
        : $"""
          (select o.language from unnest({others}) as o (language)
           cross join lateral (
              select from guru.utterances u
              where u.search_language = o.language and u.search_language in ({string.Join(", ", Others.Select(language => $"'{language}'"))}) limit 1) u) o
          """;

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
    /// <param name="Configurations">One for each of the languages.</param>
    private sealed record Reading(string? Query, IReadOnlyList<string> Languages, IReadOnlyList<uint> Configurations)
    {
        public bool OfOthers => Languages.Contains(WithoutConfiguration);
    }
}
