using Guru.Sandbox.OpenAI;
using Guru.Sandbox.Twilio;

namespace Guru.EndToEnd.Tests;

/// <summary>A Guru that takes one call at a time, and does not go on with a call whose stream was lost.</summary>
public sealed class SmallWorld : World
{
    protected override Dictionary<string, string?> Settings => new()
    {
        ["Guru:Calls:MaxConcurrent"] = "1",
        ["Guru:Calls:MostResumes"] = "0",
        ["Guru:Work:PollSeconds"] = "0.05",
    };
}

/// <summary>Who could not have their call, or lost it, because of us gets a message, and the same conversation goes on in writing.</summary>
public sealed class CallsNotHad(SmallWorld world) : IClassFixture<SmallWorld>
{
    [Fact]
    public async Task For_want_of_a_line()
    {
        var before = world.OpenAI.Sessions.Entries.Count;
        var other = world.Twilio.PlaceCall(new CallOptions { From = "whatsapp:+15550400000" });
        await world.OpenAI.Sessions.WaitAsync(_ => world.OpenAI.Sessions.Entries.Count > before);
        var refused = await world.Twilio.PlaceCallAsync(Calls.Greeted with { From = "whatsapp:+15550400001" });
        other.HangUp();
        await GoesOnInWritingAsync("whatsapp:+15550400001", refused, "atCapacity", "We are sorry, all our lines are busy. Please call again in a few minutes.");
    }

    [Fact]
    public async Task For_want_of_a_model()
    {
        world.OpenAI.FailNext(new RealtimeFaults { CloseAtOnce = 3000 });
        var call = world.Twilio.PlaceCall(Calls.Greeted with { From = "whatsapp:+15550400002" });
        await GoesOnInWritingAsync("whatsapp:+15550400002", call, "modelUnavailable", "We are sorry, we cannot talk right now. Please call again in a few minutes.");
    }

    [Fact]
    public async Task Because_the_line_broke()
    {
        var broken = new CallOptions { From = "whatsapp:+15550400003", Script = [new CallerTurn(new AgentSpeaking(TimeSpan.FromMilliseconds(300)), new LoseStream())] };
        await GoesOnInWritingAsync("whatsapp:+15550400003", world.Twilio.PlaceCall(broken), "streamLost", "We are sorry, there was a technical problem. Please call again in a few minutes.");
    }

    private async Task GoesOnInWritingAsync(string person, PlacedCall call, string endReason, string sentence)
    {
        var message = await world.Twilio.WaitForMessageAsync(person, message => message.Body.StartsWith("Sorry, our call could not go on", StringComparison.Ordinal));
        message.Body.ShouldBe("Sorry, our call could not go on. Please write to me here, and we will carry on where we stopped; or call again in a few minutes.");
        message.ErrorCode.ShouldBeNull();
        await call.Completion;
        call.Events.Of<SentenceSaid>().Select(said => said.Text).ShouldBe([sentence]);
        var record = await world.RecordOf(call);
        record.ShouldTellOfABrokenAnswer(call);
        record.EndReason.ShouldBe(endReason);

        await world.Twilio.WriteAsync(InboundMessage.Text("My rent went up.") with { From = person });
        await world.Twilio.WaitForMessageAsync(person, sent => sent.Sid != message.Sid);
        world.InstructionsOf(body => !body.Contains("json_schema") && body.Contains("My rent went up.") && body.Contains("our call could not go on"))
            .ShouldContain($"You in writing: {message.Body}");
        world.Twilio.Rest.Messages.Entries.Count(sent => sent.To == person && sent.Body == message.Body).ShouldBe(1);
    }
}
