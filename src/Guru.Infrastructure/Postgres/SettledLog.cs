using Npgsql;
using NpgsqlTypes;

namespace Guru.Infrastructure.Postgres;

/// <summary>
/// How far the log is settled: up to where no event can appear any more. Sequence numbers are taken before they are committed, so a gap
/// may still fill. A gap is given up once every transaction is over that had a number when it was first seen: an append has its transaction's number
/// before it takes sequence numbers.
/// </summary>
internal sealed class SettledLog(NpgsqlDataSource dataSource)
{
    private const int PageSize = 2_000;

    private Horizon? _horizon;

    /// <summary>Nothing appears any more up to here.</summary>
    public long Position { get; private set; } = -1;

    /// <summary>Goes on from the end of the log, whatever lies in between.</summary>
    public void Restart() => (Position, _horizon) = (-1, null);

    /// <summary>Goes on from a place that is known to be settled.</summary>
    public void GoOnFrom(long place) => (Position, _horizon) = (place, null);

    /// <summary>Looks how much further the log is settled, and once more where there is a gap that is new: nearly always nobody is about to fill it.</summary>
    /// <returns>Whether there may be more to see at once.</returns>
    public async Task<bool> AdvanceAsync(CancellationToken cancellationToken)
    {
        var before = _horizon;
        var more = await LookAsync(cancellationToken);
        return _horizon is null || _horizon == before ? more : await LookAsync(cancellationToken);
    }

    private async Task<bool> LookAsync(CancellationToken cancellationToken)
    {
        var (oldest, next, last, visible) = await SeeAsync(cancellationToken);
        if (next <= _horizon?.Newest)
        {
            _horizon = null; // The server crashed before it had kept that number, and gives it to others.
        }

        var isOver = oldest > _horizon?.Newest;
        if (Position < 0)
        {
            if (isOver)
            {
                GoOnFrom(_horizon!.Last);
            }
            else
            {
                _horizon ??= await HorizonAsync(last, cancellationToken);
            }

            return false;
        }

        var settled = isOver ? _horizon!.Last : Position;
        foreach (var sequence in visible)
        {
            if (sequence != Position + 1 && sequence > settled)
            {
                if (isOver || _horizon is null || _horizon.Last < sequence)
                {
                    _horizon = await HorizonAsync(last, cancellationToken);
                }

                return false;
            }

            Position = sequence;
        }

        return visible.Length == PageSize;
    }

    /// <summary>The oldest transaction under way, the one after the newest that is over, the last event, and those behind the place.</summary>
    private async Task<(long Oldest, long Next, long Last, long[] Visible)> SeeAsync(CancellationToken cancellationToken)
    {
        // One statement and so one snapshot: what it does not see, a transaction that is over can no longer bring.
        await using var command = dataSource.CreateCommand(
            """
            select pg_snapshot_xmin(pg_current_snapshot())::text::bigint, pg_snapshot_xmax(pg_current_snapshot())::text::bigint,
                coalesce((select max(seq_id) from events.mt_events), 0),
                array(select seq_id from events.mt_events where seq_id > $1 and $1 >= 0 order by seq_id limit $2)
            """);
        command.Parameters.Add(new() { Value = Position, NpgsqlDbType = NpgsqlDbType.Bigint });
        command.Parameters.Add(new() { Value = PageSize, NpgsqlDbType = NpgsqlDbType.Integer });
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        await reader.ReadAsync(cancellationToken);
        return (reader.GetInt64(0), reader.GetInt64(1), reader.GetInt64(2), reader.GetFieldValue<long[]>(3));
    }

    /// <summary>
    /// Takes a transaction's number, newer than that of whoever took a sequence number before. The end of the snapshot would not do: it is next to the newest
    /// transaction that is over, and one under way may be newer.
    /// </summary>
    private async Task<Horizon> HorizonAsync(long last, CancellationToken cancellationToken)
    {
        await using var command = dataSource.CreateCommand("select pg_current_xact_id()::text::bigint");
        return new Horizon(last, (long)(await command.ExecuteScalarAsync(cancellationToken))!);
    }

    /// <summary>Once every transaction is over that is older than the newest, nothing appears any more up to the last event.</summary>
    private sealed record Horizon(long Last, long Newest);
}
