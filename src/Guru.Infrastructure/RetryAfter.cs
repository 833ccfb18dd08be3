using System.Globalization;
using System.Net.Http.Headers;
using System.Text.RegularExpressions;

namespace Guru.Infrastructure;

/// <summary>How long to wait before something is tried again.</summary>
internal static partial class RetryAfter
{
    /// <summary>The header Retry-After, in seconds or as a date.</summary>
    /// <returns>Never negative; null where the header is missing or cannot be read.</returns>
    public static TimeSpan? Of(string? header, TimeProvider time)
    {
        if (!RetryConditionHeaderValue.TryParse(header, out var value))
        {
            return null;
        }

        var wait = value.Delta ?? value.Date - time.GetUtcNow();
        return wait < TimeSpan.Zero ? TimeSpan.Zero : wait;
    }

    /// <summary>"Please try again in 1m2.5s", or 20ms: what a model says of a rate limit that no header goes with.</summary>
    /// <returns>Null where it says nothing of the kind.</returns>
    public static TimeSpan? InWords(string? message)
    {
        if (message is null || Told().Match(message) is not { Success: true } told || !told.Groups.Values.Skip(1).Any(unit => unit.Success))
        {
            return null;
        }

        var milliseconds = (Number("hours") * 3_600_000) + (Number("minutes") * 60_000) + (Number("seconds") * 1000) + Number("milliseconds");
        return TimeSpan.FromMilliseconds(Math.Min(milliseconds, TimeSpan.FromDays(1).TotalMilliseconds));

        double Number(string unit) => double.TryParse(told.Groups[unit].ValueSpan, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number) ? number : 0;
    }

    [GeneratedRegex(
        @"try again in (?=\d)((?<hours>\d+)h)?((?<minutes>\d+) ?(minutes?|m(?!s)))?((?<seconds>\d+(\.\d+)?) ?s(econds?)?\b)?((?<milliseconds>\d+(\.\d+)?)ms\b)?",
        RegexOptions.IgnoreCase | RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Told();
}
