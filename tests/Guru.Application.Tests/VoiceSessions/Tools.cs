using System.Text.Json.Nodes;
using Guru.Application.Tests.Voice;
using Guru.Application.VoiceSessions;
using Shouldly;

namespace Guru.Application.Tests.VoiceSessions;

public sealed class Tools
{
    [Fact]
    public void Of_an_agent_hand_over_to_every_other_one()
    {
        var handOff = Of("legal").Single(tool => tool.Name == "hand_off");
        var agent = JsonNode.Parse(handOff.Parameters)!["properties"]!["agent"]!;

        agent["enum"]!.AsArray().Select(name => (string?)name).ShouldBe(["healthcare", "general"]);
        ((string?)agent["description"]).ShouldBe("healthcare: Health. general: The rest.");
    }

    [Fact]
    public void Of_an_agent_who_is_alone_do_not_hand_over()
    {
        var alone = House.Agents with { Agents = [House.Agents.General] };
        new VoiceSettings().For(alone, "general", language: null, ManualTime.Start).Tools.Select(tool => tool.Name).ShouldBe(["end_call", "set_language", "call_back"]);
    }

    [Fact]
    public void Are_the_same_text_every_time() => Of("general").ShouldBe(Of("general"));

    [Theory]
    [InlineData("""{"agent":" legal "}""", "legal")]
    [InlineData("""{"agent":""}""", null)]
    [InlineData("""{"agent":null}""", null)]
    [InlineData("""{"Agent":"legal"}""", null)]
    [InlineData("""{"agent":"legal \ud83d"}""", null)]
    [InlineData("""{"agent":"legal","ag\ud83d":1}""", null)]
    [InlineData("null", null)]
    [InlineData("", null)]
    public void Are_given_what_the_model_wrote_if_it_is_a_text(string arguments, string? expected) =>
        VoiceTools.Argument(arguments, "agent").ShouldBe(expected);

    [Fact]
    public void Are_given_no_more_than_500_characters() =>
        VoiceTools.Argument($$"""{"reason":"{{new string('x', 100_000)}}"}""", "reason")!.Length.ShouldBe(500);

    [Fact]
    public void Are_not_given_half_a_character() =>
        VoiceTools.Argument($$"""{"reason":"{{new string('x', 499)}}👋👋"}""", "reason").ShouldBe($"{new string('x', 499)}…");

    private static IReadOnlyList<VoiceTool> Of(string agent) => new VoiceSettings().For(House.Agents, agent, language: null, ManualTime.Start).Tools;
}
