using Guru.Domain.Calls;
using Shouldly;

namespace Guru.Domain.Tests.Calls;

public sealed class LanguageOfACall : CallSpec
{
    private static readonly CallLanguageDetermined Spanish = new("es", "request", At(5));

    [Fact]
    public void Is_what_the_caller_asked_for()
    {
        Given(Connected).When(new RecordLanguage(Spanish), new RecordLanguage(Spanish)).Then(Spanish);
        Call.Fold([.. Connected, Spanish, Spoken("s:1", "fr")]).Language.ShouldBe("es");
    }

    [Fact]
    public void Is_not_changed_by_a_single_utterance() => Call.Fold([.. Connected, Spoken("s:1", "ht")]).Language.ShouldBe("fr");

    [Fact]
    public void Is_that_of_the_first_utterance_where_nothing_is_known() =>
        Call.Fold(
        [
            new CallStarted(Sid, Caller, "+15550001111", CallChannel.Whatsapp, CallDirection.Inbound, Language: null, "token-0", At(0)),
            Spoken("s:1", null), Spoken("s:2", "ht"), Spoken("s:3", "en"),
        ]).Language.ShouldBe("ht");

    [Fact]
    public void Can_change_more_than_once()
    {
        var back = new CallLanguageDetermined("fr", "call", At(50));
        Given(Connected).When(new RecordLanguage(Spanish), new RecordLanguage(back)).Then(Spanish, back);
        Call.Fold([.. Connected, Spanish, back]).Language.ShouldBe("fr");
    }

    private static UtteranceTranscribed Spoken(string id, string? language) => Utterance(id, "words") with { Language = language };
}
