using Guru.Domain.Conversations;
using Shouldly;

namespace Guru.Domain.Tests.Conversations;

public sealed class WakingHoursOfPeople : ConsentSpec
{
    [Theory]
    [InlineData("+4930123456", "2026-03-28T08:00Z", "2026-03-28T08:00Z")] // Winter: nine in Berlin.
    [InlineData("+4930123456", "2026-03-28T07:59Z", "2026-03-28T08:00Z")]
    [InlineData("+4930123456", "2026-03-28T19:00Z", "2026-03-29T07:00Z")] // The clocks go forward in that night.
    [InlineData("+4930123456", "2026-10-24T18:00Z", "2026-10-25T08:00Z")] // And back in this one.
    [InlineData("+4930123456", "2026-10-25T07:59Z", "2026-10-25T08:00Z")]
    [InlineData("+12125550100", "2026-07-01T13:00Z", "2026-07-01T19:00Z")] // Nine in New York is three in Honolulu.
    [InlineData("+12125550100", "2026-07-01T19:00Z", "2026-07-01T19:00Z")]
    [InlineData("+12125550100", "2026-07-02T00:00Z", "2026-07-02T19:00Z")] // Eight in the evening in New York.
    [InlineData("+12125550100", "2026-01-02T00:59Z", "2026-01-02T00:59Z")] // In winter New York is an hour later, Honolulu is not.
    [InlineData("+18765550100", "2026-07-01T14:00Z", "2026-07-01T14:00Z")] // 1876 is Jamaica.
    public void Are_kept_in_every_time_zone_of_the_country(string callee, string at, string possibleFrom)
    {
        var now = Time(at);
        var verdict = CallPolicy.MayCall(Permitted(callee), Sender, now, Rules);

        (verdict.IsAllowed ? now : verdict.PossibleFrom).ShouldBe(Time(possibleFrom));
    }

    [Fact]
    public void Are_those_of_the_time_zone_that_the_person_has_told()
    {
        var noonInNewYork = Time("2026-07-01T16:00Z");
        var told = Permitted("+12125550100", new CallBackProposed("b", Caller, At(10_000), "America/New_York", Agent: null, "rent", At(0)), new CallBackConfirmed("b", Caller, At(10_000), At(0)));

        CallPolicy.MayCall(Permitted("+12125550100"), Sender, noonInNewYork, Rules).IsAllowed.ShouldBeFalse();
        CallPolicy.MayCall(told, Sender, noonInNewYork, Rules).IsAllowed.ShouldBeTrue();
    }

    [Fact]
    public void Do_not_stand_against_a_call_at_the_time_that_the_person_has_asked_for()
    {
        var midnight = At(12);
        var wanted = Permitted(Address, new CallBackProposed("b", Caller, midnight, "Africa/Accra", Agent: null, "rent", At(0)), new CallBackConfirmed("b", Caller, midnight, At(0)));

        CallPolicy.MayCall(wanted, Sender, midnight.AddSeconds(-1), Rules).IsAllowed.ShouldBeFalse();
        CallPolicy.MayCall(wanted, Sender, midnight, Rules).IsAllowed.ShouldBeTrue();
        CallPolicy.MayCall(wanted, Sender, midnight + CallConsent.CallBackLateness, Rules).IsAllowed.ShouldBeFalse();
    }

    [Fact]
    public void May_begin_at_a_time_that_the_clocks_skip()
    {
        var early = Rules with { Waking = new WakingHours(TimeSpan.FromHours(2.5), TimeSpan.FromHours(20)) };

        // In Berlin it is never 2:30 on that day: two o'clock is three.
        CallPolicy.MayCall(Permitted("+4930123456"), Sender, Time("2026-03-29T00:00Z"), early).PossibleFrom.ShouldBe(Time("2026-03-29T01:00Z"));
    }

    [Fact]
    public void That_no_moment_has_in_all_of_a_country_make_a_call_impossible_until_the_time_zone_is_known()
    {
        var threeHours = Rules with { Waking = new WakingHours(TimeSpan.FromHours(9), TimeSpan.FromHours(12)) };
        var verdict = CallPolicy.MayCall(Permitted("+12125550100"), Sender, At(0), threeHours);

        Refusals(verdict).ShouldBe([CallRefusalReason.OutsideWakingHours]);
        verdict.PossibleFrom.ShouldBeNull();
    }

    private static Conversation Permitted(string callee, params ConversationEvent[] more) =>
        Conversation.Fold([Wrote(0, callee), Asked(0), Granted(0) with { ExpiresAt = null }, .. more]);

    private static DateTimeOffset Time(string text) => DateTimeOffset.Parse(text, System.Globalization.CultureInfo.InvariantCulture);
}
