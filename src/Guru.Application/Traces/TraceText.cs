using System.Globalization;
using System.Text;

namespace Guru.Application.Traces;

/// <summary>A trace as a text to be kept: a line that comes several times in a row stands there once, with the number before it.</summary>
public static class TraceText
{
    private const int MostLines = 5_000_000;

    public static string Fold(ReadOnlySpan<byte> trace)
    {
        var folded = new StringBuilder();
        var (line, times) = ("", 0);
        foreach (var next in Encoding.UTF8.GetString(trace).Split('\n').Append(""))
        {
            if (next == line)
            {
                times++;
                continue;
            }

            if (times > 0)
            {
                folded.Append(CultureInfo.InvariantCulture, $"{(times > 1 ? $"{times} x " : "")}{line}\n");
            }

            (line, times) = (next, 1);
        }

        return folded.ToString();
    }

    /// <returns>Its lines, each as often as it came.</returns>
    /// <exception cref="TraceException">There are too many for a call.</exception>
    public static IReadOnlyList<string> Unfold(string text)
    {
        var lines = new List<string>();
        foreach (var line in text.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            var mark = line.IndexOf(" x ", StringComparison.Ordinal);
            if (mark > 0 && char.IsAsciiDigit(line[0]) && int.TryParse(line.AsSpan(0, mark), NumberStyles.None, CultureInfo.InvariantCulture, out var times))
            {
                lines.AddRange(Enumerable.Repeat(line[(mark + 3)..], Math.Min(times, MostLines)));
            }
            else
            {
                lines.Add(line);
            }

            if (lines.Count >= MostLines)
            {
                throw new TraceException("The trace is longer than that of any call.");
            }
        }

        return lines;
    }
}
