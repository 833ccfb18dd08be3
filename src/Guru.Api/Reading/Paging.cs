using Guru.Application;
using Microsoft.AspNetCore.Http.HttpResults;

namespace Guru.Api.Reading;

/// <summary>Lists are read page by page: how many items, and where to go on. A page is JSON, or CSV for who asks for it.</summary>
internal static class Paging
{
    public const int DefaultLimit = 50;
    public const int MostAtOnce = 200;

    /// <summary>What the address of the next page has otherwise, or in other words: no number is part of an address that Guru makes.</summary>
    private static readonly string[] Replaced = ["cursor", "callerId", "phoneNumber"];

    private static readonly QueryParameter[] Parameters =
    [
        QueryParameter.Whole("limit", $"How many items at the most, 1 to {MostAtOnce}; {DefaultLimit} where it is not given."),
        QueryParameter.Text("cursor", "The next of the page before."),
    ];

    /// <summary>Describes a list of pages.</summary>
    public static RouteHandlerBuilder WithPages<T>(this RouteHandlerBuilder list, params IEnumerable<QueryParameter> filter) =>
        list.WithTable<T>([.. filter, .. Parameters]);

    /// <inheritdoc cref="PageAsync{TPage, T}"/>
    public static Task<IResult> PageAsync<T>(
        this QueryReader query, HttpContext context, Func<int, string?, Task<Page<T>>> read, IReadOnlyList<CsvColumn<T>>? columns = null) =>
        query.PageAsync(context, read, page => page, columns ?? Csv.MembersOf<T>());

    /// <summary>Reads a page, once everything else has been read from the query.</summary>
    /// <param name="rows">What of it is told in CSV.</param>
    public static async Task<IResult> PageAsync<TPage, T>(
        this QueryReader query, HttpContext context, Func<int, string?, Task<TPage>> read, Func<TPage, Page<T>> rows, IReadOnlyList<CsvColumn<T>> columns)
    {
        var (limit, cursor, asTable) = (query.Limit(DefaultLimit, MostAtOnce), query.Text("cursor"), query.AsksForTable(context.Request));
        if (query.Problem() is { } problem)
        {
            return problem;
        }

        try
        {
            var page = await read(limit, cursor);
            return asTable ? query.Table(context, rows(page), columns) : TypedResults.Ok(page);
        }
        catch (FormatException)
        {
            query.Refuse("cursor", "is not the next of a page of this list, in this order");
            return query.Problem()!;
        }
    }

    /// <summary>CSV has no room for the address of the next page: that is in the header Link (RFC 8288).</summary>
    private static ContentHttpResult Table<T>(this QueryReader query, HttpContext context, Page<T> page, IReadOnlyList<CsvColumn<T>> columns)
    {
        if (page.Next is { } next)
        {
            var request = context.Request;
            var nextQuery = QueryString.Create(request.Query.Where(given => !Replaced.Contains(given.Key, StringComparer.OrdinalIgnoreCase)).Append(new("cursor", next)));
            nextQuery = query.Caller is { } caller ? nextQuery.Add("callerId", caller.Value) : nextQuery;
            context.Response.Headers.Link = $"<{request.PathBase}{request.Path}{nextQuery}>; rel=\"next\"";
        }

        return Csv.Table(page.Items, columns);
    }
}
