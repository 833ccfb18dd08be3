using System.Buffers.Binary;

namespace Guru.Sandbox.Audio;

/// <summary>A stretch of audio that holds a stretch of a sample, byte for byte.</summary>
/// <param name="At">Where it begins in the audio searched.</param>
/// <param name="From">Where it begins in the sample.</param>
public readonly record struct Match(Sample Sample, int At, int From, int Length)
{
    public int To => From + Length;
}

/// <summary>
/// Finds the shipped samples in audio. A bridge passes a caller's bytes through unchanged, but may cut, pad or shift them,
/// so every sample is known by short windows of its voiced parts, and a window found is extended both ways as far as it holds.
/// </summary>
public sealed class Recogniser
{
    const int Window = 32;
    const int Step = 40;
    const double VoicedLevel = 200;

    // Windows that begin alike (a byte run common to two samples) share a key; the full window then tells them apart.
    readonly Dictionary<ulong, List<(Sample Sample, int Offset)>> _windows = [];

    public Recogniser(IEnumerable<Sample> samples)
    {
        foreach (var sample in samples)
        {
            var audio = sample.Audio.AsSpan();
            for (var offset = 0; offset + Window <= audio.Length; offset += Step)
            {
                if (MuLaw.Level(audio.Slice(offset, Window)) > VoicedLevel)
                {
                    var key = BinaryPrimitives.ReadUInt64LittleEndian(audio[offset..]);
                    (_windows.TryGetValue(key, out var known) ? known : _windows[key] = []).Add((sample, offset));
                }
            }
        }
    }

    public static Recogniser Shipped { get; } = new(SampleLibrary.Shipped.All);

    /// <summary>Every stretch found, in order.</summary>
    public IReadOnlyList<Match> Find(ReadOnlySpan<byte> audio)
    {
        var found = new List<Match>();
        var end = 0;
        for (var at = 0; at + Window <= audio.Length; at++)
        {
            if (!_windows.TryGetValue(BinaryPrimitives.ReadUInt64LittleEndian(audio[at..]), out var known))
            {
                continue;
            }

            foreach (var (sample, offset) in known)
            {
                if (audio.Slice(at, Window).SequenceEqual(sample.Audio.AsSpan(offset, Window)))
                {
                    var match = Extend(audio, sample, at, offset, end);
                    found.Add(match);
                    end = match.At + match.Length;
                    at = end - 1;
                    break;
                }
            }
        }

        return found;
    }

    /// <summary>The sample in whose middle the audio stops; null when it does not.</summary>
    public Match? StopsMidway(ReadOnlySpan<byte> audio)
    {
        // Long enough for something voiced to be in it.
        const int Tail = 3000 * MuLaw.BytesPerMs;
        var tail = audio[Math.Max(0, audio.Length - Tail)..];
        return Find(tail) is [.., var last] && last.At + last.Length == tail.Length && last.To < last.Sample.Audio.Length ? last : null;
    }

    static Match Extend(ReadOnlySpan<byte> audio, Sample sample, int at, int offset, int floor)
    {
        var whole = sample.Audio.AsSpan();
        var before = 0;
        while (before < offset && at - before > floor && audio[at - before - 1] == whole[offset - before - 1])
        {
            before++;
        }

        var length = audio[at..].CommonPrefixLength(whole[offset..]);
        return new Match(sample, at - before, offset - before, before + length);
    }
}

/// <summary>What was said in a stretch of a caller's audio.</summary>
/// <param name="Heard">The samples, in the order spoken, each with how much of it was there.</param>
/// <param name="Text">Empty when nothing was recognised: a cough, or a voice that is no sample.</param>
public sealed record Recognition(IReadOnlyList<Match> Heard, string Text, string? Language)
{
    /// <summary>How much of a sample may be missing at its edges before words are.</summary>
    const int EdgeBytes = 120 * MuLaw.BytesPerMs;

    public static Recognition Of(ReadOnlySpan<byte> audio, Recogniser recogniser)
    {
        var heard = new List<Match>();
        foreach (var match in recogniser.Find(audio))
        {
            // Padding put into a sample splits it; a later stretch of the same sample goes on with the same words.
            if (heard.Count > 0 && heard[^1] is var last && last.Sample == match.Sample && match.From >= last.From)
            {
                heard[^1] = last with { Length = Math.Max(last.Length, match.To - last.From) };
            }
            else
            {
                heard.Add(match);
            }
        }

        var text = string.Join(' ', heard.Select(Words).Where(words => words.Length > 0));
        return new Recognition(heard, text, heard.FirstOrDefault().Sample?.Language);
    }

    static string Words(Match match)
    {
        var length = match.Sample.Audio.Length;
        return match.Sample.TextOf(match.From < EdgeBytes ? 0 : match.From, match.To > length - EdgeBytes ? length : match.To);
    }
}
