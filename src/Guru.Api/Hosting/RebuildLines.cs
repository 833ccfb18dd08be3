using Guru.Infrastructure.Postgres;

namespace Guru.Api.Hosting;

/// <summary>Tells how far a rebuild is in plain lines, one for each tenth: for a log or a pipe, where no bar can be drawn.</summary>
internal sealed class RebuildLines(TextWriter output) : IProgress<RebuildProgress>
{
    private const long Step = 10;

    private readonly Lock _gate = new();
    private long _told;

    public void Report(RebuildProgress value)
    {
        lock (_gate)
        {
            var percent = Math.Min(100, value.Sequence * 100 / Math.Max(1, value.LastSequence)) / Step * Step;
            if (percent > _told)
            {
                _told = percent;
                output.WriteLine($"Rebuilding the read models: {percent} %");
            }
        }
    }
}
