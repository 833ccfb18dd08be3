using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;
using Guru.Application;
using Guru.Domain.Callers;
using Guru.Domain.Calls;
using Guru.Infrastructure.Postgres;
using JasperFx.Events;
using Marten;
using Marten.Exceptions;
using Marten.Services;
using Npgsql;
using ExistingStreamIdCollisionException = Marten.Exceptions.ExistingStreamIdCollisionException;
using IEventStore = Guru.Application.IEventStore;

namespace Guru.Infrastructure.Marten;

/// <summary>The event store on Marten. An append is one session of it: the events, then what the projections make of them.</summary>
public sealed class MartenEventStore(
    IDocumentStore store, MartenTables tables, NpgsqlDataSource dataSource, EventSerializer serializer, EventKeys keys, Projections projections) : IEventStore
{
    private const int PageSize = 1_000;
    private const string Tombstone = "tombstone";

    public async Task<long> AppendAsync(
        string streamId, ExpectedVersion expected, CallerId? owner, IReadOnlyList<object> events, CancellationToken cancellationToken)
    {
        ArgumentException.ThrowIfNullOrEmpty(streamId);
        if (events.Count == 0)
        {
            throw new ArgumentException("An append needs at least one event.", nameof(events));
        }

        await tables.ReadyAsync();
        var started = Stopwatch.GetTimestamp();
        try
        {
            while (true)
            {
                try
                {
                    return await TryAppendAsync(() => store.LightweightSession(), streamId, expected, owner, events, cancellationToken);
                }
                catch (KeyDestroyedException)
                {
                    keys.Forget(); // The caller was erased since the key was cached; what comes now goes under a new key.
                }
                catch (VersionConflictException) when (expected == ExpectedVersion.Any)
                {
                    // Another has started the stream at the same moment.
                }
            }
        }
        finally
        {
            PostgresEventStore.AppendTime.Record(Stopwatch.GetElapsedTime(started).TotalSeconds);
        }
    }

    public async Task<IReadOnlyList<StoredEvent>> ReadAsync(string streamId, long fromVersion, CancellationToken cancellationToken)
    {
        await using var session = store.QuerySession();
        var page = await AskAsync(() => session.Events.FetchStreamAsync(streamId, fromVersion: fromVersion, token: cancellationToken));
        return await OpenAsync(page, cancellationToken);
    }

    /// <inheritdoc cref="PostgresEventStore.ReadAllAsync"/>
    public async IAsyncEnumerable<StoredEvent> ReadAllAsync(
        long afterSequence, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        IReadOnlyList<StoredEvent> page;
        do
        {
            var after = afterSequence;
            await using var session = store.QuerySession();
            var read = await AskAsync(() => session.Events.QueryAllRawEvents()
                .Where(e => e.Sequence > after && e.EventTypeName != Tombstone)
                .OrderBy(e => e.Sequence).Take(PageSize).ToListAsync(cancellationToken));
            page = await OpenAsync(read, cancellationToken);
            foreach (var stored in page)
            {
                yield return stored;
                afterSequence = stored.Sequence;
            }
        }
        while (page.Count == PageSize);
    }

    /// <summary>Appends and a read that leave nothing behind.</summary>
    internal async Task WarmUpAsync(CancellationToken cancellationToken)
    {
        const string Stream = "call-warm-up";
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await using var rolledBack = await connection.BeginTransactionAsync(cancellationToken);
        IDocumentSession Open() => store.LightweightSession(SessionOptions.ForTransaction(rolledBack));
        object[] events = [new CallEnded(CallEndReason.Silence, DateTimeOffset.UnixEpoch)];
        var version = await TryAppendAsync(Open, Stream, ExpectedVersion.None, owner: null, events, cancellationToken);
        await TryAppendAsync(Open, Stream, ExpectedVersion.Exactly(version), owner: null, events, cancellationToken);
        await ReadAsync(Stream, 1, cancellationToken);
        await rolledBack.RollbackAsync(cancellationToken);
    }

    private async Task<long> TryAppendAsync(
        Func<IDocumentSession> open, string streamId, ExpectedVersion expected, CallerId? owner, IReadOnlyList<object> events, CancellationToken cancellationToken)
    {
        try
        {
            var (stored, keyIds) = await serializer.SealAsync(owner, events, cancellationToken);
            var changes = new SqlBatch();
            foreach (var @event in events)
            {
                changes.Add(projections.Project(new ProjectedEvent(streamId, @event)));
            }

            await using var session = open();
            session.QueueOperation(new LockStream(streamId, keyIds));
            var stream = expected == ExpectedVersion.None ? session.Events.StartStream(streamId, stored)
                : expected == ExpectedVersion.Any ? session.Events.Append(streamId, stored)
                : session.Events.Append(streamId, expected.Value + stored.Count, stored);
            await using var batch = new NpgsqlBatch();
            changes.AppendTo(batch);
            foreach (var command in batch.BatchCommands)
            {
                session.QueueOperation(new ProjectRows((NpgsqlBatchCommand)command));
            }

            return await AskAsync(async () =>
            {
                await session.SaveChangesAsync(cancellationToken);
                return expected == ExpectedVersion.None ? stored.Count : stream.Events[^1].Version;
            });
        }
        catch (Exception e) when (IsConflict(e))
        {
            throw new VersionConflictException(streamId, e);
        }
        catch (PostgresException e) when (PostgresEventStore.IsForGood(e))
        {
            throw new EventsRefusedException(streamId, e.SqlState, e);
        }
        catch (Exception e) when (PostgresEventStore.AreAtFault(e))
        {
            throw new EventsRefusedException(streamId, e.GetType().Name, e);
        }
    }

    private static bool IsConflict(Exception e) =>
        e is EventStreamUnexpectedMaxEventIdException or ExistingStreamIdCollisionException
        || (e is PostgresException error && PostgresEventStore.IsConflict(error));

    /// <summary>What the database says is told as the database says it, as by the default edition: Marten's wrapping holds the statement.</summary>
    private static async Task<T> AskAsync<T>(Func<Task<T>> ask)
    {
        try
        {
            return await ask();
        }
        catch (MartenCommandException e) when (e.InnerException is NpgsqlException inner)
        {
            ExceptionDispatchInfo.Throw(inner);
            throw;
        }
    }

    private async Task<IReadOnlyList<StoredEvent>> OpenAsync(IReadOnlyList<IEvent> page, CancellationToken cancellationToken)
    {
        var opened = await serializer.OpenAsync([.. page.Select(e => e.Data is OlderEvent older ? older.Raw : e.Data)], cancellationToken);
        return
        [
            .. page.Zip(opened, (e, read) => new StoredEvent(e.Sequence, e.StreamKey!, e.Version, e.Timestamp, read.Data) { Erased = read.Erased }),
        ];
    }
}
