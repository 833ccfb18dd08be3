using Guru.Domain.Calls;
using Shouldly;

namespace Guru.Domain.Tests.Calls;

public sealed class HandingOver : CallSpec
{
    private static readonly AgentHandedOff ToLegal = new("general", "legal", "a visa", At(5));
    private static readonly AgentHandedOff Back = new("legal", "general", "school", At(20));

    [Fact]
    public void Is_on_record_and_the_call_has_the_new_agent()
    {
        Given(Connected).When(new RecordHandOff(ToLegal)).Then(ToLegal);
        Call.Fold([.. Connected, ToLegal]).Agent.ShouldBe("legal");
    }

    [Fact]
    public void To_and_back_are_two_facts_and_stay_two_when_their_record_is_repeated() =>
        Given(Connected)
            .When(new RecordHandOff(ToLegal), new RecordHandOff(Back), new RecordHandOff(ToLegal), new RecordHandOff(Back))
            .Then(ToLegal, Back);

    [Fact]
    public void Is_on_record_although_the_call_ended_meanwhile() =>
        Given([.. Connected, Ended(CallEndReason.CallerHungUp)]).When(new RecordHandOff(ToLegal)).Then(ToLegal);

    [Fact]
    public void Needs_a_call() => Given().When(new RecordHandOff(ToLegal)).ThenRefused();
}
