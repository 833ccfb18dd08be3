using Guru.Application.Voice;
using Guru.Domain.Calls;
using Shouldly;

namespace Guru.Application.Tests.Voice;

public sealed class Greeting
{
    private static readonly HeardTurn[] Before =
        [new(Speaker.Agent, "Hello.", Cut: false, 0), new(Speaker.Caller, "I have a bill.", Cut: false, 2000)];

    [Fact]
    public void Is_for_every_caller()
    {
        var call = PhoneCall.Answered();
        call.Told.ShouldHaveSingleItem().ShouldBe(new CreateResponse("greeting", PhoneCall.Greeting, ToolsAllowed: false));
    }

    [Fact]
    public void Waits_for_the_model()
    {
        var call = new PhoneCall();
        call.Passes(3000);
        call.Told.ShouldBeEmpty();
        call.Model.IsReady();
        call.Asked.ShouldBe(["greeting"]);
    }

    [Fact]
    public void Is_not_repeated_when_the_call_goes_on_over_another_stream()
    {
        var call = new PhoneCall(resumed: true, soFar: Before, startsAt: 60_000);
        call.Model.IsReady();

        call.Asked.ShouldBe(["continue"]);
        call.Told[0].ShouldBeOfType<AddSystemItem>().Text.ShouldContain("Caller: I have a bill.");
        call.Reconnects.ShouldBeEmpty();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Is_said_after_all_when_the_stream_before_was_lost_before_anything_of_it_was_heard(bool callerSpoke)
    {
        var call = new PhoneCall(resumed: true, soFar: callerSpoke ? [Before[1]] : [], startsAt: 10_000);
        call.Model.IsReady();

        call.Asked.ShouldBe(["continue"]);
        call.Told.OfType<CreateResponse>().Single().Instructions!.ShouldContain("say that you are Guru");
        call.Told.OfType<AddSystemItem>().Select(item => item.Text.Contains("has not been greeted yet", StringComparison.Ordinal)).ShouldBe(callerSpoke ? [true] : []);
    }

    [Fact]
    public void Is_not_repeated_by_a_new_model_session()
    {
        var call = PhoneCall.Greeted();
        call.Model.Closes();
        call.Model.IsReady();
        call.Passes(3000);

        call.Asked.ShouldBe(["greeting"]);
        call.Told.OfType<AddSystemItem>().ShouldHaveSingleItem().Text.ShouldContain("You: Hello, this is Guru.");
    }

    [Fact]
    public void Is_said_by_the_next_session_when_the_first_said_nothing()
    {
        var call = PhoneCall.Answered();
        call.Model.Closes();
        call.Model.IsReady();

        call.Asked.ShouldBe(["greeting", "greeting"]);
    }

    [Fact]
    public void Is_asked_for_again_when_the_model_failed_at_it()
    {
        var call = PhoneCall.Answered();
        call.Model.Fails("server_error");
        call.Passes(100);

        call.Told.OfType<CreateResponse>().ShouldBe(
            [new CreateResponse("greeting", PhoneCall.Greeting, ToolsAllowed: false), new CreateResponse("greeting", PhoneCall.Greeting, ToolsAllowed: false)]);
    }

    [Fact]
    public void Gives_way_to_a_caller_who_speaks_first()
    {
        var call = new PhoneCall();
        call.Passes(1000);
        call.Model.IsReady();
        call.Caller.Begins("caller_1");
        var greeting = call.Model.Begins(); // It crossed the first words on the wire.
        call.Told.OfType<CancelResponse>().ShouldHaveSingleItem().ResponseId.ShouldBe(greeting);
        call.Audio("greeting", greeting, 800).Play.ShouldBeFalse();
    }
}
