using System.Text.Json.Nodes;
using Guru.Sandbox.OpenAI;
using Shouldly;

namespace Guru.Sandbox.Tests.OpenAI;

/// <summary>An agent hands over by a tool, and the session becomes another's.</summary>
public sealed class HandingOver
{
    private static readonly Brain WithARule = Brain.Shipped.With(
        [new BrainRule(["visa"], "pass-on", new ToolUse("hand_off", """{"agent":"legal"}"""), By: "general")]);

    [Fact]
    public void A_rule_of_one_advisor_is_not_anothers()
    {
        Calls("general").ShouldBe(["hand_off"]);
        Calls("legal").ShouldBeEmpty();
    }

    [Fact]
    public void Who_takes_over_goes_by_the_last_line_of_the_instructions_and_hands_nothing_over()
    {
        var context = new ReplyContext(
            "handOff", "You are the general advisor, and know of bills.\nThe caller asks for this: May they stay after their visa?", [], ["hand_off"], Number: 2);

        WithARule.Reply(context).ShouldBe(new Reply(WithARule.Samples["visa-answer-en"]));
        WithARule.Reply(context with { Instructions = "You know of visas.\nThe caller asks for this: something" })
            .ShouldBe(new Reply(WithARule.Samples["tell-me-more-en"]));
    }

    [Fact]
    public void A_session_that_has_spoken_becomes_another_agents_as_long_as_the_voice_stays()
    {
        var client = VirtualClient.OnThePhone(new RealtimeSessionOptions { Replies = WithARule.Reply });
        client.Say("yes-en");
        client.Quiet(700);
        client.Wait(3000);
        client.Forget();
        client.Send(
            """
            {"type":"session.update","event_id":"configure-1","session":{"type":"realtime","instructions":"You are the legal advisor.",
            "audio":{"output":{"format":{"type":"audio/pcmu"}}},"tools":[]}}
            """);

        client.One("session.updated");
        (client.Session.Configuration.Instructions, client.Session.Configuration.Tools.Count).ShouldBe(("You are the legal advisor.", 0));
        ((string?)client.Session.Configuration.Output["voice"]).ShouldBe("marin");
    }

    [Fact]
    public void A_session_that_has_spoken_takes_no_other_voice_and_stays_as_it_was()
    {
        var client = VirtualClient.OnThePhone();
        client.Say("yes-en");
        client.Quiet(700);
        client.Wait(3000);
        client.Forget();
        client.Send(
            """{"type":"session.update","event_id":"configure-1","session":{"type":"realtime","instructions":"Other.","audio":{"output":{"voice":"cedar"}}}}""");

        var error = client.One("error")["error"]!;
        ((string?)error["code"], (string?)error["event_id"]).ShouldBe(("cannot_update_voice", "configure-1"));
        client.Session.Configuration.Instructions.ShouldBe("You are kind.");
    }

    private static IReadOnlyList<string?> Calls(string advisor)
    {
        var client = new VirtualClient(new RealtimeSessionOptions { Replies = WithARule.Reply });
        var session = JsonNode.Parse(VirtualClient.Phone)!;
        session["instructions"] = $"You are the {advisor} advisor.";
        session["tools"] = new JsonArray(new JsonObject { ["type"] = "function", ["name"] = "hand_off", ["parameters"] = new JsonObject() });
        client.Send(new JsonObject { ["type"] = "session.update", ["session"] = session }.ToJsonString());
        client.Say("visa-en");
        client.Quiet(700);
        client.Wait(8000);
        return [.. client.Of("response.function_call_arguments.done").Select(call => (string?)call["name"])];
    }
}
