using System.Collections.Immutable;
using Guru.Domain.Callers;

namespace Guru.Domain.Conversations;

/// <summary>At most so many within any stretch of that length.</summary>
public sealed record CallingLimit(int Most, TimeSpan Within);

/// <summary>When people may be called, by their own clocks; <paramref name="To"/> is not included.</summary>
public sealed record WakingHours(TimeSpan From, TimeSpan To);

/// <summary>A country's telephone prefixes, without the plus sign, and its time zones.</summary>
public sealed record CallingCountry(string Code, ImmutableArray<string> Prefixes, ImmutableArray<TimeZoneInfo> Zones);

/// <summary>What WhatsApp, and good manners, allow a business that calls. It is data with a date; docs/consent.md names the sources.</summary>
/// <param name="PermissionLifetime">How long a temporary permission lasts.</param>
/// <param name="RequestLifetime">How long a request may be answered.</param>
/// <param name="Requests">How often a person may be asked; a call that was answered resets it.</param>
/// <param name="Calls">How often a person may be called.</param>
/// <param name="PauseAfterUnanswered">After so many unanswered calls in a row the person must be in touch first.</param>
/// <param name="RevokedAfterUnanswered">After so many the permission is gone.</param>
/// <param name="ExcludedSenders">Countries whose numbers may not call.</param>
/// <param name="UnavailableCallees">Countries where nobody can be called.</param>
/// <param name="UnavailablePrefixes">The same for regions.</param>
public sealed record CallingRules(
    DateOnly AsOf,
    TimeSpan PermissionLifetime,
    TimeSpan RequestLifetime,
    ImmutableArray<CallingLimit> Requests,
    ImmutableArray<CallingLimit> Calls,
    int PauseAfterUnanswered,
    int RevokedAfterUnanswered,
    WakingHours Waking,
    ImmutableHashSet<string> ExcludedSenders,
    ImmutableHashSet<string> UnavailableCallees,
    ImmutableArray<string> UnavailablePrefixes,
    ImmutableArray<CallingCountry> Countries)
{
    /// <summary>How far ahead a common waking hour is looked for.</summary>
    private const int MostDays = 8;

    private readonly ImmutableDictionary<string, CallingCountry> _byPrefix =
        Countries.SelectMany(country => country.Prefixes, (country, prefix) => (country, prefix)).ToImmutableDictionary(pair => pair.prefix, pair => pair.country);

    private readonly ImmutableDictionary<string, CallingCountry> _byCode = Countries.ToImmutableDictionary(country => country.Code);

    /// <summary>By the longest prefix that fits; of a business-scoped id, by the country it names. Null where nobody knows.</summary>
    public CallingCountry? CountryOf(CallerAddress address)
    {
        if (!address.IsPhoneNumber)
        {
            return _byCode.GetValueOrDefault(address.Value[..2]);
        }

        var digits = address.Value[1..];
        return Enumerable.Range(1, digits.Length).Reverse().Select(length => _byPrefix.GetValueOrDefault(digits[..length])).FirstOrDefault(country => country is not null);
    }

    public bool CanBeReached(CallerAddress address) =>
        !UnavailableCallees.Contains(CountryOf(address)?.Code ?? "")
        && !UnavailablePrefixes.Any(prefix => address.Value.AsSpan(1).StartsWith(prefix, StringComparison.Ordinal));

    /// <summary>When everybody in these zones is awake, from a moment on; null where that never is.</summary>
    public DateTimeOffset? NextWaking(ImmutableArray<TimeZoneInfo> zones, DateTimeOffset from)
    {
        if (AreAwake(zones, from))
        {
            return from;
        }

        // Whatever stretch they share begins where the day of one of them does.
        return zones
            .SelectMany(zone => Enumerable.Range(0, MostDays).Select(day => DayBegins(zone, TimeZoneInfo.ConvertTime(from, zone).Date.AddDays(day))))
            .Where(begins => begins > from && AreAwake(zones, begins))
            .Select(begins => (DateTimeOffset?)begins)
            .Min();
    }

    private bool AreAwake(ImmutableArray<TimeZoneInfo> zones, DateTimeOffset at) => zones.All(zone =>
    {
        var time = TimeZoneInfo.ConvertTime(at, zone).TimeOfDay;
        return time >= Waking.From && time < Waking.To;
    });

    private DateTimeOffset DayBegins(TimeZoneInfo zone, DateTime date)
    {
        var local = date + Waking.From;
        while (zone.IsInvalidTime(local))
        {
            local = local.AddMinutes(1); // The clocks are put forward over it.
        }

        return new DateTimeOffset(local, zone.GetUtcOffset(local)).ToUniversalTime();
    }
}
