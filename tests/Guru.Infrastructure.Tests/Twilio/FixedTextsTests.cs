using Guru.Application.Conversations;
using Guru.Infrastructure.Twilio;
using Shouldly;

namespace Guru.Infrastructure.Tests.Twilio;

public sealed class FixedTextsTests
{
    private const int MostButtonCharacters = 20; // Of WhatsApp.

    private static readonly string[] Languages = ["en", "es", "fr", "pt", "ar", "uk", "tr", "vi", "zh", "ht"];

    [Fact]
    public void Every_text_is_there_in_all_ten_languages_and_fits()
    {
        var texts = FixedTexts.Load();
        texts.Languages.ShouldBe(Languages, ignoreOrder: true);
        foreach (var text in Enum.GetValues<FixedText>())
        {
            var most = text is FixedText.PermissionButton or FixedText.CallCardButton ? MostButtonCharacters : 1024;
            var all = Languages.Select(language => texts.Of(text, language)).ToList();
            all.Distinct().Count().ShouldBe(Languages.Length, text.ToString());
            all.ShouldAllBe(words => words.Length > 1 && words.Length <= most);
        }
    }

    [Fact]
    public void A_language_that_is_not_listed_gets_English() => FixedTexts.Load().Of(FixedText.CallMissed, "sw").ShouldBe(FixedTexts.Load().Of(FixedText.CallMissed, "en"));
}
