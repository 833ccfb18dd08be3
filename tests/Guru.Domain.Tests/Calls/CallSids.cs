using Guru.Domain.Calls;
using Shouldly;

namespace Guru.Domain.Tests.Calls;

public sealed class CallSids
{
    [Theory]
    [InlineData("CA00000000000000000000000000000001")]
    [InlineData("CAabcdefABCDEF00000000000000000001")]
    [InlineData("rtc_u1_9c6574da8b8a41a18da9308f4ad974ce")]
    [InlineData("rtc_A-b")]
    public void Are_the_carriers_or_the_webapps(string text)
    {
        var sid = CallSid.Parse(text);
        sid.ToString().ShouldBe(text);
        Call.StreamId(sid).ShouldBe("call-" + text);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("CA")]
    [InlineData("CA0000000000000000000000000000001")]
    [InlineData("CA000000000000000000000000000000012")]
    [InlineData("ca00000000000000000000000000000001")]
    [InlineData("CA0000000000000000000000000000000g")]
    [InlineData("CA0000000000000000000000000000000\n")]
    [InlineData("CA/../../../../etc/passwd000000000")]
    [InlineData("CA000000000000000000000000000000'1")]
    [InlineData("rtc_")]
    [InlineData("rtc_a/b")]
    [InlineData("rtc_a b")]
    [InlineData("rtc_é")]
    [InlineData("MZ00000000000000000000000000000001")]
    public void Are_nothing_else(string? text)
    {
        CallSid.TryParse(text, out _).ShouldBeFalse();
        Should.Throw<FormatException>(() => CallSid.Parse(text!));
    }

    [Fact]
    public void Are_bounded_in_length() => CallSid.TryParse("rtc_" + new string('a', 97), out _).ShouldBeFalse();

    [Fact]
    public void That_were_never_read_print_nothing() => default(CallSid).ToString().ShouldBe("");
}
