using System.Runtime.InteropServices;
using Npgsql;
using NpgsqlTypes;

namespace Guru.Infrastructure.Postgres;

/// <summary>
/// Joins commands into few: rows for the same statement go together as long as their keys differ, and a key's commands keep
/// their order, those that only read it among themselves excepted.
/// </summary>
internal sealed class SqlBatch
{
    private readonly List<(SqlStatement Statement, List<object?[]> Rows)> _groups = [];

    /// <summary>By key, of what comes after all that stands between.</summary>
    private readonly Dictionary<string, Turn> _turns = new(StringComparer.Ordinal);

    /// <summary>The first group after what stands between.</summary>
    private int _first;

    /// <summary>
    /// Functions that set, to the end of the transaction, how the statements are planned. Plans are kept, since for the few rows of an append PostgreSQL
    /// would plan each of them anew every time; and they go by index, since they are kept from when tables may have been small.
    /// </summary>
    public const string Planning =
        "set_config('plan_cache_mode', 'force_generic_plan', true), set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true), set_config('enable_seqscan', 'off', true)";

    public bool IsEmpty => _groups.Count == 0;

    public void Add(IEnumerable<SqlCommand> commands)
    {
        foreach (var command in commands)
        {
            if (command.StandsBetween)
            {
                _groups.Add((command.Statement, [command.Row]));
                _first = _groups.Count;
                _turns.Clear();
                continue;
            }

            var written = command.Key is { } key ? _turns.GetValueOrDefault(key) : default;
            if (command.Once && written.Done == command.Statement)
            {
                continue;
            }

            var group = Math.Max(_first, written.Writes);
            if (command.Reads is { } read)
            {
                ref var turn = ref CollectionsMarshal.GetValueRefOrAddDefault(_turns, read, out _);
                group = GroupFrom(Math.Max(group, turn.Reads), command.Statement);
                turn = turn with { Writes = Math.Max(turn.Writes, group + 1) };
            }
            else
            {
                group = GroupFrom(group, command.Statement);
            }

            _groups[group].Rows.Add(command.Row);
            if (command.Key is not null)
            {
                _turns[command.Key] = new Turn(Reads: group + 1, Writes: group + 1, Done: command.Once ? command.Statement : null);
            }
        }
    }

    /// <summary>The first group of a statement from a place on; a new one at the end where there is none.</summary>
    private int GroupFrom(int place, SqlStatement statement)
    {
        while (place < _groups.Count && _groups[place].Statement != statement)
        {
            place++;
        }

        if (place == _groups.Count)
        {
            _groups.Add((statement, []));
        }

        return place;
    }

    public void AppendTo(NpgsqlBatch batch)
    {
        foreach (var (statement, rows) in _groups)
        {
            var command = new NpgsqlBatchCommand(rows.Count == 1 ? statement.OneRow : statement.Text);
            for (var column = 0; column < statement.Columns.Length; column++)
            {
                command.Parameters.Add(rows.Count == 1
                    ? One(statement.Columns[column], rows[0][column])
                    : Column(statement.Columns[column], rows, column));
            }

            batch.BatchCommands.Add(command);
        }
    }

    private static NpgsqlParameter One(NpgsqlDbType type, object? value) => new()
    {
        Value = value switch
        {
            null => DBNull.Value,
            string text => StorableText.Of(text),
            DateTimeOffset moment => moment.ToUniversalTime(),
            _ => value,
        },
        NpgsqlDbType = type,
    };

    private static NpgsqlParameter Column(NpgsqlDbType type, List<object?[]> rows, int column) => type switch
    {
        NpgsqlDbType.Text => Array<string?>(type, rows, column, value => value is string text ? StorableText.Of(text) : null),
        NpgsqlDbType.Bigint => Array(type, rows, column, value => (long?)value),
        NpgsqlDbType.Integer => Array(type, rows, column, value => (int?)value),
        NpgsqlDbType.Numeric => Array(type, rows, column, value => (decimal?)value),
        NpgsqlDbType.Double => Array(type, rows, column, value => (double?)value),
        NpgsqlDbType.Boolean => Array(type, rows, column, value => (bool?)value),
        NpgsqlDbType.TimestampTz => Array(type, rows, column, value => ((DateTimeOffset?)value)?.ToUniversalTime()),
        _ => throw new NotSupportedException($"No projection has had a column of type {type} yet."),
    };

    private static NpgsqlParameter<T[]> Array<T>(NpgsqlDbType type, List<object?[]> rows, int column, Func<object?, T> convert)
    {
        var values = new T[rows.Count];
        for (var row = 0; row < values.Length; row++)
        {
            values[row] = convert(rows[row][column]);
        }

        return new NpgsqlParameter<T[]> { TypedValue = values, NpgsqlDbType = NpgsqlDbType.Array | type };
    }

    /// <param name="Reads">The first group in which a key may be read.</param>
    /// <param name="Writes">The first in which it may be written.</param>
    /// <param name="Done">The statement that need not be repeated.</param>
    private readonly record struct Turn(int Reads, int Writes, SqlStatement? Done);
}
