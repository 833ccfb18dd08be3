using Guru.Domain.Callers;
using Guru.Domain.Calls;
using Guru.Domain.Conversations;
using Shouldly;
using static Guru.Domain.Conversations.CallRefusalReason;

namespace Guru.Domain.Tests.Conversations;

public sealed class WhoMayBeCalled : ConsentSpec
{
    private const double Second = 1.0 / 3600;

    public static TheoryData<string, ConversationEvent[], double, CallRefusalReason[]> Cases => new()
    {
        { "nobody was asked", [Wrote(0)], 0, [NoPermission] },
        { "asked, and no answer yet", [Asked(0)], 30, [NoPermission] },
        { "asked just now: nor may they be asked again", [Asked(0)], 1, [NoPermission, RequestLimit] },
        { "the second before a day has passed since they were asked", [Asked(0)], 24 - Second, [NoPermission, RequestLimit] },
        { "a day after they were asked", [Asked(0)], 24, [NoPermission] },
        { "the second before the first of two requests is a week old", [Asked(0), Asked(24, "b")], (7 * 24) - Second, [NoPermission, RequestLimit] },
        { "the first of two requests is a week old", [Asked(0), Asked(24, "b")], 7 * 24, [NoPermission] },
        { "accepted", [Asked(0), Granted(0)], 1, [] },
        { "the moment in which they accept", [Asked(0), Granted(0)], 0, [] },
        { "the last second of a permission", [Asked(0), Granted(0)], (7 * 24) - Second, [] },
        { "the second in which it expires", [Asked(0), Granted(0)], 7 * 24, [PermissionExpired] },
        { "permanent", [Asked(0), Granted(0) with { ExpiresAt = null }], 24 * 300, [] },
        { "declined", [Asked(0), Declined(0)], 30, [PermissionDeclined] },
        { "a second before the permission expires in which they have declined", [Asked(0), Granted(0), Declined(1)], (7 * 24) - Second, [PermissionDeclined] },
        { "declined after it was accepted", [Asked(0), Granted(0), Declined(1)], 30, [PermissionDeclined] },
        { "accepted after it was declined", [Asked(0), Declined(0), Asked(25, "again"), Granted(26)], 27, [] },
        { "revoked", [Asked(0), Granted(0), new CallPermissionRevoked(Caller, "SM1", "carrier", At(1))], 30, [PermissionRevoked] },
        { "erased", [Asked(0), Granted(0), new CallerErased(Caller, At(1))], 30, [Erased, NoPermission] },
        { "erased, and wrote again", [Asked(0), Granted(0), new CallerErased(Caller, At(1)), Wrote(2)], 3, [NoPermission, RequestLimit] },
        { "a call is under way", [Asked(0), Granted(0), Wanted("a", 1), Allowed("a", 1), Placed("a", 1)], 1.5, [CallUnderWay] },
        { "a call is about to be placed", [Asked(0), Granted(0), Wanted("a", 1), Allowed("a", 1)], 1.01, [CallUnderWay] },
        { "the call is over", [Asked(0), Granted(0), .. Called("a", 1, CallStatus.Completed)], 1, [] },
        { "a call whose end nobody told, the second before four hours", [Asked(0), Granted(0), Wanted("a", 1), Allowed("a", 1), Placed("a", 1)], 5 - Second, [CallUnderWay] },
        { "a call whose end nobody told", [Asked(0), Granted(0), Wanted("a", 1), Allowed("a", 1), Placed("a", 1)], 5, [] },
        { "one call was not answered", [Asked(0), Granted(0), .. Called("a", 1, CallStatus.NoAnswer)], 2, [] },
        { "two calls in a row were not answered", [Asked(0), Granted(0), .. Called("a", 1, CallStatus.NoAnswer), .. Called("b", 2, CallStatus.Busy)], 3, [UnansweredInARow] },
        { "two were not answered, and they had written in that moment", [Asked(0), Granted(0), .. Called("a", 1, CallStatus.NoAnswer), .. Called("b", 2, CallStatus.Busy), Wrote(2)], 4, [UnansweredInARow] },
        { "two were not answered, and they wrote the second after", [Asked(0), Granted(0), .. Called("a", 1, CallStatus.NoAnswer), .. Called("b", 2, CallStatus.Busy), Wrote(2 + Second)], 4, [] },
        { "two were not answered, and then they wrote", [Asked(0), Granted(0), .. Called("a", 1, CallStatus.NoAnswer), .. Called("b", 2, CallStatus.Busy), Wrote(3)], 4, [] },
        { "an answered call between two that were not", [Asked(0), Granted(0), .. Called("a", 1, CallStatus.NoAnswer), .. Called("b", 2, CallStatus.Completed), .. Called("c", 3, CallStatus.Busy)], 4, [] },
        { "four calls in 24 hours", [Asked(0), Granted(0), .. Answered(4, from: 0, apart: 1)], 6, [] },
        { "five calls in 24 hours", [Asked(0), Granted(0), .. Answered(5, from: 0, apart: 1)], 6, [CallLimit] },
        { "the second before the first of five is a day old", [Asked(0), Granted(0), .. Answered(5, from: 0, apart: 1)], 24 - Second, [CallLimit] },
        { "the first of five is a day old", [Asked(0), Granted(0), .. Answered(5, from: 0, apart: 1)], 24, [] },
        { "the second before nine in the morning", [Asked(0), Granted(0)], 21 - Second, [OutsideWakingHours] },
        { "half past eight in the morning", [Asked(0), Granted(0)], 20.5, [OutsideWakingHours] },
        { "nine in the morning", [Asked(0), Granted(0)], 21, [] },
        { "a second before eight in the evening", [Asked(0), Granted(0)], 8 - Second, [] },
        { "eight in the evening", [Asked(0), Granted(0)], 8, [OutsideWakingHours] },
        { "everything at once", [Asked(0), Granted(0), .. Answered(5, from: 1, apart: 1), Declined(7)], 9, [PermissionDeclined, CallLimit, OutsideWakingHours] },
    };

