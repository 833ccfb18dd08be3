using System.Threading.Channels;
using Guru.Application;
using Npgsql;

namespace Guru.Infrastructure.Postgres;

/// <summary>
/// One pass over the log in stages side by side: it is read and opened, and then, for each part on a connection of its own, projected and written.
/// </summary>
internal sealed class RebuildRun(
    IEventStore store, IReadOnlyList<(RebuildPart Part, NpgsqlConnection Connection)> parts, IProgress<RebuildProgress>? progress)
{
    private const int PageSize = 4_000;
    private const int PagesAhead = 4;

    private readonly Lock _reporting = new();
    private readonly (long Events, long Sequence)[] _written = new (long, long)[parts.Count];

    /// <summary>Written by all parts.</summary>
    public long Events => _written.Min(written => written.Events);

    private long Sequence => _written.Min(written => written.Sequence);

    public async Task ProjectUpToAsync(long last, CancellationToken cancellationToken)
    {
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var pages = parts.Select(_ => Channel.CreateBounded<IReadOnlyList<StoredEvent>>(PagesAhead)).ToList();
        var stages = new List<Task> { StageAsync(pages.ConvertAll(page => page.Writer), writers => ReadAsync(writers, last, ending.Token), ending) };
        for (var number = 0; number < parts.Count; number++)
        {
            var (part, connection, read, place) = (parts[number].Part, parts[number].Connection, pages[number].Reader, number);
            var batches = Channel.CreateBounded<Changes>(PagesAhead);
            stages.Add(StageAsync([batches.Writer], writers => ProjectAsync(part, read, writers[0], ending.Token), ending));
            stages.Add(StageAsync<int>([], _ => WriteAsync(batches.Reader, connection, place, last, ending.Token), ending));
        }

        await Task.WhenAll(stages);
    }

    /// <summary>A stage that fails stops the others; one that is done tells the next.</summary>
    private static async Task StageAsync<T>(
        IReadOnlyList<ChannelWriter<T>> writers, Func<IReadOnlyList<ChannelWriter<T>>, Task> stage, CancellationTokenSource ending)
    {
        try
        {
            await stage(writers);
            foreach (var writer in writers)
            {
                writer.Complete();
            }
        }
        catch
        {
            await ending.CancelAsync();
            throw;
        }
    }

    private async Task ReadAsync(
        IReadOnlyList<ChannelWriter<IReadOnlyList<StoredEvent>>> pages, long last, CancellationToken cancellationToken)
    {
        var events = store.ReadAllAsync(Sequence, cancellationToken).TakeWhile(stored => stored.Sequence <= last);
        await foreach (var page in events.Chunk(PageSize).WithCancellation(cancellationToken))
        {
            foreach (var writer in pages)
            {
                await writer.WriteAsync(page, cancellationToken);
            }
        }
    }

    private static async Task ProjectAsync(
        RebuildPart part, ChannelReader<IReadOnlyList<StoredEvent>> pages, ChannelWriter<Changes> batches, CancellationToken cancellationToken)
    {
        await foreach (var page in pages.ReadAllAsync(cancellationToken))
        {
            var batch = new SqlBatch();
            foreach (var stored in page)
            {
                foreach (var projection in part.Projections)
                {
                    batch.Add(projection.Project(new ProjectedEvent(stored.StreamId, stored.Data)));
                }
            }

            await batches.WriteAsync(new Changes(batch, page.Count, page[^1].Sequence), cancellationToken);
        }
    }

    private async Task WriteAsync(
        ChannelReader<Changes> batches, NpgsqlConnection connection, int place, long last, CancellationToken cancellationToken)
    {
        await foreach (var (changes, events, sequence) in batches.ReadAllAsync(cancellationToken))
        {
            if (!changes.IsEmpty)
            {
                await using var batch = new NpgsqlBatch(connection) { Timeout = 0 };
                changes.AppendTo(batch);
                await batch.ExecuteNonQueryAsync(cancellationToken);
            }

            lock (_reporting)
            {
                var before = Sequence;
                _written[place] = (_written[place].Events + events, sequence);
                if (Sequence > before)
                {
                    progress?.Report(new RebuildProgress(Events, Sequence, last));
                }
            }
        }
    }

    /// <param name="Events">How many events they come from.</param>
    /// <param name="Sequence">Of the last of them.</param>
    private sealed record Changes(SqlBatch Batch, int Events, long Sequence);
}
