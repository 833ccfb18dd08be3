using Guru.Domain.Calls;
using Guru.Domain.Conversations;
using Shouldly;
using static Guru.Domain.Conversations.CallRefusalReason;

namespace Guru.Domain.Tests.Conversations;

public sealed class AskingAndAnswering : ConsentSpec
{
    [Fact]
    public void A_person_is_asked_once_for_each_request() =>
        Given().When(Ask(0), Ask(1)).Then(Asked(0));

    [Fact]
    public void A_second_request_within_a_day_is_refused()
    {
        var story = Given(Asked(0)).When(Ask(23, "b"));

        story.Refusal!.Reasons.ShouldBe(["requestLimit"]);
        story.Refusal!.PossibleFrom.ShouldBe(At(24));
        story.Conversation.Consent.Requests.Count.ShouldBe(1);
    }

    [Fact]
    public void An_acceptance_is_a_permission_for_seven_days() => Given(Asked(0)).When(Answer("SM1", accepted: true, 1)).Then(Granted(1));

    [Fact]
    public void An_acceptance_that_says_so_is_permanent() =>
        Given(Asked(0)).When(Answer("SM1", accepted: true, 1, permanent: true)).Then(Granted(1) with { ExpiresAt = null });

    [Fact]
    public void An_answer_delivered_twice_counts_once() =>
        Given(Asked(0)).When(Answer("SM1", accepted: true, 1), Answer("SM1", accepted: true, 2)).Then(Granted(1));

    [Fact]
    public void A_refusal_ends_a_permission() => Given(Asked(0), Granted(1)).When(Answer("SM2", accepted: false, 2)).Then(Declined(2) with { RequestId = null });

    [Fact]
    public void An_acceptance_that_answers_nothing_is_a_permission_of_its_own() =>
        Given(Wrote(0)).When(Answer("SM1", accepted: true, 1)).Then(Granted(1) with { RequestId = null });

    [Fact]
    public void An_acceptance_that_answers_nothing_takes_nothing_from_a_permanent_permission() =>
        Given(Asked(0), Granted(0) with { ExpiresAt = null }).When(Answer("SM2", accepted: true, 1)).ThenNothing();

    [Fact]
    public void An_acceptance_that_comes_when_the_request_was_declined_grants_nothing() =>
        Given(Asked(0), Declined(1)).When(Answer("SM3", accepted: true, 2)).ThenNothing();

    [Fact]
    public void An_acceptance_in_the_last_second_of_a_request_is_a_permission() =>
        Given(Asked(0)).When(Answer("SM1", accepted: true, (7 * 24) - Second)).Conversation.Consent.Permission!.GrantId.ShouldBe("SM1");

    [Fact]
    public void An_acceptance_does_not_answer_a_request_that_never_went_out() =>
        Given(Asked(0), new CallPermissionRequestFailed("ask", Caller, "messenger 21211", 21211, At(0))).When(Answer("SM1", accepted: true, 1)).Then(Granted(1) with { RequestId = null });

    [Fact]
    public void An_acceptance_does_not_answer_a_request_that_is_a_week_old() =>
        Given(Asked(0)).When(Answer("SM1", accepted: true, 7 * 24)).Then(Granted(7 * 24) with { RequestId = null });

    [Fact]
    public void An_answer_opens_the_window_for_messages() =>
        Given(Asked(0)).When(Answer("SM1", accepted: true, 1)).Conversation.LastReceivedAt.ShouldBe(At(1));

    [Fact]
    public void What_waited_does_not_close_the_window_earlier() =>
        Given(Asked(0), Wrote(5)).When(new ReceiveMessage(Wrote(1)), Answer("SM2", accepted: true, 2)).Conversation.LastReceivedAt.ShouldBe(At(5));

    [Fact]
    public void A_persons_call_can_be_a_permission_and_its_webhook_may_come_twice() =>
        Given().When(Calls("a", 1), Calls("a", 1)).Then(new CallPermissionGranted(SidOf("a").Value, Caller, Address, GrantSource.Call, RequestId: null, At(1 + (7 * 24)), At(1)));

