using System.Text.RegularExpressions;
using NpgsqlTypes;

namespace Guru.Infrastructure.Postgres;

/// <summary>
/// A read model's rule: from an event to what must be written, as plain data that any adapter of the event store executes in the
/// transaction of the append. It reads no clock and no database; what depends on the row there is said in SQL.
/// </summary>
internal interface IProjection
{
    /// <summary>The tables it makes rows in, without their schema; no other projection does.</summary>
    IReadOnlyList<string> Tables { get; }

    /// <summary>Those of other projections whose rows it adds to.</summary>
    IReadOnlyList<string> AddsTo => [];

    /// <summary>Those of other projections that it only reads.</summary>
    IReadOnlyList<string> Reads => [];

    /// <summary>
    /// Of what it writes, without spaces and dashes. To be raised with every change of that, so that the tables of an older Guru are made anew, and
    /// those of the projections that read them.
    /// </summary>
    string Version { get; }

    /// <summary>Of the prices that it reckons with, if it does. Nobody reads what depends on them, so with others only its own tables are made anew.</summary>
    string? Prices => null;

    IEnumerable<SqlCommand> Project(ProjectedEvent @event);
}

public readonly record struct ProjectedEvent(string StreamId, object Data);

/// <summary>
/// A statement over a set of rows, given as one array for each column (<c>unnest($1, $2, ...)</c>), so that a rebuild writes
/// thousands of rows with the same statement that an append writes one row with.
/// </summary>
public sealed partial class SqlStatement(string text, params NpgsqlDbType[] columns)
{
    public string Text { get; } = text;

    public NpgsqlDbType[] Columns { get; } = columns;

    /// <summary>The same over one row, given as values: for PostgreSQL that is less to set up than a set from arrays.</summary>
    public string OneRow { get; } = Set().Replace(
        text, _ => $"(values ({string.Join(", ", columns.Select((type, column) => $"${column + 1}::{NameOf(type)}"))}))");

    private static string NameOf(NpgsqlDbType type) => type switch
    {
        NpgsqlDbType.Text => "text",
        NpgsqlDbType.Bigint => "bigint",
        NpgsqlDbType.Integer => "int",
        NpgsqlDbType.Numeric => "numeric",
        NpgsqlDbType.Double => "double precision",
        NpgsqlDbType.Boolean => "boolean",
        NpgsqlDbType.TimestampTz => "timestamptz",
        _ => throw new NotSupportedException($"No projection has had a column of type {type} yet."),
    };

    [GeneratedRegex(@"unnest\(\$1[^)]*\)", RegexOptions.None, matchTimeoutMilliseconds: 1_000)]
    private static partial Regex Set();
}

/// <summary>One row for a statement.</summary>
/// <param name="Key">
/// What it writes to. Commands with one key are carried out in order; those with different keys commute. Null where it commutes with all others, those with the same row included.
/// </param>
public sealed record SqlCommand(SqlStatement Statement, string? Key, params object?[] Row)
{
    /// <summary>
    /// The key of what it only reads there: it comes after what was to be written to that before, and before what is to be written later.
    /// </summary>
    public string? Reads { get; init; }

    /// <summary>It does nothing that the same statement has not done to that key already, as long as no other has written to the key since.</summary>
    public bool Once { get; init; }

    /// <summary>A command that stands between.</summary>
    public static SqlCommand Between(SqlStatement statement, params object?[] row) => new(statement, null, row) { StandsBetween = true };

    /// <summary>It comes after everything before it and before everything after it, whatever that is written to.</summary>
    public bool StandsBetween { get; init; }
}