    [Theory]
    [MemberData(nameof(Cases))]
    public void Is_decided_by_everything_on_record(string name, object events, double at, object expected)
    {
        var verdict = CallPolicy.MayCall(Conversation.Fold((ConversationEvent[])events), Sender, At(at), Rules);

        Refusals(verdict).ShouldBe((CallRefusalReason[])expected, name);
        verdict.AllowedBy.ShouldBe(verdict.IsAllowed ? "SM1" : null);
    }

    [Theory]
    [InlineData("+15005550006", SenderCountryExcluded)]
    [InlineData("+99999999999", SenderCountryExcluded)]
    [InlineData("+447700900123", null)]
    [InlineData("+18765550100", null)]
    public void The_country_of_the_sender_decides(string sender, CallRefusalReason? reason) =>
        Refusals(CallPolicy.MayCall(Conversation.Fold([Asked(0), Granted(0)]), CallerAddress.Parse(sender), At(0), Rules)).ShouldBe(reason is { } one ? [one] : []);

    [Theory]
    [InlineData("+5355501234", CalleeCountryUnavailable)]
    [InlineData("+79781234567", CalleeCountryUnavailable)]
    [InlineData("+99999999999", CalleeCountryUnknown)]
    [InlineData("CU.13491208655302741918", CalleeCountryUnavailable)]
    [InlineData("GH.13491208655302741918", null)]
    [InlineData("+79161234567", null)]
    public void Where_nobody_can_be_called_nobody_is(string callee, CallRefusalReason? reason) =>
        Refusals(CallPolicy.MayCall(Conversation.Fold([Wrote(0, callee), Asked(0), Granted(0)]), Sender, At(0), AnyHour)).ShouldBe(reason is { } one ? [one] : []);

    [Fact]
    public void Is_told_when_it_will_be_possible_where_time_alone_makes_it_so()
    {
        var fiveCalls = Conversation.Fold([Asked(0), Granted(0), .. Answered(5, from: 0, apart: 1)]);

        CallPolicy.MayCall(fiveCalls, Sender, At(9), Rules).PossibleFrom.ShouldBe(At(24));
        CallPolicy.MayCall(Conversation.Fold([Asked(0), Granted(0)]), Sender, At(9), Rules).PossibleFrom.ShouldBe(At(21));
        CallPolicy.MayCall(Conversation.Fold([Wrote(0)]), Sender, At(9), Rules).PossibleFrom.ShouldBeNull();
    }

    public static TheoryData<string, ConversationEvent[], double, CallRefusalReason[]> Questions => new()
    {
        { "for the first time", [], 0, [] },
        { "a second before a day has passed", [Asked(0)], 24 - Second, [RequestLimit] },
        { "after a day", [Asked(0)], 24, [] },
        { "a third time within a week", [Asked(0), Asked(24, "b")], 7 * 24 - Second, [RequestLimit] },
        { "a third time when the first is a week old", [Asked(0), Asked(24, "b")], 7 * 24, [] },
        { "after a request that never went out", [Asked(0), new CallPermissionRequestFailed("ask", Caller, "messenger 21211", 21211, At(0))], 0.1, [] },
        { "after they declined, the next day", [Asked(0), Declined(0)], 24, [] },
        { "after they accepted", [Asked(0), Granted(0)], 30, [AlreadyPermitted] },
        { "when the permission has expired", [Asked(0), Granted(0)], 7 * 24, [] },
        { "an answered call resets the limits", [Asked(0), Granted(0), .. Called("a", 1, CallStatus.Completed), Declined(2)], 3, [] },
        { "an unanswered call does not", [Asked(0), Granted(0), .. Called("a", 1, CallStatus.NoAnswer), Declined(2)], 3, [RequestLimit] },
    };

    [Theory]
    [MemberData(nameof(Questions))]
    public void May_be_asked_only_so_often(string name, object events, double at, object expected) =>
        Refusals(CallPolicy.MayAsk(Conversation.Fold((ConversationEvent[])events).At(Address), Sender, At(at), Rules)).ShouldBe((CallRefusalReason[])expected, name);

    private static IEnumerable<ConversationEvent> Answered(int count, double from, double apart) =>
        Enumerable.Range(0, count).SelectMany(number => Called($"call{number}", from + (number * apart), CallStatus.Completed));
}
