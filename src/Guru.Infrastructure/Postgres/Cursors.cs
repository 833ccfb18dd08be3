using System.Buffers.Text;
using System.Globalization;
using System.Text;

namespace Guru.Infrastructure.Postgres;

/// <summary>Where the next page goes on, as text that means nothing to the reader.</summary>
internal static class Cursor
{
    public static string Of(string text) => Base64Url.EncodeToString(Encoding.UTF8.GetBytes(text));

    /// <exception cref="FormatException">Not base64url.</exception>
    public static string Parse(string cursor) => Encoding.UTF8.GetString(Base64Url.DecodeFromChars(cursor));
}

/// <summary>After a row of a list that is ordered by time, and by id where times are equal.</summary>
internal static class TimeCursor
{
    private const char Separator = ' ';

    public static string Of(DateTimeOffset at, string id) =>
        Cursor.Of(string.Create(CultureInfo.InvariantCulture, $"{at.UtcTicks}{Separator}{id}"));

    public static (DateTimeOffset At, string Id) Parse(string cursor)
    {
        var parts = Cursor.Parse(cursor).Split(Separator, 2);
        return parts.Length == 2
            && long.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out var ticks)
            && ticks <= DateTime.MaxValue.Ticks
            && !parts[1].Contains('\0')
            ? (new DateTimeOffset(ticks, TimeSpan.Zero), parts[1])
            : throw new FormatException("Not a cursor of this list.");
    }
}

/// <summary>From a version of a stream on.</summary>
internal static class EventCursor
{
    private const string Prefix = "v";

    public static string Of(long version) => Cursor.Of(string.Create(CultureInfo.InvariantCulture, $"{Prefix}{version}"));

    public static long Parse(string cursor)
    {
        var text = Cursor.Parse(cursor);
        return text.StartsWith(Prefix, StringComparison.Ordinal)
            && long.TryParse(text.AsSpan(Prefix.Length), NumberStyles.None, CultureInfo.InvariantCulture, out var version)
            ? version
            : throw new FormatException("Not a cursor of this list.");
    }
}
