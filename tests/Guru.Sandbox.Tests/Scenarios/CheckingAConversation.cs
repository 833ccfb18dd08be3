using System.Text.Json.Nodes;
using Guru.Sandbox.Scenarios;
using Shouldly;

namespace Guru.Sandbox.Tests.Scenarios;

public sealed class CheckingAConversation
{
    private static readonly ConversationExpectations Expected = new()
    {
        Replies = [new("Itemized"), new("later", Optional: true)],
        Timeline = [new("whatsapp", "caller", "bill"), new("whatsapp", "agent", "itemized", "healthcare"), new("call", "agent", "Hello")],
        Language = "en",
        Agent = "healthcare",
    };

    private static readonly ConversationRecord Right = ConversationRecord.Read(
        JsonNode.Parse("""{"callerId":"c1","language":"en","agent":"healthcare","lastActivityAt":"2026-11-22T10:00:02Z"}""")!,
        JsonNode.Parse("""
            [{"at":"2026-11-22T10:00:00Z","channel":"whatsapp","speaker":"caller","text":"My bill","agent":null,"callSid":null,"messageSid":"SM1"},
             {"at":"2026-11-22T10:00:01Z","channel":"whatsapp","speaker":"agent","text":"Get it itemized","agent":"healthcare","callSid":null,"messageSid":"SM2"},
             {"at":"2026-11-22T10:00:02Z","channel":"call","speaker":"agent","text":"Hello","agent":"healthcare","callSid":"CA1","messageSid":null}]
            """)!.AsArray().OfType<JsonNode>());

    private static readonly MessageFacts Facts = new([new("SM1", "whatsapp", "My bill")], [new("SM2", "Get it itemized")], []);

    private static readonly CallRecord Call = new([new("agent", "Hello there", "Hello", true, 0, 100)], ["CallEnded"], "callerHungUp");

    [Fact]
    public void Nothing_is_said_when_all_is_as_expected()
    {
        ConversationCheck.Check(Expected, Right, Facts, [Call]).ShouldBeEmpty();
        ConversationCheck.Check(expected: null, Right, Facts).ShouldBeEmpty();
    }

    [Fact]
    public void Each_difference_is_told()
    {
        Check(Right with { Language = null }).ShouldBe("The language is not known, and should be en.");
        Check(Right with { Agent = "legal" }).ShouldBe("The agent is legal, and should be healthcare.");
        Check(Changed(1, m => m with { Agent = "legal" })).ShouldContain("Entry of the timeline 2 is whatsapp agent");
        Check(Changed(0, m => m with { At = m.At.AddHours(1) })).ShouldContain("is earlier than");
        Check(Changed(2, m => m with { CallSid = null })).ShouldContain("does not say which call");
        Check(Changed(0, m => m with { Channel = "voiceNote" })).ShouldContain("should be whatsapp caller");
        Check(Right with { Messages = [.. Right.Messages, Right.Messages[2]] }).ShouldBe("Nobody expected the entry of the timeline call agent \"Hello\".");
        CheckAlways(Right with { Messages = [Right.Messages[0], .. Right.Messages] }).ShouldBe("\"My bill\" was written once, and is 2 times on the timeline.");
        CheckAlways(Right with { Messages = [Right.Messages[0], Right.Messages[2]] }).ShouldBe("The person got \"Get it itemized\", and the timeline does not say so.");
        CheckAlways(Right with { Messages = [Right.Messages[0], Right.Messages[1]] }).ShouldContain("The timeline lacks what was said in the call");
    }

    [Fact]
    public void The_carrier_has_a_say()
    {
        var twice = Facts with { Received = [.. Facts.Received, new("SM3", "Get it itemized")] };
        ConversationCheck.Check(Expected, Right, twice).ShouldHaveSingleItem().ShouldBe("Nobody expected the reply \"Get it itemized\".");
        ConversationCheck.Check(Expected, Right, Facts with { Received = [] }).ShouldHaveSingleItem().ShouldContain("No reply 1 came");
        ConversationCheck.Check(Expected, Right, Facts with { Problems = ["12300 The answer is no TwiML."] })
            .ShouldHaveSingleItem().ShouldBe("Twilio logged 12300 The answer is no TwiML.");
    }

    private static string Check(ConversationRecord record) => string.Join(" | ", ConversationCheck.Check(Expected, record, Facts));

    private static string CheckAlways(ConversationRecord record) =>
        string.Join(" | ", ConversationCheck.Check(expected: null, record, Facts, [Call]));

    private static ConversationRecord Changed(int index, Func<RecordedMessage, RecordedMessage> change) =>
        Right with { Messages = [.. Right.Messages.Select((message, i) => i == index ? change(message) : message)] };
}
