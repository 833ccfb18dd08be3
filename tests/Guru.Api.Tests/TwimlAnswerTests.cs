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
    public void A_transcript_as_text_marks_what_was_not_heard_and_what_was_not_understood()
    {
        var text = TranscriptText.Write(new Transcript(Sid.Value, CallStatus.Completed,
        [
            Line(Speaker.Agent, "Call the billing office first.", "Call the billing", 0),
            Line(Speaker.Caller, "Wait.", "Wait.", 1500),
            Line(Speaker.Caller, "", "", 61_000, TranscriptionOutcome.Failed),
        ]));

        text.ShouldBe(
            "00:00:00  Guru (general): Call the billing [not heard: office first.]\n00:00:01  Caller: Wait.\n00:01:01  Caller: [not understood]\n");
    }

    private static TranscriptLine Line(
        Speaker speaker, string said, string heard, long startMs, TranscriptionOutcome outcome = TranscriptionOutcome.Completed) => new(
        "item", speaker, "general", said, heard, said != heard, outcome, startMs, startMs + 1000, 1000, 1000, Language: null, FirstAudioMs: null, FirstHeardMs: null);

    private static XElement Write(string baseUrl, CallAnswer answer) =>
        XDocument.Parse(new TwimlAnswers(Sentences.Load(baseUrl, "an invented secret"u8), baseUrl).Write(answer)).Root!;
}
