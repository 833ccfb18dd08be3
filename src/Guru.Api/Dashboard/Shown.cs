using System.Globalization;
using System.Text;
using Guru.Api.Reading;
using Guru.Domain.Calls;

namespace Guru.Api.Dashboard;

/// <summary>Figures and names as people read them.</summary>
internal static class Shown
{
    public const string Nothing = "–";

    /// <summary>Those that callers of Guru are likely to speak; others are shown by their code.</summary>
    private static readonly Dictionary<string, string> LanguageNames = new(StringComparer.Ordinal)
    {
        ["am"] = "Amharic", ["ar"] = "Arabic", ["bn"] = "Bengali", ["de"] = "German", ["en"] = "English", ["es"] = "Spanish", ["fa"] = "Persian",
        ["fr"] = "French", ["hi"] = "Hindi", ["ht"] = "Haitian Creole", ["it"] = "Italian", ["ja"] = "Japanese", ["km"] = "Khmer", ["ko"] = "Korean",
        ["lo"] = "Lao", ["my"] = "Burmese", ["ne"] = "Nepali", ["nl"] = "Dutch", ["pl"] = "Polish", ["ps"] = "Pashto", ["pt"] = "Portuguese",
        ["ro"] = "Romanian", ["ru"] = "Russian", ["so"] = "Somali", ["sw"] = "Swahili", ["ta"] = "Tamil", ["th"] = "Thai", ["ti"] = "Tigrinya",
        ["tl"] = "Tagalog", ["tr"] = "Turkish", ["uk"] = "Ukrainian", ["ur"] = "Urdu", ["vi"] = "Vietnamese", ["zh"] = "Chinese",
    };

    public static IReadOnlyDictionary<string, string> Languages => LanguageNames;

    public static string Language(string? code) => code is null ? "Unknown" : LanguageNames.GetValueOrDefault(code, code);

    /// <summary>An enum, or its name in the API, in words: callerHungUp is Caller hung up.</summary>
    public static string Words<T>(T value)
        where T : struct, Enum => Words(EnumNames.Of(value));

    public static string Words(string name)
    {
        var words = new StringBuilder(name.Length + 8);
        foreach (var letter in name)
        {
            if (words.Length > 0 && char.IsUpper(letter))
            {
                words.Append(' ');
            }

            words.Append(words.Length == 0 ? char.ToUpperInvariant(letter) : char.ToLowerInvariant(letter));
        }

        return words.ToString();
    }

    public static string EndReason(CallEndReason? reason) => reason is { } ended ? Words(ended) : "Going on";

    public static string Channel(CallChannel channel) => channel == CallChannel.Whatsapp ? "WhatsApp" : Words(channel);

    public static string Count(long count) => count.ToString("N0", CultureInfo.InvariantCulture);

    public static string Number(double value, int digits = 0) => value.ToString($"N{digits}", CultureInfo.InvariantCulture);

    public static string Money(decimal dollars) => dollars.ToString(dollars is > -0.095m and < 0.095m and not 0 ? "$0.0000" : "$#,0.00", CultureInfo.InvariantCulture);

    /// <summary>Below a second in milliseconds, else in seconds.</summary>
    public static string Latency(double? milliseconds) => milliseconds switch
    {
        null => Nothing,
        < 1_000 and var ms => string.Create(CultureInfo.InvariantCulture, $"{ms:0} ms"),
        var ms => string.Create(CultureInfo.InvariantCulture, $"{ms / 1_000:0.0} s"),
    };

    /// <summary>Minutes and seconds, such as 4:07; hours where there are any.</summary>
    public static string Duration(int? seconds) => seconds is { } length ? Clock(length * 1_000L) : Nothing;

    public static string Clock(long milliseconds)
    {
        var time = TimeSpan.FromMilliseconds(Math.Max(0, milliseconds));
        return time.ToString(time.TotalHours >= 1 ? @"h\:mm\:ss" : @"m\:ss", CultureInfo.InvariantCulture);
    }

    public static string Share(double share) => share.ToString("0%", CultureInfo.InvariantCulture);

    /// <summary>The change from what was before; null where that was nothing.</summary>
    public static string? Change(double now, double before) =>
        before == 0 ? null : ((now - before) / before).ToString("+0%;−0%;±0%", CultureInfo.InvariantCulture);

    public static string Channel(Application.Conversations.TimelineChannel channel) => channel switch
    {
        Application.Conversations.TimelineChannel.Whatsapp => "WhatsApp",
        Application.Conversations.TimelineChannel.VoiceNote => "Voice note",
        _ => Words(channel),
    };
}

/// <summary>What somebody meant to say, parted at what the other heard of it.</summary>
internal readonly record struct Spoken(string Heard, string Cut)
{
    public static Spoken Of(string said, string heard) =>
        said == heard ? new Spoken(said, "")
        : said.StartsWith(heard, StringComparison.Ordinal) ? new Spoken(heard, said[heard.Length..])
        : new Spoken(heard, said);
}
