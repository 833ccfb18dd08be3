using System.Collections.Immutable;
using System.Globalization;
using Guru.Domain.Conversations;
using YamlDotNet.Core;
using YamlDotNet.Serialization;
using YamlDotNet.Serialization.NamingConventions;

namespace Guru.Infrastructure.Calling;

/// <summary>Reads the rules of calling, and lists everything that is wrong with them at once.</summary>
public static class CallingRulesFile
{
    private const int MostHours = 24 * 366;
    private const int MostPrefixDigits = 9;

    public static string ShippedPath => Path.Combine(AppContext.BaseDirectory, "calling-rules.yaml");

    /// <param name="path">A file whose members replace the shipped ones; null for those alone.</param>
    /// <exception cref="CallingRulesException">A file has mistakes; all of them are listed.</exception>
    public static CallingRules Load(string? path = null)
    {
        var shipped = Read(ShippedPath);
        if (path is null)
        {
            return Check(shipped);
        }

        var own = Read(path);
        return Check(new FileShape
        {
            AsOf = own.AsOf,
            Sources = own.Sources,
            PermissionHours = own.PermissionHours ?? shipped.PermissionHours,
            RequestHours = own.RequestHours ?? shipped.RequestHours,
            Requests = own.Requests ?? shipped.Requests,
            Calls = own.Calls ?? shipped.Calls,
            Unanswered = own.Unanswered ?? shipped.Unanswered,
            WakingHours = own.WakingHours ?? shipped.WakingHours,
            ExcludedSenders = own.ExcludedSenders ?? shipped.ExcludedSenders,
            UnavailableCallees = own.UnavailableCallees ?? shipped.UnavailableCallees,
            UnavailablePrefixes = own.UnavailablePrefixes ?? shipped.UnavailablePrefixes,
            Countries = own.Countries ?? shipped.Countries,
        });
    }

    private static FileShape Read(string path)
    {
        try
        {
            return new DeserializerBuilder().WithNamingConvention(CamelCaseNamingConvention.Instance).Build().Deserialize<FileShape>(File.ReadAllText(path)) ?? new FileShape();
        }
        catch (YamlException error)
        {
            throw new CallingRulesException([$"{path}, line {error.Start.Line}: {error.InnerException?.Message ?? error.Message}"]);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new CallingRulesException([$"{path} cannot be read: {error.Message}"]);
        }
    }

