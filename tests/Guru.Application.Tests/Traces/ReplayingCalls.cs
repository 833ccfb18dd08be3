using Guru.Application.Tests.Voice;
using Guru.Application.Traces;
using Guru.Application.Voice;
using Shouldly;

namespace Guru.Application.Tests.Traces;

public sealed class ReplayingCalls
{
    [Fact]
    public void A_trace_holds_what_was_said_and_folds_the_frames_of_a_quiet_line_into_one_line()
    {
        var call = Interrupted();

        var trace = Trace(call);

        trace.ShouldContain("Hello, this is Guru.");
        trace.ShouldContain("""{"is":"TellModel","command":{"is":"TruncateItem",""");
        trace.Split('\n').ShouldContain(line => line.Contains(" x f 20 160 0 0 0 .", StringComparison.Ordinal));
        trace.Length.ShouldBeLessThan(call.Decisions.Count * 1000);
    }

    [Fact]
    public void A_call_that_is_decided_as_it_was_has_no_difference()
    {
        var call = Interrupted();

        var outcome = CallReplay.Run(Trace(call));

        outcome.Difference.ShouldBeNull();
        outcome.IsCut.ShouldBeFalse();
        outcome.Decisions.ShouldBe(call.Decisions.Count);
        outcome.Inputs.ShouldBeGreaterThan(300);
        outcome.Length.ShouldBeGreaterThan(TimeSpan.FromSeconds(6));
    }

    [Fact]
    public void A_changed_rule_shows_at_the_input_where_it_first_matters()
    {
        var trace = Trace(Silent());

        var difference = CallReplay.Run(trace.Replace("\"silenceSeconds\":20", "\"silenceSeconds\":21", StringComparison.Ordinal)).Difference.ShouldNotBeNull();

        var quietSince = 1020; // The greeting and its receipt.
        difference.At.TotalMilliseconds.ShouldBeInRange(quietSince - 40, quietSince + 40);
        difference.Expected.ShouldStartWith("waits until 21");
        difference.Got.ShouldStartWith("waits until 22");
    }

    [Fact]
    public void A_decision_that_is_not_made_any_more_is_shown_with_its_words()
    {
        var trace = Trace(Interrupted());
        var clear = trace.IndexOf("d {\"is\":\"ClearLine\"}", StringComparison.Ordinal);

        var difference = CallReplay.Run(trace.Insert(clear, "d {\"is\":\"AppendSilence\",\"ms\":1000,\"callMs\":7}\n")).Difference.ShouldNotBeNull();

        difference.What.ShouldContain("SpeechStarted");
        difference.Expected.ShouldContain("AppendSilence");
        difference.Got.ShouldContain("ClearLine");
    }

    [Fact]
    public void A_frame_that_is_placed_elsewhere_is_a_difference()
    {
        var trace = Trace(Interrupted());

        var difference = CallReplay.Run(trace.Replace(" x f 20 160 0 0 0 .", " x f 20 160 0 0 9 .", StringComparison.Ordinal)).Difference.ShouldNotBeNull();

        difference.Expected.ShouldBe("f 20 160 0 0 9 .");
        difference.Got.ShouldBe("f 20 160 0 0 0 .");
    }

    [Fact]
    public void A_member_that_inputs_or_decisions_have_got_since_is_no_difference_while_it_has_its_default()
    {
        var trace = Trace(Interrupted());

        var older = trace.Replace("\"interrupted\":false,", "", StringComparison.Ordinal).Replace(",\"audioEndMs\":0}", "}", StringComparison.Ordinal);

        older.ShouldNotBe(trace);
        CallReplay.Run(older).Difference.ShouldBeNull();
        CallReplay.Run(trace.Replace("\"interrupted\":true,", "", StringComparison.Ordinal)).Difference.ShouldNotBeNull();
    }

    [Fact]
    public void A_trace_that_grows_too_large_says_so_and_can_be_replayed_as_far_as_it_goes()
    {
        var whole = Interrupted(traceBytes: 1 << 20);
        var cut = Interrupted(traceBytes: 6000);

        cut.Trace!.IsCut.ShouldBeTrue();
        Trace(cut).ShouldEndWith("\ncut\n");
        Trace(cut).Length.ShouldBeLessThan(8000);
        var outcome = CallReplay.Run(Trace(cut));
        outcome.IsCut.ShouldBeTrue();
        outcome.Difference.ShouldBeNull();
        outcome.Decisions.ShouldBeInRange(1, whole.Decisions.Count - 1);
    }

    [Fact]
    public void Nothing_is_taken_once_a_trace_is_closed()
    {
        var call = PhoneCall.Traced();
        var trace = Trace(call);

        call.Caller.HangsUp();
        call.Passes(5000);

        Trace(call).ShouldBe(trace);
    }

    [Theory]
    [InlineData("")]
    [InlineData("hello")]
    [InlineData("trace 2\nstart {}\nrules {}\n")]
    [InlineData("trace 1\nstart {}\nrules {}\n")]
    [InlineData("trace 1\nstart null\nrules null\nf 20\n")]
    [InlineData("2000000000 x trace 1\n")]
    public void What_is_no_trace_of_this_version_is_refused(string text) => Should.Throw<TraceException>(() => CallReplay.Run(text));

    [Theory]
    [InlineData("f 20")]
    [InlineData("f x 160 0 0 0")]
    [InlineData("i 20 {\"is\":\"Nothing\"}")]
    [InlineData("m 99999999999999999999999 0 0 counts")]
    public void A_line_that_cannot_be_read_is_refused(string line) =>
        Should.Throw<TraceException>(() => CallReplay.Run(Trace(Interrupted()) + line + "\n"));

    private static string Trace(PhoneCall call) => TraceText.Fold(call.Trace!.Close().Span);

    private static PhoneCall Interrupted(int traceBytes = 1 << 20)
    {
        var call = PhoneCall.Traced(traceBytes);
        call.Model.Speaks("greeting", 1000, "Hello, this is Guru.");
        call.Passes(2500);
        call.Happens(new ItemTruncated("a0", AudioEndMs: 0));
        call.Model.Begins("r1");
        call.Audio("a1", "r1", 24_000);
        call.Passes(1000);
        call.Caller.Begins("c1");
        call.Passes(1000);
        call.Caller.Stops("c1");
        call.Caller.IsTranscribed("c1", "Wait, what?");
        call.Passes(2000);
        call.Caller.HangsUp();
        call.Passes(4000);
        return call;
    }

    private static PhoneCall Silent()
    {
        var call = PhoneCall.Traced();
        call.Model.Speaks("greeting", 1000, "Hello, this is Guru.");
        call.Passes(30_000);
        return call;
    }
}
