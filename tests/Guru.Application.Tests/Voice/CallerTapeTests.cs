using System.Text;
using Guru.Application.Voice;
using Shouldly;

namespace Guru.Application.Tests.Voice;

public sealed class CallerTapeTests : IDisposable
{
    private const int FrameMs = 20;

    private readonly CallerTape _tape = new();
    private int _frames;

    public void Dispose() => _tape.Dispose();

    [Fact]
    public void Delivers_what_was_kept_in_order_and_once()
    {
        Add(3, keepAll: false);

        Delivered().ShouldBe(["0", "20", "40"]);
        Delivered().ShouldBeEmpty();
    }

    [Fact]
    public void Of_what_was_delivered_keeps_the_latest_only()
    {
        for (var i = 0; i < 500; i++)
        {
            Add(1, keepAll: false);
            Delivered().Count.ShouldBe(1);
        }

        _tape.Rewind(fromMs: 0);

        Delivered().ShouldBe(Enumerable.Range(464, 36).Select(frame => $"{frame * FrameMs}"));
    }

    [Fact]
    public void Keeps_a_turn_whole_and_delivers_it_again_from_its_start()
    {
        Add(100, keepAll: true);
        Delivered();
        Add(100, keepAll: true);
        Delivered();

        _tape.Rewind(fromMs: 1000);

        Delivered().ShouldBe(Enumerable.Range(50, 150).Select(frame => $"{frame * FrameMs}"));
    }

    [Fact]
    public void Beyond_thirty_seconds_the_oldest_are_dropped_and_counted()
    {
        Add(1500, keepAll: true).ShouldBe(0);

        Add(10, keepAll: true).ShouldBe(10);
        Delivered()[0].ShouldBe("200");
    }

    [Fact]
    public void Frames_of_any_size_survive_growing_and_moving()
    {
        var random = new Random(7);
        var expected = new Queue<byte[]>();
        for (var i = 0; i < 2000; i++)
        {
            var payload = new byte[random.Next(1, 4000)];
            random.NextBytes(payload);
            expected.Enqueue(payload);
            _tape.Add(payload, bytes: 1, callMs: i, keepAll: false);
            while (expected.Count > random.Next(0, 30) && _tape.TryDeliver(out var delivered, out _, out _))
            {
                delivered.ToArray().ShouldBe(expected.Dequeue());
            }
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Whatever_is_kept_delivered_and_rewound_the_tape_does_what_a_list_of_frames_would(int seed)
    {
        var random = new Random(seed);
        var kept = new List<(int Ms, byte[] Payload, bool Delivered)>();
        for (var (step, ms) = (0, 0); step < 20_000; step++)
        {
            switch (random.Next(10))
            {
                case < 6:
                    var payload = new byte[random.Next(20) == 0 ? random.Next(20_000) : random.Next(400)];
                    random.NextBytes(payload);
                    var keepAll = ms % 8000 < 4000;
                    var before = kept.Count;
                    var outdated = kept.FindIndex(frame => keepAll || !frame.Delivered || frame.Ms >= ms - 700);
                    kept.RemoveRange(0, outdated < 0 ? before : outdated);
                    var tooMany = Math.Max(0, kept.Count - 1499);
                    var dropped = kept.Take(tooMany).Count(frame => !frame.Delivered);
                    kept.RemoveRange(0, tooMany);
                    kept.Add((ms, payload, Delivered: false));
                    _tape.Add(payload, bytes: FrameMs * AudioLength.BytesPerMs, ms, keepAll).ShouldBe(dropped);
                    ms += FrameMs;
                    break;
                case < 9:
                    for (var most = random.Next(20); most > 0; most--)
                    {
                        var next = kept.FindIndex(frame => !frame.Delivered);
                        _tape.TryDeliver(out var delivered, out _, out var at).ShouldBe(next >= 0);
                        if (next < 0)
                        {
                            break;
                        }

                        at.ShouldBe(kept[next].Ms);
                        delivered.SequenceEqual(kept[next].Payload).ShouldBeTrue();
                        kept[next] = kept[next] with { Delivered = true };
                    }

                    break;
                default:
                    var from = ms - random.Next(2000);
                    _tape.Rewind(from);
                    kept = [.. kept.Select(frame => frame.Delivered && frame.Ms >= from ? frame with { Delivered = false } : frame)];
                    break;
            }
        }
    }

    private int Add(int frames, bool keepAll)
    {
        var dropped = 0;
        for (var i = 0; i < frames; i++, _frames++)
        {
            var ms = _frames * FrameMs;
            dropped += _tape.Add(Encoding.ASCII.GetBytes($"{ms}"), bytes: FrameMs * AudioLength.BytesPerMs, ms, keepAll);
        }

        return dropped;
    }

    private List<string> Delivered()
    {
        var payloads = new List<string>();
        while (_tape.TryDeliver(out var payload, out _, out _))
        {
            payloads.Add(Encoding.ASCII.GetString(payload));
        }

        return payloads;
    }
}
