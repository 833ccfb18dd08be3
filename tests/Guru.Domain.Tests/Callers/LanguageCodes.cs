using Guru.Domain.Callers;
using Shouldly;

namespace Guru.Domain.Tests.Callers;

public sealed class LanguageCodes
{
    [Theory]
    [InlineData("es", "es")]
    [InlineData("ES", "es")]
    [InlineData("pt-BR", "pt")]
    [InlineData("zh_Hans_CN", "zh")]
    [InlineData("hat", "ht")]
    [InlineData("HAT-HT", "ht")]
    [InlineData("aar", "aa")]
    [InlineData("deu", "de")]
    [InlineData("ger", "de")]
    [InlineData("zul", "zu")]
    [InlineData("hmn", null)]
    [InlineData("spanish", null)]
    [InlineData("e", null)]
    [InlineData("-es", null)]
    [InlineData("e1", null)]
    [InlineData("éé", null)]
    [InlineData("", null)]
    [InlineData(null, null)]
    [InlineData("es-0123456789012345678901234567890123", null)]
    public void Are_of_two_letters_or_none(string? text, string? code) => LanguageCode.Of(text).ShouldBe(code);
}
