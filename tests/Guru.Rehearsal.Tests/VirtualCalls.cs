using Guru.Application.Voice;
using Guru.Domain.Calls;
using Guru.Sandbox.Twilio;
using Shouldly;
using Xunit.Abstractions;

namespace Guru.Rehearsal.Tests;

public sealed class VirtualCalls(ITestOutputHelper output)
{
    [Fact]
    public void A_call_in_virtual_time()
    {
        var record = VirtualCall.Run(new VirtualCallOptions
        {
            Caller = new CallerScript(
            [
                new CallerTurn(new AgentFinished(TimeSpan.FromMilliseconds(500)), new Say("bill-en")),
                new CallerTurn(new AgentSpeaking(TimeSpan.FromSeconds(1)), new Say("itemized-en")),
                new CallerTurn(new AgentFinished(TimeSpan.FromMilliseconds(500)), new Say("thanks-en")),
                new CallerTurn(new AgentFinished(TimeSpan.FromMilliseconds(300)), new Sandbox.Twilio.HangUp()),
            ]),
        });
        foreach (var said in record.Utterances) output.WriteLine($"{said.StartMs}-{said.EndMs} {said.Speaker} {said.Interrupted} {said.Heard} | {said.Said}");
        foreach (var (at, decision) in record.Decisions) if (decision is TellModel or Guru.Application.Voice.HangUp or Finish or ClearLine) output.WriteLine($"{at} {(decision is TellModel t ? t.Command : decision)}");
        record.EndReason.ShouldBe(CallEndReason.AgentEnded);
    }
}
