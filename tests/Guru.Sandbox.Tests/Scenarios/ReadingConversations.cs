using Guru.Sandbox.OpenAI;
using Guru.Sandbox.Scenarios;
using Guru.Sandbox.Twilio;
using Shouldly;

namespace Guru.Sandbox.Tests.Scenarios;

public sealed class ReadingConversations
{
    public static TheoryData<string> EveryShipped => [.. ScenarioFile.Conversations().Select(scenario => scenario.Name)];

    [Theory]
    [MemberData(nameof(EveryShipped))]
    public void Every_shipped_conversation_can_be_read_and_is_not_among_the_calls(string name)
    {
        var scenario = ScenarioFile.Load(name);
        scenario.Messages.ShouldNotBeEmpty();
        scenario.Expect.Conversation.ShouldNotBeNull();
        ScenarioFile.Shipped().ShouldNotContain(call => call.Name == name);
    }

    [Fact]
    public void A_conversation_says_what_is_written_waited_for_and_called()
    {
        var scenario = ScenarioFile.Parse(
            """
            title: All of it
            from: whatsapp:GH.42
            messages:
              - {write: Hello, deliveries: 2, atOnce: true, profileName: Kofi}
              - {write: [one, two]}
              - {voiceNote: bill-es}
              - {image: My letter}
              - {document: The bill}
              - {button: Yes, payload: YES}
              - {location: {latitude: 5.6, longitude: 0.2, label: Clinic}}
              - {waitForReply: itemized, atMostSeconds: 3}
              - {waitForReply: any}
              - {call: true}
              - {call: {caller: [{say: yes-en}], expect: {endReason: silence}}}
              - {hoursPass: 25}
              - {pauseMs: 10}
            rest: [{resource: Messages, status: 429, code: 20429, retryAfterSeconds: 1, times: 2}, {executed: true}]
            text: [{of: routing, times: 3}, {answer: refusal, of: replies}, {path: /v1/audio, status: 500, code: server_error}]
            failedDeliveries: [63016]
            delivery: repeated
            caller: [{hangUp: true}]
            expect:
              endReason: callerHungUp
              replies: [{text: a}, {text: b, optional: true}]
              timeline: [{channel: voiceNote, speaker: caller, text: c, agent: legal}]
              language: es
              agent: legal
            """,
            "all");

        scenario.Messages.Select(step => step.GetType().Name).ShouldBe(
        [
            "PersonWrites", "PersonWrites", "PersonWrites", "PersonWrites", "PersonWrites", "PersonWrites", "PersonWrites", "PersonWaits", "PersonWaits",
            "PersonCalls", "PersonCalls", "TimePasses", "Pause",
        ]);
        var hello = scenario.Messages[0].ShouldBeOfType<PersonWrites>().Messages.ShouldHaveSingleItem();
        (hello.From, hello.Deliveries, hello.DeliveriesAtOnce, hello.ProfileName).ShouldBe(("whatsapp:GH.42", 2, true, "Kofi"));
        scenario.Messages[1].ShouldBeOfType<PersonWrites>().Messages.Select(message => message.Body).ShouldBe(["one", "two"]);
        scenario.Messages[7].ShouldBe(new PersonWaits("itemized", TimeSpan.FromSeconds(3)));
        scenario.Messages[8].ShouldBe(new PersonWaits(Part: null, TimeSpan.FromSeconds(20)));
        scenario.Messages[9].ShouldBe(new PersonCalls(Call: null));
        scenario.Messages[10].ShouldBeOfType<PersonCalls>().Call!.Expect.EndReason.ShouldBe("silence");
        scenario.MessageFaults.Rest[0].ShouldBe(new RestFault("Messages", 429, 20429) { RetryAfter = TimeSpan.FromSeconds(1), Times = 2 });
        scenario.MessageFaults.Rest[1].Executed.ShouldBeTrue();
        scenario.MessageFaults.Text.Select(fault => (fault.Path, fault.Status, fault.Answer)).ShouldBe(
            [("/v1/responses", 503, AnswerFault.None), ("/v1/responses", 200, AnswerFault.Refusal), ("/v1/audio", 500, AnswerFault.None)]);
        scenario.MessageFaults.Delivery.ShouldBe(DeliveryPlan.Repeated);
        scenario.MessageFaults.FailedDeliveries.ShouldBe([63016]);
        scenario.Expect.Conversation!.Replies.ShouldBe([new("a"), new("b", Optional: true)]);
        scenario.Expect.Conversation.Timeline.ShouldBe([new("voiceNote", "caller", "c", "legal")]);
    }

    [Fact]
    public void Every_mistake_is_listed_with_its_line()
    {
        var mistakes = Should.Throw<ScenarioException>(() => ScenarioFile.Parse(
            """
            title: Wrong
            messages:
              - {voiceNote: greeting-en}
              - {write: a, waitForReply: b}
              - {rite: a}
              - {waitForReply: a, atMostSeconds: soon}
              - {call: {caller: [{say: nobody}]}}
              - {location: {lattitude: 5}}
            delivery: sideways
            rest: [{resource: Faxes}]
            text: [{of: poems, answer: silence}]
            failedDeliveries: [often]
            caller: [{hangUp: true}]
            expect:
              endReason: callerHungUp
              replies: [{}]
              timeline: [{channel: fax, speaker: robot}]
            """,
            "wrong")).Mistakes;

        foreach (var expected in (string[])
        [
            "wrong.yaml:3: 'greeting-en' is no line of a caller.",
            "wrong.yaml:4: A step of 'messages' is one of",
            "wrong.yaml:5: 'messages[2].rite' is not known here.",
            "wrong.yaml:5: A step of 'messages' is one of",
            "wrong.yaml:6: 'messages[3].atMostSeconds' must be a number",
            "wrong.yaml:7: 'nobody' is no line of a caller.",
            "wrong.yaml:7: 'expect' is missing",
            "wrong.yaml:8: 'messages[5].location.lattitude' is not known here.",
            "'sideways' is no delivery",
            "'Faxes' is no resource",
            "'poems' is no kind of request",
            "'silence' is no answer of the model",
            "'often' is no error code",
            "no step of 'messages' places the call",
            "No call is placed",
            "'expect.replies[0].text' is missing.",
            "'fax' is no channel.",
            "'robot' writes no messages",
        ])
        {
            mistakes.ShouldContain(mistake => mistake.Contains(expected, StringComparison.Ordinal), expected);
        }
    }
}
