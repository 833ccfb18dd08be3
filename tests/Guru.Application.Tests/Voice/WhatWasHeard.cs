using Guru.Application.Voice;
using Shouldly;

namespace Guru.Application.Tests.Voice;

public sealed class WhatWasHeard
{
    [Theory]
    [InlineData("one two three four", 0, 1000, "")]
    [InlineData("one two three four", -5, 1000, "")]
    [InlineData("one two three four", 1000, 1000, "one two three four")]
    [InlineData("one two three four", 2000, 1000, "one two three four")]
    [InlineData("one two three four", 500, 1000, "one two")]
    [InlineData("one two three four", 390, 1000, "one two")]
    [InlineData("one two three four", 100, 1000, "")]
    [InlineData("", 500, 1000, "")]
    [InlineData("Goodbye", 900, 1000, "")]
    [InlineData("一二三四五六七八九十一二三四五六七八九十", 500, 1000, "一二三四五六七八九十")]
    public void Ends_at_a_word(string said, long heardMs, long saidMs, string heard) => HeardText.Of(said, heardMs, saidMs).ShouldBe(heard);

    [Fact]
    public void Never_splits_a_character()
    {
        var said = string.Concat(Enumerable.Repeat("𠮷", 20));
        for (var ms = 0; ms <= 1000; ms += 7)
        {
            var heard = HeardText.Of(said, ms, 1000);
            (heard.Length % 2).ShouldBe(0);
            said.ShouldStartWith(heard);
        }
    }

    [Fact]
    public void Is_what_the_marks_and_the_clock_agree_on()
    {
        var (playback, item) = Playing(8000);
        playback.PlayedBytes(Ms(500)).ShouldBe(4000);
        playback.Acknowledge(new PlaybackMark(0, 1600), Ms(400)).ShouldBeTrue(); // It was played later than the clock thought.
        playback.PlayedBytes(Ms(500)).ShouldBe(2400);
        playback.Cut(Ms(500));
        (item.Heard, item.IsCut).ShouldBe((2400, true));
    }

    [Fact]
    public void Is_never_more_than_was_sent()
    {
        var (playback, item) = Playing(800);
        playback.PlayedBytes(Ms(10_000)).ShouldBe(800);
        playback.Acknowledge(new PlaybackMark(0, 801), Ms(10)).ShouldBeFalse();
        playback.Acknowledge(new PlaybackMark(0, -1), Ms(10)).ShouldBeFalse();
        playback.Cut(Ms(10_000));
        item.Heard.ShouldBe(800);
    }

    [Fact]
    public void Does_not_go_past_a_mark_that_has_not_come_back()
    {
        var (playback, item) = Playing(800);
        playback.Send(item, 4000, Ms(0)).ShouldBe(new AudioDecision(Play: true, Before: new PlaybackMark(0, 800), After: new PlaybackMark(0, 4800)));
        playback.Acknowledge(new PlaybackMark(0, 0), Ms(20)).ShouldBeTrue();
        playback.PlayedBytes(Ms(100)).ShouldBe(640);
        playback.PlayedBytes(Ms(500)).ShouldBe(800);
        playback.PlayedBytes(Ms(3200)).ShouldBe(4800); // Marks are lost, it seems.
    }

    [Fact]
    public void Is_what_was_acknowledged_where_the_line_was_lost_and_a_mark_is_overdue()
    {
        var (playback, item) = Playing(4800);
        playback.Acknowledge(new PlaybackMark(0, 0), Ms(20)).ShouldBeTrue();
        playback.Lose(Ms(700));
        (item.Heard, item.IsCut).ShouldBe((0, true));
    }

    [Fact]
    public void Goes_on_with_the_clock_until_the_next_mark_is_due_where_the_line_was_lost()
    {
        var (playback, item) = Playing(4800);
        playback.Acknowledge(new PlaybackMark(0, 0), Ms(20)).ShouldBeTrue();
        playback.Lose(Ms(520));
        item.Heard.ShouldBe(4000);
    }

    [Fact]
    public void Does_not_go_back_for_a_mark_that_was_overtaken()
    {
        var (playback, _) = Playing(8000);
        playback.Acknowledge(new PlaybackMark(0, 4000), Ms(500)).ShouldBeTrue();
        playback.Acknowledge(new PlaybackMark(0, 1600), Ms(510)).ShouldBeFalse();
        playback.PlayedBytes(Ms(510)).ShouldBe(4080);
    }

    [Fact]
    public void Is_not_proved_by_a_mark_from_before_a_clear()
    {
        var (playback, _) = Playing(8000);
        playback.Cut(Ms(100));
        var next = new PlayedItem("b", "r");
        playback.Send(next, 8000, Ms(200));
        playback.Acknowledge(new PlaybackMark(0, 8000), Ms(210)).ShouldBeFalse();
        playback.PlayedBytes(Ms(210)).ShouldBe(80);
    }

    [Fact]
    public void Counts_anew_when_the_queue_had_run_dry()
    {
        var (playback, item) = Playing(800);
        playback.Send(item, 800, Ms(5000));
        playback.PlayedBytes(Ms(5050)).ShouldBe(1200);
    }

    [Fact]
    public void Is_everything_a_while_after_its_end_although_no_mark_came()
    {
        var (playback, item) = Playing(8000);
        playback.Deadline.ShouldBeNull();
        playback.Complete(item, Ms(10)).ShouldBe(null); // The end has its mark already.
        playback.Deadline.ShouldBe(Ms(4000));
        playback.Tick(Ms(3999));
        playback.IsIdle.ShouldBeFalse();
        playback.Tick(Ms(4000));
        playback.IsIdle.ShouldBeTrue();
        (item.Heard, item.IsCut, item.IsOver).ShouldBe((8000, false, true));
    }

    [Fact]
    public void Is_known_for_the_end_of_every_item()
    {
        var playback = new Playback();
        var item = new PlayedItem("a", "r");
        playback.Send(item, 803, Ms(0)).ShouldBe(new AudioDecision(Play: true, Before: new PlaybackMark(0, 0)));
        playback.Complete(item, Ms(0)).ShouldBe(new PlaybackMark(0, 803));
        playback.Acknowledge(new PlaybackMark(0, 803), Ms(110)).ShouldBeTrue();
        item.IsOver.ShouldBeTrue();
        playback.IsIdle.ShouldBeTrue();
    }

    [Fact]
    public void Of_the_callers_audio_is_told_on_the_calls_clock()
    {
        var clock = new InputClock();
        clock.ToCallMs(100).ShouldBeNull();
        clock.Appended(8000, 5000);
        clock.Appended(8000, 6010); // Jitter.
        clock.Appended(8000, 9000); // The carrier sent nothing for two seconds.
        clock.AppendedMs.ShouldBe(3000);
        clock.ToCallMs(0).ShouldBe(5000);
        clock.ToCallMs(1500).ShouldBe(6500);
        clock.ToCallMs(2500).ShouldBe(9500);
        clock.ToCallMs(-9000).ShouldBe(0);
    }

    private static TimeSpan Ms(double ms) => TimeSpan.FromMilliseconds(ms);

    private static (Playback Playback, PlayedItem Item) Playing(int bytes)
    {
        var (playback, item) = (new Playback(), new PlayedItem("a", "r"));
        playback.Send(item, bytes, TimeSpan.Zero).Play.ShouldBeTrue();
        return (playback, item);
    }
}
