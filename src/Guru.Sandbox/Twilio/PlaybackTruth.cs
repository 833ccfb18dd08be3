using Guru.Sandbox.Audio;

namespace Guru.Sandbox.Twilio;

/// <summary>What of one line of the agent reached the line, and what reached the ear.</summary>
/// <param name="ReceivedBytes">Of the sample, counted from its start.</param>
/// <param name="PlayedBytes">Of the sample, counted from its start.</param>
public sealed record HeardLine(Sample Sample, long ReceivedBytes, long PlayedBytes, TimeSpan StartedAt, TimeSpan EndedAt)
{
    public TimeSpan Heard => MuLaw.Duration(PlayedBytes);

    public bool Cut => PlayedBytes < Sample.Audio.Length;
}

/// <summary>Reads a playback buffer's truth back as lines of the agent.</summary>
public static class PlaybackTruth
{
    /// <summary>The lines that were sent to the caller, in order, those nobody heard included.</summary>
    public static IReadOnlyList<HeardLine> Lines(PlaybackBuffer buffer, Recogniser? recogniser = null)
    {
        var played = buffer.Played;
        var lines = new List<HeardLine>();
        foreach (var match in (recogniser ?? Recogniser.Shipped).Find(buffer.Received))
        {
            var (bytes, startedAt, endedAt) = Overlap(played, match.At, match.At + match.Length);
            if (lines.Count > 0 && lines[^1] is var last && last.Sample == match.Sample && match.From > 0
                && match.From >= last.ReceivedBytes)
            {
                // The same line, with something else in the middle.
                lines[^1] = last with
                {
                    ReceivedBytes = match.To,
                    PlayedBytes = bytes > 0 ? match.From + bytes : last.PlayedBytes,
                    EndedAt = bytes > 0 ? endedAt : last.EndedAt,
                };
            }
            else
            {
                lines.Add(new HeardLine(match.Sample, match.To, bytes > 0 ? match.From + bytes : 0, startedAt, endedAt));
            }
        }

        return lines;
    }

    static (long Bytes, TimeSpan StartedAt, TimeSpan EndedAt) Overlap(IReadOnlyList<PlayedSpan> played, long from, long to)
    {
        long bytes = 0;
        TimeSpan? startedAt = null;
        var endedAt = TimeSpan.Zero;
        foreach (var span in played)
        {
            var (first, last) = (Math.Max(span.From, from), Math.Min(span.To, to));
            if (first < last)
            {
                bytes += last - first;
                startedAt ??= span.At + MuLaw.Duration(first - span.From);
                endedAt = span.At + MuLaw.Duration(last - span.From);
            }
        }

        return (bytes, startedAt ?? TimeSpan.Zero, endedAt);
    }
}
