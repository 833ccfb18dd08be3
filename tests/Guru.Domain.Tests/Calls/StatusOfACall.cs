using Guru.Domain.Calls;
using Shouldly;

namespace Guru.Domain.Tests.Calls;

public sealed class StatusOfACall : CallSpec
{
    public static TheoryData<CallStatus, CallEndReason> Finals => new()
    {
        { CallStatus.Completed, CallEndReason.CallerHungUp },
        { CallStatus.Busy, CallEndReason.Busy },
        { CallStatus.NoAnswer, CallEndReason.NoAnswer },
        { CallStatus.Failed, CallEndReason.Failed },
        { CallStatus.Canceled, CallEndReason.Canceled },
    };

    [Theory]
    [MemberData(nameof(Finals))]
    public void A_final_one_ends_the_call_for_its_reason(CallStatus status, CallEndReason reason) =>
        Given(Started).When(Tells(status)).Then(Status(status), Ended(reason));

    [Theory]
    [MemberData(nameof(Finals))]
    public void A_final_one_may_come_before_the_webhook(CallStatus status, CallEndReason reason) =>
        Given().When(Tells(status), Start()).Then([Status(status), Ended(reason), .. Started]);

    [Theory]
    [MemberData(nameof(Finals))]
    public void Shows_why_a_call_ended(CallStatus status, CallEndReason reason) => CallStatuses.After(reason).ShouldBe(status);

    [Fact]
    public void Is_recorded_once_however_often_it_is_told() =>
        Given(Started).When(Tells(CallStatus.Ringing), Tells(CallStatus.Ringing, 10)).Then(Status(CallStatus.Ringing));

    [Fact]
    public void May_come_in_any_order() =>
        Given(Started).When(Tells(CallStatus.InProgress), Tells(CallStatus.Ringing)).Then(Status(CallStatus.InProgress), Status(CallStatus.Ringing));

    [Fact]
    public void The_first_final_one_stands() =>
        Given(Started)
            .When(Tells(CallStatus.Busy), Tells(CallStatus.Completed), Tells(CallStatus.InProgress), Tells(CallStatus.Busy))
            .Then(Status(CallStatus.Busy), Ended(CallEndReason.Busy));

    [Fact]
    public void Only_those_from_completed_on_are_final() =>
        Enum.GetValues<CallStatus>().Where(status => !status.IsFinal()).ShouldBe([CallStatus.Ringing, CallStatus.InProgress]);
}
