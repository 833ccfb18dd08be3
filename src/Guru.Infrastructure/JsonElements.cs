using System.Globalization;
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
}
