using Guru.Domain.Calls;
using Shouldly;

namespace Guru.Domain.Tests.Calls;

public sealed class MediaStreamsOfACall : CallSpec
{
    [Fact]
    public void The_first_connects_with_the_token_of_the_webhook() =>
        Given(Started).When(Connect("MZ0", "token-0", 1)).Then(Stream("MZ0", "token-0", 1));

    [Fact]
    public void An_unknown_token_is_refused() => Given(Started).When(Connect("MZ0", "guessed", 1)).ThenRefused();

    [Fact]
    public void A_token_opens_one_stream() => Given(Connected).When(Connect("MZ1", "token-0", 2)).ThenRefused();

    [Fact]
    public void The_same_connection_told_twice_happened_once() => Given(Connected).When(Connect("MZ0", "token-0", 1)).ThenNothing();

    [Fact]
    public void The_name_of_the_stream_does_not_stand_for_its_token() => Given(Connected).When(Connect("MZ0", "guessed", 2)).ThenRefused();

    [Fact]
    public void None_connects_once_the_call_has_ended() =>
        Given([.. Started, Ended(CallEndReason.Canceled, 5)]).When(Connect("MZ0", "token-0", 6)).ThenRefused();

    [Fact]
    public void One_that_connected_before_the_end_is_on_record_although_its_record_comes_later() =>
        Given([.. Started, Status(CallStatus.Completed, 60), Ended(CallEndReason.CallerHungUp, 60)])
            .When(Connect("MZ0", "token-0", 1))
            .Then(Stream("MZ0", "token-0", 1));

    [Fact]
    public void A_lost_one_is_replaced() =>
        Given(Connected).When(Request("token-1", 20)).Then(Requested("token-1", 1, 20));

    [Fact]
    public void A_new_one_resumes_the_call_and_tells_the_gap() =>
        Given([.. Connected, Requested("token-1", 1, 20)])
            .When(Connect("MZ1", "token-1", 21.5))
            .Then(Stream("MZ1", "token-1", 21.5), new CallResumed("MZ1", 1500, At(21.5)));

    [Fact]
    public void The_gap_is_never_negative() =>
        Given([.. Connected, Requested("token-1", 1, 20)])
            .When(Connect("MZ1", "token-1", 19))
            .Then(Stream("MZ1", "token-1", 19), new CallResumed("MZ1", 0, At(19)));

    [Theory]
    [InlineData(1)]
    [InlineData(22)] // By the clock of another node.
    public void An_earlier_one_that_is_recorded_later_does_not_take_the_call_back(double at) =>
        Given([.. Started, Requested("token-1", 1, 20), Stream("MZ1", "token-1", 21)])
            .When(Connect("MZ0", "token-0", at), End(CallEndReason.AgentEnded, 40, "MZ1"))
            .Then(Stream("MZ0", "token-0", at) with { Overtaken = true }, Ended(CallEndReason.AgentEnded, 40));

    [Fact]
    public void Are_replaced_a_bounded_number_of_times()
    {
        CallEvent[] twice = [.. Connected, Requested("token-1", 1, 20), Stream("MZ1", "token-1", 21), Requested("token-2", 2, 30)];
        Given(twice).When(Request("token-3", 40, most: 2)).ThenRefused();
        Given(Connected).When(Request("token-1", 40, most: 0)).ThenRefused();
    }

    [Fact]
    public void Are_not_replaced_once_the_call_has_ended() =>
        Given([.. Connected, Ended(CallEndReason.AgentEnded)]).When(Request("token-1", 20)).ThenRefused();

    [Fact]
    public void The_zero_of_the_clock_is_the_first_one()
    {
        var call = Call.Fold([.. Connected, Requested("token-1", 1, 20), Stream("MZ1", "token-1", 21)]);
        call.FirstConnectedAt.ShouldBe(At(1));
        call.StreamSid.ShouldBe("MZ1");
        call.OpenTokens.ShouldBeEmpty();
    }
}
