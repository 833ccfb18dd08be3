using Guru.Sandbox.Audio;
using Guru.Sandbox.Twilio;
using Shouldly;

namespace Guru.Sandbox.Tests.Twilio;

public sealed class Playback
{
    readonly PlaybackBuffer _buffer = new();

    [Fact]
    public void A_mark_after_nothing_comes_back_at_once()
    {
        _buffer.Mark("m", Ms(5));
        Taken().ShouldBe([new ReturnedMark("m", 0, Ms(5), Cleared: false)]);
    }

    [Fact]
    public void A_mark_comes_back_when_all_media_before_it_has_played_and_not_before()
    {
        Send(100, at: 0);
        _buffer.Mark("first", Ms(0));
        Send(50, at: 10);
        _buffer.Mark("second", Ms(10));

        _buffer.NextDue.ShouldBe(Ms(100));
        _buffer.Advance(Ms(99.9));
        Taken().ShouldBeEmpty();
        _buffer.Advance(Ms(100));
        Taken().ShouldBe([new ReturnedMark("first", 800, Ms(100), Cleared: false)]);
        _buffer.Advance(Ms(1000));
        Taken().ShouldBe([new ReturnedMark("second", 1200, Ms(150), Cleared: false)]);
    }

    [Fact]
    public void A_clear_returns_every_mark_at_once_and_what_was_cleared_was_not_heard()
    {
        Send(1000, at: 0);
        _buffer.Mark("a", Ms(0));
        Send(1000, at: 0);
        _buffer.Mark("b", Ms(0));

        _buffer.Clear(Ms(1300));

        Taken().ShouldBe([new ReturnedMark("a", 8000, Ms(1000), Cleared: false), new ReturnedMark("b", 16000, Ms(1300), Cleared: true)]);
        _buffer.PlayedBytes.ShouldBe(1300 * 8);
        _buffer.Cleared.ShouldBe([new ClearedSpan(10400, 16000, Ms(1300))]);
        _buffer.IsEmpty.ShouldBeTrue();
    }

    [Theory]
    [InlineData(200)]
    [InlineData(2900)]
    public void The_rest_of_a_line_belongs_to_the_same_turn_although_it_comes_late(int lateMs)
    {
        var line = SampleLibrary.Shipped["bill-answer-en"].Audio.AsSpan();
        var half = line.Length / 2;
        _buffer.Enqueue(line[..half], Ms(0));
        var dry = half / 8.0;
        _buffer.Advance(Ms(dry + lateMs - 1));
        _buffer.IsOver(_buffer.Turns.ShouldHaveSingleItem()).ShouldBeFalse();

        _buffer.Enqueue(line[half..], Ms(dry + lateMs));

        _buffer.Turns.ShouldHaveSingleItem().EndedAt.ShouldBeNull();
        _buffer.Advance(Ms(dry + lateMs + (line.Length - half) / 8.0 + 301));
        _buffer.IsOver(_buffer.Turns.ShouldHaveSingleItem()).ShouldBeTrue();
    }

    [Fact]
    public void Nobody_waits_for_ever_for_the_rest_of_a_line()
    {
        var line = SampleLibrary.Shipped["bill-answer-en"].Audio.AsSpan();
        _buffer.Enqueue(line[..8000], Ms(0));
        _buffer.Advance(Ms(4001));
        _buffer.IsOver(_buffer.Turns.ShouldHaveSingleItem()).ShouldBeTrue();
    }

    [Fact]
    public void Another_line_is_another_turn()
    {
        _buffer.Enqueue(SampleLibrary.Shipped["bill-answer-en"].Audio.AsSpan()[..8000], Ms(0));
        _buffer.Enqueue(SampleLibrary.Shipped["goodbye-en"].Audio.AsSpan(), Ms(1400));
        _buffer.Turns.Count.ShouldBe(2);
    }

    [Fact]
    public void Media_sent_after_a_clear_plays_at_once()
    {
        Send(1000, at: 0);
        _buffer.Clear(Ms(400));
        Send(100, at: 500);
        _buffer.Mark("m", Ms(500));
        _buffer.Advance(Ms(600));

        Taken().ShouldHaveSingleItem().At.ShouldBe(Ms(600));
        _buffer.Played.ShouldBe([new PlayedSpan(0, 3200, Ms(0)), new PlayedSpan(8000, 8800, Ms(500))]);
        _buffer.PlayedBytes.ShouldBe(4000);
    }

    [Fact]
    public void Audio_that_comes_late_plays_when_it_comes_and_belongs_to_the_same_turn()
    {
        Send(100, at: 0);
        Send(100, at: 350);
        _buffer.Advance(Ms(1000));

        _buffer.Played.ShouldBe([new PlayedSpan(0, 800, Ms(0)), new PlayedSpan(800, 1600, Ms(350))]);
        _buffer.Turns.ShouldHaveSingleItem().EndedAt.ShouldBe(Ms(450));
    }

    [Theory]
    [InlineData(100 + 300, false)]
    [InlineData(60, true)]
    public void A_turn_is_over_after_a_pause_or_a_clear(double at, bool cleared)
    {
        Send(100, at: 0);
        if (cleared)
        {
            _buffer.Clear(Ms(50));
        }

        Send(100, at);
        _buffer.Turns.Count.ShouldBe(2);
        _buffer.Turns[0].Cleared.ShouldBe(cleared);
    }

    [Fact]
    public void More_than_ten_minutes_are_not_kept()
    {
        _buffer.Enqueue(new byte[PlaybackBuffer.LimitBytes + 80], Ms(0));
        _buffer.DiscardedBytes.ShouldBe(80);
        _buffer.Enqueue(new byte[160], Ms(10));
        _buffer.DiscardedBytes.ShouldBe(160);
    }

    [Fact]
    public void A_lost_stream_returns_no_marks()
    {
        Send(100, at: 0);
        _buffer.Mark("m", Ms(0));
        _buffer.Drop(Ms(20));
        Taken().ShouldBeEmpty();
        _buffer.PlayedBytes.ShouldBe(160);
    }

    [Fact]
    public void The_truth_names_the_lines_that_were_heard_and_how_much_of_each()
    {
        var (greeting, answer) = (SampleLibrary.Shipped["greeting-en"], SampleLibrary.Shipped["bill-answer-en"]);
        _buffer.Enqueue(greeting.Audio.AsSpan(), Ms(0));
        _buffer.Advance(Ms(10_000));
        _buffer.Enqueue(answer.Audio.AsSpan()[..40_001], Ms(10_000));
        _buffer.Clear(Ms(13_000));

        var lines = PlaybackTruth.Lines(_buffer);

        lines.Select(line => (line.Sample.Id, line.ReceivedBytes, line.PlayedBytes, line.Cut)).ShouldBe(
            [("greeting-en", greeting.Audio.Length, greeting.Audio.Length, false), ("bill-answer-en", 40_001, 24_000, true)]);
        lines[1].StartedAt.ShouldBe(Ms(10_000));
        lines[1].EndedAt.ShouldBe(Ms(13_000));
    }

    void Send(int ms, double at) => _buffer.Enqueue(new byte[ms * 8], Ms(at));

    List<ReturnedMark> Taken()
    {
        var marks = new List<ReturnedMark>();
        while (_buffer.TryTakeMark(out var mark))
        {
            marks.Add(mark);
        }

        return marks;
    }

    static TimeSpan Ms(double ms) => TimeSpan.FromMilliseconds(ms);
}
