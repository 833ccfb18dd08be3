using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Runtime.CompilerServices;
using System.Text.Json;
using Guru.Application;
using Guru.Application.Calls;
using Guru.Domain.Callers;
using Npgsql;
using NpgsqlTypes;

namespace Guru.Infrastructure.Postgres;

/// <summary>
/// The event store in Marten's tables. An append is one batch, and so one transaction and one round trip: the events, then what
/// the projections make of them. While others are being written, those that come wait and share the next one.
/// </summary>
public sealed class PostgresEventStore : IEventStore
{
    private const int PageSize = 1_000;

    private const string AppendEvents = $"select guru.append_events($1, $2, $3, $4, $5, $6, $7) from (select {SqlBatch.Planning}) planning";

    /// <summary>Several do not wait for long for what keeps one of them: they go alone then.</summary>
    private const string AppendToStreams =
        $"select guru.append_to_streams($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) from (select {SqlBatch.Planning}, set_config('lock_timeout', '200ms', true)) planning";

    private const string Conflict = "GU001";
    private const string KeyDestroyed = "GU002";

    private static readonly Meter Meter = new("Guru");

    internal static readonly Histogram<double> AppendTime = Meter.CreateHistogram<double>(
        "guru.store.append.duration", unit: "s", description: "Time to append events to a stream, projections included.");

    private readonly NpgsqlDataSource _dataSource;
    private readonly EventSerializer _serializer;
    private readonly EventKeys _keys;
    private readonly Projections _projections;
    private readonly NpgsqlConnection? _within;
    private readonly AppendsTogether _appends;

    /// <param name="within">A connection whose transaction all appends, and the reading of a stream, are part of; null: each append is one.</param>
    public PostgresEventStore(
        NpgsqlDataSource dataSource, EventSerializer serializer, EventKeys keys, Projections projections, NpgsqlConnection? within = null)
    {
        (_dataSource, _serializer, _keys, _projections, _within) = (dataSource, serializer, keys, projections, within);
        _appends = new AppendsTogether(WriteAsync, TimeProvider.System);
    }

    public async Task<long> AppendAsync(
        string streamId, ExpectedVersion expected, CallerId? owner, IReadOnlyList<object> events, CancellationToken cancellationToken)
    {
        ArgumentException.ThrowIfNullOrEmpty(streamId);
        if (events.Count == 0)
        {
            throw new ArgumentException("An append needs at least one event.", nameof(events));
        }

        var started = Stopwatch.GetTimestamp();
        try
        {
            return await TryAppendAsync(streamId, expected, owner, events, cancellationToken);
        }
        catch (PostgresException e) when (e.SqlState == KeyDestroyed)
        {
            // The caller was erased since the key was cached; what comes now goes under a new key.
            _keys.Forget();
            return await TryAppendAsync(streamId, expected, owner, events, cancellationToken);
        }
        finally
        {
            if (_within is null)
            {
                AppendTime.Record(Stopwatch.GetElapsedTime(started).TotalSeconds);
            }
        }
    }

    public Task<IReadOnlyList<StoredEvent>> ReadAsync(string streamId, long fromVersion, CancellationToken cancellationToken) =>
        ReadAsync(streamId, fromVersion, int.MaxValue, cancellationToken);

