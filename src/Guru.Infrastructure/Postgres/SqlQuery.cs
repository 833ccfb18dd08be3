using System.Runtime.CompilerServices;
using Guru.Domain.Callers;
using Npgsql;
using NpgsqlTypes;

namespace Guru.Infrastructure.Postgres;

/// <summary>A query that is put together from conditions. What comes from outside enters as a parameter only.</summary>
internal sealed class SqlQuery
{
    private readonly List<NpgsqlParameter> _parameters = [];
    private readonly List<string> _conditions = [];

    /// <summary>The conditions as a where clause; empty without any.</summary>
    public string Where => _conditions.Count == 0 ? "" : $"where {string.Join(" and ", _conditions)}";

    /// <returns>How the query names it, such as $1.</returns>
    public string Parameter<T>(T value, NpgsqlDbType type)
    {
        _parameters.Add(new NpgsqlParameter<T> { TypedValue = value, NpgsqlDbType = type });
        return $"${_parameters.Count}";
    }

    public void And(string condition) => _conditions.Add(condition);

    /// <summary>One of the ids. One alone is asked for as itself, so that an index gives the order, too.</summary>
    public string Of(string expression, IReadOnlyList<CallerId> ids) => ids is [var one]
        ? $"{expression} = {Text(one.Value)}"
        : $"{expression} = any ({Parameter(ids.Select(id => id.Value).ToArray(), NpgsqlDbType.Array | NpgsqlDbType.Text)})";

    /// <summary>One of the values; null stands for none.</summary>
    public void AndOneOf(string expression, IEnumerable<string?> values)
    {
        var list = values.ToList();
        if (list.Count > 0)
        {
            var known = $"{expression} = any ({Parameter(list.OfType<string>().ToArray(), NpgsqlDbType.Array | NpgsqlDbType.Text)})";
            And(list.Contains(null) ? $"({known} or {expression} is null)" : known);
        }
    }

    public void AndBetween(string expression, Application.Calls.NumberRange range)
    {
        if (range.Min is { } min)
        {
            And($"{expression} >= {Parameter(min, NpgsqlDbType.Numeric)}");
        }

        if (range.Max is { } max)
        {
            And($"{expression} <= {Parameter(max, NpgsqlDbType.Numeric)}");
        }
    }

    public void AndWithin(string expression, Application.Calls.TimeRange range)
    {
        if (range.From is { } from)
        {
            And($"{expression} >= {Time(from)}");
        }

        if (range.To is { } to)
        {
            And($"{expression} < {Time(to)}");
        }
    }

    public string Time(DateTimeOffset at) => Parameter(at.ToUniversalTime(), NpgsqlDbType.TimestampTz);

    public string Text(string text) => Parameter(StorableText.Of(text), NpgsqlDbType.Text);

    public NpgsqlBatchCommand InBatch(string sql)
    {
        var command = new NpgsqlBatchCommand(sql);
        foreach (var parameter in _parameters)
        {
            command.Parameters.Add(parameter.Clone());
        }

        return command;
    }

    public NpgsqlCommand On(NpgsqlConnection connection, string sql) => Filled(new NpgsqlCommand(sql, connection));

    public NpgsqlCommand On(NpgsqlDataSource dataSource, string sql) => Filled(dataSource.CreateCommand(sql));

    /// <summary>
    /// Planned for the very values that it has, each time: what is the best way for a rare word is the worst for a frequent one.
    /// </summary>
    /// <returns>The reader, once for each row that it stands on.</returns>
    public async IAsyncEnumerable<NpgsqlDataReader> ReadAsync(NpgsqlConnection connection, string sql, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        // Both are one transaction, with which the setting ends.
        await using var batch = new NpgsqlBatch(connection)
        {
            BatchCommands = { new("select set_config('plan_cache_mode', 'force_custom_plan', true)"), InBatch(sql) },
        };
        await using var reader = await batch.ExecuteReaderAsync(cancellationToken);
        await reader.NextResultAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
        {
            yield return reader;
        }
    }

    private NpgsqlCommand Filled(NpgsqlCommand command)
    {
        foreach (var parameter in _parameters)
        {
            command.Parameters.Add(parameter.Clone());
        }

        return command;
    }
}

internal static class Readers
{
    public static string? TextOrNull(this NpgsqlDataReader reader, int column) => reader.IsDBNull(column) ? null : reader.GetString(column);

    public static T? ValueOrNull<T>(this NpgsqlDataReader reader, int column)
        where T : struct => reader.IsDBNull(column) ? null : reader.GetFieldValue<T>(column);
}
