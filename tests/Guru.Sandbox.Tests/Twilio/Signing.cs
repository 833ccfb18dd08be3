using Guru.Sandbox.Twilio;
using Shouldly;

namespace Guru.Sandbox.Tests.Twilio;

public sealed class Signing
{
    const string Token = "invented-token-for-fact-sheet";

    static readonly Dictionary<string, string> VoiceParameters = new(StringComparer.Ordinal)
    {
        ["To"] = "whatsapp:+15005550006",
        ["From"] = "whatsapp:+233201234567",
        ["Direction"] = "inbound",
        ["Caller"] = "whatsapp:+233201234567",
        ["Called"] = "whatsapp:+15005550006",
        ["CallStatus"] = "ringing",
        ["CallSid"] = "CA00000000000000000000000000000002",
        ["ApiVersion"] = "2010-04-01",
        ["AccountSid"] = "AC00000000000000000000000000000001",
    };

    [Theory]
    [InlineData("https://voice.example.org/twilio/voice", "YLiE2Q4vY6RQ7URDuA9og+XsubI=")]
    [InlineData("https://voice.example.org:443/twilio/voice", "p60l+xnaWvNlDeM6JLMk2RfxBn8=")]
    [InlineData("https://voice.example.org:8443/twilio/voice", "3GITnjyxchQ4YU9xpHu6WZwnY4k=")]
    public void A_voice_webhook_is_signed_over_its_address_and_its_sorted_parameters(string url, string signature) =>
        TwilioSignature.Of(url, VoiceParameters, Token).ShouldBe(signature);

    [Theory]
    [InlineData("wss://voice.example.org/media", "nNlA3rKhkzxUQAKP1BYMouSXUFU=")]
    [InlineData("wss://voice.example.org/media/", "2xIXWiRNi/sd5JkObupXhIXnR20=")]
    public void An_upgrade_is_signed_over_the_stream_address_alone(string url, string signature) =>
        TwilioSignature.Of(url, [], Token).ShouldBe(signature);

    [Fact]
    public void Repeated_names_count_once_a_value_in_order_of_the_values() =>
        TwilioSignature.Of(
            "https://voice.example.org/twilio/dup",
            [new("B", "2"), new("B", "1"), new("B", "2"), new("A", "x"), new("a", "y")],
            Token).ShouldBe("n2H7Gxzht4grWeJCJjNskRoT0Dg=");

    [Theory]
    [InlineData("https://u:p@voice.example.org:8443/a?b=%20c#rc=2", true, "https://voice.example.org/a?b=%20c")]
    [InlineData("http://127.0.0.1:3001/a", true, "http://127.0.0.1:3001/a")]
    [InlineData("https://voice.example.org:8443/a", false, "https://voice.example.org:8443/a")]
    public void The_signed_address_follows_the_vendors_rules_for_ports(string url, bool voice, string signed) =>
        TwilioSignature.SignedUrl(new Uri(url), voice).ShouldBe(signed);
}
