using Guru.Application.Conversations;
using Guru.Domain.Callers;
using Guru.Domain.Calls;
using Shouldly;

namespace Guru.Application.Tests.Conversations;

public sealed class DigestTests
{
    private static readonly DateTimeOffset Noon = new(2026, 11, 22, 12, 0, 0, TimeSpan.Zero);
    private static readonly MemorySettings Told = new() { Tokens = 100, Entries = 20 };
    private static readonly CallerId Maria = CallerId.Parse("0123456789abcdef0123456789abcdef");

    [Theory]
    [InlineData(59, false)]
    [InlineData(60, true)]
    [InlineData(61, true)]
    public void A_session_is_summarised_when_it_is_over(int minutes, bool isOver)
    {
        var plan = Plan(Wrote("I have a bill.", -minutes));

        (plan is not null).ShouldBe(isOver);
    }

    [Fact]
    public void An_earlier_session_is_summarised_and_the_present_one_left_alone()
    {
        var plan = Plan(Wrote("yesterday", -1440), Wrote("and then", -1430), Wrote("today", -5))!;

        plan.Entries.Select(entry => entry.Text).ShouldBe(["yesterday", "and then"]);
        plan.UpTo.ShouldBe(Noon.AddMinutes(-1430).AddMicroseconds(1));
    }

    [Fact]
    public void A_session_that_can_be_told_word_for_word_needs_no_summary() =>
        Plan(Wrote("one", -5), Wrote("two", -4)).ShouldBeNull();

    [Fact]
    public void Of_a_session_that_cannot_be_told_the_older_part_is_summarised_and_room_is_left_for_more()
    {
        var entries = Enumerable.Range(0, 15).Select(i => Wrote($"message {i}", i - 15)).ToArray();

        var plan = Plan(entries)!;

        var left = entries.Where(entry => entry.At >= plan.UpTo).ToList();
        left.Count.ShouldBeGreaterThan(0);
        (plan.Entries.Count + left.Count).ShouldBe(15);
        left.Sum(entry => AgentMemory.Line(entry).Length).ShouldBeLessThanOrEqualTo(Told.Tokens * 3 / 2);
        Plan([.. left]).ShouldBeNull();
    }

    [Fact]
    public void What_an_agent_is_not_told_word_for_word_is_what_is_summarised()
    {
        var entries = Enumerable.Range(0, 15).Select(i => Wrote($"message {i} of many", i - 15)).ToArray();
        var plan = Plan(entries)!;

        var told = AgentMemory.Format(Knows(entries) with { Summary = "A story.", SummarizedUpTo = plan.UpTo }, Noon, Told.Tokens)!;

        told.ShouldContain("A story.");
        entries.ShouldAllBe(entry => told.Contains($" {entry.Text}\n", StringComparison.Ordinal) != plan.Entries.Contains(entry));
    }

    [Fact]
    public void A_greeting_that_nobody_answered_is_not_worth_a_summary() =>
        Plan(Wrote("Hello, this is Guru.", -120) with { Speaker = Speaker.Agent }, Wrote("", -119)).ShouldBeNull();

    [Fact]
    public void A_long_past_is_summarised_piece_by_piece_and_nothing_falls_between()
    {
        var entries = Enumerable.Range(0, 200).Select(i => Wrote($"{i} {new string('x', 3000)}", -10_000 + i)).ToList();
        var summarised = 0;
        for (var pieces = 0; entries.Count > 0; pieces++)
        {
            pieces.ShouldBeLessThan(50);
            var some = entries.Take(40).ToList();
            var plan = Digest.Plan(Knows([.. some]), all: some.Count < 40, Noon, Told)!;
            plan.Entries.Sum(entry => entry.Text.Length).ShouldBeLessThan(50_000);
            summarised += plan.Entries.Count;
            entries.RemoveAll(entry => entry.At < plan.UpTo);
        }

        summarised.ShouldBe(200);
    }

    [Fact]
    public void Two_entries_of_one_moment_are_not_parted()
    {
        var entries = Enumerable.Range(0, 200).Select(i => Wrote($"{i} {new string('x', 3000)}", -10_000)).ToArray();

        Plan(entries)!.Entries.Count.ShouldBe(200);
    }

    [Fact]
    public void The_notes_so_far_are_kept()
    {
        var request = Digest.Request(Plan(Wrote("I have a bill.", -120))!, "She has a visa.", "es", Maria);

        request.Instructions.ShouldEndWith("The notes so far:\nShe has a visa.");
        request.Instructions.ShouldContain("language is es");
        request.Input.ShouldBe([new TextTurn(Speaker.Caller, "[2026-11-22 10:00] Caller in writing: I have a bill.")]);
    }

    [Theory]
    [InlineData("""{"summary":" A bill. "}""", "A bill.")]
    [InlineData("""{"summary":""}""", null)]
    [InlineData("{}", null)]
    [InlineData("A bill.", null)]
    public void An_answer_is_read_or_it_is_none(string answer, string? summary) => Digest.Read(answer).ShouldBe(summary);

    [Fact]
    public void Endless_notes_are_cut() => Digest.Read($$"""{"summary":"{{new string('a', 9000)}}"}""")!.Length.ShouldBe(2000);

    private static DigestPlan? Plan(params TimelineEntry[] entries) => Digest.Plan(Knows(entries), all: true, Noon, Told);

    private static Memory Knows(params TimelineEntry[] entries) => Memory.None with { Entries = entries };

    private static TimelineEntry Wrote(string text, double minutes) =>
        new(Noon.AddMinutes(minutes), TimelineChannel.Whatsapp, Speaker.Caller, text, null, null, "SM1", null);
}
