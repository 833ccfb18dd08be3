using Guru.Application.Calls;
using Guru.Infrastructure.Twilio;
using Shouldly;

namespace Guru.Infrastructure.Tests.Twilio;

public sealed class TheSentencesShipped
{
    private readonly Sentences _sentences = Sentences.Load("https://voice.example.org/", "secret"u8);

    [Theory]
    [InlineData("en", "Polly.Joanna", "en-US")]
    [InlineData("es", "Polly.Lupe", "es-US")]
    [InlineData("fr", "Polly.Lea", "fr-FR")]
    [InlineData("pt", "Polly.Camila", "pt-BR")]
    [InlineData("ar", "Polly.Zeina", "arb")]
    [InlineData("tr", "Polly.Filiz", "tr-TR")]
    [InlineData("zh", "Polly.Zhiyu", "cmn-CN")]
    public void Are_said_by_a_voice_of_the_language(string language, string voice, string locale)
    {
        foreach (var sentence in Enum.GetValues<FixedSentence>())
        {
            var say = _sentences.Say(language, sentence).ShouldBeOfType<Say>();
            say.Voice.ShouldBe(voice);
            say.Language.ShouldBe(locale);
            say.Text.ShouldNotBeNullOrWhiteSpace();
        }
    }

    [Theory]
    [InlineData("uk")]
    [InlineData("vi")]
    [InlineData("ht")]
    public void Are_played_from_recordings_where_twilio_has_no_voice(string language)
    {
        foreach (var sentence in Enum.GetValues<FixedSentence>())
        {
            var url = _sentences.Say(language, sentence).ShouldBeOfType<Play>().Url;
            url.ShouldStartWith("https://voice.example.org/api/whatsapp/voice/sentences/");
            var name = Path.GetFileNameWithoutExtension(url);
            name.Length.ShouldBe(64);
            _sentences.TryFindRecording(name, out var wav).ShouldBeTrue();
            wav!.Length.ShouldBeInRange(8_000, 80_000);
        }
    }

    [Fact]
    public void Have_addresses_that_depend_on_the_secret_and_nothing_else_finds_a_recording()
    {
        var others = Sentences.Load("https://voice.example.org", "another"u8);

        others.Say("ht", FixedSentence.TryAgain).ShouldNotBe(_sentences.Say("ht", FixedSentence.TryAgain));
        Sentences.Load("https://voice.example.org", "secret"u8).Say("ht", FixedSentence.TryAgain).ShouldBe(_sentences.Say("ht", FixedSentence.TryAgain));
        _sentences.TryFindRecording("ht-tryAgain", out _).ShouldBeFalse();
    }

    [Theory]
    [InlineData(null, "en-US")]
    [InlineData("xx", "en-US")]
    [InlineData("", "en-US")]
    [InlineData("pt-PT", "pt-BR")]
    [InlineData("ES", "es-US")]
    [InlineData("qu", "es-US")]
    [InlineData("wo", "fr-FR")]
    public void Fall_back_to_a_language_that_is_listed(string? language, string locale) =>
        _sentences.Say(language, FixedSentence.TryAgain).ShouldBeOfType<Say>().Language.ShouldBe(locale);

    [Fact]
    public void Promise_no_message() =>
        ((Say)_sentences.Say("en", FixedSentence.ModelUnavailable)).Text.ShouldNotContain("write", Case.Insensitive);
}

public sealed class ASentencesFileWithMistakes : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("sentences").FullName;

    [Fact]
    public void Is_refused_with_all_of_them_at_once()
    {
        File.WriteAllBytes(Path.Combine(_directory, "vi-connecting.wav"), new byte[100]);

        var mistakes = Load("""
            en:
              voice: Polly.Joanna
              sentences: { connecting: "Hello", modelUnavailable: "x", atCapacity: "x", shuttingDown: "x", tryAgain: "x", bogus: "x" }
            fr:
              voice: Polly.Lea
              locale: fr-FR
              wav: fr
              sentences: { connecting: "", modelUnavailable: "x", atCapacity: "x", shuttingDown: "x", tryAgain: "x", technicalProblem: [x] }
            vi:
              wav: vi
              speed: 3
              sentences: { connecting: "x", modelUnavailable: "x", atCapacity: "x", shuttingDown: "x", tryAgain: "x", technicalProblem: "x" }
            de: { as: nl }
            a: { as: b }
            b: { as: a }
            c: { as: a, voice: Polly.X }
            d: just text
            f: {}
            """);

        string[] expected =
        [
            "en: its voice needs a locale.",
            "en: bogus is no sentence of ours",
            "en: the sentence technicalProblem is missing.",
            "fr: it has both a voice and a wav; keep one.",
            "fr: connecting must be a text",
            "fr: technicalProblem must be a text",
            "fr: the recording fr-connecting.wav is missing",
            "vi: speed is none of voice, locale, wav, as, sentences",
            "vi: the recording vi-connecting.wav is no WAV of mu-law at 8 kHz, mono.",
            "vi: the recording vi-tryAgain.wav is missing",
            "de: it is spoken as nl, which is not listed.",
            "a: it is spoken as itself in the end (a as b as a).",
            "b: it is spoken as itself in the end (b as a as b).",
            "c: it is spoken as a, so that it takes no voice, locale, wav or sentences.",
            "d: names and values are expected here",
            "f: it has none of voice, wav, as.",
            "f: the sentence connecting is missing.",
        ];
        foreach (var mistake in expected)
        {
            mistakes.ShouldContain(m => m.StartsWith(mistake, StringComparison.Ordinal), mistake + "\n" + string.Join('\n', mistakes));
        }
    }

    [Theory]
    [InlineData("en: {as: [", "line")]
    [InlineData("", "names and values")]
    [InlineData("fr: { as: fr }", "itself")]
    [InlineData("en: {}\nen: {}", "line")]
    public void Is_refused_when_it_cannot_be_read(string yaml, string mistake) =>
        Load(yaml).ShouldContain(m => m.Contains(mistake, StringComparison.OrdinalIgnoreCase));

    [Fact]
    public void Is_refused_when_it_is_not_there() =>
        Should.Throw<SentencesException>(() => Sentences.Load(Path.Combine(_directory, "none.yaml"), _directory, "https://x", "s"u8))
            .Mistakes.Count.ShouldBe(1);

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    private IReadOnlyList<string> Load(string yaml)
    {
        var path = Path.Combine(_directory, "sentences.yaml");
        File.WriteAllText(path, yaml);
        return Should.Throw<SentencesException>(() => Sentences.Load(path, _directory, "https://x", "s"u8)).Mistakes;
    }
}
