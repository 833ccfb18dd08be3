using Guru.Application.Voice;
using Guru.Application.VoiceSessions;
using Shouldly;

namespace Guru.Application.Tests.Voice;

/// <summary>"Call me tomorrow at ten", said on the phone.</summary>
public sealed class CallingBackLater
{
    private const string Propose = """{"action":"propose","at":"2026-01-03T10:00"}""";
    private const string Confirm = """{"action":"confirm"}""";
    private const string Proposed = """{"proposed":"Saturday"}""";

    [Fact]
    public void Is_put_on_record_before_the_agent_speaks_of_it()
    {
        var call = Wished(out var response);
        call.Model.Finishes(response);
        call.Passes(500);

        call.Decisions.OfType<ArrangeCallBack>().ShouldHaveSingleItem().ShouldBe(new ArrangeCallBack("call_1", Propose, "general"));
        call.Told.OfType<AnswerTool>().ShouldBeEmpty();
        call.Asked.ShouldBe(["greeting"]);

        call.Happens(new CallBackAnswered("call_1", Proposed));
        call.Told.OfType<AnswerTool>().ShouldHaveSingleItem().ShouldBe(new AnswerTool("call_1", Proposed));
        call.Told.OfType<CreateResponse>().Last().ShouldBe(new CreateResponse("tool", Instructions: null, ToolsAllowed: false));
    }

    [Fact]
    public void Is_answered_before_the_agent_goes_on_who_used_other_tools_in_the_same_breath()
    {
        var call = Wished(out var response);
        call.Model.Uses(response, "look_up", "call_2");
        call.Model.Uses(response, VoiceTools.CallBack, "call_3", """{"action":"cancel"}""");
        call.Model.Finishes(response);
        call.Asked.ShouldBe(["greeting"]);
        call.Happens(new CallBackAnswered("call_1", Proposed));
        call.Asked.ShouldBe(["greeting"]);
        call.Happens(new CallBackAnswered("call_3", "{}"));

        call.Asked.ShouldBe(["greeting", "tool"], "Once, for all of them.");
        call.Model.Speaks("answer", 500, "Good.");
        call.Passes(1000);
        call.Asked.ShouldBe(["greeting", "tool"]);
    }

    [Fact]
    public void Is_confirmed_by_words_of_the_caller_after_it_was_proposed()
    {
        var call = Wished(out var response);
        call.Model.Finishes(response);
        call.Happens(new CallBackAnswered("call_1", Proposed));
        call.Model.Speaks("question", 800, "Tomorrow at ten, is that right?");
        call.Passes(1000);
        call.Caller.Speaks("yes", 500, "Yes.");
        Uses(call, Confirm, "call_2");

        call.Decisions.OfType<ArrangeCallBack>().Select(wish => wish.Arguments).ShouldBe([Propose, Confirm]);
    }

    [Fact]
    public void Is_not_confirmed_in_the_breath_in_which_it_is_proposed()
    {
        var call = Wished(out var response);
        call.Model.Uses(response, VoiceTools.CallBack, "call_2", Confirm);
        call.Model.Finishes(response);

        call.Decisions.OfType<ArrangeCallBack>().ShouldHaveSingleItem().ToolCallId.ShouldBe("call_1");
        call.Told.OfType<AnswerTool>().ShouldHaveSingleItem().Output.ShouldContain("The caller has not answered yet");
    }

    [Fact]
    public void Is_not_confirmed_before_the_caller_has_said_a_word()
    {
        var call = PhoneCall.Greeted();
        Uses(call, Confirm, "call_1");

        call.Decisions.OfType<ArrangeCallBack>().ShouldBeEmpty();
        call.Asked[^1].ShouldBe("tool", "The agent goes on.");
    }

    [Fact]
    public void Is_not_arranged_in_a_response_that_the_caller_has_cut_off()
    {
        var call = PhoneCall.Greeted();
        var response = call.Model.Begins();
        call.Caller.Begins("caller_1");
        call.Model.Uses(response, VoiceTools.CallBack, arguments: Propose);

        call.Decisions.OfType<ArrangeCallBack>().ShouldBeEmpty();
        call.Told.OfType<AnswerTool>().ShouldHaveSingleItem().Output.ShouldContain("The caller went on speaking.");
    }

