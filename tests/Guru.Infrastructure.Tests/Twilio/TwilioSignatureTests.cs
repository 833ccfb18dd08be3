using Guru.Infrastructure.Twilio;
using Shouldly;

namespace Guru.Infrastructure.Tests.Twilio;

/// <summary>The vectors of our own notes, and those of Twilio's helper libraries.</summary>
public sealed class ASignature
{
    private const string Own = "invented-token-for-fact-sheet";
    private const string Public = "12345";
    private const string Account = "AccountSid=AC00000000000000000000000000000001|ApiVersion=2010-04-01|";
    private const string Call = Account + "CallSid=CA00000000000000000000000000000002|Called=whatsapp:+15005550006|"
        + "Caller=whatsapp:+233201234567|Direction=inbound|From=whatsapp:+233201234567|To=whatsapp:+15005550006|";

    private const string Message = Account + "Body=Akwaaba & \"hello\" ünï ☎ |ButtonText=|From=whatsapp:+233201234567|"
        + "MessageSid=SM00000000000000000000000000000003|SmsMessageSid=SM00000000000000000000000000000003|"
        + "SmsSid=SM00000000000000000000000000000003|MessageType=text|NumMedia=0|NumSegments=1|ProfileName=Ama Owusu|"
        + "SmsStatus=received|To=whatsapp:+15005550006|WaId=233201234567";

    private const string Status = Call + "CallStatus=completed|CallDuration=42|Duration=1|CallbackSource=call-progress-events|"
        + "SequenceNumber=0|SipResponseCode=200|Timestamp=Tue, 01 Sep 2026 10:15:30 +0000";

    private const string Library = "CallSid=CA1234567890ABCDE|Caller=+14158675309|Digits=1234|From=+14158675309|To=+18005551212";
    private const string Example = "CallSid=CA1234567890ABCDE|Caller=+14158675310|Digits=1234|From=+14158675310|To=+18005551212";

    [Theory]
    [InlineData(Own, "https://voice.example.org", "/twilio/voice", "", Call + "CallStatus=ringing", "YLiE2Q4vY6RQ7URDuA9og+XsubI=")]
    [InlineData(Own, "https://voice.example.org:443", "/twilio/voice", "", Call + "CallStatus=ringing", "p60l+xnaWvNlDeM6JLMk2RfxBn8=")]
    [InlineData(Own, "https://voice.example.org:8443", "/twilio/voice", "", Call + "CallStatus=ringing", "3GITnjyxchQ4YU9xpHu6WZwnY4k=")]
    [InlineData(Own, "https://voice.example.org", "/twilio/messages", "?tenant=gh&x=%20a", Message, "xDKrLWqh0paYiao3fuxAjhohyxY=")]
    [InlineData(Own, "https://voice.example.org", "/twilio/call-status", "", Status, "JIj1EpZvG807/lnyde1csgpGqkY=")]
    [InlineData(Own, "https://voice.example.org", "/twilio/voice",
        "?CallSid=CA00000000000000000000000000000002&From=whatsapp%3A%2B233201234567", "", "2iW671AabIjmhv9L5EilHMGULGQ=")]
    [InlineData(Own, "https://voice.example.org", "/twilio/dup", "", "B=2|B=1|B=2|A=x|a=y", "n2H7Gxzht4grWeJCJjNskRoT0Dg=")]
    [InlineData(Public, "https://mycompany.com", "/myapp.php", "?foo=1&bar=2", Library, "RSOYDt4T1cUTdK1PDd93/VVr8B8=")]
    [InlineData(Public, "https://mycompany.com:443", "/myapp.php", "?foo=1&bar=2", Library, "kvajT1Ptam85bY51eRf/AJRuM3w=")]
    [InlineData(Public, "https://mycompany.com:1234", "/myapp.php", "?foo=1&bar=2", Library, "CYn1h0gLBdNxDGkKJg6hYohgeD8=")]
    [InlineData(Public, "http://mycompany.com:1234", "/myapp.php", "?foo=1&bar=2", Library, "Zmvh+3yNM1Phv2jhDCwEM3q5ebU=")]
    [InlineData(Public, "http://mycompany.com:80", "/myapp.php", "?foo=1&bar=2", Library, "0ZXoZLH/DfblKGATFgpif+LLRf4=")]
    [InlineData(Public, "https://mycompany.com", "/myapp.php", "?foo=1&bar=2",
        "Sid=CA123|SidAccount=AC123|Digits=5678|Digits=1234|Digits=1234", "IK+Dwps556ElfBT0I3Rgjkr1wJU=")]
    [InlineData(Public, "https://mycompany.com", "/myapp.php", "?foo=1&bar=2",
        "MessagingBinding.Address=+1325xxxxxxx|MessagingBinding.Address=+1415xxxxxxx", "83O6e2vORAoJHUNzJjDWN1jz+BA=")]
    [InlineData(Public, "https://example.com", "/myapp.php", "?foo=1&bar=2", Example, "L/OH5YylLD5NRKLltdqwSvS0BnU=")]
    public void Of_every_known_request_is_right_and_of_a_changed_one_is_wrong(
        string token, string baseUrl, string path, string query, string form, string signature)
    {
        var fields = Form(form);
        var verifier = new TwilioSignature([token], baseUrl);

        verifier.Signs(signature, path, query, fields).ShouldBeTrue();

        verifier.Signs(signature, path, query, [.. fields, new("Extra", "")]).ShouldBeFalse();
        verifier.Signs(signature, path + "/", query, fields).ShouldBeFalse();
        verifier.Signs(signature, path, query + "&x=1", fields).ShouldBeFalse();
        new TwilioSignature([token + "0"], baseUrl).Signs(signature, path, query, fields).ShouldBeFalse();
    }