    [Fact]
    public void A_persons_call_takes_nothing_from_a_permanent_permission() =>
        Given(Asked(0), Granted(0) with { ExpiresAt = null }).When(Calls("a", 1)).ThenNothing();

    [Fact]
    public void A_request_that_was_sent_says_in_which_message() =>
        Given(Asked(0)).When(new RecordPermissionRequest(Sent), new RecordPermissionRequest(Sent)).Then(Sent);

    [Fact]
    public void Who_is_erased_is_asked_nothing() =>
        Given(Asked(0), new CallerErased(Caller, At(1))).When(Ask(30, "b")).Refusal!.Reasons.ShouldBe(["erased"]);

    private const double Second = 1.0 / 3600;

    private static CallPermissionRequestSent Sent => new("ask", Caller, "SM9", At(0));

    private static RequestPermission Ask(double at, string id = "ask") => new(Asked(at, id), Sender, Rules);

    private static AnswerPermission Answer(string sid, bool accepted, double at, bool permanent = false) => new(sid, Caller, Address, accepted, permanent, Rules, At(at));

    private static GrantByCall Calls(string id, double at) => new(SidOf(id), Caller, Address, Rules, At(at));
}

public sealed class PlacingACall : ConsentSpec
{
    [Fact]
    public void Is_asked_for_allowed_placed_and_ended() =>
        Given(Asked(0), Granted(0)).When(Want("a", 1), Allow("a", 1), Place("a", 1), End("a", CallStatus.Completed, 2))
            .Then(Wanted("a", 1), Allowed("a", 1), Placed("a", 1), Ended("a", CallStatus.Completed, 2));

    [Fact]
    public void Is_refused_at_once_without_permission() => Given(Wrote(0)).When(Want("a", 1)).Then(Refused("a", 1, null, "noPermission"));

    [Fact]
    public void Is_wanted_once_for_each_request() =>
        Given(Asked(0), Granted(0)).When(Want("a", 1), Want("a", 2)).Then(Wanted("a", 1));

    [Fact]
    public void Waits_for_the_morning_where_there_is_time_for_it() =>
        Given(Asked(0), Granted(0)).When(Want("a", 9, latest: 22), Allow("a", 9), Allow("a", 21)).Then(Wanted("a", 9, latest: 22, earliest: 21), Allowed("a", 21));

    [Fact]
    public void Is_refused_where_the_morning_is_too_late() =>
        Given(Asked(0), Granted(0)).When(Want("a", 9, latest: 20)).Then(Refused("a", 9, 21, "outsideWakingHours"));

    [Fact]
    public void Is_judged_by_the_time_at_which_it_is_to_be_placed() =>
        Given(Asked(0), Granted(0)).When(Want("a", 1, latest: 300, earliest: 7 * 24)).Then(Refused("a", 1, null, "permissionExpired"));

    [Fact]
    public void Is_refused_when_the_permission_expires_between_the_request_and_the_call() =>
        Given(Asked(0), Granted(0)).When(Want("a", 1), Allow("a", 7 * 24)).Then(Wanted("a", 1), Refused("a", 7 * 24, null, "permissionExpired"));

    [Fact]
    public void Is_refused_when_the_person_declines_between_the_request_and_the_call() =>
        Given(Asked(0), Granted(0), Wanted("a", 1), Declined(2)).When(Allow("a", 30)).Then(Refused("a", 30, null, "permissionDeclined"));

    [Fact]
    public void Is_allowed_in_the_last_moment_of_its_time() =>
        Given(Asked(0), Granted(0), Wanted("a", 1, latest: 2)).When(Allow("a", 2)).Then(Allowed("a", 2));

    [Fact]
    public void Is_refused_a_second_after_its_time() =>
        Given(Asked(0), Granted(0), Wanted("a", 1, latest: 2)).When(Allow("a", 2 + (1.0 / 3600))).Then(Refused("a", 2 + (1.0 / 3600), null, "tooLate"));

    [Fact]
    public void Can_be_cancelled_while_it_is_not_placed() =>
        Given(Asked(0), Granted(0), Wanted("a", 1)).When(Cancel("a", 2), Cancel("a", 3), Allow("a", 4)).Then(Refused("a", 2, null, "cancelled"));

