using Guru.Sandbox.Audio;
using Guru.Sandbox.Twilio;
using Shouldly;

namespace Guru.Sandbox.Tests.Twilio;

public sealed class Caller
{
    static readonly Sample Bill = SampleLibrary.Shipped["bill-en"];
    static readonly Sample Wait = SampleLibrary.Shipped["itemized-en"];

    [Fact]
    public void A_frame_of_160_bytes_leaves_every_20_ms_and_is_silence_between_speech()
    {
        var sent = Run(Stream(new CallerTurn(new After(Ms(100)), new Say("bill-en"))), 8000).Where(m => m.Kind == StreamMessageKind.Media)
            .ToList();

        sent.Count.ShouldBe(400);
        sent.ShouldAllBe(message => message.Audio.Length == 160);
        sent.Select(message => message.Chunk).ShouldBe(Enumerable.Range(1, 400).Select(n => (long)n));
        sent[^1].TimestampMs.ShouldBe(399 * 20);
        var audio = sent.SelectMany(message => message.Audio.ToArray()).ToArray();
        audio.Take(800).ShouldAllBe(b => b == 0xFF);
        audio.AsSpan(800, Bill.Audio.Length).SequenceEqual(Bill.Audio.AsSpan()).ShouldBeTrue();
        audio.Skip(800 + Bill.Audio.Length).ShouldAllBe(b => b == 0xFF);
    }

    [Fact]
    public void A_barge_in_begins_when_so_much_of_the_agents_turn_was_heard()
    {
        var stream = Stream(new CallerTurn(new AgentSpeaking(Ms(1500), Turn: 2), new Say("itemized-en")));
        stream.Play(new byte[800], Ms(1000));
        stream.Advance(Ms(3000));
        stream.Play(new byte[80_000], Ms(3000));
        stream.Advance(Ms(6000));

        stream.Caller.Said.ShouldHaveSingleItem().At.ShouldBe(Ms(4500));
    }

    [Fact]
    public void The_caller_answers_when_the_agent_has_finished()
    {
        var stream = Stream(new CallerTurn(new AgentFinished(Ms(500)), new Say("itemized-en")),
            new CallerTurn(new NobodySpeaking(Ms(400)), new HangUp()));
        stream.Play(new byte[8000], Ms(990));
        var sent = Run(stream, 10_000);

        var said = stream.Caller.Said.ShouldHaveSingleItem();
        said.At.ShouldBe(Ms(2500));
        sent[^1].Kind.ShouldBe(StreamMessageKind.Stop);
        sent[^1].At.ShouldBe(Frame(said.At + Wait.Duration + Ms(400)));
        stream.Ended.ShouldBeTrue();
    }

    [Fact]
    public void In_a_gap_nothing_is_sent_and_the_timestamps_go_on()
    {
        var media = Run(Stream(new CallerTurn(new After(Ms(100)), new SendNothing(Ms(500)))), 1000)
            .Where(m => m.Kind == StreamMessageKind.Media).ToList();

        media.Count.ShouldBe(50 - 25);
        media.Zip(media.Skip(1), (one, next) => next.TimestampMs - one.TimestampMs).Max().ShouldBe(520);
        media[^1].Chunk.ShouldBe(25);
    }

    [Fact]
    public void Speech_goes_on_over_a_lost_stream()
    {
        var script = new CallerScript(
        [
            new CallerTurn(null, new Say("bill-en", To: Ms(1000))),
            new CallerTurn(null, new LoseStream()),
            new CallerTurn(null, new Say("bill-en", From: Ms(1000))),
        ]);
        var playback = new PlaybackBuffer();
        var first = new MediaStream(script, playback);
        first.Start(Ms(0));
        Run(first, 3000)[^1].Kind.ShouldBe(StreamMessageKind.Lost);

        var second = new MediaStream(script, playback);
        second.Start(Ms(3500));
        var resumed = Run(second, 10_000);

        resumed[0].Chunk.ShouldBe(1);
        resumed[0].Audio.Span.SequenceEqual(Bill.Audio.AsSpan(8000, 160)).ShouldBeTrue();
    }

    [Fact]
    public void Late_frames_keep_their_order()
    {
        var stream = new MediaStream(new CallerScript([]), new PlaybackBuffer(), jitter: Ms(70));
        stream.Start(Ms(0));
        var sent = Run(stream, 5000);

        sent.Select(message => message.At).ShouldBeInOrder();
        sent.Select(message => message.Chunk).ShouldBeInOrder();
        sent.Max(message => message.At - Ms(message.TimestampMs + 20)).ShouldBeGreaterThan(Ms(40));
    }

    static MediaStream Stream(params CallerTurn[] turns)
    {
        var stream = new MediaStream(new CallerScript(turns), new PlaybackBuffer());
        stream.Start(TimeSpan.Zero);
        return stream;
    }

    static List<StreamMessage> Run(MediaStream stream, double untilMs)
    {
        var sent = new List<StreamMessage>();
        while (stream.NextDue is { } due && due <= Ms(untilMs))
        {
            stream.Advance(due);
            while (stream.TryTake(out var message))
            {
                sent.Add(message);
            }
        }

        return sent;
    }

    static TimeSpan Frame(TimeSpan at) => Ms(Math.Ceiling(at.TotalMilliseconds / 20) * 20);

    static TimeSpan Ms(double ms) => TimeSpan.FromMilliseconds(ms);
}
