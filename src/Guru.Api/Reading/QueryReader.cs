using System.Collections.Frozen;
using System.Globalization;
using System.Text.RegularExpressions;
using Guru.Application.Calls;
using Guru.Application.Transcripts;
using Guru.Domain.Callers;
using Guru.Domain.Calls;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.Extensions.Primitives;

namespace Guru.Api.Reading;

/// <summary>
/// Reads a query string and collects every mistake in it: what cannot be read, and at the end each name that nobody asked for.
/// </summary>
internal sealed partial class QueryReader(IQueryCollection query)
{
    private const int MostValues = 50;
    private const int MostCharacters = 500;

    /// <summary>Stands for: has none.</summary>
    private const string None = "none";

    private readonly Dictionary<string, string[]> _mistakes = new(StringComparer.Ordinal);
    private readonly HashSet<string> _known = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>Whose id or number was given: an address that is made of this query names them by their id.</summary>
    public CallerId? Caller { get; set; }

    /// <summary>Null when everything could be read, and nothing was left over.</summary>
    public ValidationProblem? Problem()
    {
        foreach (var name in query.Keys.Where(name => !_known.Contains(name)))
        {
            _mistakes[name] = ["is not a parameter of this endpoint"];
        }

        return _mistakes.Count == 0 ? null : TypedResults.ValidationProblem(_mistakes, title: "The query cannot be read.");
    }

    public void Refuse(string name, string why) => _mistakes[name] = [why];

    /// <summary>One value; null where the name is not given.</summary>
    public string? Text(string name)
    {
        _known.Add(name);
        if (!query.TryGetValue(name, out var values) || values.Count == 0)
        {
            return null;
        }

        if (values.Count > 1)
        {
            Refuse(name, "is given more than once");
        }
        else if (string.IsNullOrWhiteSpace(values[0]))
        {
            Refuse(name, "is empty");
        }
        else if (values[0]!.Length > MostCharacters)
        {
            Refuse(name, $"is longer than {MostCharacters} characters");
        }
        else
        {
            return values[0];
        }

        return null;
    }

    public T? Read<T>(string name, Func<string, T> parse)
    {
        try
        {
            return Text(name) is { } text ? parse(text) : default;
        }
        catch (FormatException error)
        {
            Refuse(name, error.Message);
            return default;
        }
    }

    /// <summary>Values that are repeated or parted by commas.</summary>
    public IReadOnlyList<T> Values<T>(string name, Func<string, T> parse)
    {
        _known.Add(name);
        var values = (query.TryGetValue(name, out var given) ? given : StringValues.Empty).SelectMany(value => (value ?? "").Split(',')).ToList();
        if (values.Count > MostValues)
        {
            Refuse(name, $"has more than {MostValues} values");
            return [];
        }

        try
        {
            return values.ConvertAll(value => parse(value.Trim()));
        }
        catch (FormatException error)
        {
            Refuse(name, error.Message);
            return [];
        }
    }

    public IReadOnlyList<T> Enums<T>(string name)
        where T : struct, Enum => Values(name, EnumOf<T>);

    public IReadOnlyList<T?> EnumsOrNone<T>(string name)
        where T : struct, Enum => Values<T?>(name, text => text == None ? null : EnumOf<T>(text));

    public IReadOnlyList<string> Names(string name) => Values(name, NameOf);

    public IReadOnlyList<string?> NamesOrNone(string name) => Values(name, text => text == None ? null : NameOf(text));

    public IReadOnlyList<string> Among(string name, IReadOnlyList<string> known) => Values(name, text =>
        known.Contains(text, StringComparer.Ordinal) ? text : throw new FormatException($"is one of {string.Join(", ", known)}"));

    public T? Enum<T>(string name)
        where T : struct, Enum => Read<T?>(name, text => EnumOf<T>(text));

    public string? Name(string name) => Read(name, NameOf);

    public bool? Flag(string name) => Read<bool?>(name, text => text switch
    {
        "true" => true,
        "false" => false,
        _ => throw new FormatException("is true or false"),
    });