    /// <summary>
    /// What is visible now, in pages. Appends under way may still commit under lower numbers than the last one seen: whoever
    /// follows the log must not step over a gap without asking whether it may still fill.
    /// </summary>
    public async IAsyncEnumerable<StoredEvent> ReadAllAsync(
        long afterSequence, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var next = FetchPageAsync(afterSequence, long.MaxValue, PageSize, ending.Token);
        try
        {
            IReadOnlyList<RawRow> page;
            do
            {
                page = await next;
                if (page.Count == PageSize)
                {
                    next = FetchPageAsync(page[^1].Sequence, long.MaxValue, PageSize, ending.Token); // While those before are opened.
                }

                foreach (var stored in await OpenAsync(page, cancellationToken))
                {
                    yield return stored;
                }
            }
            while (page.Count == PageSize);
        }
        finally
        {
            await ending.CancelAsync(); // Nobody may want what is being fetched.
            await ((Task)next).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>A page of a stream, so that nothing is read and decrypted that nobody looks at.</summary>
    internal async Task<IReadOnlyList<StoredEvent>> ReadAsync(string streamId, long fromVersion, int limit, CancellationToken cancellationToken)
    {
        await using var command = _within?.CreateCommand() ?? _dataSource.CreateCommand();
        command.CommandText =
            """
            select seq_id, stream_id, version, "timestamp", type, data from events.mt_events
            where stream_id = $1 and version >= $2 order by version limit $3
            """;
        command.Parameters.Add(new() { Value = streamId, NpgsqlDbType = NpgsqlDbType.Varchar });
        command.Parameters.Add(new() { Value = fromVersion });
        command.Parameters.Add(new() { Value = limit });
        return await ReadAsync(command, cancellationToken);
    }

    /// <summary>The same, of those that a filter leaves.</summary>
    internal async Task<IReadOnlyList<StoredEvent>> ReadAsync(
        string streamId, long fromVersion, int limit, EventFilter filter, CancellationToken cancellationToken)
    {
        var query = new SqlQuery();
        query.And($"stream_id = {query.Parameter(streamId, NpgsqlDbType.Varchar)}");
        query.And($"version >= {query.Parameter(fromVersion, NpgsqlDbType.Bigint)}");
        query.AndOneOf("type", filter.Types.Select(name => _serializer.Types.All.FirstOrDefault(type => type.Name == name)?.StoredName ?? name));
        query.AndWithin("(data ->> 'at')::timestamptz", filter.At);
        await using var command = query.On(
            _dataSource,
            $"""
            select seq_id, stream_id, version, "timestamp", type, data from events.mt_events
            {query.Where} order by version limit {query.Parameter(limit, NpgsqlDbType.Integer)}
            """);
        return await ReadAsync(command, cancellationToken);
    }

    /// <summary>A page of the log in order; it may be the last one only when it is not full.</summary>
    internal async Task<IReadOnlyList<StoredEvent>> ReadPageAsync(
        long afterSequence, long upToSequence, int limit, CancellationToken cancellationToken) =>
        await OpenAsync(await FetchPageAsync(afterSequence, upToSequence, limit, cancellationToken), cancellationToken);

    private async Task<IReadOnlyList<RawRow>> FetchPageAsync(
        long afterSequence, long upToSequence, int limit, CancellationToken cancellationToken)
    {
        // Marten leaves tombstones where an append of its own has failed.
        await using var command = _dataSource.CreateCommand(
            """
            select seq_id, stream_id, version, "timestamp", type, data from events.mt_events
            where seq_id > $1 and seq_id <= $2 and type <> 'tombstone' order by seq_id limit $3
            """);
        command.Parameters.Add(new() { Value = afterSequence });
        command.Parameters.Add(new() { Value = upToSequence });
        command.Parameters.Add(new() { Value = limit });
        return await FetchAsync(command, cancellationToken);
    }

    /// <summary>A page of the events of calls that were stored up to a moment; it may be the last one only when it is not full.</summary>
    internal async Task<IReadOnlyList<StoredEvent>> ReadCallsAsync(
        long afterSequence, DateTimeOffset storedUpTo, int limit, CancellationToken cancellationToken)
    {
        await using var command = _dataSource.CreateCommand(
            """
            select seq_id, stream_id, version, "timestamp", type, data from events.mt_events
            where seq_id > $1 and "timestamp" <= $2 and stream_id like 'call-%' and type <> 'tombstone' order by seq_id limit $3
            """);
        command.CommandTimeout = 0;
        command.Parameters.Add(new() { Value = afterSequence });
        command.Parameters.Add(new() { Value = storedUpTo.ToUniversalTime() });
        command.Parameters.Add(new() { Value = limit });
        return await ReadAsync(command, cancellationToken);
    }

    /// <summary>Within a transaction: events without personal data, then what the projections make of them.</summary>
    /// <exception cref="VersionConflictException">A stream is not at the expected version, and the transaction has failed.</exception>
    internal async Task AppendWithinAsync(
        NpgsqlConnection connection, IReadOnlyList<(string StreamId, ExpectedVersion Expected, object Event)> events, CancellationToken cancellationToken)
    {
        // All streams first: whoever appends to one waits there, and holds nothing that is needed here.
        var changes = new SqlBatch();
        await using var appends = new NpgsqlBatch(connection) { Timeout = 0 };
        foreach (var (streamId, expected, @event) in events)
        {
            appends.BatchCommands.Add(Append(streamId, expected, await _serializer.WriteAsync(owner: null, [@event], cancellationToken)));
            changes.Add(_projections.Project(new ProjectedEvent(streamId, @event)));
        }

        try
        {
            await appends.ExecuteNonQueryAsync(cancellationToken);
        }
        catch (PostgresException e) when (IsConflict(e))
        {
            throw new VersionConflictException(string.Join(", ", events.Select(append => append.StreamId)), e);
        }

        if (!changes.IsEmpty)
        {
            await using var batch = new NpgsqlBatch(connection) { Timeout = 0 };
            changes.AppendTo(batch);
            await batch.ExecuteNonQueryAsync(cancellationToken);
        }
    }

    private async Task<long> TryAppendAsync(
        string streamId, ExpectedVersion expected, CallerId? owner, IReadOnlyList<object> events, CancellationToken cancellationToken)
    {
        ReadyAppend append;
        try
        {
            var written = await _serializer.WriteAsync(owner, events, cancellationToken);
            append = new ReadyAppend(
                streamId, expected, owner, written, [.. events.SelectMany(@event => _projections.Project(new ProjectedEvent(streamId, @event)))]);
        }
        catch (Exception e) when (AreAtFault(e))
        {
            throw new EventsRefusedException(streamId, e.GetType().Name, e);
        }

        try
        {
            return await _appends.AppendAsync(append, cancellationToken);
        }
        catch (PostgresException e) when (IsConflict(e))
        {
            throw new VersionConflictException(streamId, e);
        }
        catch (PostgresException e) when (IsForGood(e))
        {
            throw new EventsRefusedException(streamId, e.SqlState, e);
        }
    }

    private async Task<IReadOnlyList<long>> WriteAsync(IReadOnlyList<ReadyAppend> appends, CancellationToken cancellationToken)
    {
        var changes = new SqlBatch();
        foreach (var append in appends.OrderBy(append => append.Expected.Value)) // What begins a call comes first, or rows of other calls would not go with its rows.
        {
            changes.Add(append.Changes);
        }

        await using var batch = _within?.CreateBatch() ?? _dataSource.CreateBatch();
        batch.BatchCommands.Add(appends is [var one] ? Append(one.StreamId, one.Expected, one.Written) : Append(appends));
        changes.AppendTo(batch);

        // To the end, and not as a scalar: closing what is not read hides that it was cancelled or took too long, and then nothing is stored.
        await using var reader = await batch.ExecuteReaderAsync(cancellationToken);
        await reader.ReadAsync(cancellationToken);
        IReadOnlyList<long> versions = appends.Count == 1 ? [reader.GetInt64(0)] : reader.GetFieldValue<long[]>(0);
        while (await reader.NextResultAsync(cancellationToken))
        {
        }

        return versions;
    }

    private static NpgsqlBatchCommand Append(string streamId, ExpectedVersion expected, WrittenEvents written) =>
        new(AppendEvents)
        {
            Parameters =
            {
                new() { Value = streamId, NpgsqlDbType = NpgsqlDbType.Text },
                new() { Value = expected.Value, NpgsqlDbType = NpgsqlDbType.Bigint },
                Array(NpgsqlDbType.Uuid, written.Events.Select(_ => Guid.CreateVersion7())),
                Array(NpgsqlDbType.Text, written.Events.Select(e => e.Type.StoredName)),
                Array(NpgsqlDbType.Jsonb, written.Events.Select(e => e.Json)),
                Array(NpgsqlDbType.Text, written.Events.Select(e => e.Type.DotnetType)),
                Array(NpgsqlDbType.Uuid, written.KeyIds),
            },
        };

    private static NpgsqlBatchCommand Append(IReadOnlyList<ReadyAppend> appends)
    {
        var events = appends
            .SelectMany((append, place) => append.Written.Events.Select((@event, number) => (Place: place + 1, Number: number + 1, Event: @event)))
            .ToList();
        return new NpgsqlBatchCommand(AppendToStreams)
        {
            Parameters =
            {
                Array(NpgsqlDbType.Text, appends.Select(append => append.StreamId)),
                Array(NpgsqlDbType.Bigint, appends.Select(append => append.Expected.Value)),
                Array(NpgsqlDbType.Integer, appends.Select(append => append.Written.Events.Count)),
                Array(NpgsqlDbType.Uuid, appends.SelectMany(append => append.Written.KeyIds).Distinct()),
                Array(NpgsqlDbType.Integer, events.Select(e => e.Place)),
                Array(NpgsqlDbType.Integer, events.Select(e => e.Number)),
                Array(NpgsqlDbType.Uuid, events.Select(_ => Guid.CreateVersion7())),
                Array(NpgsqlDbType.Text, events.Select(e => e.Event.Type.StoredName)),
                Array(NpgsqlDbType.Jsonb, events.Select(e => e.Event.Json)),
                Array(NpgsqlDbType.Text, events.Select(e => e.Event.Type.DotnetType)),
            },
        };
    }

    private static NpgsqlParameter Array<T>(NpgsqlDbType type, IEnumerable<T> values) =>
        new() { Value = values.ToArray(), NpgsqlDbType = NpgsqlDbType.Array | type };

    /// <summary>Told by our function, or found by Marten's indexes when somebody else appended without it.</summary>
    internal static bool IsConflict(PostgresException e) =>
        e.SqlState == Conflict
        || (e.SqlState == PostgresErrorCodes.UniqueViolation
            && e.ConstraintName is "pk_mt_events_stream_and_version" or "pkey_mt_streams_id");

    /// <summary>Whether it is the events that no JSON or no row can be made of.</summary>
    internal static bool AreAtFault(Exception e) => e is JsonException or ArgumentException or FormatException or NotSupportedException;

    /// <summary>Values out of range or that cannot be stored, broken constraints, and what exceeds a limit of the server's, such as an index row's.</summary>
    internal static bool IsForGood(PostgresException e) => e.SqlState[..2] is "22" or "23" or "54";

    private async Task<IReadOnlyList<StoredEvent>> ReadAsync(NpgsqlCommand command, CancellationToken cancellationToken) =>
        await OpenAsync(await FetchAsync(command, cancellationToken), cancellationToken);

    private static async Task<IReadOnlyList<RawRow>> FetchAsync(NpgsqlCommand command, CancellationToken cancellationToken)
    {
        var rows = new List<RawRow>();
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
        {
            rows.Add(new RawRow(
                reader.GetInt64(0), reader.GetString(1), reader.GetInt64(2), reader.GetFieldValue<DateTimeOffset>(3),
                new RawEvent(reader.GetString(4), reader.GetFieldValue<byte[]>(5))));
        }

        return rows;
    }

    private async Task<IReadOnlyList<StoredEvent>> OpenAsync(IReadOnlyList<RawRow> rows, CancellationToken cancellationToken)
    {
        var events = await _serializer.OpenAsync(rows.Select(row => row.Event).ToList(), cancellationToken);
        return
        [
            .. rows.Zip(events, (row, opened) => new StoredEvent(row.Sequence, row.StreamId, row.Version, row.StoredAt, opened.Data) { Erased = opened.Erased }),
        ];
    }

    /// <summary>As it is stored.</summary>
    private readonly record struct RawRow(long Sequence, string StreamId, long Version, DateTimeOffset StoredAt, RawEvent Event);
}
