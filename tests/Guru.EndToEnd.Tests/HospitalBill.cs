using Guru.Sandbox.Twilio;

namespace Guru.EndToEnd.Tests;

public sealed class HospitalBill(World world) : IClassFixture<World>
{
    [Fact]
    public async Task A_caller_asks_interrupts_says_thanks_and_hangs_up_and_every_word_is_on_record()
    {
        var call = await world.Twilio.PlaceCallAsync(new CallOptions
        {
            Script =
            [
                new CallerTurn(new AgentFinished(TimeSpan.FromMilliseconds(500)), new Say("bill-en")),
                new CallerTurn(new AgentSpeaking(TimeSpan.FromSeconds(4)), new Say("itemized-en")),
                new CallerTurn(new AgentFinished(TimeSpan.FromMilliseconds(500)), new Say("thanks-en")),
                new CallerTurn(new AgentFinished(TimeSpan.FromMilliseconds(300)), new HangUp()),
            ],
        });

        var record = await world.RecordOf(call);
        File.WriteAllText("/tmp/record.txt", record.Conversation + "\n" + record.Call + "\n" + string.Join("\n", record.Utterances) + "\n" + string.Join("\n", record.Events.GetProperty("items").EnumerateArray()) + "\n" + string.Join("\n", call.Heard.Select(h => (h.Sample.Id, h.Heard, h.Cut))) + "\n" + string.Join("\n", call.Events.Entries.Where(e => !e.ToString().Contains("Media") ).Take(100)));
    }
}
