using Guru.Domain.Callers;
using Shouldly;

namespace Guru.Domain.Tests.Callers;

public sealed class CallerIds
{
    private static readonly CallerAddress Address = CallerAddress.Parse("+15550001111");

    [Fact]
    public void Are_the_same_for_the_same_address_however_it_is_written() =>
        CallerId.Of(Address, "secret"u8).ShouldBe(CallerId.Of(CallerAddress.Parse("whatsapp:+15550001111"), "secret"u8));

    [Fact]
    public void Tell_addresses_and_secrets_apart()
    {
        var id = CallerId.Of(Address, "secret"u8);
        id.ShouldNotBe(CallerId.Of(CallerAddress.Parse("+15550001112"), "secret"u8));
        id.ShouldNotBe(CallerId.Of(Address, "another"u8));
    }

    [Fact]
    public void Are_32_lowercase_hexadecimal_digits_and_read_back()
    {
        var id = CallerId.Of(Address, "secret"u8);
        id.Value.ShouldMatch("^[0-9a-f]{32}$");
        id.Value.ShouldNotContain("5550001111");
        CallerId.Parse(id.ToString()).ShouldBe(id);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("0123456789abcdef0123456789abcde")]
    [InlineData("0123456789abcdef0123456789abcdef0")]
    [InlineData("0123456789ABCDEF0123456789ABCDEF")]
    [InlineData("0123456789abcdef0123456789abcdeg")]
    [InlineData("0123456789abcdef/../0123456789ab")]
    [InlineData("0123456789abcdef0123456789abcde\n")]
    [InlineData("+15550001111")]
    public void Are_nothing_else(string? text)
    {
        CallerId.TryParse(text, out _).ShouldBeFalse();
        Should.Throw<FormatException>(() => CallerId.Parse(text!));
    }

    [Fact]
    public void That_were_never_made_print_nothing() => default(CallerId).ToString().ShouldBe("");
}
