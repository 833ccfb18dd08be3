using Guru.Application.Analytics;
using Shouldly;

namespace Guru.Application.Tests.Analytics;

public sealed class Distributions
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Every_percentile_of_a_histogram_is_within_its_error_of_the_measurements(int seed)
    {
        var random = new Random(seed);
        var measured = Enumerable.Range(0, 5_000).Select(_ => (long)Math.Exp(random.NextDouble() * 14)).ToList(); // From a millisecond to twenty minutes.
        var histogram = new LatencyHistogram();
        measured.ForEach(histogram.Add);

        measured.Sort();
        histogram.Count.ShouldBe(measured.Count);
        histogram.MeanMs!.Value.ShouldBe(measured.Average(), LatencyHistogram.Error * measured.Average());
        foreach (var fraction in (double[])[0, 0.001, 0.1, 0.5, 0.9, 0.95, 0.99, 0.9999, 1])
        {
            var place = fraction * (measured.Count - 1);
            var (below, above) = (measured[(int)place], measured[(int)Math.Ceiling(place)]);
            var exact = below + ((place - (int)place) * (above - below));
            histogram.At(fraction)!.Value.ShouldBe(exact, (LatencyHistogram.Error * exact) + 1e-9);
        }
    }

    [Fact]
    public void A_histogram_of_nothing_has_no_percentiles()
    {
        var histogram = new LatencyHistogram();

        (histogram.Count, histogram.At(0.5), histogram.MeanMs).ShouldBe((0, null, null));
        histogram.ToBytes().ShouldBeEmpty();
    }

    [Fact]
    public void Latencies_beyond_measure_are_kept_at_its_ends()
    {
        var histogram = new LatencyHistogram();
        histogram.Add(-5);
        histogram.Add(long.MaxValue);

        histogram.At(0).ShouldBe(0);
        histogram.At(1)!.Value.ShouldBe(3_600_000, 36_000);
    }

    [Fact]
    public void Histograms_written_one_after_the_other_are_their_sum()
    {
        var (one, other, both) = (new LatencyHistogram(), new LatencyHistogram(), new LatencyHistogram());
        foreach (var ms in (long[])[0, 1, 700, 700, 12_000])
        {
            one.Add(ms);
            both.Add(ms);
        }

        foreach (var ms in (long[])[3, 700, 90_000])
        {
            other.Add(ms);
            both.Add(ms);
        }

        var read = new LatencyHistogram();
        read.Add([.. one.ToBytes(), .. other.ToBytes()]);

        read.ToBytes().ShouldBe(both.ToBytes());
        read.Count.ShouldBe(8);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(10)]
    [InlineData(300)]
    [InlineData(5_000)]
    [InlineData(40_000)]
    [InlineData(300_000)]
    public void Callers_are_counted_to_within_a_few_standard_errors_however_often_they_call(int callers)
    {
        var sketch = new CallerSketch();
        foreach (var id in Enumerable.Range(0, callers).SelectMany(caller => Enumerable.Repeat($"{caller:x32}", 1 + (caller % 3))))
        {
            sketch.Add(id);
        }

        ((double)sketch.Estimate()).ShouldBe(callers, 0.5 + (3.5 * CallerSketch.Error * callers));
    }

    [Fact]
    public void The_error_of_a_sketch_is_the_one_that_is_stated()
    {
        const int Callers = 20_000;
        var squares = Enumerable.Range(0, 40).Select(round =>
        {
            var sketch = new CallerSketch();
            for (var caller = 0; caller < Callers; caller++)
            {
                sketch.Add($"{((long)round << 32) | (uint)caller:x16}");
            }

            var error = (sketch.Estimate() - Callers) / (double)Callers;
            return error * error;
        });

        Math.Sqrt(squares.Average()).ShouldBeInRange(0.5 * CallerSketch.Error, 1.3 * CallerSketch.Error);
    }

    [Fact]
    public void Sketches_written_one_after_the_other_count_a_caller_of_both_once()
    {
        var (one, other, both) = (new CallerSketch(), new CallerSketch(), new CallerSketch());
        for (var caller = 0; caller < 3_000; caller++)
        {
            (caller < 2_000 ? one : other).Add($"{caller:x32}");
            other.Add($"{caller / 2:x32}");
            both.Add($"{caller:x32}");
        }

        var read = new CallerSketch();
        read.Add([.. one.ToBytes(), .. other.ToBytes()]);

        read.ToBytes().ShouldBe(both.ToBytes());
    }
}
