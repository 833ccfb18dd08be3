using System.Threading.Channels;
using Guru.Application;
using Npgsql;

namespace Guru.Infrastructure.Postgres;

/// <summary>One pass over the log in three stages side by side: read and open, project, write.</summary>
internal sealed class RebuildRun(IEventStore store, Projections projections, IProgress<RebuildProgress>? progress)
{
    private const int PageSize = 4_000;
    private const int PagesAhead = 4;

    private long _sequence;

    public long Events { get; private set; }

    public async Task ProjectUpToAsync(long last, NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var pages = Channel.CreateBounded<IReadOnlyList<StoredEvent>>(PagesAhead);
        var batches = Channel.CreateBounded<Changes>(PagesAhead);
        Task[] stages =
        [
            StageAsync(pages.Writer, writer => ReadAsync(writer, last, ending.Token), ending),
            StageAsync(batches.Writer, writer => ProjectAsync(pages.Reader, writer, ending.Token), ending),
            StageAsync<int>(null, _ => WriteAsync(batches.Reader, connection, last, ending.Token), ending),
        ];
        await Task.WhenAll(stages);
    }

    /// <summary>A stage that fails stops the others; one that is done tells the next.</summary>
    private static async Task StageAsync<T>(
        ChannelWriter<T>? writer, Func<ChannelWriter<T>, Task> stage, CancellationTokenSource ending)
    {
        try
        {
            await stage(writer!);
            writer?.Complete();
        }
        catch
        {
            await ending.CancelAsync();
            throw;
        }
    }

    private async Task ReadAsync(ChannelWriter<IReadOnlyList<StoredEvent>> pages, long last, CancellationToken cancellationToken)
    {
        var events = store.ReadAllAsync(_sequence, cancellationToken).TakeWhile(stored => stored.Sequence <= last);
        await foreach (var page in events.Chunk(PageSize).WithCancellation(cancellationToken))
        {
            await pages.WriteAsync(page, cancellationToken);
        }
    }

    private async Task ProjectAsync(
        ChannelReader<IReadOnlyList<StoredEvent>> pages, ChannelWriter<Changes> batches, CancellationToken cancellationToken)
    {
        await foreach (var page in pages.ReadAllAsync(cancellationToken))
        {
            var batch = new SqlBatch();
            foreach (var stored in page)
            {
                batch.Add(projections.Project(new ProjectedEvent(stored.StreamId, stored.Data)));
            }

            await batches.WriteAsync(new Changes(batch, page.Count, page[^1].Sequence), cancellationToken);
        }
    }

    private async Task WriteAsync(
        ChannelReader<Changes> batches, NpgsqlConnection connection, long last, CancellationToken cancellationToken)
    {
        await foreach (var (changes, events, sequence) in batches.ReadAllAsync(cancellationToken))
        {
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