    [Fact]
    public void Can_be_cancelled_while_it_is_tried_again() =>
        Given(Asked(0), Granted(0), Wanted("a", 1), Allowed("a", 1)).When(Cancel("a", 2), Allow("a", 3)).Then(Refused("a", 2, null, "cancelled"));

    [Fact]
    public void Is_on_record_where_it_was_on_its_way_when_it_was_cancelled() =>
        Given(Asked(0), Granted(0), Wanted("a", 1), Allowed("a", 1)).When(Cancel("a", 2), Place("a", 2)).Then(Refused("a", 2, null, "cancelled"), Placed("a", 2));

    [Fact]
    public void Cannot_be_cancelled_when_it_was_placed() =>
        Should.Throw<RuleException>(() => Given(Asked(0), Granted(0), Wanted("a", 1), Allowed("a", 1), Placed("a", 1)).When(Cancel("a", 2)));

    [Fact]
    public void Is_never_recorded_unless_the_rules_were_asked() =>
        Should.Throw<RuleException>(() => Given(Asked(0), Granted(0), Wanted("a", 1)).When(Place("a", 1)));

    [Fact]
    public void Of_two_requests_is_allowed_one_at_a_time() =>
        Given(Asked(0), Granted(0), Wanted("a", 1), Wanted("b", 1)).When(Allow("a", 1), Allow("b", 1)).Then(Allowed("a", 1), Refused("b", 1, null, "callUnderWay"));

    [Fact]
    public void Asks_the_rules_again_after_a_crash() =>
        Given(Asked(0), Granted(0), Wanted("a", 1), Allowed("a", 1), Declined(2)).When(Allow("a", 30)).Then(Refused("a", 30, null, "permissionDeclined"));

    [Fact]
    public void Is_adopted_from_its_status_where_the_answer_of_the_carrier_was_lost() =>
        Given(Asked(0), Granted(0), Wanted("a", 1), Allowed("a", 1)).When(End("a", CallStatus.NoAnswer, 1.1)).Then(Placed("a", 1.1), Ended("a", CallStatus.NoAnswer, 1.1));

    [Fact]
    public void Ends_once_whatever_is_told_afterwards() =>
        Given([Asked(0), Granted(0), .. Called("a", 1, CallStatus.Busy)]).When(End("a", CallStatus.Completed, 2), End("a", CallStatus.Busy, 2)).ThenNothing();

    [Fact]
    public void That_the_carrier_refuses_for_want_of_permission_ends_the_permission() =>
        Given(Asked(0), Granted(0), Wanted("a", 1), Allowed("a", 1)).When(new RefuseOutboundCall("a", PermissionRevoked, 37000, At(1)))
            .Then(new CallPermissionRevoked(Caller, "SM1", "carrier", At(1)), Refused("a", 1, null, "permissionRevoked") with { ErrorCode = 37000 });

    [Fact]
    public void That_fails_for_want_of_permission_ends_the_permission() =>
        Given(Asked(0), Granted(0), Wanted("a", 1), Allowed("a", 1), Placed("a", 1)).When(End("a", CallStatus.Failed, 2, error: 37000))
            .Then(Ended("a", CallStatus.Failed, 2, error: 37000), new CallPermissionRevoked(Caller, "SM1", "carrier", At(2)));

    [Fact]
    public void That_is_the_third_in_a_row_to_go_unanswered_leaves_the_permission() =>
        Given([Asked(0), Granted(0), .. Called("a", 1, CallStatus.Busy), .. Called("b", 2, CallStatus.NoAnswer), Wrote(3), Wanted("c", 4), Allowed("c", 4), Placed("c", 4)])
            .When(End("c", CallStatus.NoAnswer, 5)).Then(Ended("c", CallStatus.NoAnswer, 5));

    [Fact]
    public void That_is_the_fourth_in_a_row_to_go_unanswered_ends_the_permission() =>
        Given([Asked(0), Granted(0), .. Called("a", 1, CallStatus.Busy), .. Called("b", 2, CallStatus.NoAnswer), Wrote(3), .. Called("c", 4, CallStatus.NoAnswer), Wanted("d", 5), Allowed("d", 5), Placed("d", 5)])
            .When(End("d", CallStatus.NoAnswer, 6)).Then(Ended("d", CallStatus.NoAnswer, 6), new CallPermissionRevoked(Caller, "SM1", "unanswered", At(6)));

