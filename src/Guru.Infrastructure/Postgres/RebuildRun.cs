using System.Threading.Channels;
using Npgsql;

namespace Guru.Infrastructure.Postgres;

/// <summary>One pass over the log: pages are read one after the other, opened and projected side by side, and written in their order.</summary>
internal sealed class RebuildRun(PostgresEventStore store, Projections projections, IProgress<RebuildProgress>? progress)
{
    private const int PageSize = 4_000;

    /// <summary>Pages that are being opened, and those that wait to be written.</summary>
    private static readonly int PagesAhead = Math.Clamp(Environment.ProcessorCount, 2, 8);

    private long _sequence;

    public long Events { get; private set; }

    public async Task ProjectUpToAsync(long last, NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var pages = Channel.CreateBounded<Task<Changes>>(PagesAhead);
        await Task.WhenAll(
            StoppingOthersAsync(ReadAsync(pages.Writer, last, ending.Token), ending), StoppingOthersAsync(WriteAsync(pages.Reader, connection, last, ending.Token), ending));
    }

    private static async Task StoppingOthersAsync(Task work, CancellationTokenSource ending)
    {
        try
        {
            await work;
        }
        catch
        {
            await ending.CancelAsync();
            throw;
        }
    }

    private async Task ReadAsync(ChannelWriter<Task<Changes>> pages, long last, CancellationToken cancellationToken)
    {
        var after = _sequence;
        IReadOnlyList<SealedEvent> page;
        do
        {
            page = await store.ReadSealedPageAsync(after, last, PageSize, cancellationToken);
            if (page.Count > 0)
            {
                after = page[^1].Sequence;
                var read = page;
                await pages.WriteAsync(Task.Run(() => ProjectAsync(read, cancellationToken), cancellationToken), cancellationToken);
            }
        }
        while (page.Count == PageSize);
        pages.Complete();
    }

    private async Task<Changes> ProjectAsync(IReadOnlyList<SealedEvent> page, CancellationToken cancellationToken)
    {
        var batch = new SqlBatch();
        foreach (var stored in await store.OpenAsync(page, cancellationToken))
        {
            batch.Add(projections.Project(new ProjectedEvent(stored.StreamId, stored.Data)));
        }

        return new Changes(batch, page.Count, page[^1].Sequence);
    }

    private async Task WriteAsync(ChannelReader<Task<Changes>> pages, NpgsqlConnection connection, long last, CancellationToken cancellationToken)
    {
        await foreach (var page in pages.ReadAllAsync(cancellationToken))
        {
            var (changes, events, sequence) = await page;
            if (!changes.IsEmpty)
            {
                await using var batch = new NpgsqlBatch(connection) { Timeout = 0 };
                changes.AppendTo(batch);
                await batch.ExecuteNonQueryAsync(cancellationToken);
            }

            Events += events;
            _sequence = sequence;
            progress?.Report(new RebuildProgress(Events, sequence, last));
        }
    }

    /// <param name="Events">How many events they come from.</param>
    /// <param name="Sequence">Of the last of them.</param>
    private sealed record Changes(SqlBatch Batch, int Events, long Sequence);
}
