using System.Buffers;
using System.Globalization;
using System.Reflection;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Http.HttpResults;

namespace Guru.Api.Reading;

/// <summary>A column of a CSV file.</summary>
/// <param name="Value">Text, a number, a time, a truth value, a list of texts, an enum, JSON, or null for an empty cell.</param>
internal sealed record CsvColumn<T>(string Name, Func<T, object?> Value);

/// <summary>
/// CSV as of RFC 4180, UTF-8, with a header. A text that a spreadsheet would take for a formula gets an apostrophe before it.
/// </summary>
internal static class Csv
{
    public const string Type = "text/csv";

    private static readonly SearchValues<char> Special = SearchValues.Create(",\"\r\n");

    /// <summary>Whether the Accept header likes it best of what lists are given as.</summary>
    public static bool IsAskedFor(HttpRequest request) => request.GetTypedHeaders().Accept
        .OrderByDescending(type => type.Quality ?? 1).Select(type => type.MediaType.Value)
        .FirstOrDefault(type => type is Type or "application/jsonl" or "application/x-ndjson" or "application/json" or "*/*") == Type;

    /// <summary>A column for each member, named as in JSON.</summary>
    public static IReadOnlyList<CsvColumn<T>> MembersOf<T>() => Members<T>.Columns;

    public static ContentHttpResult Table<T>(IEnumerable<T> rows, IReadOnlyList<CsvColumn<T>> columns)
    {
        var text = new StringBuilder();
        WriteHeader(text, columns);
        foreach (var row in rows)
        {
            WriteRow(text, columns, row);
        }

        return TypedResults.Text(text.ToString(), $"{Type}; charset=utf-8");
    }

    public static void WriteHeader<T>(StringBuilder row, IReadOnlyList<CsvColumn<T>> columns) =>
        row.AppendJoin(',', columns.Select(column => column.Name)).Append("\r\n");

    public static void WriteRow<T>(StringBuilder row, IReadOnlyList<CsvColumn<T>> columns, T item)
    {
        for (var column = 0; column < columns.Count; column++)
        {
            if (column > 0)
            {
                row.Append(',');
            }

            WriteCell(row, columns[column].Value(item));
        }

        row.Append("\r\n");
    }

    /// <summary>Encodes what was written, and empties it.</summary>
    /// <returns>How many bytes it is.</returns>
    public static long MoveTo(IBufferWriter<byte> body, StringBuilder rows)
    {
        var (encoder, bytes) = (Encoding.UTF8.GetEncoder(), 0L); // It keeps one half of a sign when the other is in the next chunk.
        foreach (var chunk in rows.GetChunks())
        {
            encoder.Convert(chunk.Span, body, flush: false, out var written, out _);
            bytes += written;
        }

        rows.Clear();
        return bytes;
    }

    private static void WriteCell(StringBuilder row, object? value)
    {
        switch (value)
        {
            case null:
                break;
            case bool truth:
                row.Append(truth ? "true" : "false");
                break;
            case DateTimeOffset time:
                row.Append(time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.ffffff'Z'", CultureInfo.InvariantCulture));
                break;
            case DateOnly day:
                row.Append(day.ToString("O", CultureInfo.InvariantCulture));
                break;
            case string text:
                WriteText(row, text);
                break;
            case Enum name:
                row.Append(JsonNamingPolicy.CamelCase.ConvertName($"{name}"));
                break;
            case JsonElement json:
                WriteText(row, json.GetRawText());
                break;
            case IEnumerable<string> texts:
                WriteText(row, string.Join(' ', texts));
                break;
            default:
                row.Append(CultureInfo.InvariantCulture, $"{value}");
                break;
        }
    }

    private static void WriteText(StringBuilder row, string text)
    {
        // Spreadsheets look past blanks and quotes, and take full-width signs for plain ones.
        var guarded = text.AsSpan().TrimStart(" \"\u00A0\u3000") is [var first, ..] && first is '=' or '+' or '-' or '@' or '\t' or '\r' or '\n' or '＝' or '＋' or '－' or '＠'
            ? $"'{text}"
            : text;
        if (guarded.AsSpan().IndexOfAny(Special) < 0)
        {
            row.Append(guarded);
        }
        else
        {
            row.Append('"').Append(guarded.Replace("\"", "\"\"", StringComparison.Ordinal)).Append('"');
        }
    }

    private static class Members<T>
    {
        public static readonly CsvColumn<T>[] Columns =
        [
            .. typeof(T).GetProperties(BindingFlags.Public | BindingFlags.Instance)
                .Select(member => new CsvColumn<T>(JsonNamingPolicy.CamelCase.ConvertName(member.Name), item => member.GetValue(item))),
        ];
    }
}
