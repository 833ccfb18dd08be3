using Guru.Sandbox.Audio;
using Guru.Sandbox.OpenAI;
using Guru.Sandbox.Scenarios;
using Guru.Sandbox.Twilio;
using Shouldly;

namespace Guru.Sandbox.Tests.Scenarios;

public sealed class CheckingACall
{
    static readonly Sample Answer = SampleLibrary.Shipped["bill-answer-en"];

    static readonly Expectations Expected = new()
    {
        EndReason = "callerHungUp",
        Utterances = [new("caller", "bill"), new("agent", "I am sorry", "I am sorry", Interrupted: true, Agent: "healthcare"),
            new("agent", "continue", Optional: true)],
        Events = CountsOf(("CallStarted", 1), ("UtteranceTranscribed", 2)),
        Truncations = new CountRange(1, 1),
        Sentences = ["please wait"],
    };

    static readonly CallRecord Right = new(
        [new("caller", "I got a bill", "I got a bill", false, 1000, 2000), new("agent", Answer.Text, "I am sorry", true, 2500, 4500) { Agent = "healthcare" }],
        ["CallStarted", "UtteranceTranscribed", "UtteranceTranscribed", "CallEnded"],
        "callerHungUp");

    static readonly WireFacts Wire = new(
        [new Truncation("item_1", 2000, Accepted: true, TimeSpan.Zero)], [new HeardLine(Answer, 40_000, 16_400, default, default)], ["Please wait."]);

    [Fact]
    public void Nothing_is_said_when_all_is_as_expected() => ExpectationCheck.Check(Expected, Right, Wire).ShouldBeEmpty();

    [Fact]
    public void Each_difference_is_told()
    {
        Check(Right with { EndReason = "silence" }).ShouldBe("The call ended by silence, not by callerHungUp.");
        Check(Right with { EventTypes = ["CallStarted", "UtteranceTranscribed", "CallEnded"] })
            .ShouldBe("There are 1 events UtteranceTranscribed, and should be 2.");
        Check(Right with { EventTypes = [.. Right.EventTypes, "CallEnded"] }).ShouldContain("A call ends once");
        Check(Changed(1, u => u with { Interrupted = false })).ShouldContain("it should have been cut off");
        Check(Changed(0, u => u with { Said = "I got a bell", Heard = "I got a bell" })).ShouldContain("expected was \"bill\"");
        Check(Changed(0, u => u with { Heard = "I got" })).ShouldContain("what a caller said was heard as");
        Check(Changed(1, u => u with { EndMs = 5000 })).ShouldContain("recorded as heard for 2500 ms, and played for 2050 ms");
        Check(Changed(0, u => u with { StartMs = 3000, EndMs = 3500 })).ShouldContain("and comes after it");
        Check(Right with { Utterances = [.. Right.Utterances, new("caller", "and?", "and?", false, 9000, 9500)] })
            .ShouldBe("Nobody expected the utterance caller \"and?\".");
        Check(Right with { Utterances = [Right.Utterances[0]] }).ShouldContain("Utterance 2 is missing");
        Check(Changed(1, u => u with { Agent = "legal" })).ShouldContain("the agent is legal, and should be healthcare");
    }

    [Fact]
    public void The_wire_has_a_say()
    {
        ExpectationCheck.Check(Expected, Right, Wire with { Truncations = [] }).ShouldHaveSingleItem().ShouldContain("was told 0 times");
        ExpectationCheck.Check(Expected, Right, Wire with { Truncations = [Wire.Truncations[0] with { Accepted = false }] })
            .ShouldHaveSingleItem().ShouldContain("refused to cut item_1");
        ExpectationCheck.Check(Expected, Right, Wire with { Sentences = [] }).ShouldHaveSingleItem().ShouldContain("The carrier said []");
        ExpectationCheck.Check(Expected, Right,
            Wire with { Heard = [new HeardLine(SampleLibrary.Shipped["goodbye-en"], 1, 1, default, default)] })
            .ShouldHaveSingleItem().ShouldContain("no utterance says so");
    }

    static string Check(CallRecord record) => string.Join(" | ", ExpectationCheck.Check(Expected, record, Wire));

    static CallRecord Changed(int index, Func<RecordedUtterance, RecordedUtterance> change) =>
        Right with { Utterances = [.. Right.Utterances.Select((utterance, i) => i == index ? change(utterance) : utterance)] };

    static System.Collections.Immutable.ImmutableDictionary<string, CountRange> CountsOf(params (string Type, int Count)[] counts) =>
        System.Collections.Immutable.ImmutableDictionary.CreateRange(
            counts.Select(count => KeyValuePair.Create(count.Type, new CountRange(count.Count, count.Count))));
}
