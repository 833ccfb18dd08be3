using Guru.Api.Reading;
using Guru.Api.Security;
using Guru.Application;
using Guru.Application.Calls;
using Guru.Domain.Calls;
using Microsoft.AspNetCore.Http.HttpResults;

namespace Guru.Api.Calls;

/// <summary>What analysts read of calls.</summary>
internal static class CallEndpoints
{
    private static readonly QueryParameter Sort = QueryParameter.Text(
        "sort", $"{string.Join(", ", EnumNames.All<CallSort>())}; with a hyphen before it from the largest down. -startedAt where it is not given.");

    public static void MapCalls(this WebApplication app)
    {
        var all = app.MapGroup("/api/calls").WithTags("Calls")
            .ProducesProblem(StatusCodes.Status401Unauthorized).ProducesProblem(StatusCodes.Status403Forbidden);
        var calls = all.MapGroup("").RequireAuthorization(Roles.Analyst);
        calls.MapGet("/", ListAsync).WithSummary("Calls, newest first, or in another order.").WithQuery([.. CallFilterQuery.Parameters, Sort, .. Paging.Parameters]);
        calls.MapGet("/{callSid}", FindAsync).WithSummary("One call, with what it used and cost, and which agents were chosen and why.");
        all.MapGet("/{callSid}/transcript", TranscriptAsync).RequireAuthorization(Roles.Download)
            .WithSummary("What was said and heard, as JSON, plain text, WebVTT or CSV.")
            .WithQuery(QueryParameter.Text("format", "json, txt, vtt or csv; without it the Accept header decides, and JSON is the default."))
            .Produces<Transcript>(StatusCodes.Status200OK, "application/json", "text/plain", "text/vtt", "text/csv").ProducesProblem(StatusCodes.Status404NotFound);
        calls.MapGet("/{callSid}/events", EventsAsync).WithSummary("The call's events, in order.").WithQuery(Paging.Parameters);
    }

    private static async Task<Results<Ok<Page<CallSummary>>, ValidationProblem, ProblemHttpResult>> ListAsync(
        ICallQueries calls, ServerSecret secret, HttpRequest request, CancellationToken cancellationToken)
    {
        var query = new QueryReader(request.Query);
        var filter = query.CallFilter(secret);
        var order = query.Read<CallOrder?>("sort", OrderOf) ?? CallOrder.NewestFirst;
        return await query.PageAsync((limit, cursor) => calls.ListAsync(filter, order, limit, cursor, cancellationToken));
    }

    private static async Task<Results<Ok<CallDetail>, ProblemHttpResult>> FindAsync(
        ICallQueries calls, string callSid, CancellationToken cancellationToken) =>
        CallSid.TryParse(callSid, out var sid) && await calls.DetailAsync(sid, cancellationToken) is { } call ? TypedResults.Ok(call) : UnknownCall();

    private static async Task<IResult> TranscriptAsync(ICallQueries calls, string callSid, HttpRequest request, CancellationToken cancellationToken)
    {
        var query = new QueryReader(request.Query);
        var format = query.Read<string?>("format", text => TranscriptFiles.Types.ContainsKey(text) ? text : throw new FormatException("is one of json, txt, vtt, csv"));
        if (query.Problem() is { } problem)
        {
            return problem;
        }

        if (!CallSid.TryParse(callSid, out var sid) || await calls.FindAsync(sid, cancellationToken) is not { } call
            || await calls.TranscriptAsync(sid, cancellationToken) is not { } transcript)
        {
            return UnknownCall();
        }

        var accepted = request.GetTypedHeaders().Accept.OrderByDescending(type => type.Quality ?? 1).Select(type => type.MediaType.Value);
        format ??= accepted.Select(type => TranscriptFiles.Types.FirstOrDefault(known => known.Value == type || type == "*/*").Key).FirstOrDefault(known => known is not null);
        return format is null or "json"
            ? TypedResults.Ok(transcript)
            : TypedResults.Text(TranscriptFiles.Write(format, call, transcript), $"{TranscriptFiles.Types[format]}; charset=utf-8");
    }

    private static async Task<Results<Ok<Page<EventView>>, ValidationProblem, ProblemHttpResult>> EventsAsync(
        ICallQueries calls, string callSid, HttpRequest request, CancellationToken cancellationToken) =>
        CallSid.TryParse(callSid, out var sid) && await calls.FindAsync(sid, cancellationToken) is not null
            ? await new QueryReader(request.Query).PageAsync(async (limit, cursor) =>
                await calls.EventsAsync(sid, limit, cursor, cancellationToken) ?? new Page<EventView>([], Next: null))
            : UnknownCall();

    public static CallOrder? OrderOf(string text)
    {
        var descending = text.StartsWith('-');
        foreach (var sort in Enum.GetValues<CallSort>())
        {
            if (EnumNames.Of(sort) == (descending ? text[1..] : text))
            {
                return new CallOrder(sort, descending);
            }
        }

        throw new FormatException($"is one of {string.Join(", ", EnumNames.All<CallSort>())}, with or without a hyphen before it");
    }

    private static ProblemHttpResult UnknownCall() => TypedResults.Problem(statusCode: StatusCodes.Status404NotFound, title: "There is no such call.");
}
