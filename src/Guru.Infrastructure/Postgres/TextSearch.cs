using Guru.Application.Transcripts;

namespace Guru.Infrastructure.Postgres;

/// <summary>
/// Text search in SQL. An utterance is searched with the configuration of its own language; so that one look into the index finds the utterances of
/// all languages, they are first found by the query as any language reads it, and then held against that of their own.
/// </summary>
internal static class TextSearch
{
    /// <summary>The languages with a configuration; the last stands for all others.</summary>
    private static readonly string[] Languages =
    [
        "ar", "ca", "da", "de", "el", "en", "es", "eu", "fi", "fr", "ga", "hi", "hu", "hy", "id", "it", "lt", "ne", "nl", "no", "pt", "ro", "ru",
        "sr", "sv", "ta", "tr", "yi", "",
    ];

    /// <param name="utterances">Alias of the table.</param>
    /// <param name="own">The query as the language of a row reads it, for rank and highlights.</param>
    public static string Matches(SqlQuery query, TextQuery text, string utterances, bool unheard, out string own)
    {
        var terms = text.Terms.Select(term => (Term: term, Parameter: query.Text(term.Text))).ToList();
        string In(string configuration) => string.Join(" && ", terms.Select(term => Term(configuration, term.Term, term.Parameter)));

        own = $"({In($"guru.search_config({utterances}.search_language)")})";
        var any = string.Join(" || ", Languages.Select(language => $"({In($"guru.search_config('{language}')")})"));
        var words = unheard ? $"{utterances}.unheard_words" : $"{utterances}.words";
        return $"{words} @@ ({any}) and {words} @@ {own}";
    }

    private static string Term(string configuration, TextTerm term, string parameter)
    {
        // A quoted word in to_tsquery is read as text: a quote and a backslash in it are doubled.
        var found = term.Kind == TermKind.Prefix
            ? $@"to_tsquery('pg_catalog.simple', '''' || replace(replace(guru.search_text({parameter}), '\', '\\'), '''', '''''') || ''':*')"
            : $"phraseto_tsquery({configuration}, guru.search_text({parameter}))";
        return term.Without ? $"!!{found}" : found;
    }
}
