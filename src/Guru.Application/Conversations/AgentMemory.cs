using System.Globalization;
using System.Text;
using Guru.Domain.Calls;

namespace Guru.Application.Conversations;

/// <summary>
/// What an agent is told of the time before: the entries of the caller's current session, text and voice in one timeline, word for
/// word within a budget, and one short summary of what came earlier. The same text for the phone, the webapp and the chat.
/// </summary>
public static class AgentMemory
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
    /// <param name="budget">Tokens; the newest entries are kept.</param>
    public static string? Format(Memory memory, DateTimeOffset now, int budget)
    {
        var session = CurrentSession(memory.Entries, now).Where(entry => entry.Text.Length > 0).ToList();
        var lines = new List<string>();
        var left = budget * CharactersPerToken;
        foreach (var entry in session.AsEnumerable().Reverse())
        {
            var line = Line(entry);
            left -= line.Length;
            if (left < 0)
            {
                break;
            }

            lines.Insert(0, line);
        }

        if (lines.Count == 0 && memory.Summary is null)
        {
            return null;
        }

        var text = new StringBuilder();
        if (memory.Summary is { } summary)
        {
            text.Append("From earlier conversations with this caller:\n").Append(summary.Trim()).Append('\n');
        }

        if (lines.Count > 0)
        {
            text.Append("The present conversation so far (UTC):\n").AppendJoin('\n', lines).Append('\n');
        }

        return text.ToString();
    }

    private static string Line(TimelineEntry entry)
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
