using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;
using Guru.Application.Calls;

namespace Guru.Infrastructure.Twilio;

/// <summary>
/// The fixed sentences in the caller's language, as verbs: said by a voice of Twilio's, or played from a recording of ours where
/// Twilio has no voice. A recording's address tells nothing and cannot be guessed.
/// </summary>
public sealed class Sentences
{
    /// <summary>What those hear whose language is not known or not listed.</summary>
    public const string DefaultLanguage = "en";

    private readonly Dictionary<(string Language, FixedSentence Sentence), TwimlVerb> _verbs = [];
    private readonly Dictionary<string, byte[]> _recordings = new(StringComparer.Ordinal);

    private Sentences(SentencesFile file, string baseUrl, ReadOnlySpan<byte> secret)
    {
        foreach (var (language, spoken) in file.Languages)
        {
            foreach (var (sentence, text) in spoken.Texts)
            {
                _verbs[(language, sentence)] = spoken.Wav is null
                    ? new Say(spoken.Voice, spoken.Locale!, text)
                    : new Play($"{baseUrl.TrimEnd('/')}/api/whatsapp/voice/sentences/{Keep(spoken.Recordings[sentence], language, sentence, secret)}.wav");
            }
        }
    }

    /// <summary>Reads the file that is shipped beside the program.</summary>
    /// <param name="baseUrl">The public address, under which recordings are fetched.</param>
    /// <param name="secret">Seed of the recordings' names; the same on every node.</param>
    /// <exception cref="SentencesException">The file has mistakes; all of them are listed.</exception>
    public static Sentences Load(string baseUrl, ReadOnlySpan<byte> secret) =>
        Load(Path.Combine(AppContext.BaseDirectory, "sentences.yaml"), Path.Combine(AppContext.BaseDirectory, "sentences"), baseUrl, secret);

    /// <inheritdoc cref="Load(string, ReadOnlySpan{byte})"/>
    /// <param name="path">The YAML file.</param>
    /// <param name="recordings">The directory of the WAV files.</param>
    public static Sentences Load(string path, string recordings, string baseUrl, ReadOnlySpan<byte> secret) =>
        new(SentencesFile.Read(path, recordings), baseUrl, secret);

    /// <param name="language">ISO 639-1, with or without a region; English is spoken where it is null or not listed.</param>
    public TwimlVerb Say(string? language, FixedSentence sentence)
    {
        var plain = (language ?? DefaultLanguage).Split('-', '_')[0].ToLowerInvariant();
        return _verbs.GetValueOrDefault((plain, sentence)) ?? _verbs[(DefaultLanguage, sentence)];
    }

    /// <summary>The recording whose address ends in this name.</summary>
    /// <param name="name">Without the <c>.wav</c>.</param>
    public bool TryFindRecording(string name, [NotNullWhen(true)] out byte[]? wav) => _recordings.TryGetValue(name, out wav);

    private string Keep(byte[] wav, string language, FixedSentence sentence, ReadOnlySpan<byte> secret)
    {
        // The kind is part of what is hashed, so that no other keyed hash of the same secret can coincide.
        var name = Convert.ToHexStringLower(HMACSHA256.HashData(secret, Encoding.UTF8.GetBytes($"sentence:{language}:{sentence}")));
        _recordings[name] = wav;
        return name;
    }
}

/// <param name="mistakes">All that is wrong, each with where and how to mend it.</param>
public sealed class SentencesException(IReadOnlyList<string> mistakes)
    : Exception("The file of fixed sentences has mistakes:\n" + string.Join('\n', mistakes.Select(m => "  - " + m)))
{
    public IReadOnlyList<string> Mistakes { get; } = mistakes;
}
