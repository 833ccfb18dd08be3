using System.Collections.Immutable;

namespace Guru.Application.Transcripts;

public enum TermKind
{
    /// <summary>A word in any of its forms, or a phrase: its words one after the other.</summary>
    Words,

    /// <summary>Words that begin so.</summary>
    Prefix,
}

/// <param name="Without">What it finds is left out.</param>
public sealed record TextTerm(TermKind Kind, string Text, bool Without);

/// <summary>
/// What is searched for: words, <c>"a phrase"</c>, <c>begin*</c>, and <c>-without</c>; all terms have to hold. Any other sign is taken as text.
/// </summary>
public sealed record TextQuery(ImmutableArray<TextTerm> Terms)
{
    public const int MostCharacters = 200;
    private const int MostTerms = 16;

    /// <exception cref="FormatException">Nothing to search for, or too much. The message says so.</exception>
    public static TextQuery Parse(string text)
    {
        if (text.Length > MostCharacters)
        {
            throw new FormatException($"is longer than {MostCharacters} characters");
        }

        var terms = ImmutableArray.CreateBuilder<TextTerm>();
        for (var at = 0; at < text.Length;)
        {
            if (char.IsWhiteSpace(text[at]))
            {
                at++;
                continue;
            }

            var without = text[at] == '-';
            at += without ? 1 : 0;
            var quoted = at < text.Length && text[at] == '"';
            at += quoted ? 1 : 0;
            var end = quoted ? text.IndexOf('"', at) : text.AsSpan(at).IndexOfAny(" \t\r\n\"") is >= 0 and var length ? at + length : text.Length;
            end = end < 0 ? text.Length : end;
            var prefix = !quoted && end - at > 1 && text[end - 1] == '*';
            var words = text[at..(prefix ? end - 1 : end)].Trim();
            if (words.AsSpan().ContainsAnyLetterOrDigit())
            {
                terms.Add(new TextTerm(prefix ? TermKind.Prefix : TermKind.Words, words, without));
            }

            at = quoted ? end + 1 : end;
        }

        return terms.Count > MostTerms ? throw new FormatException($"has more than {MostTerms} terms")
            : terms.Any(term => !term.Without) ? new TextQuery(terms.DrainToImmutable())
            : throw new FormatException("names no word to search for");
    }

    public bool Equals(TextQuery? other) => other is not null && Terms.SequenceEqual(other.Terms);

    public override int GetHashCode()
    {
        var hash = new HashCode();
        foreach (var term in Terms)
        {
            hash.Add(term);
        }

        return hash.ToHashCode();
    }
}

file static class Letters
{
    public static bool ContainsAnyLetterOrDigit(this ReadOnlySpan<char> text)
    {
        foreach (var rune in text.EnumerateRunes())
        {
            if (System.Text.Rune.IsLetterOrDigit(rune))
            {
                return true;
            }
        }

        return false;
    }
}
