using Guru.Sandbox.Twilio;

namespace Guru.EndToEnd.Tests;

public sealed class HospitalBill(World world) : IClassFixture<World>
{
    [Fact]
    public async Task A_caller_asks_interrupts_and_hangs_up_and_every_word_is_on_record_as_it_was_heard()
    {
        var call = await world.Twilio.PlaceCallAsync(new CallOptions
        {
            Script =
            [
                new CallerTurn(new AgentFinished(TimeSpan.FromMilliseconds(400)), new Say("bill-en")),
                new CallerTurn(new AgentSpeaking(TimeSpan.FromSeconds(4)), new Say("itemized-en")),
                new CallerTurn(new AgentFinished(TimeSpan.FromMilliseconds(400)), new Say("thanks-en")),
                new CallerTurn(new AgentFinished(TimeSpan.FromMilliseconds(400)), new HangUp()),
            ],
        });

        var record = await world.RecordOf(call);
        var speakers = record.Utterances.Select(said => said.GetProperty("speaker").GetString()).ToList();
        speakers.ShouldBe(["agent", "caller", "agent", "caller", "agent", "caller", "agent"]);
        record.Utterances.Select(said => said.GetProperty("said").GetString()![..6]).ShouldBe(["Hello,", "Hello,", "I am s", "Wait, ", "Itemiz", "Thank ", "You ar"]);
        record.Utterances.Select(said => said.GetProperty("interrupted").GetBoolean()).ShouldBe([false, false, true, false, false, false, false]);
        record.EndReason.ShouldBe("callerHungUp");
        record.EventTypes.Take(3).ShouldBe(["CallStarted", "AgentRouted", "MediaStreamConnected"]);
        record.EventTypes.Count(type => type == "CallEnded").ShouldBe(1);

        var truth = call.Heard.Single(line => line.Sample.Id == "bill-answer-en");
        var cut = record.Utterances[2];
        cut.GetProperty("heardMs").GetInt64().ShouldBeLessThanOrEqualTo((long)Math.Ceiling(truth.ReceivedBytes / 8.0));
        cut.GetProperty("heard").GetString()!.Length.ShouldBeLessThan(cut.GetProperty("said").GetString()!.Length);
        cut.GetProperty("said").GetString().ShouldStartWith(cut.GetProperty("heard").GetString()!);
        record.Utterances.Where(said => said.GetProperty("speaker").GetString() == "agent").Skip(1)
            .ShouldAllBe(said => said.GetProperty("firstAudioMs").GetInt64() > 0 && said.GetProperty("firstHeardMs").GetInt64() > 0);
    }
}