    [Fact]
    public void Is_told_to_the_next_session_where_the_one_that_asked_is_gone()
    {
        var call = Wished(out _);
        call.Model.Closes();
        call.Model.IsReady();
        call.Happens(new CallBackAnswered("call_1", Proposed));

        call.Told.OfType<AnswerTool>().ShouldBeEmpty();
        call.Told.OfType<AddSystemItem>().Last().Text.ShouldContain(Proposed);
    }

    [Fact]
    public void Is_told_to_the_next_session_where_there_is_none_when_it_is_known()
    {
        var call = Wished(out _);
        call.Model.Closes();
        call.Happens(new CallBackAnswered("call_1", Proposed));
        call.Model.IsReady();

        call.Told.OfType<AnswerTool>().ShouldBeEmpty();
        call.Told.OfType<AddSystemItem>().Count(item => item.Text.Contains(Proposed, StringComparison.Ordinal)).ShouldBe(1);
    }

    [Fact]
    public void Is_left_to_the_agents_own_answer_where_the_caller_speaks_meanwhile()
    {
        var call = Wished(out var response);
        call.Model.Finishes(response);
        call.Caller.Begins("caller_2");
        call.Happens(new CallBackAnswered("call_1", Proposed));

        call.Told.OfType<AnswerTool>().ShouldHaveSingleItem();
        call.Asked.ShouldBe(["greeting"], "The model answers the caller by itself.");
    }

    [Fact]
    public void Does_not_keep_a_call_that_ends_from_ending()
    {
        var call = Wished(out var response);
        call.Model.Uses(response, VoiceTools.EndCall, "call_2");
        call.Model.Finishes(response);
        call.Happens(new CallBackAnswered("call_1", Proposed));
        call.PassesUntil(() => call.Ended.Count > 0);

        call.Asked.ShouldNotContain("tool");
    }

    [Fact]
    public void That_is_answered_when_the_caller_has_hung_up_is_heard_by_nobody()
    {
        var call = Wished(out _);
        call.Caller.HangsUp();
        call.Happens(new CallBackAnswered("call_1", Proposed));

        call.Told.OfType<AnswerTool>().ShouldBeEmpty();
    }

    [Fact]
    public void Is_told_to_the_next_session_although_the_caller_has_heard_nothing_yet()
    {
        var call = PhoneCall.Answered();
        var greeting = call.Model.Begins();
        call.Model.Says(greeting, "greeting", 1000, "Hello, this is Guru.");
        call.Caller.Begins("caller_1");
        call.Model.Finishes(greeting, "cancelled");
        call.Passes(900);
        call.Caller.Stops("caller_1");
        Uses(call, Propose, "call_1", finishes: false);
        call.Model.Closes();
        call.Happens(new CallBackAnswered("call_1", Proposed));
        call.Model.IsReady();

        call.Told.OfType<AddSystemItem>().ShouldContain(item => item.Text.Contains(Proposed, StringComparison.Ordinal));
    }

    [Fact]
    public void Does_not_make_the_agent_ask_whether_the_caller_is_still_there()
    {
        var call = Wished(out var response);
        call.Model.Finishes(response);
        call.Passes(60_000);

        call.Asked.ShouldBe(["greeting"]);
    }

    /// <summary>The caller has asked to be called, and the agent proposes it.</summary>
    private static PhoneCall Wished(out string response)
    {
        var call = PhoneCall.Greeted();
        call.Caller.Speaks("caller_1", 800, "Call me tomorrow at ten.");
        response = Uses(call, Propose, "call_1", finishes: false);
        return call;
    }

    private static string Uses(PhoneCall call, string arguments, string toolCall, bool finishes = true)
    {
        var response = call.Model.Begins();
        call.Model.Uses(response, VoiceTools.CallBack, toolCall, arguments);
        if (finishes)
        {
            call.Model.Finishes(response);
        }

        return response;
    }
}
