using NpgsqlTypes;

namespace Guru.Infrastructure.Postgres;

/// <summary>
/// A read model's rule: from an event to what must be written, as plain data that any adapter of the event store executes in the
/// transaction of the append. It reads no clock and no database; what depends on the row there is said in SQL.
/// </summary>
public interface IProjection
{
    /// <summary>The tables it makes rows in, without their schema; no other projection does.</summary>
    IReadOnlyList<string> Tables { get; }

    IEnumerable<SqlCommand> Project(ProjectedEvent @event);
}

public readonly record struct ProjectedEvent(string StreamId, object Data);

/// <summary>
/// A statement over a set of rows, given as one array for each column (<c>unnest($1, $2, ...)</c>), so that a rebuild writes
/// thousands of rows with the same statement that an append writes one row with.
/// </summary>
public sealed record SqlStatement(string Text, params NpgsqlDbType[] Columns);

/// <summary>One row for a statement.</summary>
/// <param name="Key">What it writes to. Commands with one key are carried out in order; those with different keys commute.</param>
public sealed record SqlCommand(SqlStatement Statement, string Key, params object?[] Row)
{
    /// <summary>
    /// The key of what it only reads there: it comes after what was to be written to that before, and before what is to be written later.
    /// </summary>
    public string? Reads { get; init; }

    /// <summary>A command that stands between.</summary>
    public static SqlCommand Between(SqlStatement statement, params object?[] row) => new(statement, "", row) { StandsBetween = true };

    /// <summary>It comes after everything before it and before everything after it, whatever that is written to.</summary>
    public bool StandsBetween { get; init; }
}
