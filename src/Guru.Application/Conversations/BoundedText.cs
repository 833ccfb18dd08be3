namespace Guru.Application.Conversations;

/// <summary>Holds what a model or a person has written to a length.</summary>
internal static class BoundedText
{
    /// <summary>At most so many characters, never half of one; what was cut off is shown by an ellipsis.</summary>
    public static string Cut(string text, int most)
    {
        if (text.Length <= most)
        {
            return text;
        }

        var end = Math.Max(0, most - 1);
        return $"{text[..(end > 0 && char.IsHighSurrogate(text[end - 1]) ? end - 1 : end)]}…";
    }

    /// <summary>On one line, without blanks around it.</summary>
    public static string Line(string text, int most) => Cut(text.ReplaceLineEndings(" ").Trim(), most);
}
