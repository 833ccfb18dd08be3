using System.Text;

namespace Guru.Infrastructure.Postgres;

/// <summary>
/// Text as PostgreSQL takes it: no NUL and no half surrogate pair; each becomes U+FFFD. Events and read models use the same
/// rule, so that a rebuild writes what the append wrote.
/// </summary>
internal static class StorableText
{
    public static string Of(string text)
    {
        if (!text.Contains('\0') && text.AsSpan().IndexOfAnyInRange('\uD800', '\uDFFF') < 0)
        {
            return text;
        }

        var clean = new StringBuilder(text.Length);
        foreach (var rune in text.EnumerateRunes()) // Half a pair is enumerated as U+FFFD.
        {
            clean.Append(rune.Value == 0 ? Rune.ReplacementChar : rune);
        }

        return clean.ToString();
    }
}
