using System.Globalization;
using Guru.Application.Calls;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Extensions.Primitives;

namespace Guru.Api.Dashboard;

/// <summary>Addresses with filters in them, named as the API names them.</summary>
internal static class CallsAddress
{
    public static string Times(TimeRange range) => string.Join('&',
        new[] { ("startedAt.from", range.From), ("startedAt.to", range.To) }
            .Where(end => end.Item2 is not null)
            .Select(end => $"{end.Item1}={end.Item2!.Value.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture)}"));

    /// <summary>The address with one parameter changed, on the first page.</summary>
    /// <param name="value">Null or empty takes it out.</param>
    public static string With(Uri here, string name, string? value) => With(here, [(name, value)]);

    public static string With(Uri here, params ReadOnlySpan<(string Name, string? Value)> changes)
    {
        var query = QueryHelpers.ParseQuery(here.Query);
        query.Remove("cursor");
        foreach (var (name, value) in changes)
        {
            if (string.IsNullOrWhiteSpace(value))
            {
                query.Remove(name);
            }
            else
            {
                query[name] = new StringValues(value.Trim());
            }
        }

        return QueryHelpers.AddQueryString(here.AbsolutePath, query);
    }
}
