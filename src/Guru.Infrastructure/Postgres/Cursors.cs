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

/// <summary>After a call in the newest-first list.</summary>
internal static class CallCursor
{
    private const char Separator = ' ';

    public static string Of(DateTimeOffset startedAt, string callSid) =>
        Cursor.Of(string.Create(CultureInfo.InvariantCulture, $"{startedAt.UtcTicks}{Separator}{callSid}"));

    public static (DateTimeOffset StartedAt, string CallSid) Parse(string cursor)
    {
        var parts = Cursor.Parse(cursor).Split(Separator);
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