    private static CallingRules Check(FileShape file)
    {
        var mistakes = new List<string>();
        if (!DateOnly.TryParseExact(file.AsOf, "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None, out var asOf))
        {
            mistakes.Add("asOf is a date such as 2026-09-01");
        }

        if (file.Sources is null or [] || file.Sources.Exists(string.IsNullOrWhiteSpace))
        {
            mistakes.Add("sources names where the rules are from");
        }

        var waking = Waking(file.WakingHours, mistakes);
        var countries = Countries(file.Countries ?? [], mistakes);
        var codes = countries.Select(country => country.Code).ToHashSet(StringComparer.Ordinal);
        var unanswered = file.Unanswered ?? new UnansweredShape();
        if (unanswered.PauseAfter is < 1 or > 100 || unanswered.RevokedAfter is < 1 or > 100)
        {
            mistakes.Add("unanswered has pauseAfter and revokedAfter, from 1 to 100");
        }

        var rules = new CallingRules(
            asOf,
            Hours(file.PermissionHours, "permissionHours", mistakes),
            Hours(file.RequestHours, "requestHours", mistakes),
            Limits(file.Requests, "requests", mistakes),
            Limits(file.Calls, "calls", mistakes),
            unanswered.PauseAfter,
            unanswered.RevokedAfter,
            waking,
            Codes(file.ExcludedSenders, "excludedSenders", codes, mistakes),
            Codes(file.UnavailableCallees, "unavailableCallees", codes, mistakes),
            Prefixes(file.UnavailablePrefixes ?? [], "unavailablePrefixes", mistakes),
            mistakes.Count == 0 ? countries : []);
        return mistakes.Count == 0 ? rules : throw new CallingRulesException(mistakes);
    }

    private static TimeSpan Hours(int? hours, string name, List<string> mistakes)
    {
        if (hours is not (>= 1 and <= MostHours))
        {
            mistakes.Add($"{name} is a number of hours, from 1 to {MostHours}");
        }

        return TimeSpan.FromHours(hours is >= 1 and <= MostHours ? hours.Value : 1);
    }

    private static ImmutableArray<CallingLimit> Limits(List<LimitShape>? limits, string name, List<string> mistakes)
    {
        if (limits is null or [] || limits.Exists(limit => limit.Most < 1 || limit.Hours is < 1 or > MostHours))
        {
            mistakes.Add($"{name} is a list of limits such as {{ most: 1, hours: 24 }}");
            return [];
        }

        return [.. limits.Select(limit => new CallingLimit(limit.Most, TimeSpan.FromHours(limit.Hours)))];
    }

    private static WakingHours Waking(WakingShape? waking, List<string> mistakes)
    {
        if (TimeOfDay(waking?.From) is { } from && TimeOfDay(waking?.To) is { } to && from < to)
        {
            return new WakingHours(from, to);
        }

        mistakes.Add("wakingHours goes from a time such as \"09:00\" to a later one, at most \"24:00\"");
        return new WakingHours(TimeSpan.Zero, TimeSpan.FromDays(1));
    }

    private static TimeSpan? TimeOfDay(string? text) =>
        text == "24:00" ? TimeSpan.FromDays(1)
        : TimeOnly.TryParseExact(text, "HH:mm", CultureInfo.InvariantCulture, DateTimeStyles.None, out var time) ? time.ToTimeSpan()
        : null;

    private static ImmutableHashSet<string> Codes(List<string>? codes, string name, HashSet<string> known, List<string> mistakes)
    {
        mistakes.AddRange((codes ?? []).Where(code => !known.Contains(code)).Select(code => $"{name}: {code} is none of the countries"));
        return [.. codes ?? []];
    }

    private static ImmutableArray<string> Prefixes(List<string> prefixes, string where, List<string> mistakes)
    {
        mistakes.AddRange(prefixes
            .Where(prefix => prefix is not { Length: >= 1 and <= MostPrefixDigits } || prefix[0] == '0' || !prefix.All(char.IsAsciiDigit))
            .Select(prefix => $"{where}: {prefix} is not the beginning of an E.164 number, without the plus sign"));
        return [.. prefixes];
    }

    private static ImmutableArray<CallingCountry> Countries(Dictionary<string, CountryShape> countries, List<string> mistakes)
    {
        if (countries.Count == 0)
        {
            mistakes.Add("countries is missing");
        }

        var read = ImmutableArray.CreateBuilder<CallingCountry>();
        foreach (var (code, country) in countries)
        {
            if (code is not [>= 'A' and <= 'Z', >= 'A' and <= 'Z'])
            {
                mistakes.Add($"countries: {code} is not a code of two letters");
            }

            var zones = ImmutableArray.CreateBuilder<TimeZoneInfo>();
            foreach (var name in country?.Zones ?? [])
            {
                if (TimeZoneInfo.TryFindSystemTimeZoneById(name, out var zone))
                {
                    zones.Add(zone);
                }
                else
                {
                    mistakes.Add($"{code}: this machine does not know the time zone {name}; its time zone data (tzdata) may be missing or old");
                }
            }

            if (country?.Zones is null or [] || country.Prefixes is null or [])
            {
                mistakes.Add($"{code}: a country has prefixes and zones");
            }

            read.Add(new CallingCountry(code, Prefixes(country?.Prefixes ?? [], code, mistakes), zones.ToImmutable()));
        }

        mistakes.AddRange(read.SelectMany(country => country.Prefixes, (country, prefix) => (country.Code, prefix)).GroupBy(pair => pair.prefix, StringComparer.Ordinal)
            .Where(group => group.Skip(1).Any()).Select(group => $"{group.Key} is the prefix of {string.Join(" and ", group.Select(pair => pair.Code))}"));
        return read.ToImmutable();
    }

    private sealed class FileShape
    {
        public string? AsOf { get; set; }

        public List<string>? Sources { get; set; }

        public int? PermissionHours { get; set; }

        public int? RequestHours { get; set; }

        public List<LimitShape>? Requests { get; set; }

        public List<LimitShape>? Calls { get; set; }

        public UnansweredShape? Unanswered { get; set; }

        public WakingShape? WakingHours { get; set; }

        public List<string>? ExcludedSenders { get; set; }

        public List<string>? UnavailableCallees { get; set; }

        public List<string>? UnavailablePrefixes { get; set; }

        public Dictionary<string, CountryShape>? Countries { get; set; }
    }

    private sealed class LimitShape
    {
        public int Most { get; set; }

        public int Hours { get; set; }
    }

    private sealed class UnansweredShape
    {
        public int PauseAfter { get; set; }

        public int RevokedAfter { get; set; }
    }

    private sealed class WakingShape
    {
        public string? From { get; set; }

        public string? To { get; set; }
    }

    private sealed class CountryShape
    {
        public List<string>? Prefixes { get; set; }

        public List<string>? Zones { get; set; }
    }
}

/// <param name="mistakes">All that is wrong, each with where.</param>
public sealed class CallingRulesException(IReadOnlyList<string> mistakes)
    : Exception("The rules of calling have mistakes:\n" + string.Join('\n', mistakes.Select(mistake => "  - " + mistake)))
{
    public IReadOnlyList<string> Mistakes { get; } = mistakes;
}
