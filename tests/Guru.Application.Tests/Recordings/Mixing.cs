using System.Buffers;
using Guru.Application.Recordings;
using Guru.Application.Voice;
using Shouldly;

namespace Guru.Application.Tests.Recordings;

/// <summary>Where the sound of both sides lies in a recording. Each byte tells the second from which it is: the caller's 1, 2, ..., the agent's 101, 102, ...</summary>
public sealed class Mixing
{
    private const byte Silence = 0xFF;
    private readonly RecordingMix _mix = new(TimeSpan.Zero);
    private readonly ArrayBufferWriter<byte> _sound = new();

    [Fact]
    public void The_caller_lies_left_where_the_carriers_timestamps_place_what_was_said()
    {
        Says(1, ms: 0, at: 50);
        Says(2, ms: 20, at: 71);
        Says(3, ms: 100, at: 150);
        End(200);

        Left(50, 70).ShouldAllBe(sample => sample == 1);
        Left(70, 90).ShouldAllBe(sample => sample == 2);
        Left(90, 150).ShouldAllBe(sample => sample == Silence);
        Left(150, 170).ShouldAllBe(sample => sample == 3);
        Left(0, 50).Concat(Left(170, 200)).ShouldAllBe(sample => sample == Silence);
        Right(0, 200).ShouldAllBe(sample => sample == Silence);
    }

    [Fact]
    public void The_agent_lies_right_from_the_receipt_that_it_began_to_be_heard_and_in_one_piece()
    {
        Sends(101, bytes: 800, at: 1000, new PlaybackMark(0, 0));
        Sends(102, bytes: 800, at: 1001, new PlaybackMark(0, 800));
        Returns(new PlaybackMark(0, 0), at: 1090);
        Returns(new PlaybackMark(0, 800), at: 1230);
        End(2000);

        Right(0, 1090).ShouldAllBe(sample => sample == Silence);
        Right(1090, 1190).ShouldAllBe(sample => sample == 101);
        Right(1190, 1290).ShouldAllBe(sample => sample == 102);
        Right(1290, 2000).ShouldAllBe(sample => sample == Silence);
    }

    [Fact]
    public void Without_receipts_the_agent_lies_where_it_was_sent()
    {
        Sends(101, bytes: 800, at: 1000);
        Sends(102, bytes: 800, at: 1500);
        End(2000);

        Right(1000, 1100).ShouldAllBe(sample => sample == 101);
        Right(1100, 1500).ShouldAllBe(sample => sample == Silence);
        Right(1500, 1600).ShouldAllBe(sample => sample == 102);
    }

    [Fact]
    public void What_a_clear_drops_is_not_in_it_and_what_comes_after_follows()
    {
        Sends(101, bytes: 8000, at: 1000, new PlaybackMark(0, 0));
        Returns(new PlaybackMark(0, 0), at: 1000);
        Clears(at: 1400);
        Returns(new PlaybackMark(0, 8000), at: 1401);
        Sends(102, bytes: 800, at: 1500, new PlaybackMark(1, 0));
        Returns(new PlaybackMark(1, 0), at: 1500);
        End(3000);

        Right(1000, 1400).ShouldAllBe(sample => sample == 101);
        Right(1400, 1500).ShouldAllBe(sample => sample == Silence);
        Right(1500, 1600).ShouldAllBe(sample => sample == 102);
        Right(1600, 3000).ShouldAllBe(sample => sample == Silence);
    }

    [Fact]
    public void What_lies_behind_a_receipt_that_is_overdue_at_a_clear_is_not_in_it()
    {
        Sends(101, bytes: 1600, at: 1000, new PlaybackMark(0, 0));
        Returns(new PlaybackMark(0, 0), at: 1000);
        _mix.Marks(new PlaybackMark(0, 1600));
        Sends(102, bytes: 8000, at: 1001);
        Clears(at: 1700); // The carrier stands still: the first 200 ms are not acknowledged yet.
        End(3000);

        Right(1000, 1200).ShouldAllBe(sample => sample == 101);
        Right(1200, 3000).ShouldAllBe(sample => sample == Silence);
    }

