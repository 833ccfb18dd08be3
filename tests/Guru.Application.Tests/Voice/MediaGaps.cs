using Guru.Application.Voice;
using Guru.Application.VoiceSessions;
using Shouldly;

namespace Guru.Application.Tests.Voice;

public sealed class MediaGaps
{
    [Fact]
    public void While_the_caller_speaks_are_filled_once_so_that_the_turn_can_close()
    {
        var call = PhoneCall.Greeted();
        call.Caller.Begins("caller_1");
        call.Passes(500);
        call.SendsFrames = false;
        call.Passes(10_000);

        var silence = call.Decisions.OfType<AppendSilence>().ShouldHaveSingleItem();
        silence.Ms.ShouldBe(1000);
        silence.CallMs.ShouldBeInRange(2000, 2020);
        call.TimeOf(decision => decision is AppendSilence).ShouldBeInRange(3480, 3520);
    }

    [Fact]
    public void While_nobody_speaks_are_left_alone()
    {
        var call = PhoneCall.Greeted();
        call.SendsFrames = false;
        call.Passes(10_000);
        call.Count<AppendSilence>().ShouldBe(0);
    }

    [Fact]
    public void Are_filled_again_in_the_next_turn()
    {
        var call = PhoneCall.Greeted();
        for (var turn = 1; turn <= 2; turn++)
        {
            call.SendsFrames = true;
            call.SkipFrames();
            call.Passes(500);
            call.Caller.Begins($"caller_{turn}");
            call.SendsFrames = false;
            call.Passes(2000);
            call.Caller.Stops($"caller_{turn}");
            call.Model.Speaks($"answer_{turn}", 100, "Yes.");
        }

        call.Count<AppendSilence>().ShouldBe(2);
    }

    [Fact]
    public void Are_padded_when_the_audio_comes_again_and_jitter_is_not()
    {
        var session = Session();
        session.PlaceFrame(160, 1000, At(5000)).ShouldBe(new CallerFrame(5000, 0));
        session.PlaceFrame(160, 1020, At(5020)).ShouldBe(new CallerFrame(5020, 0));
        session.PlaceFrame(160, 1060, At(5075)).ShouldBe(new CallerFrame(5060, 0));
        session.PlaceFrame(160, 1580, At(5580)).ShouldBe(new CallerFrame(5580, 500));
        session.PlaceFrame(160, 1600, At(5700)).ShouldBe(new CallerFrame(5600, 0));
    }

    [Fact]
    public void Are_padded_no_longer_than_ten_seconds()
    {
        var session = Session();
        session.PlaceFrame(160, 0, At(0));
        session.PlaceFrame(160, 60_000, At(60_000)).GapMs.ShouldBe(10_000);
    }

    [Fact]
    public void Are_not_seen_where_the_carrier_tells_no_time()
    {
        var session = Session();
        session.PlaceFrame(160, -1, At(0)).ShouldBe(new CallerFrame(0, 0));
        session.PlaceFrame(160, -1, At(5000)).ShouldBe(new CallerFrame(20, 0));
    }

    [Fact]
    public void Do_not_arise_from_frames_that_come_twice_or_late()
    {
        var session = Session();
        session.PlaceFrame(160, 0, At(0));
        session.PlaceFrame(160, 20, At(20));
        session.PlaceFrame(160, 20, At(20)).GapMs.ShouldBe(0);
        session.PlaceFrame(160, 0, At(25)).GapMs.ShouldBe(0);
        session.PlaceFrame(160, 80, At(80)).GapMs.ShouldBe(0);
    }

    [Fact]
    public void Are_not_seen_in_a_first_frame_that_was_read_late_and_the_next_ones_show_where_it_was_said()
    {
        var session = Session();
        session.PlaceFrame(160, 0, At(400)).ShouldBe(new CallerFrame(400, 0));
        session.PlaceFrame(160, 20, At(400)).ShouldBe(new CallerFrame(420, 0));
        session.PlaceFrame(160, 40, At(400)).ShouldBe(new CallerFrame(400, 0, EarlierMs: 40));
        session.PlaceFrame(160, 60, At(400)).ShouldBe(new CallerFrame(420, 0));
        session.PlaceFrame(160, 400, At(401)).ShouldBe(new CallerFrame(401, 320, EarlierMs: 359));
        session.PlaceFrame(160, 420, At(420)).ShouldBe(new CallerFrame(421, 0));
    }

    [Theory]
    [InlineData(20, 5_021)] // Further than any first frame is late.
    [InlineData(20, 1_000_000_000)]
    [InlineData(20, long.MaxValue)]
    [InlineData(3_001, 4_000)] // Long after the reader has caught up.
    public void Are_where_a_timestamp_leaps_that_shows_nothing_of_the_frames_before(int at, long timestampMs)
    {
        var session = Session();
        session.PlaceFrame(160, 0, At(0));
        session.PlaceFrame(160, timestampMs, At(at)).EarlierMs.ShouldBe(0);
        session.PlaceFrame(160, 40, At(40)).CallMs.ShouldBe(40);
    }

    [Fact]
    public void Of_timestamps_that_leap_again_and_again_move_the_frames_before_by_five_seconds_at_most()
    {
        var session = Session();
        session.PlaceFrame(160, 0, At(0));
        Enumerable.Range(1, 100).Sum(leap => session.PlaceFrame(160, leap * 120, At(leap * 20)).EarlierMs).ShouldBe(5_000);
    }

    private static TimeSpan At(double ms) => TimeSpan.FromMilliseconds(ms);

    private static CallSession Session() =>
        new(new CallSessionStart(PhoneCall.Zero, PhoneCall.Agents, new VoiceSettings(), "general", Language: null, Resumed: false, []), new CallRules());
}
