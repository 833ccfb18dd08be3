using Guru.Application.Calls;
using Guru.Application.Voice;
using Guru.Application.VoiceSessions;
using Guru.Domain.Calls;
using Guru.Domain.Conversations;
using Shouldly;

namespace Guru.Application.Tests.Voice;

public sealed class HandOversOnTheSwitchboard
{
    [Fact]
    public async Task Set_the_session_up_for_the_new_agent_where_the_voice_stays()
    {
        var house = new House();
        var (line, model, call) = await house.OnTheLineAsync();
        HandsOff(model, "healthcare");
        await ManualTime.UntilAsync(() => model.Told.OfType<CreateResponse>().Any(create => create.Purpose == "handOff"));

        var configure = model.Told.OfType<Configure>().ShouldHaveSingleItem();
        configure.IsFresh.ShouldBeFalse();
        configure.Configuration.Agent.ShouldBe("healthcare");
        configure.Configuration.Tools.Single(tool => tool.Name == VoiceTools.HandOff).Parameters.ShouldContain("\"enum\":[\"legal\",\"general\"]");
        model.Told.ToList().FindIndex(told => told is Configure).ShouldBeLessThan(model.Told.ToList().FindIndex(told => told is CreateResponse { Purpose: "handOff" }));
        house.Dialer.Models.Count.ShouldBe(1);
        line.Stops();
        await call;
        await ManualTime.UntilAsync(() => house.Store.Of<AgentHandedOff>().Count == 1);
    }

    [Fact]
    public async Task Lose_no_frame_while_the_session_with_the_other_voice_is_dialled()
    {
        var house = new House();
        var (line, first, call) = await house.OnTheLineAsync();
        house.Dialer.Holds = new TaskCompletionSource();
        HandsOff(first, "legal");
        line.Frame("AAAA", 0);
        await ManualTime.UntilAsync(() => first.Audio.Contains("AAAA"));
        house.Dialer.Holds.SetResult();
        await ManualTime.UntilAsync(() => house.Dialer.Models.Count == 2 && house.Model.Told.OfType<CreateResponse>().Any());
        line.Frame("BBBB", 20);
        await ManualTime.UntilAsync(() => house.Model.Audio.Contains("BBBB"));

        house.Model.Configuration.Voice.ShouldBe("cedar");
        house.Model.Configuration.Instructions.ShouldContain("You are the legal advisor.");
        house.Model.Told.First().ShouldBeOfType<AddSystemItem>();
        first.Audio.Concat(house.Model.Audio).Distinct().ShouldBe(["AAAA", "BBBB"]);
        await ManualTime.UntilAsync(() => first.IsDisposed);
        line.Stops();
        await call;
    }

    [Fact]
    public async Task Let_go_of_a_session_that_comes_too_late()
    {
        var house = new House(rules => rules.HandOffSeconds = 1);
        var (line, model, call) = await house.OnTheLineAsync();
        house.Dialer.Holds = new TaskCompletionSource();
        HandsOff(model, "legal");
        await ManualTime.UntilAsync(() => house.Dialer.Dials == 2);
        await house.Time.PassUntilAsync(() => model.Told.OfType<AnswerTool>().Any(answer => answer.Output.Contains("cannot be reached")));
        house.Dialer.Holds.SetResult();
        await ManualTime.UntilAsync(() => house.Dialer.Models.Count == 2 && house.Model.IsDisposed);

        model.IsDisposed.ShouldBeFalse();
        line.Stops();
        await call;
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Are_known_to_the_stream_that_goes_on_with_the_call(bool onThisNode)
    {
        var house = new House(rules => rules.SilenceSeconds = 600);
        var (line, model, call) = await house.OnTheLineAsync();
        HandsOff(model, "legal");
        await ManualTime.UntilAsync(() => house.Store.Of<AgentHandedOff>().Count == 1);
        line.Breaks();
        await call;

        var again = (await house.ContinuesAsync()).ShouldBeOfType<ConnectStream>();
        var node = onThisNode ? house : new House(store: house.Store);
        var next = new ScriptedLine("MZ1");
        var second = node.ConnectsAsync(next, again.Token);
        await ManualTime.UntilAsync(() => node.Dialer.Models.Count > 0 && node.Model.Told.OfType<CreateResponse>().Any(create => create.Purpose == "continue"));

        node.Model.Configuration.Agent.ShouldBe("legal");
        next.Stops();
        await second;
    }

    [Fact]
    public async Task Are_recorded_once_when_the_answers_of_the_store_are_lost()
    {
        var house = new House();
        var (line, model, call) = await house.OnTheLineAsync();
        await ManualTime.UntilAsync(() => house.Store.Of<MediaStreamConnected>().Count == 1);
        house.Store.LosesAnswers = 3;
        HandsOff(model, "healthcare");
        await ManualTime.UntilAsync(() => model.Told.OfType<CreateResponse>().Any(create => create.Purpose == "handOff"));
        await house.Time.PassUntilAsync(() => house.Store.Of<AgentHandedOff>().Count > 0 && house.Store.LosesAnswers < 3); // In how many appends the facts go depends on the machine.
        line.Stops();
        await call;
        await house.Time.PassUntilAsync(() => house.Store.Of<CallEnded>().Count > 0);

        house.Store.Of<AgentHandedOff>().ShouldHaveSingleItem().To.ShouldBe("healthcare");
    }

    [Fact]
    public async Task Leave_the_language_that_the_caller_asked_for_with_the_conversation_although_the_store_was_away()
    {
        var house = new House();
        var (line, model, call) = await house.OnTheLineAsync();
        await ManualTime.UntilAsync(() => house.Store.Of<MediaStreamConnected>().Count == 1);
        house.Store.IsDown = true;
        model.Says(new ResponseCreated("r1", "greeting"));
        model.Says(new ToolCalled("r1", "tool", "call_1", VoiceTools.SetLanguage, """{"language":"es"}"""));
        model.Says(new ResponseDone("r1", Purpose: null, "completed", Reason: null, ErrorCode: null, Usage: null));
        await ManualTime.UntilAsync(() => model.Told.OfType<Configure>().Any());
        house.Store.IsDown = false;
        await house.Time.PassUntilAsync(() => house.Store.Of<LanguageDetermined>().Count > 0);

        var determined = house.Store.Of<LanguageDetermined>().ShouldHaveSingleItem();
        (determined.Language, determined.Evidence).ShouldBe(("es", "request"));
        determined.CallerId.ShouldBe(house.Store.Of<CallStarted>().Single().CallerId);
        house.Store.Of<CallLanguageDetermined>().Count.ShouldBe(1);
        model.Told.OfType<Configure>().Single().Configuration.Transcription.Languages.ShouldBe(["es"]);
        line.Stops();
        await call;
    }

    private static void HandsOff(ScriptedModel model, string to)
    {
        model.Says(new SpeechStarted("c1", 0));
        model.Says(new SpeechStopped("c1", 0));
        model.Says(new TurnCommitted("c1", PreviousItemId: null));
        model.Says(new CallerTranscribed("c1", "My visa ends.", Language: null, Usage: null));
        model.Says(new ResponseCreated("r1", Purpose: null));
        model.Says(new ToolCalled("r1", "tool", "call_1", VoiceTools.HandOff, $$"""{"agent":"{{to}}","reason":"r","request":"q"}"""));
        model.Says(new ResponseDone("r1", Purpose: null, "completed", Reason: null, ErrorCode: null, Usage: null));
    }
}
