using Guru.Domain.Calls;
using Shouldly;

namespace Guru.Domain.Tests.Calls;

public sealed class StartingACall : CallSpec
{
    [Fact]
    public void Puts_the_call_and_its_agent_on_record() => Given().When(Start()).Then(Started);

    [Fact]
    public void Happens_once_when_the_webhook_is_delivered_twice() => Given(Started).When(Start(at: 3)).ThenNothing();

    [Fact]
    public void That_cannot_be_taken_ends_as_it_begins() =>
        Given().When(Start() with { Refusal = CallEndReason.AtCapacity }).Then([.. Started, Ended(CallEndReason.AtCapacity, 0)]);

    [Fact]
    public void Is_not_undone_by_a_webhook_that_comes_again_when_no_more_calls_are_taken() =>
        Given(Connected).When(Start(at: 3) with { Refusal = CallEndReason.AtCapacity }).ThenNothing();

    [Fact]
    public void Is_possible_after_a_status_that_came_first() =>
        Given(Status(CallStatus.Ringing)).When(Start()).Then(Started);

    [Fact]
    public void Is_on_record_even_when_the_call_has_already_ended()
    {
        Given(Status(CallStatus.Canceled), Ended(CallEndReason.Canceled)).When(Start()).Then(Started);
        Given([Status(CallStatus.Canceled), Ended(CallEndReason.Canceled), .. Started]).When(End(CallEndReason.Silence)).ThenNothing();
    }

    [Fact]
    public void Without_a_media_stream_opens_no_token()
    {
        var webapp = Start() with { StreamTokenHash = null, Channel = CallChannel.Webapp };
        var call = Call.Fold(Call.Decide(Call.NotStarted, webapp));
        call.OpenTokens.ShouldBeEmpty();
        call.Started.ShouldBeTrue();
    }

    [Fact]
    public void Keeps_the_caller_that_a_status_told()
    {
        var call = Call.Fold([Status(CallStatus.Ringing)]);
        call.CallerId.ShouldBe(Caller);
        call.Started.ShouldBeFalse();
    }

    [Fact]
    public void Comes_before_everything_but_a_status()
    {
        CallCommand[] others =
        [
            Request("token-1", 1), Connect("MZ0", "token-0", 1), new RecordUtterance(Utterance("s:1", "hello")), End(CallEndReason.CallerHungUp),
            new RecordUsage(new UsageRecorded("s:r", "response", "m", "general", new TokenUsage(1, 1, 0, 0, 1, 1), Seconds: null, At(2))),
            new RecordReconnect(new VoiceModelReconnected("dropped", 1, 10, "s", At(2))),
        ];
        foreach (var command in others)
        {
            Should.Throw<RuleException>(() => Call.Decide(Call.NotStarted, command));
        }
    }
}
