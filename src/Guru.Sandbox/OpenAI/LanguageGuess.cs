using System.Collections.Immutable;

namespace Guru.Sandbox.OpenAI;

/// <param name="Script">arabic, cyrillic or han: the script alone decides.</param>
public sealed record LanguageMarks(string Language, string? Script, string Letters, IReadOnlyList<string> Words);

/// <summary>The language of a short text, by words and letters that give it away.</summary>
public sealed class LanguageGuess(ImmutableList<LanguageMarks> languages)
{
    /// <returns>ISO 639-1; null when nothing gives it away.</returns>
    public string? Of(string text)
    {
        if (languages.FirstOrDefault(language => language.Script is { } script && text.Any(letter => IsIn(script, letter))) is { } written)
        {
            return written.Language;
        }

        var lower = text.ToLowerInvariant();
        var words = new string([.. lower.Select(letter => char.IsLetter(letter) || letter == '\'' ? letter : ' ')])
            .Split(' ', StringSplitOptions.RemoveEmptyEntries);
        var best = languages.Select(language => (
                language.Language,
                Points: words.Count(word => language.Words.Contains(word, StringComparer.Ordinal)) + 2 * lower.Count(language.Letters.Contains)))
            .OrderByDescending(language => language.Points).FirstOrDefault();
        return best.Points > 0 ? best.Language : null;
    }

    private static bool IsIn(string script, char letter) => script switch
    {
        "arabic" => letter is >= '\u0600' and <= '\u06FF',
        "cyrillic" => letter is >= '\u0400' and <= '\u04FF',
        "han" => letter is >= '\u4E00' and <= '\u9FFF',
        _ => false,
    };
}
