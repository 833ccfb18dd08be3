using Microsoft.AspNetCore.Http.HttpResults;

namespace Guru.Api.Reading;

/// <summary>Lists are read page by page: how many items, and where to go on.</summary>
internal static class Paging
{
    public const int DefaultLimit = 50;
    public const int MostAtOnce = 200;

    public static readonly QueryParameter[] Parameters =
    [
        QueryParameter.Whole("limit", $"How many items at the most, 1 to {MostAtOnce}; {DefaultLimit} where it is not given."),
        QueryParameter.Text("cursor", "The next of the page before."),
    ];

    /// <summary>Reads a page, once everything else has been read from the query.</summary>
    public static async Task<Results<Ok<T>, ValidationProblem, ProblemHttpResult>> PageAsync<T>(this QueryReader query, Func<int, string?, Task<T>> read)
    {
        var (limit, cursor) = (query.Limit(DefaultLimit, MostAtOnce), query.Text("cursor"));
        if (query.Problem() is { } problem)
        {
            return problem;
        }

        try
        {
            return TypedResults.Ok(await read(limit, cursor));
        }
        catch (FormatException)
        {
            query.Refuse("cursor", "is not the next of a page of this list, in this order");
            return query.Problem()!;
        }
    }
}
