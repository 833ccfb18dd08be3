using Guru.Application.Conversations;
using Shouldly;

namespace Guru.Application.Tests.Conversations;

public sealed class ReplyTextTests
{
    [Fact]
    public void A_short_reply_is_one_message() => ReplyText.Split(" Hello. ").ShouldBe(["Hello."]);

    [Fact]
    public void A_long_one_is_cut_after_a_sentence() =>
        ReplyText.Split("One two three four. Five six seven eight. Nine.", limit: 45).ShouldBe(["One two three four. Five six seven eight.", "Nine."]);

    [Fact]
    public void Without_sentences_it_is_cut_between_words() =>
        ReplyText.Split("aaaa bbbb cccc dddd", limit: 10).ShouldBe(["aaaa bbbb", "cccc dddd"]);

    [Fact]
    public void Chinese_is_cut_after_its_own_full_stop() =>
        ReplyText.Split("请先打电话给医院。然后要一份明细账单。", limit: 12).ShouldBe(["请先打电话给医院。", "然后要一份明细账单。"]);

    [Fact]
    public void Nothing_is_lost_no_part_is_too_long_and_no_character_is_split()
    {
        var random = new Random(3);
        for (var i = 0; i < 300; i++)
        {
            var text = string.Concat(Enumerable.Range(0, random.Next(1, 400)).Select(_ => random.Next(6) switch { 0 => " ", 1 => ". ", 2 => "😀", 3 => "\n\n", _ => "ab" }));

            var parts = ReplyText.Split(text, limit: 50);

            parts.ShouldAllBe(part => part.Length <= 50 && part.Length > 0 && !char.IsLowSurrogate(part.First()) && !char.IsHighSurrogate(part.Last()));
            Letters(string.Concat(parts)).ShouldBe(Letters(text));
        }

        static string Letters(string text) => string.Concat(text.Where(c => !char.IsWhiteSpace(c)));
    }

    [Theory]
    [InlineData(null, "legal", 0.1, "legal")]
    [InlineData("general", "legal", 0.5, "legal")]
    [InlineData("general", "legal", 0.4, "general")]
    [InlineData("healthcare", "legal", 0.6, "healthcare")]
    [InlineData("healthcare", "legal", 0.7, "legal")]
    [InlineData("healthcare", "healthcare", 0.1, "healthcare")]
    public void A_change_of_agent_must_be_worth_it(string? present, string proposed, double confidence, string settled) =>
        Routing.Settle(present, new RoutingDecision(proposed, confidence, "", null)).ShouldBe(settled);

    [Fact]
    public void Without_a_router_the_present_agent_stays() => Routing.Settle("legal", decision: null).ShouldBe("legal");
}
