using Guru.Domain.Calls;

namespace Guru.Domain.Tests.Calls;

public sealed class EndingACall : CallSpec
{
    public static TheoryData<CallEndReason> Reasons => [.. Enum.GetValues<CallEndReason>()];

    [Fact]
    public void Is_not_for_a_stream_that_another_has_replaced() =>
        Given([.. Connected, Requested("token-1", 1, 4), Stream("MZ1", "token-1", 5)]).When(End(CallEndReason.Silence, 8, stream: "MZ0")).ThenNothing();

    [Theory]
    [MemberData(nameof(Reasons))]
    public void Has_a_reason(CallEndReason reason) => Given(Connected).When(End(reason)).Then(Ended(reason));

    [Theory]
    [MemberData(nameof(Reasons))]
    public void Happens_once_for_the_first_reason(CallEndReason second) =>
        Given([.. Connected, Ended(CallEndReason.AgentEnded)]).When(End(second), Tells(CallStatus.Completed)).Then(Status(CallStatus.Completed));

    [Fact]
    public void A_final_status_after_the_hang_up_changes_the_status_alone() =>
        Given(Connected).When(End(CallEndReason.Silence, 8), Tells(CallStatus.Completed)).Then(Ended(CallEndReason.Silence, 8), Status(CallStatus.Completed));

    [Fact]
    public void A_final_status_before_the_hang_up_is_the_end() =>
        Given(Connected)
            .When(Tells(CallStatus.Completed, 8), End(CallEndReason.Silence))
            .Then(Status(CallStatus.Completed, 8), Ended(CallEndReason.CallerHungUp, 8));

    [Fact]
    public void A_lost_stream_ends_the_call_when_nothing_followed() =>
        Given(Connected).When(End(CallEndReason.StreamLost, 30, "MZ0")).Then(Ended(CallEndReason.StreamLost, 30));

    [Fact]
    public void A_lost_stream_does_not_end_a_call_that_goes_on_over_another() =>
        Given([.. Connected, Requested("token-1", 1, 20), Stream("MZ1", "token-1", 21)])
            .When(End(CallEndReason.StreamLost, 60, "MZ0"))
            .ThenNothing();

    [Fact]
    public void A_lost_stream_does_not_end_a_call_whose_next_stream_is_on_its_way() =>
        Given([.. Connected, Requested("token-1", 1, 20)]).When(End(CallEndReason.StreamLost, 34.9, "MZ0")).ThenNothing();

    [Fact]
    public void A_lost_stream_ends_the_call_when_the_next_one_never_came() =>
        Given([.. Connected, Requested("token-1", 1, 20)])
            .When(End(CallEndReason.StreamLost, 35, "MZ0"))
            .Then(Ended(CallEndReason.StreamLost, 35));

    [Fact]
    public void Giving_up_on_a_call_does_not_wait_for_a_stream() =>
        Given([.. Connected, Requested("token-1", 1, 20)]).When(End(CallEndReason.StreamLost, 21)).Then(Ended(CallEndReason.StreamLost, 21));
}
