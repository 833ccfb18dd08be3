using Guru.Sandbox.OpenAI;
using Guru.Sandbox.Scenarios;
using Guru.Sandbox.Tests.Twilio;
using Guru.Sandbox.Twilio;
using Shouldly;

namespace Guru.Sandbox.Tests.Scenarios;

public sealed class PlayingAConversation : IAsyncLifetime
{
    private TinyApp _app = null!;

    public async Task InitializeAsync() => _app = await TinyApp.StartAsync(options => options with { MessagePath = "/messages" });

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Fact]
    public async Task Messages_calls_and_waiting_come_in_their_order()
    {
        _app.Twiml["/messages"] = "<Response><Message>Hello Ama</Message></Response>";
        var play = Play(
            """
            title: A call between texts
            messages:
              - {write: [one, two]}
              - {waitForReply: hello}
              - {waitForReply: hello}
              - {call: true}
              - {call: {expect: {endReason: failed}}}
              - {hoursPass: 25}
              - {voiceNote: yes-en}
            expect: {endReason: failed}
            """);
        await play.RunAsync();

        play.Mistakes.ShouldBeEmpty();
        _app.Requests.Entries.Where(request => request.Path is "/messages" or "/voice")
            .Select(request => request.Form.GetValueOrDefault("CallStatus") ?? request.Form["MessageType"])
            .ShouldBe(["text", "text", "ringing", "ringing", "audio"]);
        play.Calls.Count.ShouldBe(2);
        play.OwnCall.ShouldBe(play.Calls[0].Call);
        _app.Line.Messaging.Written.Entries.Select(written => written.At.UtcDateTime.Date).Distinct().Count().ShouldBe(2);
    }

    [Fact]
    public async Task A_reply_that_does_not_come_ends_the_play_and_says_what_came()
    {
        _app.Twiml["/messages"] = "<Response><Message>Something else</Message></Response>";
        var play = Play(
            """
            title: In vain
            messages:
              - {write: one}
              - {waitForReply: bill, atMostSeconds: 0.05}
              - {write: never}
            expect: {}
            """);
        await play.RunAsync();

        play.Mistakes.ShouldBe(["No reply with \"bill\" came within 0 s; what came: [\"Something else\"]."]);
        _app.Line.Messaging.Written.Entries.ShouldHaveSingleItem();
    }

    [Fact]
    public async Task What_goes_wrong_is_arranged()
    {
        await using var openai = await OpenAIStandIn.StartAsync();
        var play = Play(
            """
            title: Faults
            messages: [{write: one}]
            rest: [{status: 500, code: 20500}]
            failedDeliveries: [63016]
            delivery: shuffled
            expect: {}
            """);
        play.Arrange(openai);
        await play.RunAsync();

        using var client = new TwilioClient(_app.Line.BaseUrl);
        ((int)(await client.SendAsync("Hello")).Status).ShouldBe(500);
        await client.SendAsync("Hello");
        (await _app.Line.Messaging.Deliveries.WaitAsync(told => told.Status == "failed")).ErrorCode.ShouldBe(63016);
        _app.Line.Messaging.Delivery.ShouldBe(DeliveryPlan.Shuffled);
    }

    private ScenarioPlay Play(string yaml) => new(ScenarioFile.Parse(yaml, "played"), _app.Line);
}