    [Fact]
    public void What_was_not_played_when_the_stream_ends_is_not_in_it()
    {
        Sends(101, bytes: 80_000, at: 0);
        End(2500);

        Right(0, 2500).ShouldAllBe(sample => sample == 101);
        (_sound.WrittenCount / 16).ShouldBe(2500);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_carrier_that_stood_still_makes_a_pause_where_it_was(bool framesCome)
    {
        if (framesCome)
        {
            Says(1, ms: 0, at: 0);
        }

        Sends(101, bytes: 1600, at: 0, new PlaybackMark(0, 0));
        Returns(new PlaybackMark(0, 0), at: 0);
        _mix.Marks(new PlaybackMark(0, 1600));
        Sends(102, bytes: 1600, at: 10);
        Returns(new PlaybackMark(0, 1600), at: 500);
        if (framesCome)
        {
            Says(1, ms: 500, at: 500);
        }

        End(2000);

        Right(0, 200).ShouldAllBe(sample => sample == 101);
        Right(200, 500).ShouldAllBe(sample => sample == Silence);
        Right(500, 700).ShouldAllBe(sample => sample == 102);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(150)] // The first frame was late as well.
    [InlineData(600)]
    public void A_machine_that_is_late_with_reading_tears_nothing_apart_and_loses_nothing(int firstIsLate)
    {
        var speech = Enumerable.Range(0, 4000 * 8).Select(at => (byte)(at % 251)).ToArray();
        for (var position = 0; position < speech.Length; position += 1600)
        {
            _mix.Marks(new PlaybackMark(0, position));
            _mix.Sends(speech.AsSpan(position, 1600), TimeSpan.Zero);
        }

        // The carrier's messages in their order, each read when the machine comes to it.
        for (var ms = 0; ms < 4020; ms += 20)
        {
            var read = ms < firstIsLate ? firstIsLate : ms is > 1000 and < 1900 ? 1900 : ms;
            _mix.Settle(TimeSpan.FromMilliseconds(read), _sound);
            if (ms % 200 == 0)
            {
                Returns(new PlaybackMark(0, ms * 8), read);
            }

            Says(1, ms, read);
        }

        End(4030);

        var right = Side(1, 0, _sound.WrittenCount / 16);
        var begins = right.AsSpan().IndexOf(speech.AsSpan(0, 800));
        right.AsSpan(begins).CommonPrefixLength(speech).ShouldBe(speech.Length, $"from {begins / 8} ms on, of {right.Length / 8} ms");
    }

    [Fact]
    public void The_caller_lies_where_it_was_said_although_the_first_frames_were_read_late()
    {
        for (var ms = 0; ms < 1000; ms += 20)
        {
            Says((byte)(1 + (ms / 20)), 100 + ms, at: Math.Max(500, 100 + ms)); // Said from 100 ms on, read from 500 ms on.
        }

        End(1200);

        Left(0, 100).ShouldAllBe(sample => sample == Silence);
        Left(100, 1100).ShouldBe(Enumerable.Range(0, 8000).Select(sample => (byte)(1 + (sample / 160))));
        Left(1100, 1200).ShouldAllBe(sample => sample == Silence);
    }

    [Fact]
    public void What_begins_to_be_heard_after_more_was_sent_is_heard_in_one_piece()
    {
        Sends(101, bytes: 1600, at: 1000, new PlaybackMark(0, 0));
        _mix.Marks(new PlaybackMark(0, 1600));
        Sends(102, bytes: 1600, at: 1250); // By the clock, the carrier had run dry. It began later.
        Returns(new PlaybackMark(0, 0), at: 1400);
        Returns(new PlaybackMark(0, 1600), at: 1610);
        End(3000);

        Right(1000, 1400).ShouldAllBe(sample => sample == Silence);
        Right(1400, 1600).ShouldAllBe(sample => sample == 101);
        Right(1600, 1800).ShouldAllBe(sample => sample == 102);
        Right(1800, 3000).ShouldAllBe(sample => sample == Silence);
    }

    [Fact]
    public void Settling_as_it_goes_gives_the_same_sound_as_at_the_end()
    {
        var (whole, pieces) = (new RecordingMix(TimeSpan.Zero), new RecordingMix(TimeSpan.Zero));
        var (wholeSound, piecesSound) = (new ArrayBufferWriter<byte>(), new ArrayBufferWriter<byte>());
        var chance = new Random(7);
        var speech = new byte[160];
        for (var at = 0; at < 60_000; at += 20)
        {
            chance.NextBytes(speech);
            var now = TimeSpan.FromMilliseconds(at);
            foreach (var mix in new[] { whole, pieces })
            {
                mix.Said(speech, at, now);
                if (at % 7000 < 3000)
                {
                    mix.Marks(new PlaybackMark(at / 7000, at));
                    mix.Sends(speech, now);
                    mix.Returns(new PlaybackMark(at / 7000, at), now + TimeSpan.FromMilliseconds(15));
                }

                if (at % 7000 == 2500)
                {
                    mix.Clears(now);
                }
            }

            pieces.Settle(now, piecesSound);
        }

        whole.End(TimeSpan.FromMinutes(1), wholeSound);
        pieces.End(TimeSpan.FromMinutes(1), piecesSound);

        piecesSound.WrittenCount.ShouldBe(60_000 * 16);
        piecesSound.WrittenSpan.SequenceEqual(wholeSound.WrittenSpan).ShouldBeTrue();
    }

    [Fact]
    public void A_line_that_falls_silent_is_not_waited_for_for_ever()
    {
        Says(1, ms: 0, at: 0);
        _mix.Settle(TimeSpan.FromSeconds(30), _sound);

        _sound.WrittenCount.ShouldBe(18_000 * 16);
    }

    [Fact]
    public void A_stream_that_goes_on_with_a_call_begins_at_its_place_on_the_calls_clock()
    {
        var later = new RecordingMix(TimeSpan.FromSeconds(40));
        later.Said(Sound(1, 160), 0, TimeSpan.FromMilliseconds(40_100));
        later.End(TimeSpan.FromMilliseconds(40_200), _sound);

        (_sound.WrittenCount / 16).ShouldBe(200);
        Left(100, 120).ShouldAllBe(sample => sample == 1);
    }

    [Fact]
    public void Timestamps_that_no_carrier_has_cost_no_memory()
    {
        Says(1, ms: 0, at: 0);
        Says(2, ms: 1_000_000_000, at: 20);
        Says(3, ms: 40, at: 40);
        End(100);

        (_sound.WrittenCount / 16).ShouldBe(100);
        Left(40, 60).ShouldAllBe(sample => sample == 3);
    }

    private static byte[] Sound(byte sample, int bytes) => [.. Enumerable.Repeat(sample, bytes)];

    private void Says(byte sample, long ms, int at) => _mix.Said(Sound(sample, 160), ms, TimeSpan.FromMilliseconds(at));

    private void Sends(byte sample, int bytes, int at, PlaybackMark? mark = null)
    {
        if (mark is { Position: 0 })
        {
            _mix.Marks(mark.Value);
        }

        _mix.Sends(Sound(sample, bytes), TimeSpan.FromMilliseconds(at));
        if (mark is { Position: > 0 })
        {
            _mix.Marks(mark.Value);
        }
    }

    private void Returns(PlaybackMark mark, int at) => _mix.Returns(mark, TimeSpan.FromMilliseconds(at));

    private void Clears(int at) => _mix.Clears(TimeSpan.FromMilliseconds(at));

    private void End(int at) => _mix.End(TimeSpan.FromMilliseconds(at), _sound);

    private IEnumerable<byte> Left(int fromMs, int toMs) => Side(0, fromMs, toMs);

    private IEnumerable<byte> Right(int fromMs, int toMs) => Side(1, fromMs, toMs);

    private byte[] Side(int side, int fromMs, int toMs) =>
        [.. Enumerable.Range(fromMs * 8, (toMs - fromMs) * 8).Select(sample => _sound.WrittenSpan[(sample * 2) + side])];
}
