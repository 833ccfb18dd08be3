using System.Globalization;
using System.Text;
using Guru.Domain.Calls;

namespace Guru.Application.Conversations;

/// <summary>
/// What an agent is told of the time before: the entries of the caller's current session, text and voice in one timeline, word for
/// word within a budget, and one short summary of what came earlier. The same text for the phone, the webapp and the chat.
/// </summary>
internal static class AgentMemory
{
    /// <summary>A session is a run of activity with no gap of an hour or more.</summary>
    public static readonly TimeSpan SessionGap = TimeSpan.FromHours(1);

    /// <summary>Tokens are not counted but estimated: four characters in English, two to three in many other languages.</summary>
    private const int CharactersPerToken = 3;

    /// <summary>The entries of the session that would go on at a moment; none when it begins a new one.</summary>
    public static IReadOnlyList<TimelineEntry> CurrentSession(IReadOnlyList<TimelineEntry> entries, DateTimeOffset now)
    {
        var next = now;
        var first = entries.Count;
        while (first > 0 && next - entries[first - 1].At < SessionGap)
        {
            next = entries[--first].At;
        }

        return [.. entries.Skip(first)];
    }

    /// <summary>Formats it; null where there is nothing to remember, so that nobody is told to refer to it.</summary>
    /// <param name="budget">Tokens of what is told word for word; the newest entries are kept.</param>
    public static string? Format(Memory memory, DateTimeOffset now, int budget)
    {
        var sessionAt = CurrentSession(memory.Entries, now) is [var first, ..] ? first.At : now;
        var told = Newest(memory.Entries.Where(entry => !(entry.At < memory.SummarizedUpTo)), budget);
        var (earlier, present) = (told.Where(entry => entry.At < sessionAt).ToList(), told.Where(entry => entry.At >= sessionAt).ToList());
        var text = new StringBuilder();
        if (memory.Summary is { } summary)
        {
            text.Append("From earlier conversations with this caller:\n").Append(summary.Trim()).Append('\n');
        }

        // The summary of a session that is just over may not be there yet.
        Append(text, "An earlier conversation (UTC):", earlier);
        Append(text, "The present conversation so far (UTC):", present);
        return text.Length > 0 ? text.ToString() : null;
    }

    /// <summary>The newest of some entries that can be told within a budget, oldest first; the very newest always, if need be in part.</summary>
    /// <param name="budget">Tokens.</param>
    public static IReadOnlyList<TimelineEntry> Newest(IEnumerable<TimelineEntry> entries, int budget)
    {
        var left = budget * CharactersPerToken;
        var told = new List<TimelineEntry>();
        foreach (var entry in entries.Reverse().Where(entry => entry.Text.Length > 0))
        {
            left -= Line(entry).Length;
            if (left < 0)
            {
                if (told.Count == 0)
                {
                    told.Add(entry with { Text = BoundedText.Cut(entry.Text, Math.Max(0, entry.Text.Length + left)) });
                }

                break;
            }

            told.Insert(0, entry);
        }

        return told;
    }

    private static void Append(StringBuilder text, string heading, List<TimelineEntry> entries)
    {
        if (entries.Count > 0)
        {
            text.Append(heading).Append('\n').AppendJoin('\n', entries.Select(Line)).Append('\n');
        }
    }

    /// <summary>One entry as a model reads it, on one line.</summary>
    public static string Line(TimelineEntry entry)
    {
        var channel = entry.Channel switch
        {
            TimelineChannel.Call => "on the phone",
            TimelineChannel.VoiceNote => "by voice note",
            TimelineChannel.Webapp => "in the web app",
            _ => "in writing",
        };
        var speaker = entry.Speaker == Speaker.Caller ? "Caller" : "You";
        return string.Create(CultureInfo.InvariantCulture, $"[{entry.At.UtcDateTime:yyyy-MM-dd HH:mm}] {speaker} {channel}: {entry.Text.ReplaceLineEndings(" ").Trim()}");
    }
}
