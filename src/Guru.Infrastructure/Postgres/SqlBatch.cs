using System.Runtime.InteropServices;
using Npgsql;
using NpgsqlTypes;

namespace Guru.Infrastructure.Postgres;

/// <summary>
/// Joins commands into few: rows for the same statement go together as long as their keys differ, and a key's commands keep
/// their order.
/// </summary>
public sealed class SqlBatch
{
    private readonly List<(SqlStatement Statement, List<object?[]> Rows)> _groups = [];
    private readonly Dictionary<string, int> _lastGroup = new(StringComparer.Ordinal);

    public bool IsEmpty => _groups.Count == 0;

    public void Add(IEnumerable<SqlCommand> commands)
    {
        foreach (var command in commands)
        {
            ref var last = ref CollectionsMarshal.GetValueRefOrAddDefault(_lastGroup, command.Key, out var known);
            var group = known ? last + 1 : 0;
            while (group < _groups.Count && _groups[group].Statement != command.Statement)
            {
                group++;
            }

            if (group == _groups.Count)
            {
                _groups.Add((command.Statement, []));
            }

            _groups[group].Rows.Add(command.Row);
            last = group;
        }
    }

    public void AppendTo(NpgsqlBatch batch)
    {
        foreach (var (statement, rows) in _groups)
        {
            var command = new NpgsqlBatchCommand(statement.Text);
            for (var column = 0; column < statement.Columns.Length; column++)
            {
                command.Parameters.Add(Column(statement.Columns[column], rows, column));
            }

            batch.BatchCommands.Add(command);
        }
    }

    private static NpgsqlParameter Column(NpgsqlDbType type, List<object?[]> rows, int column) => type switch
    {
        NpgsqlDbType.Text => Array<string?>(type, rows, column, value => value is string text ? StorableText.Of(text) : null),
        NpgsqlDbType.Bigint => Array(type, rows, column, value => (long?)value),
        NpgsqlDbType.Integer => Array(type, rows, column, value => (int?)value),
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
}
