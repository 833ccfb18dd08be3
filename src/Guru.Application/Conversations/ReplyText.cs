namespace Guru.Application.Conversations;

/// <summary>Cuts a reply into messages that the carrier takes.</summary>
internal static class ReplyText
{
    /// <summary>The carrier's limit of a message's body.</summary>
    public const int MostCharacters = 1600;

    private static readonly char[] SentenceEnds = ['.', '!', '?', '。', '！', '？', '؟', '।', '\n'];

    /// <summary>Parts of at most the limit, cut at paragraphs or sentences, else at words, else between characters.</summary>
    public static IReadOnlyList<string> Split(string text, int limit = MostCharacters)
    {
        var parts = new List<string>();
        var rest = text.Trim();
        while (rest.Length > limit)
        {
            var cut = CutAt(rest, limit);
            parts.Add(rest[..cut].TrimEnd());
            rest = rest[cut..].TrimStart();
        }

        if (rest.Length > 0)
        {
            parts.Add(rest);
        }

        return parts;
    }

    private static int CutAt(string text, int limit)
    {
        // Not in the first half: a short first message followed by a cut one reads worse than a cut at a word.
        var window = text.AsSpan(0, limit);
        var paragraph = window.LastIndexOf("\n\n", StringComparison.Ordinal);
        if (paragraph > limit / 2)
        {
            return paragraph;
        }

        for (var i = limit - 1; i > limit / 2; i--)
        {
            if (SentenceEnds.Contains(window[i]) && (window[i] > 0x7F || window[i] == '\n' || char.IsWhiteSpace(text[i + 1])))
            {
                return i + 1;
            }
        }

        var word = window.LastIndexOf(' ');
        return word > limit / 2 ? word : char.IsHighSurrogate(text[limit - 1]) ? limit - 1 : limit;
    }
}
