using Guru.Sandbox.Audio;
using Guru.Sandbox.OpenAI;
using Guru.Sandbox.Scenarios;
using Guru.Sandbox.Twilio;
using Shouldly;

namespace Guru.Sandbox.Tests.Scenarios;

public sealed class ReadingScenarios
{
    public static TheoryData<string> EveryShipped => [.. ScenarioFile.Shipped().Select(scenario => scenario.Name)];

    [Theory]
    [MemberData(nameof(EveryShipped))]
    public void Every_shipped_scenario_can_be_read_and_expects_lines_that_exist(string name)
    {
        var scenario = ScenarioFile.Load(name);
        foreach (var said in scenario.Expect.Utterances.Select(utterance => utterance.Said).Where(said => said?.Length > 0))
        {
            SampleLibrary.Shipped.All.ShouldContain(sample => sample.Text.Contains(said!, StringComparison.OrdinalIgnoreCase), said);
        }

        scenario.Session(1).Seed.ShouldBe(1);
    }

    [Fact]
    public void A_scenario_says_what_the_caller_does_and_when()
    {
        var scenario = ScenarioFile.Parse(
            """
            title: All of it
            caller:
              - {say: bill-en, fromMs: 100, toMs: 900}
              - {when: {afterMs: 20}, press: 5}
              - {when: {atMs: 30}, sendNothingMs: 40}
              - {when: {agentSpeaking: 2, afterMs: 50}, loseStream: true}
              - {when: {agentFinished: next}, say: yes-es}
              - {when: {silenceMs: 60}, hangUp: true}
            brain: [{words: [visa], by: general, say: pass-on, call: hand_off, arguments: '{"agent":"legal"}'}]
            model:
              - {session: 2, refuseUpgrade: 503}
              - {session: others, failResponses: {1: server_error}}
            expect: {endReason: silence, utterances: [{speaker: agent, agent: legal}], events: {CallEnded: 1, UsageRecorded: 1+, UtteranceTranscribed: 2-4}}
            """,
            "all");

        scenario.Call.Script.ShouldBe(
        [
            new CallerTurn(null, new Say("bill-en", Ms(100), Ms(900))),
            new CallerTurn(new After(Ms(20)), new Press('5')),
            new CallerTurn(new At(Ms(30)), new SendNothing(Ms(40))),
            new CallerTurn(new AgentSpeaking(Ms(50), 2), new LoseStream()),
            new CallerTurn(new AgentFinished(Ms(0)), new Say("yes-es")),
            new CallerTurn(new NobodySpeaking(Ms(60)), new HangUp()),
        ]);
        var rule = scenario.Brain.ShouldHaveSingleItem();
        (rule.By, rule.Say, rule.Call).ShouldBe(("general", "pass-on", new ToolUse("hand_off", """{"agent":"legal"}""")));
        scenario.Expect.Utterances.ShouldHaveSingleItem().Agent.ShouldBe("legal");
        scenario.Session(2).Faults.RefuseUpgrade.ShouldBe(503);
        scenario.Session(7).Faults.FailResponses[1].ShouldBe("server_error");
        scenario.Expect.Events["UsageRecorded"].ShouldBe(new CountRange(1, int.MaxValue));
        scenario.Expect.Events["UtteranceTranscribed"].ShouldBe(new CountRange(2, 4));
    }

    [Fact]
    public void Every_mistake_is_listed_with_its_line()
    {
        var mistakes = Should.Throw<ScenarioException>(() => ScenarioFile.Parse(
            """
            titel: A typing error
            caller:
              - {say: nobody}
              - {say: bill-en, hangUp: true}
              - {when: {agentSpeaking: 1, silenceMs: 3}, hangUp: maybe}
            model:
              - {session: 1, resetAfterMs: soon}
              - {session: 1}
            expect:
              endReason: tired
              utterances: [{speaker: robot}]
              events: {CallEnded: often}
            """,
            "wrong")).Mistakes;

        mistakes.ShouldContain(mistake => mistake.StartsWith("wrong.yaml:1: 'titel' is not known here."));
        mistakes.ShouldContain(mistake => mistake.Contains("'title' is missing."));
        mistakes.ShouldContain(mistake => mistake.StartsWith("wrong.yaml:3: 'nobody' is no line of a caller."));
        mistakes.ShouldContain(mistake => mistake.StartsWith("wrong.yaml:4: A turn of the caller does one thing"));
        mistakes.ShouldContain(mistake => mistake.StartsWith("wrong.yaml:5: A turn has one trigger"));
        mistakes.ShouldContain(mistake => mistake.StartsWith("wrong.yaml:5: 'caller[2].hangUp' must be true or false."));
        mistakes.ShouldContain(mistake => mistake.StartsWith("wrong.yaml:7: 'model[0].resetAfterMs' must be a number"));
        mistakes.ShouldContain(mistake => mistake.StartsWith("wrong.yaml:8: Each entry of 'model' names another session"));
        mistakes.ShouldContain(mistake => mistake.Contains("'tired' is no end of a call."));
        mistakes.ShouldContain(mistake => mistake.Contains("'robot' speaks in no call"));
        mistakes.ShouldContain(mistake => mistake.Contains("'often' is no count"));
    }

    [Theory]
    [InlineData("title: [")]
    [InlineData("- a list")]
    [InlineData("title: x")]
    public void What_is_no_scenario_is_refused(string yaml) => Should.Throw<ScenarioException>(() => ScenarioFile.Parse(yaml, "wrong"));

    static TimeSpan Ms(double ms) => TimeSpan.FromMilliseconds(ms);
}