    [Theory]
    [InlineData("https://voice.example.org", "YLiE2Q4vY6RQ7URDuA9og+XsubI=")]
    [InlineData("https://voice.example.org", "p60l+xnaWvNlDeM6JLMk2RfxBn8=")]
    [InlineData("https://voice.example.org:443", "YLiE2Q4vY6RQ7URDuA9og+XsubI=")]
    [InlineData("https://voice.example.org:8443", "YLiE2Q4vY6RQ7URDuA9og+XsubI=")]
    [InlineData("https://voice.example.org:8443", "p60l+xnaWvNlDeM6JLMk2RfxBn8=")]
    [InlineData("https://voice.example.org:8443", "3GITnjyxchQ4YU9xpHu6WZwnY4k=")]
    [InlineData("https://user:secret@voice.example.org/", "YLiE2Q4vY6RQ7URDuA9og+XsubI=")]
    public void Is_right_with_the_port_as_configured_left_out_or_the_default_one(string baseUrl, string signature) =>
        new TwilioSignature([Own], baseUrl).Signs(signature, "/twilio/voice", query: null, Form(Call + "CallStatus=ringing")).ShouldBeTrue();

    [Fact]
    public void Of_another_port_is_wrong() =>
        new TwilioSignature([Own], "https://voice.example.org")
            .Signs("3GITnjyxchQ4YU9xpHu6WZwnY4k=", "/twilio/voice", "", Form(Call + "CallStatus=ringing")).ShouldBeFalse();

    [Fact]
    public void Of_an_upgrade_does_not_sign_a_get() =>
        new TwilioSignature([Own], "https://voice.example.org").Signs("nNlA3rKhkzxUQAKP1BYMouSXUFU=", "/media", "", []).ShouldBeFalse();