    public DateTimeOffset? Time(string name) => Read<DateTimeOffset?>(name, text => TimeOf(text));

    public TimeRange Times(string name)
    {
        var range = new TimeRange(Time($"{name}.from"), Time($"{name}.to"));
        if (range.From >= range.To)
        {
            Refuse($"{name}.to", $"is not later than {name}.from");
        }

        return range;
    }

    public NumberRange Numbers(string name)
    {
        var range = new NumberRange(Number($"{name}.min"), Number($"{name}.max"));
        if (range.Min > range.Max)
        {
            Refuse($"{name}.max", $"is less than {name}.min");
        }

        return range;
    }

    public int Limit(int standard, int most) => Read<int?>("limit", text =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var limit) && limit >= 1 && limit <= most
            ? limit
            : throw new FormatException($"is a number from 1 to {most}")) ?? standard;

    public CallerId? CallerId(string name) => Read<CallerId?>(name, text =>
        Domain.Callers.CallerId.TryParse(text, out var id) ? id : throw new FormatException("is not a caller's id: 32 hexadecimal digits in lower case"));

    public CallSid? CallSid(string name) => Read<CallSid?>(name, text =>
        Domain.Calls.CallSid.TryParse(text, out var sid) ? sid : throw new FormatException("is not a call SID"));

    public TextQuery? Words(string name) => Read<TextQuery?>(name, TextQuery.Parse);

    /// <summary>Where a clock stands, such as Europe/Paris.</summary>
    public string TimeZone() => Read("timeZone", text => TimeZoneName().IsMatch(text) ? text : throw new FormatException("is a name such as America/New_York")) ?? "UTC";

    private decimal? Number(string name) => Read<decimal?>(name, text =>
        decimal.TryParse(text, NumberStyles.AllowDecimalPoint | NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number)
            ? number
            : throw new FormatException("is not a number"));

    /// <summary>A date, or a date with a time, in UTC unless it says another offset. A plus sign that was not encoded arrives as a space.</summary>
    private static DateTimeOffset TimeOf(string text) =>
        Iso8601().IsMatch(text)
        && DateTimeOffset.TryParse(text.Replace(' ', '+'), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time)
            ? time.ToUniversalTime()
            : throw new FormatException("is not a time in ISO 8601, such as 2026-03-01 or 2026-03-01T08:30:00+01:00");

    private static T EnumOf<T>(string text)
        where T : struct, Enum
    {
        foreach (var value in System.Enum.GetValues<T>())
        {
            if (EnumNames.Of(value) == text)
            {
                return value;
            }
        }

        throw new FormatException($"is one of {string.Join(", ", EnumNames.All<T>())}");
    }

    private static string NameOf(string text) =>
        PlainName().IsMatch(text) ? text : throw new FormatException("is a name of letters, digits, hyphens and underscores");

    [GeneratedRegex(@"^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,7})?)?(Z|[+ -]\d{2}:?\d{2})?)?$", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 100)]
    private static partial Regex Iso8601();

    [GeneratedRegex(@"^[A-Za-z0-9_-]{1,64}$", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 100)]
    private static partial Regex PlainName();

    [GeneratedRegex(@"^[A-Za-z][A-Za-z0-9_+\-/]{0,63}$", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 100)]
    private static partial Regex TimeZoneName();
}

/// <summary>Enums as in the contract: camelCase.</summary>
internal static class EnumNames
{
    public static string Of<T>(T value)
        where T : struct, Enum => Known<T>.Names[value];

    public static IEnumerable<string> All<T>()
        where T : struct, Enum => System.Enum.GetValues<T>().Select(Of);

    private static class Known<T>
        where T : struct, Enum
    {
        public static readonly FrozenDictionary<T, string> Names = System.Enum.GetValues<T>().Distinct().ToFrozenDictionary(
            value => value, value => System.Text.Json.JsonNamingPolicy.CamelCase.ConvertName(value.ToString()));
    }
}
