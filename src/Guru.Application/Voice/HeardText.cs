namespace Guru.Application.Voice;

/// <summary>
/// Estimates the words heard of a turn that was cut. The model's transcript carries no timing, so the share of the audio
/// that was heard is taken of the text and cut back to the end of a word.
/// </summary>
internal static class HeardText
{
    public static string Of(string said, long heardMs, long saidMs)
    {
        if (heardMs <= 0 || said.Length == 0)
        {
            return "";
        }

        if (heardMs >= saidMs)
        {
            return said;
        }

        var length = (int)(said.Length * heardMs / saidMs);
        if (char.IsWhiteSpace(said[length]))
        {
            return said[..length].TrimEnd();
        }

        var lastSpace = length == 0 ? -1 : said.AsSpan(0, length).LastIndexOfAny(" \t\n");
        if (lastSpace >= 0)
        {
            return said[..lastSpace].TrimEnd();
        }

        // A language written without spaces is cut between characters; the first word of others was not finished.
        var spaced = said.AsSpan().IndexOfAny(" \t\n") >= 0;
        return spaced || said.Length <= 12 ? "" : said[..(length > 0 && char.IsHighSurrogate(said[length - 1]) ? length - 1 : length)];
    }
}
