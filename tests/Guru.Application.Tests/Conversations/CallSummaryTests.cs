using System.Text.Json;
using Guru.Application.Conversations;
using Guru.Application.Tests.Voice;
using Guru.Domain.Callers;
using Guru.Domain.Calls;
using Shouldly;

namespace Guru.Application.Tests.Conversations;

public sealed class CallSummaryTests
{
    private static readonly DateTimeOffset Noon = new(2026, 11, 22, 12, 0, 0, TimeSpan.Zero);
    private static readonly CallerId Maria = CallerId.Parse("0123456789abcdef0123456789abcdef");

    [Fact]
    public void The_message_tells_in_short_and_then_one_thing_on_each_line()
    {
        var summary = Read(
            new
            {
                summary = "In our call we talked about your bill.",
                agreed = new[] { "You ask for an itemized bill." },
                addresses = new[] { "Billing office: 12 Main Street" },
                phoneNumbers = new[] { "Billing office: 555-0100" },
                deadlines = new[] { "Before Friday", "before the end of the month" },
                documents = new[] { "The letter from your insurance" },
            },
            Said(Speaker.Agent, "Call 555 0100 before Friday."));

        CallSummary.Message(summary!).ShouldBe(
            """
            In our call we talked about your bill.

            ✅ You ask for an itemized bill.
            📅 Before Friday
            📅 before the end of the month
            📄 The letter from your insurance
            📍 Billing office: 12 Main Street
            📞 Billing office: 555-0100
            """);
    }

    [Fact]
    public void Where_nothing_was_agreed_the_message_is_the_text_alone() => CallSummary.Message(Read(new { summary = " We talked.\n" })!).ShouldBe("We talked.");

    [Theory]
    [InlineData("555-0100", "You can reach them at (555) 01 00.", true)]
    [InlineData("Clinic: 5550100", "It is 555, and then 0100.", true)]
    [InlineData("911", "In an emergency call 911.", true)]
    [InlineData("٥٥٥٠١٠٠", "555 0100", true)]
    [InlineData("+1 555 0100", "It is 555 0100.", false)]
    [InlineData("555-0199", "It is 555 0100.", false)]
    [InlineData("The billing office", "Call the billing office.", false)]
    [InlineData("12", "In 12 days.", false)]
    public void A_phone_number_that_nobody_said_is_left_out(string number, string said, bool isKept) =>
        Read(new { summary = "We talked.", phoneNumbers = new[] { number } }, Said(Speaker.Agent, said))!.PhoneNumbers.ShouldBe(isKept ? number : "");

    [Fact]
    public void What_was_cut_off_before_it_was_heard_is_not_gone_by()
    {
        var cut = Said(Speaker.Agent, "Their number is") with { Said = "Their number is 555 0100." };

        Read(new { summary = "We talked.", phoneNumbers = new[] { "555 0100" } }, cut)!.PhoneNumbers.ShouldBeEmpty();
        CallSummary.Request(House.Agents.General, "en", [cut], Maria).Input.ShouldBe([new TextTurn(Speaker.Agent, "Their number is")]);
    }

    [Fact]
    public void An_endless_answer_is_bounded_and_an_item_stays_on_its_line()
    {
        var summary = Read(new
        {
            summary = new string('a', 5000),
            agreed = Enumerable.Range(0, 50).Select(i => $"{i}\nforged {new string('b', 1000)}"),
            deadlines = new string?[] { null, "", " ", "Friday", "Friday" },
        })!;

        summary.Summary.Length.ShouldBe(800);
        summary.Agreed.Split('\n').Length.ShouldBe(10);
        summary.Agreed.Split('\n').ShouldAllBe(item => item.Length == 200);
        summary.Deadlines.ShouldBe("Friday");
    }

    [Theory]
    [InlineData("")]
    [InlineData("null")]
    [InlineData("[]")]
    [InlineData("{}")]
    [InlineData("""{"summary":" "}""")]
    [InlineData("""{"summary":"We talked.","agreed":"nothing"}""")]
    [InlineData("""{"summary":"We ta""")]
    public void What_is_no_summary_is_none(string answer) => CallSummary.Read(answer, "en", [], Noon).ShouldBeNull();

    [Fact]
    public void The_model_reads_the_newest_of_a_call_that_is_too_long()
    {
        var turns = Enumerable.Range(0, 200).Select(i => Said(Speaker.Caller, $"{i} {new string('x', 1000)}")).ToList();

        var read = CallSummary.Request(House.Agents.General, language: null, turns, Maria).Input;

        read[^1].Text.ShouldStartWith("199 ");
        read.Sum(turn => turn.Text.Length).ShouldBeInRange(100_000, 120_000);
    }

    private static CallSummarized? Read(object answer, params UtteranceTranscribed[] turns) =>
        CallSummary.Read(JsonSerializer.Serialize(answer), "en", turns, Noon);

    private static UtteranceTranscribed Said(Speaker speaker, string text) => new(
        "s:1", speaker, "general", text, text, Interrupted: false, TranscriptionOutcome.Completed, StartMs: 0, EndMs: 1000, SaidMs: 1000, HeardMs: 1000,
        Language: null, FirstAudioMs: null, FirstHeardMs: null, Noon);
}
