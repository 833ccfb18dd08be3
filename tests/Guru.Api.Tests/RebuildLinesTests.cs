using Guru.Api.Hosting;
using Guru.Infrastructure.Postgres;
using Shouldly;

namespace Guru.Api.Tests;

public sealed class RebuildLinesTests
{
    [Fact]
    public void Each_tenth_is_told_once_and_what_falls_back_is_not()
    {
        using var output = new StringWriter { NewLine = "\n" };
        var lines = new RebuildLines(output);
        foreach (var sequence in (long[])[0, 5, 99, 100, 150, 430, 310, 990, 1000, 1000])
        {
            lines.Report(new RebuildProgress(sequence, sequence, LastSequence: 1000));
        }

        output.ToString().ShouldBe(string.Concat(((int[])[10, 40, 90, 100]).Select(percent => $"Rebuilding the read models: {percent} %\n")));
    }

    [Fact]
    public void Of_no_events_there_is_nothing_to_tell()
    {
        using var output = new StringWriter();
        new RebuildLines(output).Report(new RebuildProgress(0, 0, 0));

        output.ToString().ShouldBeEmpty();
    }
}
