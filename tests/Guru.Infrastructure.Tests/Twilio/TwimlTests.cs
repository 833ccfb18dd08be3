using System.Xml.Linq;
using Guru.Infrastructure.Twilio;
using Shouldly;

namespace Guru.Infrastructure.Tests.Twilio;

public sealed class ATwimlDocument
{
    private const string Markup = "<>&\"']]>-->;#";
    private const string Declaration = """<?xml version="1.0" encoding="utf-8"?>""";

    [Fact]
    public void Connects_a_stream_with_its_parameters_and_then_says_sorry_and_hangs_up() =>
        Twiml.Document(
                new Connect("https://voice.example.org/continue", new MediaStreamNoun("wss://voice.example.org/stream",
                    [new("callSid", "CA2"), new("phoneNumber", "+233201234567"), new("token", "r4nd0m\"&<>'")])),
                new Say("Polly.Lea", "fr-FR", "Désolé & <à bientôt>"),
                new Hangup())
            .ShouldBe(Declaration + """<Response><Connect action="https://voice.example.org/continue" method="POST">"""
                + """<Stream url="wss://voice.example.org/stream"><Parameter name="callSid" value="CA2" />"""
                + """<Parameter name="phoneNumber" value="+233201234567" /><Parameter name="token" value="r4nd0m&quot;&amp;&lt;&gt;'" /></Stream></Connect>"""
                + """<Say voice="Polly.Lea" language="fr-FR">Désolé &amp; &lt;à bientôt&gt;</Say><Hangup /></Response>""");

    [Fact]
    public void Plays_a_recording_and_may_be_empty()
    {
        Twiml.Document(new Play("https://x/a.wav?b=1&c=2")).ShouldBe(Declaration + """<Response><Play>https://x/a.wav?b=1&amp;c=2</Play></Response>""");
        Twiml.Document().ShouldBe(Declaration + "<Response />");
    }

    [Fact]
    public void Leaves_out_what_xml_cannot_hold() =>
        Twiml.Document(new Say(Voice: null, "en-US", "a\0b\u0001c\uD800d\uFFFFe 😀"))
            .ShouldBe(Declaration + """<Response><Say language="en-US">abcde 😀</Say></Response>""");

    [Fact]
    public void Is_well_formed_and_says_what_was_meant_whatever_the_words_are()
    {
        var random = new Random(20261127);
        for (var number = 0; number < 10_000; number++)
        {
            var (said, value) = (Words(random) + "x", Words(random));
            var response = XDocument.Parse(
                Twiml.Document(new Connect("https://x/y", new MediaStreamNoun("wss://x/y", [new("phoneNumber", value)])), new Say(Voice: null, "en-US", said)),
                LoadOptions.PreserveWhitespace).Root!;

            response.Descendants("Parameter").Single().Attribute("value")!.Value.ShouldBe(Twiml.Clean(value));
            response.Element("Say")!.Value.ShouldBe(Twiml.Clean(said).Replace("\r\n", "\n", StringComparison.Ordinal).Replace('\r', '\n'));
        }
    }

    [Theory]
    [InlineData("wss://voice.example.org/stream?token=1")]
    [InlineData("wss://voice.example.org/stream#x")]
    [InlineData("https://voice.example.org/stream")]
    [InlineData("/stream")]
    public void Refuses_an_address_that_twilio_would_refuse(string url) =>
        Should.Throw<ArgumentException>(() => Twiml.Document(new Connect("https://x/y", new MediaStreamNoun(url, []))));

    [Fact]
    public void Refuses_what_is_too_long_or_empty()
    {
        Should.Throw<ArgumentException>(() => Twiml.Document(new Say(null, "en-US", new string('x', 4097))));
        Should.Throw<ArgumentException>(() => Twiml.Document(new Say(null, "en-US", " ")));
        Should.Throw<ArgumentException>(() => Twiml.Document(
            new Connect("https://x/y", new MediaStreamNoun("wss://x/y", [new("name", new string('x', 496))]))));
        Should.Throw<ArgumentException>(() => Twiml.Document([.. Enumerable.Repeat(new Say(null, "en-US", new string('x', 4096)), 16)]));
    }

    /// <summary>Markup, control characters, halves of pairs, and anything else of sixteen bits.</summary>
    private static string Words(Random random) => string.Concat(Enumerable.Range(0, random.Next(40)).Select(_ => random.Next(4) switch
    {
        0 => Markup[random.Next(Markup.Length)],
        1 => (char)random.Next(0x20),
        2 => (char)random.Next(0xD7F0, 0xE010),
        _ => (char)random.Next(0x1_0000),
    }));
}
