using System.Text.Json;
using Guru.Sandbox.Commands;
using Guru.Sandbox.Twilio;

namespace Guru.EndToEnd.Tests;

/// <summary>Nodes that soon ask how a call stands of which they hear nothing.</summary>
public sealed class AskingNodes : Nodes
{
    protected override Dictionary<string, string> Settings => new(base.Settings, StringComparer.Ordinal) { ["Guru__Calls__QuietSeconds"] = "1" };
}

/// <summary>The carrier tells of the end of a call once: whoever is not there then has to ask.</summary>
public sealed class EndsNobodyHears(AskingNodes nodes) : IClassFixture<AskingNodes>
{
    private static readonly TimeSpan Beat = TimeSpan.FromMilliseconds(400);

    [Fact]
    public async Task A_call_that_ended_while_no_node_was_there_has_its_end_when_one_is()
    {
        var call = nodes.Twilio.PlaceCall(new CallOptions { Script = [new CallerTurn(new AgentFinished(Beat), new Say("visa-en"))] });
        await call.WaitForAgentTurnAsync(1);
        await nodes.KillAsync();
        await call.Completion;
        await nodes.AddAsync();

        using var analyst = World.ClientFor(nodes.Address, GuruProcess.AnalystKey);
        var shown = await EndedAsync(analyst, call);
        shown.GetProperty("status").GetString().ShouldBe("completed");
        shown.GetProperty("endReason").GetString().ShouldBe("callerHungUp");
        shown.GetProperty("endedAt").GetDateTimeOffset().ShouldBe(call.EndedAt!.Value, tolerance: TimeSpan.FromSeconds(1), "What the carrier says, and not when it was asked.");
        var events = JsonElement.Parse(await analyst.GetStringAsync($"/api/calls/{call.CallSid}/events?limit=200")).GetProperty("items").EnumerateArray().ToList();
        events.Count(stored => stored.GetProperty("type").GetString() == "CallEnded").ShouldBe(1);
    }

    [Fact]
    public async Task A_call_that_goes_on_in_silence_is_asked_about_and_left_alone()
    {
        var call = nodes.Twilio.PlaceCall(new CallOptions { Script = [new CallerTurn(new AgentFinished(TimeSpan.FromSeconds(4)), new HangUp())] });
        var asked = await nodes.Twilio.Rest.Exchanges.WaitAsync(exchange => exchange.Method == "GET" && exchange.Path.EndsWith($"/Calls/{call.CallSid}.json", StringComparison.Ordinal));
        asked.Status.ShouldBeNull("It is answered as usual.");
        call.Completion.IsCompleted.ShouldBeFalse();
        await call.Completion;

        (await CallRecord.WhenCompleteAsync(nodes.Address, call, nodes.OpenAI)).ShouldTellOf(call);
    }

    private static async Task<JsonElement> EndedAsync(HttpClient analyst, PlacedCall call)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while (true)
        {
            var shown = JsonElement.Parse(await analyst.GetStringAsync($"/api/calls/{call.CallSid}", limit.Token));
            if (shown.TryGetProperty("endedAt", out var endedAt) && endedAt.ValueKind == JsonValueKind.String)
            {
                return shown;
            }
        }
    }
}
