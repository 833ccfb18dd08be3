using System.Globalization;
using System.Security.Claims;
using Guru.Api.Security;

namespace Guru.Api.Dashboard;

/// <summary>Who looks at the pages, and by which clock.</summary>
/// <param name="Key">The name of the key; empty before somebody has signed in.</param>
/// <param name="SeesNumbers">Operators may ask for a phone number.</param>
internal sealed record Viewer(string Key, bool SeesNumbers, TimeZoneInfo Zone)
{
    public string Role => SeesNumbers ? "Operator" : "Analyst";

    /// <param name="timeZone">As the browser calls it; UTC where this machine does not know it.</param>
    public static Viewer Of(ClaimsPrincipal user, string? timeZone) => new(
        user.KeyOf(),
        user.IsInRole(Roles.Operator),
        timeZone is { Length: < 64 } && TimeZoneInfo.TryFindSystemTimeZoneById(timeZone, out var zone) ? zone : TimeZoneInfo.Utc);

    public DateTime Local(DateTimeOffset at) => TimeZoneInfo.ConvertTime(at, Zone).DateTime;

    public string Time(DateTimeOffset at) => Local(at).ToString("HH:mm:ss", CultureInfo.InvariantCulture);

    public string DateTime(DateTimeOffset at) => Local(at).ToString("d MMM yyyy, HH:mm", CultureInfo.InvariantCulture);

    /// <summary>For lists: without the year, where it is this one.</summary>
    public string Short(DateTimeOffset at, DateTimeOffset now) => Local(at) is var local && local.Year == Local(now).Year
        ? local.ToString("d MMM, HH:mm", CultureInfo.InvariantCulture)
        : DateTime(at);

    public string Date(DateTimeOffset at) => Local(at).ToString("d MMM yyyy", CultureInfo.InvariantCulture);

    /// <summary>The moment at which a day begins here.</summary>
    public DateTimeOffset StartOf(DateOnly day)
    {
        var midnight = day.ToDateTime(TimeOnly.MinValue);
        return new DateTimeOffset(midnight, Zone.GetUtcOffset(midnight)).ToUniversalTime();
    }

    public DateOnly DayOf(DateTimeOffset at) => DateOnly.FromDateTime(Local(at));
}