    [Theory]
    [InlineData("new", Own)]
    [InlineData(Own, "old")]
    public void By_either_token_is_right_during_a_rotation(string first, string second) =>
        new TwilioSignature([first, second], "https://voice.example.org")
            .Signs("YLiE2Q4vY6RQ7URDuA9og+XsubI=", "/twilio/voice", "", Form(Call + "CallStatus=ringing")).ShouldBeTrue();

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("YLiE2Q4vY6RQ7URDuA9og+XsubI")]
    [InlineData("yLiE2Q4vY6RQ7URDuA9og+XsubI=")]
    [InlineData("YLiE2Q4vY6RQ7URDuA9og+XsubI= ")]
    [InlineData("☎")]
    public void That_is_missing_cut_or_altered_is_wrong(string? signature) =>
        new TwilioSignature([Own], "https://voice.example.org")
            .Signs(signature, "/twilio/voice", "", Form(Call + "CallStatus=ringing")).ShouldBeFalse();

    [Theory]
    [InlineData(Own, "https://voice.example.org", "/twilio/events",
        "?bodySHA256=9239c422a41b555493841e492401a13c6081045f49bd7223f575c7e1f7d86f7f", """{"event":"ping","n":1}""", "VoOOus3rEIJmKcPaODc4s8S3jWw=")]
    [InlineData(Public, "https://mycompany.com", "/myapp.php",
        "?foo=1&bar=2&bodySHA256=0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620",
        """{"property": "value", "boolean": true}""", "a9nBmqA0ju/hNViExpshrM61xv4=")]
    [InlineData(Public, "https://mycompany.com", "/myapp.php",
        "?bodySHA256=0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620",
        """{"property": "value", "boolean": true}""", "y77kIzt2vzLz71DgmJGsen2scGs=")]
    public void Of_a_body_that_is_no_form_covers_its_hash(string token, string baseUrl, string path, string query, string body, string signature)
    {
        var verifier = new TwilioSignature([token], baseUrl);

        verifier.SignsBody(signature, path, query, System.Text.Encoding.UTF8.GetBytes(body)).ShouldBeTrue();
        verifier.SignsBody(signature, path, query, System.Text.Encoding.UTF8.GetBytes(body + " ")).ShouldBeFalse();
        verifier.SignsBody(signature, path, "?foo=1", System.Text.Encoding.UTF8.GetBytes(body)).ShouldBeFalse();
    }

    [Theory]
    [InlineData("/media", "nNlA3rKhkzxUQAKP1BYMouSXUFU=")]
    [InlineData("/media", "2xIXWiRNi/sd5JkObupXhIXnR20=")]
    [InlineData("/media/", "nNlA3rKhkzxUQAKP1BYMouSXUFU=")]
    public void Of_an_upgrade_is_over_the_wss_address_with_or_without_a_slash(string path, string signature)
    {
        new TwilioSignature([Own], "https://voice.example.org").SignsUpgrade(signature, path, query: null).ShouldBeTrue();
        new TwilioSignature([Own], "https://voice.example.org").SignsUpgrade(signature, "/other", query: null).ShouldBeFalse();
    }

    [Fact]
    public void Of_an_upgrade_over_the_https_address_is_not_needed_where_the_address_is_https() =>
        new TwilioSignature([Own], "https://voice.example.org").SignsUpgrade("kH02F5lXwfjVq0/py+ugoe8eDCM=", "/media", "").ShouldBeFalse();

    [Theory]
    [InlineData("nNlA3rKhkzxUQAKP1BYMouSXUFU=")]
    [InlineData("kH02F5lXwfjVq0/py+ugoe8eDCM=")]
    public void Of_an_upgrade_may_name_another_scheme_where_the_address_is_http(string signature) =>
        new TwilioSignature([Own], "http://voice.example.org").SignsUpgrade(signature, "/media", "").ShouldBeTrue();

    private static KeyValuePair<string, string>[] Form(string pairs) =>
        [.. pairs.Split('|', StringSplitOptions.RemoveEmptyEntries).Select(pair => pair.Split('=', 2)).Select(p => KeyValuePair.Create(p[0], p[1]))];
}
