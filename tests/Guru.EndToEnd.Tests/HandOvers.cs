using System.Text.Json;
using Guru.Sandbox.OpenAI;
using Guru.Sandbox.Twilio;

namespace Guru.EndToEnd.Tests;

/// <summary>The general agent's model hands bills over to the healthcare agent and visas to the legal one.</summary>
public sealed class WorldOfSpecialists : World
{
    protected override OpenAIStandInOptions OpenAIOptions => new()
    {
        Brain = Brain.Shipped.With([HandsOver("bill", "healthcare"), HandsOver("visa", "legal")]),
    };

    private static BrainRule HandsOver(string word, string to) => new(
        [word], "pass-on", new ToolUse("hand_off", $$"""{"agent":"{{to}}","reason":"a {{word}}","request":"What about a {{word}}?"}"""), By: "general");
}

public sealed class HandOvers(WorldOfSpecialists world) : IClassFixture<WorldOfSpecialists>
{
    [Fact]
    public async Task To_a_voice_of_its_own_change_the_route_in_mid_call_and_the_next_text_goes_on_with_that_agent()
    {
        const string Caller = "whatsapp:+15550100011";
        var before = world.OpenAI.Sessions.Entries.Count;
        var call = await world.Twilio.PlaceCallAsync(AsksAndListens("visa-en") with { From = Caller });

        var record = await world.RecordOf(call);
        Agents(record).ShouldBe(["agent general", "caller general", "agent general", "agent legal"]);
        record.Utterances[3].GetProperty("heard").GetString()!.ShouldContain("There are ways to stay");
        record.Call.GetProperty("agent").GetString().ShouldBe("legal");
        record.Event("AgentHandedOff").GetProperty("to").GetString().ShouldBe("legal");
        record.Event("VoiceModelReconnected").GetProperty("gapMs").GetInt64().ShouldBe(0);
        Voices(before).ShouldBe(["marin", "cedar"]);

        await world.Twilio.WriteAsync(InboundMessage.Text("Ok") with { From = Caller });
        var reply = await world.Twilio.WaitForMessageAsync(Caller, _ => true);
        reply.Body.ShouldEndWith("This is information and not legal advice.");
        var conversation = (await world.GetAsync($"/api/conversations?phoneNumber={Uri.EscapeDataString(Caller["whatsapp:".Length..])}")).GetProperty("items")[0];
        conversation.GetProperty("agent").GetString().ShouldBe("legal");

        var next = await world.Twilio.PlaceCallAsync(Calls.Greeted with { From = Caller });
        (await world.RecordOf(next)).Call.GetProperty("agent").GetString().ShouldBe("legal");
    }

    [Fact]
    public async Task To_the_same_voice_change_the_route_in_mid_call_in_the_same_session()
    {
        var before = world.OpenAI.Sessions.Entries.Count;
        var call = await world.Twilio.PlaceCallAsync(AsksAndListens("bill-en") with { From = "whatsapp:+15550100012" });

        var record = await world.RecordOf(call);
        Agents(record).ShouldBe(["agent general", "caller general", "agent general", "agent healthcare"]);
        record.EventTypes.ShouldNotContain("VoiceModelReconnected");
        Voices(before).ShouldBe(["marin"]);
        world.OpenAI.Sessions.Entries[before].Read(session => session.Configuration.Instructions).ShouldContain("You are the healthcare advisor.");
        world.OpenAI.Sessions.Entries[before].Read(session => session.Configuration.OutputIsMuLaw && session.Configuration.InputIsMuLaw).ShouldBeTrue();
    }

    /// <summary>Says one thing, hears two agents out, and hangs up.</summary>
    private static CallOptions AsksAndListens(string sample) => new()
    {
        Script =
        [
            new CallerTurn(new AgentFinished(TimeSpan.FromMilliseconds(400)), new Say(sample)),
            new CallerTurn(new NobodySpeaking(TimeSpan.FromSeconds(3)), new HangUp()),
        ],
    };

    private static IEnumerable<string> Agents(CallRecord record) => record.Utterances.Select(said => $"{Text(said, "speaker")} {Text(said, "agent")}");

    private static string? Text(JsonElement element, string name) => element.GetProperty(name).GetString();

    private IEnumerable<string?> Voices(int from) =>
        world.OpenAI.Sessions.Entries.Skip(from).Select(session => session.Read(read => (string?)read.Configuration.Output["voice"]));
}
