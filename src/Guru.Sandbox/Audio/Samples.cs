using System.Collections.Immutable;
using System.Security.Cryptography;
using YamlDotNet.Serialization;
using YamlDotNet.Serialization.NamingConventions;

namespace Guru.Sandbox.Audio;

/// <summary>A line that somebody says in the sandbox.</summary>
/// <param name="Speaker">caller or agent.</param>
/// <param name="Language">ISO 639-1.</param>
/// <param name="Audio">G.711 mu-law at 8 kHz.</param>
public sealed record Sample(string Id, string Speaker, string Language, string Text, ImmutableArray<byte> Audio)
{
    /// <summary>The same line as a voice note, Opus in Ogg; empty for what the agent says.</summary>
    public ImmutableArray<byte> VoiceNote { get; init; } = [];

    public TimeSpan Duration => MuLaw.Duration(Audio.Length);

    /// <summary>The words of a part of the audio: in proportion, at word boundaries, since nobody knows when each was said.</summary>
    public string TextOf(long fromByte, long toByte)
    {
        var words = Text.Split(' ');
        var from = (int)Math.Round((double)fromByte / Audio.Length * words.Length);
        var to = (int)Math.Round((double)toByte / Audio.Length * words.Length);
        return string.Join(' ', words[Math.Clamp(from, 0, words.Length)..Math.Clamp(Math.Max(from, to), 0, words.Length)]);
    }
}

/// <summary>The lines shipped with the sandbox.</summary>
public sealed class SampleLibrary
{
    static readonly Lazy<SampleLibrary> LazyShipped = new(() => Load(Path.Combine(AppContext.BaseDirectory, "Samples")));

    readonly ImmutableDictionary<string, Sample> _byId;
    readonly ImmutableDictionary<string, Sample> _byVoiceNote;

    public SampleLibrary(IEnumerable<Sample> samples)
    {
        All = [.. samples];
        _byId = All.ToImmutableDictionary(sample => sample.Id, StringComparer.Ordinal);
        _byVoiceNote = All.Where(sample => !sample.VoiceNote.IsEmpty)
            .ToImmutableDictionary(sample => Hash(sample.VoiceNote.AsSpan()), StringComparer.Ordinal);
    }

    public static SampleLibrary Shipped => LazyShipped.Value;

    public ImmutableArray<Sample> All { get; }

    public Sample this[string id] =>
        Find(id) ?? throw new KeyNotFoundException($"There is no sample '{id}'. There are: {string.Join(", ", All.Select(s => s.Id))}.");

    public Sample? Find(string id) => _byId.GetValueOrDefault(id);

    /// <summary>The line that these bytes are the voice note of; known by their hash.</summary>
    public Sample? FindVoiceNote(ReadOnlySpan<byte> file) => _byVoiceNote.GetValueOrDefault(Hash(file));

    public static SampleLibrary Load(string folder)
    {
        var entries = new DeserializerBuilder().WithNamingConvention(CamelCaseNamingConvention.Instance).IgnoreUnmatchedProperties().Build()
            .Deserialize<List<Entry>>(File.ReadAllText(Path.Combine(folder, "samples.yaml")));
        return new SampleLibrary(entries.Select(entry => new Sample(
            entry.Id, entry.Speaker, entry.Language, entry.Text,
            [.. Wav.ReadMuLaw(File.ReadAllBytes(Path.Combine(folder, $"{entry.Id}.wav")))
                ?? throw new InvalidDataException($"{entry.Id}.wav is not mu-law at 8 kHz.")])
        {
            VoiceNote = entry.Speaker == "caller" ? [.. File.ReadAllBytes(Path.Combine(folder, $"{entry.Id}.ogg"))] : [],
        }));
    }

    private static string Hash(ReadOnlySpan<byte> file) => Convert.ToHexStringLower(SHA256.HashData(file));

    sealed class Entry
    {
        public required string Id { get; init; }

        public required string Speaker { get; init; }

        public required string Language { get; init; }

        public required string Text { get; init; }
    }
}
