using Guru.Application.Calls;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace Guru.Infrastructure.Twilio;

/// <summary>How a language is spoken: by a voice of Twilio's, or from recordings.</summary>
internal sealed record SpokenLanguage(
    string? Voice,
    string? Locale,
    string? Wav,
    IReadOnlyDictionary<FixedSentence, string> Texts,
    IReadOnlyDictionary<FixedSentence, byte[]> Recordings);

/// <summary>The YAML file of fixed sentences, with every mistake found in one reading.</summary>
internal sealed class SentencesFile
{
    private static readonly Dictionary<string, FixedSentence> Keys = Enum.GetValues<FixedSentence>().ToDictionary(
        sentence => char.ToLowerInvariant(sentence.ToString()[0]) + sentence.ToString()[1..], StringComparer.Ordinal);

    private readonly List<string> _mistakes = [];
    private readonly Dictionary<string, SpokenLanguage> _spoken = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> _as = new(StringComparer.Ordinal);
    private readonly string _recordings;

    private SentencesFile(string recordings) => _recordings = recordings;

    /// <summary>Every language of the file; one that is spoken as another has that one's voice and sentences.</summary>
    public IReadOnlyDictionary<string, SpokenLanguage> Languages => _spoken;

    /// <exception cref="SentencesException">All mistakes of the file.</exception>
    public static SentencesFile Read(string path, string recordings)
    {
        var file = new SentencesFile(recordings);
        foreach (var (language, entry) in file.Members(file.Parse(path), Path.GetFileName(path)))
        {
            file.ReadLanguage(language, entry);
        }

        file.Resolve();
        if (!file._spoken.ContainsKey(Sentences.DefaultLanguage) && file._mistakes.Count == 0)
        {
            file._mistakes.Add($"{Sentences.DefaultLanguage} is missing: it is spoken where a language is not listed.");
        }

        return file._mistakes.Count == 0 ? file : throw new SentencesException(file._mistakes);
    }

    private YamlNode? Parse(string path)
    {
        try
        {
            using var text = File.OpenText(path);
            var yaml = new YamlStream();
            yaml.Load(text);
            return yaml.Documents.Count > 0 ? yaml.Documents[0].RootNode : null;
        }
        catch (YamlException e)
        {
            _mistakes.Add($"line {e.Start.Line}: {e.Message}");
            return new YamlMappingNode();
        }
        catch (IOException e)
        {
            _mistakes.Add(e.Message);
            return new YamlMappingNode();
        }
    }

    private void ReadLanguage(string language, YamlNode entry)
    {
        var before = _mistakes.Count;
        string? voice = null, locale = null, wav = null, other = null;
        YamlNode? sentences = null;
        foreach (var (name, value) in Members(entry, language))
        {
            switch (name)
            {
                case "voice": voice = Scalar(value, language, name); break;
                case "locale": locale = Scalar(value, language, name); break;
                case "wav": wav = Scalar(value, language, name); break;
                case "as": other = Scalar(value, language, name); break;
                case "sentences": sentences = value; break;
                default: _mistakes.Add($"{language}: {name} is none of voice, locale, wav, as, sentences (line {value.Start.Line})."); break;
            }
        }

        if (other is not null)
        {
            if (voice is not null || locale is not null || wav is not null || sentences is not null)
            {
                _mistakes.Add($"{language}: it is spoken as {other}, so that it takes no voice, locale, wav or sentences.");
            }

            _as[language] = other;
            return;
        }

        if (voice is not null && wav is not null)
        {
            _mistakes.Add($"{language}: it has both a voice and a wav; keep one.");
        }
        else if (voice is null && wav is null && _mistakes.Count == before)
        {
            _mistakes.Add($"{language}: it has none of voice, wav, as.");
        }

        if (voice is not null && locale is null)
        {
            _mistakes.Add($"{language}: its voice needs a locale.");
        }

        var texts = ReadTexts(language, sentences);
        var recordings = wav is null ? [] : ReadRecordings(language, wav);
        if (_mistakes.Count == before)
        {
            _spoken[language] = new SpokenLanguage(voice, locale, wav, texts, recordings);
        }
    }

