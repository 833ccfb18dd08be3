using Guru.Api.Calls;
using Guru.Api.Reading;
using Guru.Api.Security;
using Guru.Application.Analytics;
using Guru.Application.Callers;
using Guru.Domain.Costs;
using Microsoft.AspNetCore.Http.HttpResults;

namespace Guru.Api.Analytics;

/// <summary>Figures over the calls that a filter leaves.</summary>
internal static class AnalyticsEndpoints
{
    private static readonly QueryParameter AsOf = QueryParameter.Time(
        "asOf", "The figures as they were at this moment, worked out from the events stored until then; slow, since it reads every call's events.");

    private static readonly QueryParameter TimeZone = QueryParameter.Text("timeZone", "Whose clock counts, such as America/New_York; UTC where it is not given.");

    public static void MapAnalytics(this WebApplication app)
    {
        var analytics = app.MapGroup("/api/analytics").RequireAuthorization(Roles.Analyst).WithTags("Analytics")
            .ProducesProblem(StatusCodes.Status401Unauthorized).ProducesProblem(StatusCodes.Status403Forbidden);
        analytics.MapGet("/summary", SummaryAsync).WithSummary("What the calls come to.").WithQuery([.. CallFilterQuery.Parameters, AsOf]);
        analytics.MapGet("/timeseries", TimeSeriesAsync).WithSummary("What the calls come to, stretch by stretch, empty ones included.")
            .WithQuery([.. CallFilterQuery.Parameters, QueryParameter.OneOf<Interval>("interval", "How long a stretch is; day where it is not given."), TimeZone]);
        analytics.MapGet("/breakdown", BreakdownAsync).WithSummary("What the calls come to, by what they have in common.")
            .WithQuery([.. CallFilterQuery.Parameters, QueryParameter.OneOf<BreakdownBy>("by", "What they have in common.") with { Required = true }, TimeZone, AsOf]);
        analytics.MapGet("/latency", LatencyAsync).WithSummary("How long callers waited for an answer; greetings and interrupted answers apart.")
            .WithQuery(CallFilterQuery.Parameters);
        analytics.MapGet("/prices", (PriceTable prices) => TypedResults.Ok(prices)).WithSummary("The table of prices that costs are worked out with, US dollars.");
    }

    private static async Task<Results<Ok<Summary>, ValidationProblem>> SummaryAsync(
        IAnalyticsQueries analytics, CallerNames callers, TimeProvider time, HttpRequest request, CancellationToken cancellationToken)
    {
        var query = new QueryReader(request.Query);
        var (filter, asOf) = (await query.CallFilterAsync(callers, cancellationToken), query.Past("asOf", time));
        return await AnswerAsync(query, () => analytics.SummaryAsync(filter, asOf, cancellationToken));
    }

    private static async Task<Results<Ok<Breakdown>, ValidationProblem>> BreakdownAsync(
        IAnalyticsQueries analytics, CallerNames callers, TimeProvider time, HttpRequest request, CancellationToken cancellationToken)
    {
        var query = new QueryReader(request.Query);
        var (filter, asOf, by, timeZone) = (await query.CallFilterAsync(callers, cancellationToken), query.Past("asOf", time), query.Enum<BreakdownBy>("by"), query.TimeZone());
        if (by is null && !request.Query.ContainsKey("by"))
        {
            query.Refuse("by", $"is missing: one of {string.Join(", ", EnumNames.All<BreakdownBy>())}");
        }

        return await AnswerAsync(query, () => analytics.BreakdownAsync(filter, by!.Value, timeZone, asOf, cancellationToken));
    }

    private static async Task<Results<Ok<TimeSeries>, ValidationProblem>> TimeSeriesAsync(
        IAnalyticsQueries analytics, CallerNames callers, HttpRequest request, CancellationToken cancellationToken)
    {
        var query = new QueryReader(request.Query);
        var (filter, interval, timeZone) = (await query.CallFilterAsync(callers, cancellationToken), query.Enum<Interval>("interval") ?? Interval.Day, query.TimeZone());
        return await AnswerAsync(query, () => analytics.TimeSeriesAsync(filter, interval, timeZone, cancellationToken));
    }

    private static async Task<Results<Ok<LatencyReport>, ValidationProblem>> LatencyAsync(
        IAnalyticsQueries analytics, CallerNames callers, HttpRequest request, CancellationToken cancellationToken)
    {
        var query = new QueryReader(request.Query);
        var filter = await query.CallFilterAsync(callers, cancellationToken);
        return await AnswerAsync(query, () => analytics.LatencyAsync(filter, cancellationToken));
    }

    private static async Task<Results<Ok<T>, ValidationProblem>> AnswerAsync<T>(QueryReader query, Func<Task<T>> read)
    {
        if (query.Problem() is { } problem)
        {
            return problem;
        }

        try
        {
            return TypedResults.Ok(await read());
        }
        catch (TimeZoneUnknownException error)
        {
            query.Refuse("timeZone", error.Message);
        }
        catch (TooManyIntervalsException error)
        {
            query.Refuse("interval", error.Message);
        }

        return query.Problem()!;
    }

    private static DateTimeOffset? Past(this QueryReader query, string name, TimeProvider time)
    {
        var moment = query.Time(name);
        if (moment > time.GetUtcNow())
        {
            query.Refuse(name, "is in the future");
        }

        return moment;
    }
}
