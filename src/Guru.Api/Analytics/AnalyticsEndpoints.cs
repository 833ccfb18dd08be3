using Guru.Api.Calls;
using Guru.Api.Reading;
using Guru.Api.Security;
using Guru.Application.Analytics;
using Guru.Application.Callers;
using Guru.Domain.Costs;

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
        analytics.MapGet("/summary", SummaryAsync).WithSummary("What the calls come to.").WithTable<Summary>([.. CallFilterQuery.Parameters, AsOf]);
        analytics.MapGet("/timeseries", TimeSeriesAsync).WithSummary("What the calls come to, stretch by stretch, empty ones included.")
            .WithTable<TimeSeries>([.. CallFilterQuery.Parameters, QueryParameter.OneOf<Interval>("interval", "How long a stretch is; day where it is not given."), TimeZone]);
        analytics.MapGet("/breakdown", BreakdownAsync).WithSummary("What the calls come to, by what they have in common.")
            .WithTable<Breakdown>([.. CallFilterQuery.Parameters, QueryParameter.OneOf<BreakdownBy>("by", "What they have in common.") with { Required = true }, TimeZone, AsOf]);
        analytics.MapGet("/latency", LatencyAsync).WithSummary("How long callers waited for an answer; greetings and interrupted answers apart.")
            .WithTable<LatencyReport>(CallFilterQuery.Parameters);
        analytics.MapGet("/prices", (PriceTable prices) => TypedResults.Ok(prices)).WithSummary("The table of prices that costs are worked out with, US dollars.");
    }

    private static async Task<IResult> SummaryAsync(
        IAnalyticsQueries analytics, CallerNames callers, TimeProvider time, HttpRequest request, CancellationToken cancellationToken)
    {
        var query = new QueryReader(request.Query);
        var (filter, asOf) = (await query.CallFilterAsync(callers, cancellationToken), query.Past("asOf", time));
        return await AnswerAsync(query, request, () => analytics.SummaryAsync(filter, asOf, cancellationToken), summary => Csv.Table(
            [summary], [new("asOf", told => told.AsOf), new("pricesDated", told => told.PricesDated), .. Members<Summary, Figures>(told => told.Figures)]));
    }

    private static async Task<IResult> BreakdownAsync(
        IAnalyticsQueries analytics, CallerNames callers, TimeProvider time, HttpRequest request, CancellationToken cancellationToken)
    {
        var query = new QueryReader(request.Query);
        var (filter, asOf, by, timeZone) = (await query.CallFilterAsync(callers, cancellationToken), query.Past("asOf", time), query.Enum<BreakdownBy>("by"), query.TimeZone());
        if (by is null && !request.Query.ContainsKey("by"))
        {
            query.Refuse("by", $"is missing: one of {string.Join(", ", EnumNames.All<BreakdownBy>())}");
        }

        return await AnswerAsync(query, request, () => analytics.BreakdownAsync(filter, by!.Value, timeZone, asOf, cancellationToken), breakdown => Csv.Table(
            breakdown.Items, [new("key", item => item.Key), .. Members<BreakdownItem, Figures>(item => item.Figures)]));
    }

    private static async Task<IResult> TimeSeriesAsync(
        IAnalyticsQueries analytics, CallerNames callers, HttpRequest request, CancellationToken cancellationToken)
    {
        var query = new QueryReader(request.Query);
        var (filter, interval, timeZone) = (await query.CallFilterAsync(callers, cancellationToken), query.Enum<Interval>("interval") ?? Interval.Day, query.TimeZone());
        return await AnswerAsync(query, request, () => analytics.TimeSeriesAsync(filter, interval, timeZone, cancellationToken), series => Csv.Table(
            series.Items, [new("from", item => item.From), .. Members<TimeSeriesItem, Figures>(item => item.Figures)]));
    }

    private static async Task<IResult> LatencyAsync(
        IAnalyticsQueries analytics, CallerNames callers, HttpRequest request, CancellationToken cancellationToken)
    {
        var query = new QueryReader(request.Query);
        var filter = await query.CallFilterAsync(callers, cancellationToken);
        return await AnswerAsync(query, request, () => analytics.LatencyAsync(filter, cancellationToken), report => Csv.Table(
            new Dictionary<string, LatencyFigures>(StringComparer.Ordinal)
            {
                ["answers"] = report.Answers, ["answersHeard"] = report.AnswersHeard, ["interrupted"] = report.Interrupted, ["greetings"] = report.Greetings,
            },
            [new("of", measured => measured.Key), .. Members<KeyValuePair<string, LatencyFigures>, LatencyFigures>(measured => measured.Value)]));
    }

    /// <summary>The members of what a row holds.</summary>
    private static IEnumerable<CsvColumn<T>> Members<T, TPart>(Func<T, TPart> part) =>
        Csv.MembersOf<TPart>().Select(member => new CsvColumn<T>(member.Name, row => member.Value(part(row))));

    private static async Task<IResult> AnswerAsync<T>(QueryReader query, HttpRequest request, Func<Task<T>> read, Func<T, IResult> table)
    {
        var asTable = query.AsksForTable(request);
        if (query.Problem() is { } problem)
        {
            return problem;
        }

        try
        {
            var told = await read();
            return asTable ? table(told) : TypedResults.Ok(told);
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