    private Dictionary<FixedSentence, string> ReadTexts(string language, YamlNode? sentences)
    {
        var texts = new Dictionary<FixedSentence, string>();
        foreach (var (key, value) in sentences is null ? [] : Members(sentences, $"{language}.sentences"))
        {
            if (!Keys.TryGetValue(key, out var sentence))
            {
                _mistakes.Add($"{language}: {key} is no sentence of ours (line {value.Start.Line}).");
            }
            else if (Scalar(value, language, key) is { } text)
            {
                texts[sentence] = text;
            }
            else
            {
                texts[sentence] = ""; // The mistake is listed already.
            }
        }

        foreach (var (key, sentence) in Keys)
        {
            if (!texts.ContainsKey(sentence))
            {
                _mistakes.Add($"{language}: the sentence {key} is missing.");
            }
        }

        return texts;
    }

    private Dictionary<FixedSentence, byte[]> ReadRecordings(string language, string wav)
    {
        var recordings = new Dictionary<FixedSentence, byte[]>();
        foreach (var (key, sentence) in Keys)
        {
            var path = Path.Combine(_recordings, $"{wav}-{key}.wav");
            if (!File.Exists(path))
            {
                _mistakes.Add($"{language}: the recording {Path.GetFileName(path)} is missing; generate.sh makes it.");
                continue;
            }

            var bytes = File.ReadAllBytes(path);
            if (!IsMuLaw(bytes))
            {
                _mistakes.Add($"{language}: the recording {Path.GetFileName(path)} is no WAV of mu-law at 8 kHz, mono.");
                continue;
            }

            recordings[sentence] = bytes;
        }

        return recordings;
    }

    private void Resolve()
    {
        foreach (var language in _as.Keys)
        {
            var seen = new List<string> { language };
            var target = _as[language];
            while (_as.TryGetValue(target, out var next) && !seen.Contains(target, StringComparer.Ordinal))
            {
                seen.Add(target);
                target = next;
            }

            if (seen.Contains(target, StringComparer.Ordinal))
            {
                _mistakes.Add($"{language}: it is spoken as itself in the end ({string.Join(" as ", seen.Append(target))}).");
            }
            else if (_spoken.TryGetValue(target, out var spoken))
            {
                _spoken[language] = spoken;
            }
            else if (_mistakes.TrueForAll(m => !m.StartsWith(target + ":", StringComparison.Ordinal)))
            {
                _mistakes.Add($"{language}: it is spoken as {target}, which is not listed.");
            }
        }
    }

    private IEnumerable<(string Name, YamlNode Value)> Members(YamlNode? node, string where)
    {
        if (node is not YamlMappingNode mapping)
        {
            _mistakes.Add($"{where}: names and values are expected here{(node is null ? "" : $" (line {node.Start.Line})")}.");
            return [];
        }

        return mapping.Children.Select(child => ((child.Key as YamlScalarNode)?.Value ?? "", child.Value));
    }

    private string? Scalar(YamlNode value, string language, string name)
    {
        if (value is YamlScalarNode { Value: { } text } && !string.IsNullOrWhiteSpace(text))
        {
            return text;
        }

        _mistakes.Add($"{language}: {name} must be a text (line {value.Start.Line}).");
        return null;
    }

    /// <summary>Format tag 7, one channel, 8000 samples a second, in a format chunk that comes first.</summary>
    private static bool IsMuLaw(ReadOnlySpan<byte> wav) =>
        wav.Length > 44 && wav.StartsWith("RIFF"u8) && wav[8..].StartsWith("WAVEfmt "u8)
        && wav[20..].StartsWith((ReadOnlySpan<byte>)[7, 0, 1, 0, 0x40, 0x1F, 0, 0]);
}
