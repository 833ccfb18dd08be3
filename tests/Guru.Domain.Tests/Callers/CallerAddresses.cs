using Guru.Domain.Callers;
using Shouldly;

namespace Guru.Domain.Tests.Callers;

public sealed class CallerAddresses
{
    [Theory]
    [InlineData("+15550001111", "+15550001111")]
    [InlineData("whatsapp:+15550001111", "+15550001111")]
    [InlineData("WhatsApp:+15550001111", "+15550001111")]
    [InlineData("+12345", "+12345")]
    [InlineData("+123456789012345", "+123456789012345")]
    [InlineData("US.13491208655302741918", "US.13491208655302741918")]
    [InlineData("whatsapp:FR.abc.9", "FR.abc.9")]
    public void Are_read_with_or_without_the_scheme(string text, string address)
    {
        CallerAddress.TryParse(text, out var read).ShouldBeTrue();
        read.Value.ShouldBe(address);
        CallerAddress.Parse(read.ToWhatsApp()).ShouldBe(read);
        read.IsPhoneNumber.ShouldBe(address[0] == '+');
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("whatsapp:")]
    [InlineData("whatsapp:whatsapp:+15550001111")]
    [InlineData("15550001111")]
    [InlineData(" 15550001111")]
    [InlineData("+1555000 1111")]
    [InlineData("+15550001111\n")]
    [InlineData("+15550001111\0")]
    [InlineData("+05550001111")]
    [InlineData("+1234")]
    [InlineData("+1234567890123456")]
    [InlineData("+١٢٣٤٥٦٧")]
    [InlineData("+1555000１１１１")]
    [InlineData("+1555'; drop table calls; --")]
    [InlineData("sip:+15550001111@example.org")]
    [InlineData("US.")]
    [InlineData("us.123")]
    [InlineData("USA.123")]
    [InlineData("US.12/../34")]
    [InlineData("US.12<script>")]
    [InlineData("ÜS.123")]
    [InlineData("anonymous")]
    public void Are_nothing_else(string? text)
    {
        CallerAddress.TryParse(text, out _).ShouldBeFalse();
        Should.Throw<FormatException>(() => CallerAddress.Parse(text!)).Message.ShouldBe("Not a WhatsApp address.");
    }

    [Fact]
    public void Are_bounded_in_length() => CallerAddress.TryParse("US." + new string('1', 200), out _).ShouldBeFalse();

    [Theory]
    [InlineData("+15550001111", "+1***11")]
    [InlineData("US.13491208655302741918", "US***18")]
    public void Are_printed_masked(string text, string masked)
    {
        var address = CallerAddress.Parse(text);
        address.ToString().ShouldBe(masked);
        $"{address}".ShouldBe(masked);
        address.Masked().ShouldBe(masked);
    }

    [Theory]
    [InlineData("")]
    [InlineData("+1")]
    [InlineData("US.1")]
    public void Too_short_to_mask_show_nothing(string text) => CallerAddress.Mask(text).ShouldBe("***");

    [Fact]
    public void That_were_never_read_print_nothing() => default(CallerAddress).ToString().ShouldBe("");
}
