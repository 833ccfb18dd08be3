using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Guru.Infrastructure;

/// <summary>Members that may be missing, null, or of another kind than expected.</summary>
internal static class JsonElements
{
    public static JsonElement At(this JsonElement element, string name) =>
        element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out var value) ? value : default;

    public static bool Has(this JsonElement element, string name) => element.At(name).ValueKind == JsonValueKind.Number;

    public static string? Text(this JsonElement element, string name) =>
        element.At(name) is { ValueKind: JsonValueKind.String } value ? value.GetString() : null;

    /// <summary>What was said: half of a surrogate pair without its other half, which models do write, is U+FFFD, and costs no other word.</summary>
    public static string? Words(this JsonElement element, string name)
    {
        try
        {
            return element.Text(name);
        }
        catch (InvalidOperationException)
        {
            return string.Concat(Unescaped(element.At(name).GetRawText().AsSpan()[1..^1]).EnumerateRunes());
        }
    }

    /// <summary>A text without which the event means nothing.</summary>
    public static string Id(this JsonElement element, string name) =>
        element.Text(name) is { Length: > 0 } text ? text : throw new JsonException($"There is no {name}.");

    public static double? Real(this JsonElement element, string name) =>
        element.At(name) is { ValueKind: JsonValueKind.Number } value ? value.GetDouble() : null;

    /// <summary>Rounded down, since a number that is whole by its meaning may still be written with a fraction.</summary>
    public static long Whole(this JsonElement element, string name) => (long)(element.Real(name) ?? 0);

    /// <summary>UTC where it does not say.</summary>
    public static DateTimeOffset? Moment(this JsonElement element, string name) =>
        DateTimeOffset.TryParse(element.Text(name), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var at) ? at : null;

    public static int Count(this JsonElement element, string name) => (int)(element.Real(name) ?? 0);

    /// <summary>Of an error: its code, or its type where it has none.</summary>
    public static string? Code(this JsonElement error) => error.Text("code") ?? error.Text("type");

    /// <param name="text">What is between the quotes of a JSON string that was parsed.</param>
    private static string Unescaped(ReadOnlySpan<char> text)
    {
        var plain = new StringBuilder(text.Length);
        while (text.IndexOf('\\') is >= 0 and var at)
        {
            var isCode = text[at + 1] == 'u';
            plain.Append(text[..at]).Append(text[at + 1] switch
            {
                'u' => (char)ushort.Parse(text.Slice(at + 2, 4), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture),
                'b' => '\b',
                'f' => '\f',
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                var itself => itself,
            });
            text = text[(at + (isCode ? 6 : 2))..];
        }

        return plain.Append(text).ToString();
    }
}