    private static RequestOutboundCall Want(string id, double at, double latest = 1000, double? earliest = null) => new(Wanted(id, at, latest, earliest), Sender, Rules);

    private static CancelOutboundCall Cancel(string id, double at) => new(id, Caller, At(at));

    private static AllowOutboundCall Allow(string id, double at) => new(id, Sender, Rules, At(at));

    private static RecordPlacedCall Place(string id, double at) => new(id, SidOf(id), At(at));

    private static RecordOutboundEnd End(string id, CallStatus outcome, double at, int? error = null) => new(SidOf(id), outcome, error, Rules, At(at));

    private static OutboundCallRefused Refused(string id, double at, double? possibleFrom, params string[] reasons) =>
        new(id, Caller, [.. reasons], possibleFrom is { } hours ? At(hours) : null, ErrorCode: null, At(at));
}

public sealed class CallingBackLater : ConsentSpec
{
    [Fact]
    public void Needs_the_persons_word() =>
        Given(Offered("b", 20)).When(new ConfirmCallBack("b", Caller, At(1)), new ConfirmCallBack("b", Caller, At(2))).Then(new CallBackConfirmed("b", Caller, At(20), At(1)));

    [Fact]
    public void That_was_never_offered_cannot_be_confirmed() => Given(Wrote(0)).When(new ConfirmCallBack("b", Caller, At(1))).ThenNothing();

    [Fact]
    public void At_another_time_takes_the_place_of_the_first() =>
        Given(Offered("b", 20), new CallBackConfirmed("b", Caller, At(20), At(0)), Offered("c", 30)).When(new ConfirmCallBack("c", Caller, At(1)))
            .Then(new CallBackCancelled("b", Caller, "caller", At(1)), new CallBackConfirmed("c", Caller, At(30), At(1)));

    [Fact]
    public void That_was_cancelled_is_not_placed() =>
        Given(Asked(0), Granted(0), Offered("b", 20), new CallBackConfirmed("b", Caller, At(20), At(0)), Wanted("b", 20), new CallBackCancelled("b", Caller, "caller", At(20)))
            .When(new AllowOutboundCall("b", Sender, AnyHour, At(20.1)))
            .Then(new OutboundCallRefused("b", Caller, ["cancelled"], PossibleFrom: null, ErrorCode: null, At(20.1)));

    [Fact]
    public void Can_be_cancelled_by_an_operator_once() =>
        Given(Offered("b", 20), new CallBackConfirmed("b", Caller, At(20), At(0))).When(new CancelOutboundCall("b", Caller, At(1)), new CancelOutboundCall("b", Caller, At(2)))
            .Then(new CallBackCancelled("b", Caller, "operator", At(1)));

    [Fact]
    public void That_an_operator_cancels_when_it_is_about_to_be_placed_is_not_placed() =>
        Given(Asked(0), Granted(0), Offered("b", 20), new CallBackConfirmed("b", Caller, At(20), At(0)), Wanted("b", 20))
            .When(new CancelOutboundCall("b", Caller, At(20)), new AllowOutboundCall("b", Sender, AnyHour, At(20)))
            .Then(new CallBackCancelled("b", Caller, "operator", At(20)), new OutboundCallRefused("b", Caller, ["cancelled"], PossibleFrom: null, ErrorCode: null, At(20)));

    [Fact]
    public void Tells_the_address_of_who_is_on_the_phone_and_that_they_were_in_touch()
    {
        var conversation = Given(Offered("b", 20) with { Address = Address }).Conversation;
        (conversation.Address, conversation.LastReceivedAt).ShouldBe((Address, At(0)));
    }

    [Fact]
    public void In_so_many_minutes_tells_no_time_zone() =>
        Given(Offered("b", 20) with { TimeZone = "" }).When(new ConfirmCallBack("b", Caller, At(1))).Conversation.Consent.TimeZone.ShouldBeNull();

    private static CallBackProposed Offered(string id, double due) => new(id, Caller, At(due), "Africa/Accra", Agent: null, "rent", At(0));
}
