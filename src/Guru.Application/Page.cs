namespace Guru.Application;

/// <summary>A stretch of a list.</summary>
/// <param name="Next">Where the next page goes on; null on the last.</param>
public sealed record Page<T>(IReadOnlyList<T> Items, string? Next);

public static class Page
{
    /// <summary>Of rows of which one more was asked for than fits.</summary>
    /// <param name="cursor">Of the last row that fits.</param>
    public static Page<T> Of<T>(List<T> rows, int limit, Func<T, string> cursor) =>
        rows.Count <= limit ? new Page<T>(rows, Next: null) : new Page<T>(rows[..limit], cursor(rows[limit - 1]));
}
