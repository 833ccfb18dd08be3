using Guru.Application.Tests.Voice;
using Guru.Application.Traces;
using Guru.Application.Voice;
using Shouldly;

namespace Guru.Application.Tests.Traces;

public sealed class TracingCalls
{
    [Fact]
    public async Task A_call_on_the_switchboard_can_be_replayed()
    {
        var house = new House { TraceSettings = { Enabled = true } };

        await TalkAsync(house);

        var kept = house.Traces.Kept.ShouldHaveSingleItem();
        kept.CallSid.ShouldBe(House.CallSid);
        kept.StreamSid.ShouldBe("MZ0");
        kept.Text.ShouldNotBeNull().ShouldNotContain("SGVsbG8="); // No audio.
        var outcome = CallReplay.Run(kept.Text);
        outcome.Difference.ShouldBeNull();
        outcome.Inputs.ShouldBe(5); // The model, its response and its speech, a frame, the hang-up.
        outcome.Decisions.ShouldBeGreaterThan(3);
    }

    [Fact]
    public async Task Nothing_is_traced_unless_it_is_asked_for()
    {
        var house = new House();

        await TalkAsync(house);

        house.Traces.Kept.ShouldBeEmpty();
    }

    [Fact]
    public async Task A_trace_waits_for_a_database_that_does_not_answer_and_the_paperwork_waits_for_it()
    {
        var house = new House { TraceSettings = { Enabled = true }, Traces = { Refusals = 3 } };

        await TalkAsync(house);

        house.Traces.Kept.ShouldHaveSingleItem();
    }

    [Fact]
    public async Task A_trace_that_cannot_be_stored_is_let_go_in_the_end()
    {
        var house = new House { TraceSettings = { Enabled = true }, Traces = { Refusals = 100 } };

        await TalkAsync(house);

        house.Traces.Kept.ShouldBeEmpty();
        house.Traces.Refusals.ShouldBe(94);
    }

    private static async Task TalkAsync(House house)
    {
        var (line, model, call) = await house.OnTheLineAsync();
        model.Says(new ResponseCreated("r1", "greeting"));
        model.Speaks("r1", "a1", "SGVsbG8=", 800);
        await ManualTime.UntilAsync(() => line.Sent.Contains("SGVsbG8="));
        line.Frame("AAAA", 0);
        await ManualTime.UntilAsync(() => model.Audio.Contains("AAAA"));
        line.Stops();
        await call;
        await house.Time.PassUntilAsync(() => house.Switchboard.PaperworkDone.IsCompleted);
    }
}
