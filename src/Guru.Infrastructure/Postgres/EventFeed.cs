using System.Runtime.CompilerServices;
using Guru.Application.Analytics;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Guru.Infrastructure.Postgres;

/// <summary>
/// Follows the log for everybody of this node who wants to see it: one look at its end at a time, and only while somebody waits. Each reader then reads
/// for itself, as fast as it can take.
/// </summary>
internal sealed partial class EventFeed(
    NpgsqlDataSource dataSource, PostgresEventStore store, EventSerializer serializer, TimeProvider time, ILogger<EventFeed> logger) : IEventFeed, IDisposable
{
    private const int PageSize = 200;
    private static readonly TimeSpan BetweenLooks = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan Fresh = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan AfterFailure = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Quiet = TimeSpan.FromSeconds(10);

    private readonly SettledLog _log = new(dataSource);
    private readonly SemaphoreSlim _turn = new(1);
    private long _lookedAt;

    public async Task<long> EndAsync(CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken);
        if (time.GetElapsedTime(_lookedAt) > Fresh)
        {
            _log.Restart(); // Nobody was following.
        }

        _turn.Release();
        return await SettledPastAsync(-1, Timeout.InfiniteTimeSpan, cancellationToken);
    }

    public async Task<bool> HoldsAsync(long sequence, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand("select $1 <= coalesce(max(seq_id), 0) from events.mt_events");
        command.Parameters.Add(new() { Value = sequence });
        return await command.ExecuteScalarAsync(cancellationToken) is true;
    }

    public async IAsyncEnumerable<EventBatch> FollowAsync(long afterSequence, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var position = afterSequence;
        while (true)
        {
            var settled = await SettledPastAsync(position, Quiet, cancellationToken);
            if (settled <= position)
            {
                yield return new EventBatch([], position);
                continue;
            }

            var page = await PageAsync(position, settled, cancellationToken);
            position = page.Count < PageSize ? settled : page[^1].Sequence;
            yield return new EventBatch([.. page.Select(serializer.View)], position);
        }
    }

    public void Dispose() => _turn.Dispose();

    private async Task<IReadOnlyList<Application.StoredEvent>> PageAsync(long after, long upTo, CancellationToken cancellationToken)
    {
        while (true)
        {
            try
            {
                return await store.ReadPageAsync(after, upTo, PageSize, cancellationToken);
            }
            catch (Exception error) when (error is NpgsqlException or TimeoutException)
            {
                LogFailed(error.Message);
                await Task.Delay(AfterFailure, time, cancellationToken);
            }
        }
    }

    /// <summary>Waits until the log is settled past a place.</summary>
    /// <returns>How far it is settled; not past the place when nothing came for that long.</returns>
    private async Task<long> SettledPastAsync(long place, TimeSpan patience, CancellationToken cancellationToken)
    {
        var began = time.GetTimestamp();
        while (true)
        {
            await _turn.WaitAsync(cancellationToken);
            var wait = BetweenLooks;
            try
            {
                if (_log.Position > place)
                {
                    return _log.Position;
                }

                if (patience != Timeout.InfiniteTimeSpan && time.GetElapsedTime(began) > patience)
                {
                    return place;
                }

                // Others may have looked a moment ago.
                wait = BetweenLooks - time.GetElapsedTime(_lookedAt);
                if (wait <= TimeSpan.Zero)
                {
                    _lookedAt = time.GetTimestamp();
                    wait = await _log.AdvanceAsync(cancellationToken) || _log.Position > place ? TimeSpan.Zero : BetweenLooks;
                }
            }
            catch (Exception error) when (error is NpgsqlException or TimeoutException)
            {
                LogFailed(error.Message);
                wait = AfterFailure;
            }
            finally
            {
                _turn.Release();
            }

            if (wait > TimeSpan.Zero)
            {
                await Task.Delay(wait, time, cancellationToken);
            }
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The log of events cannot be followed now: {Error}")]
    private partial void LogFailed(string error);
}
