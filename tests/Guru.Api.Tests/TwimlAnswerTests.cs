using System.Xml.Linq;
using Guru.Api.Calls;
using Guru.Application.Calls;
using Guru.Domain.Calls;
using Guru.Infrastructure.Twilio;
using Shouldly;

namespace Guru.Api.Tests;

public sealed class TwimlAnswerTests
{
    private static readonly CallSid Sid = CallSid.Parse("CA00000000000000000000000000000002");

    [Theory]
    [InlineData("https://guru.example.org", "wss://guru.example.org/api/whatsapp/voice/stream")]
    [InlineData("http://127.0.0.1:3001", "ws://127.0.0.1:3001/api/whatsapp/voice/stream")]
    public void A_call_is_connected_to_a_stream_with_its_three_parameters_and_an_action(string baseUrl, string stream)
    {
        var response = Write(baseUrl, new ConnectStream(Sid, "+233201234567", "t0ken", Language: null, SayFirst: false));

        response.Elements().Select(verb => verb.Name.LocalName).ShouldBe(["Connect", "Say", "Hangup"]);
        var connect = response.Element("Connect")!;
        connect.Attribute("action")!.Value.ShouldBe($"{baseUrl}/api/whatsapp/voice/continue");
        connect.Element("Stream")!.Attribute("url")!.Value.ShouldBe(stream);
        connect.Element("Stream")!.Elements().ToDictionary(p => p.Attribute("name")!.Value, p => p.Attribute("value")!.Value).ShouldBe(
            new Dictionary<string, string> { ["callSid"] = Sid.Value, ["phoneNumber"] = "+233201234567", ["token"] = "t0ken" });
    }

    [Fact]
    public void A_sentence_may_come_before_the_stream() =>
        Write("https://guru.example.org", new ConnectStream(Sid, "+1", "t", "es", SayFirst: true)).Elements().First().Attribute("language")!.Value.ShouldBe("es-US");

    [Fact]
    public void Who_is_recorded_is_told_so_in_their_language_before_the_stream()
    {
        var verbs = Write("https://guru.example.org", new ConnectStream(Sid, "+1", "t", "fr", SayFirst: true) { TellsOfRecording = true }).Elements().ToList();

        verbs.Select(verb => verb.Name.LocalName).ShouldBe(["Say", "Say", "Connect", "Say", "Hangup"]);
        verbs[1].Value.ShouldBe("Cet appel est enregistré.");
        verbs[1].Attribute("language")!.Value.ShouldBe("fr-FR");
    }

    [Fact]
    public void A_language_without_a_voice_is_played_from_an_address_that_cannot_be_guessed()
    {
        var play = Write("https://guru.example.org", new SayAndHangUp(FixedSentence.ModelUnavailable, "ht")).Element("Play")!;

        play.Value.ShouldMatch("^https://guru.example.org/api/whatsapp/voice/sentences/[0-9a-f]{64}.wav$");
    }

    [Fact]
    public void Whatever_a_callers_language_and_address_are_it_is_well_formed_and_has_its_verbs()
    {
        var random = new Random(20261127);
        var answers = new TwimlAnswers(Sentences.Load("https://guru.example.org", "an invented secret"u8), "https://guru.example.org");
        for (var number = 0; number < 2_000; number++)
        {
            var (address, language) = (Anything(), random.Next(4) == 0 ? null : Anything());
            var connect = XDocument.Parse(answers.Write(new ConnectStream(Sid, address, "t", language, SayFirst: true) { TellsOfRecording = true })).Root!;
            var goodbye = XDocument.Parse(answers.Write(new SayAndHangUp(FixedSentence.TryAgain, language))).Root!;

            connect.Elements().Select(verb => verb.Name.LocalName).ShouldBe(["Say", "Say", "Connect", "Say", "Hangup"]);
            goodbye.Elements().Select(verb => verb.Name.LocalName).ShouldBe(["Say", "Hangup"]);
        }

        string Anything() => string.Concat(Enumerable.Range(0, random.Next(140)).Select(_ => (char)random.Next(random.Next(2) == 0 ? 0x80 : 0x1_0000)));
    }

    private static XElement Write(string baseUrl, CallAnswer answer) =>
        XDocument.Parse(new TwimlAnswers(Sentences.Load(baseUrl, "an invented secret"u8), baseUrl).Write(answer)).Root!;
}
