using Npgsql;
using NpgsqlTypes;

namespace Guru.Infrastructure.Postgres;

/// <summary>
/// How far the log is settled: up to where no event can appear any more. Sequence numbers are taken before they are committed, so a gap
/// may still fill. A gap is given up once every transaction that was under way when it was first seen is over: an append has its transaction's number
/// before it takes sequence numbers.
/// </summary>
internal sealed class SettledLog(NpgsqlDataSource dataSource)
{
    private const int PageSize = 2_000;

    private Gap? _gap;

    /// <summary>Nothing appears any more up to here.</summary>
    public long Position { get; private set; } = -1;

    /// <summary>Goes on from the end of the log, whatever lies in between.</summary>
    public void Restart() => (Position, _gap) = (-1, null);

    /// <summary>Goes on from a place that is known to be settled.</summary>
    public void GoOnFrom(long place) => (Position, _gap) = (place, null);

    /// <summary>Looks once how much further the log is settled.</summary>
    /// <returns>Whether there may be more to see at once.</returns>
    public async Task<bool> AdvanceAsync(CancellationToken cancellationToken)
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
        var (oldest, next, last) = (reader.GetInt64(0), reader.GetInt64(1), reader.GetInt64(2));
        if (Position < 0)
        {
            Begin(oldest, next, last);
            return false;
        }

        var visible = reader.GetFieldValue<long[]>(3);
        foreach (var sequence in visible)
        {
            if (sequence != Position + 1 && !IsOver(oldest, next, sequence))
            {
                return false;
            }

            Position = sequence;
        }

        return visible.Length == PageSize;
    }

    /// <summary>The end of the log as first seen counts once everything that was under way then is over.</summary>
    private void Begin(long oldest, long next, long last)
    {
        _gap ??= new Gap(last, next);
        if (oldest >= _gap.Next)
        {
            (Position, _gap) = (_gap.Before, null);
        }
    }

    private bool IsOver(long oldest, long next, long sequence)
    {
        if (_gap is null || _gap.Before > sequence || _gap.Before <= Position)
        {
            _gap = new Gap(sequence, next);
        }

        return oldest >= _gap.Next;
    }

    /// <param name="Before">The event that is seen behind the gap.</param>
    /// <param name="Next">The number of the transaction that had not begun when the gap was first seen.</param>
    private sealed record Gap(long Before, long Next);
}
