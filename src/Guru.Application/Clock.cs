using System.Globalization;

namespace Guru.Application;

/// <summary>The time as models are told it: with the day of the week, which they count badly.</summary>
public static class Clock
{
    public static string Now(DateTimeOffset now) => $"It is {Of(now.ToUniversalTime())} UTC.";

    public static string Of(DateTimeOffset at) => at.ToString("dddd, yyyy-MM-dd HH:mm", CultureInfo.InvariantCulture);
}
