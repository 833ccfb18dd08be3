using Guru.Domain.Callers;
using Guru.Domain.Conversations;
using Shouldly;

namespace Guru.Domain.Tests.Conversations;

public sealed class WhatGuruWritesOfItself
{
    private static readonly DateTimeOffset Noon = new(2026, 3, 4, 12, 0, 0, TimeSpan.Zero);
    private static readonly CallerId Maria = CallerId.Parse("0123456789abcdef0123456789abcdef");
    private static readonly MessageSent Summary = new("callSummary", "CA1", Maria, ["SM1"], "general", "We talked.", Noon);
    private static readonly MessageNotSent NoSummary = new("callSummary", "CA1", Maria, "windowClosed", Noon);

    [Fact]
    public void It_is_recorded_once_for_each_subject()
    {
        Decide([Summary], new RecordSent(Summary with { MessageSids = ["SM2"] })).ShouldBeEmpty();
        Decide([Summary], new RecordNotSent(NoSummary)).ShouldBeEmpty();
        Decide([NoSummary], new RecordSent(Summary)).ShouldBeEmpty();
        Decide([Summary], new RecordSent(Summary with { Subject = "CA2" })).Count.ShouldBe(1);
    }

    [Fact]
    public void A_summary_never_reaches_less_far_than_the_one_before()
    {
        Decide([Summarized(10)], new RecordSummary(Summarized(10))).ShouldBeEmpty();
        Decide([Summarized(10)], new RecordSummary(Summarized(9))).ShouldBeEmpty();
        Decide([Summarized(10)], new RecordSummary(Summarized(11))).ShouldBe([Summarized(11)]);
        Decide([], new RecordSummary(Summarized(1))).ShouldBe([Summarized(1)]);
    }

    [Fact]
    public void A_call_opens_the_carriers_window_and_never_shortens_it()
    {
        Conversation.Empty.WithCall("+15550100001", Noon).LastReceivedAt.ShouldBe(Noon);
        Conversation.Empty.WithCall("+15550100001", Noon).Address.ShouldBe("+15550100001");
        var wrote = Conversation.Empty with { Address = "+15550100002", LastReceivedAt = Noon };
        wrote.WithCall("+15550100001", Noon.AddHours(-1)).ShouldBe(wrote);
        wrote.WithCall("+15550100001", Noon.AddHours(1)).LastReceivedAt.ShouldBe(Noon.AddHours(1));
    }

    private static IReadOnlyList<ConversationEvent> Decide(ConversationEvent[] before, ConversationCommand command) =>
        Conversation.Decide(Conversation.Fold(before), command);

    private static ConversationSummarized Summarized(double minutes) => new(Maria, "A story.", Noon.AddMinutes(minutes), Noon);
}
