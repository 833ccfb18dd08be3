using Guru.Api.Security;
using Guru.Application.Calls;
using Guru.Domain.Calls;
using Microsoft.AspNetCore.Http.HttpResults;

namespace Guru.Api.Calls;

/// <summary>What analysts read of calls.</summary>
internal static class CallEndpoints
{
    private const int DefaultLimit = 50;
    private const int MostAtOnce = 200;

    public static void MapCalls(this WebApplication app)
    {
        var calls = app.MapGroup("/api/calls").RequireAuthorization(Roles.Analyst).WithTags("Calls")
            .ProducesProblem(StatusCodes.Status401Unauthorized).ProducesProblem(StatusCodes.Status403Forbidden);
        calls.MapGet("/", ListAsync).WithSummary("Calls, newest first.");
        calls.MapGet("/{callSid}", FindAsync).WithSummary("One call.");
        calls.MapGet("/{callSid}/transcript", TranscriptAsync).WithSummary("What was said and heard, as JSON or as plain text.")
            .Produces<Transcript>(StatusCodes.Status200OK, "application/json", "text/plain").ProducesProblem(StatusCodes.Status404NotFound);
        calls.MapGet("/{callSid}/events", EventsAsync).WithSummary("The call's events, in order.");
    }

    private static async Task<Results<Ok<Page<CallSummary>>, ProblemHttpResult>> ListAsync(
        ICallQueries calls, CancellationToken cancellationToken, int limit = DefaultLimit, string? cursor = null) =>
        limit is < 1 or > MostAtOnce ? BadLimit()
        : await ReadAsync(() => calls.ListAsync(limit, cursor, cancellationToken)) is { } page ? TypedResults.Ok(page)
        : BadCursor();

    private static async Task<Results<Ok<CallSummary>, ProblemHttpResult>> FindAsync(
        ICallQueries calls, string callSid, CancellationToken cancellationToken) =>
        CallSid.TryParse(callSid, out var sid) && await calls.FindAsync(sid, cancellationToken) is { } call ? TypedResults.Ok(call) : UnknownCall();

    private static async Task<IResult> TranscriptAsync(ICallQueries calls, string callSid, HttpRequest request, CancellationToken cancellationToken)
    {
        if (!CallSid.TryParse(callSid, out var sid) || await calls.TranscriptAsync(sid, cancellationToken) is not { } transcript)
        {
            return UnknownCall();
        }

        var accepted = request.GetTypedHeaders().Accept.OrderByDescending(type => type.Quality ?? 1);
        var plain = accepted.Select(type => type.MediaType.Value).FirstOrDefault(type => type is "text/plain" or "application/json" or "*/*") == "text/plain";
        return plain ? TypedResults.Text(TranscriptText.Write(transcript), "text/plain; charset=utf-8") : TypedResults.Ok(transcript);
    }

    private static async Task<Results<Ok<Page<EventView>>, ProblemHttpResult>> EventsAsync(
        ICallQueries calls, string callSid, CancellationToken cancellationToken, int limit = DefaultLimit, string? cursor = null)
    {
        if (limit is < 1 or > MostAtOnce)
        {
            return BadLimit();
        }

        if (!CallSid.TryParse(callSid, out var sid) || await calls.FindAsync(sid, cancellationToken) is null)
        {
            return UnknownCall();
        }

        return await ReadAsync(() => calls.EventsAsync(sid, limit, cursor, cancellationToken)) is { } page ? TypedResults.Ok(page) : BadCursor();
    }

    private static async Task<T?> ReadAsync<T>(Func<Task<T>> read)
    {
        try
        {
            return await read();
        }
        catch (FormatException)
        {
            return default;
        }
    }

    private static ProblemHttpResult UnknownCall() => TypedResults.Problem(statusCode: StatusCodes.Status404NotFound, title: "There is no such call.");

    private static ProblemHttpResult BadLimit() =>
        TypedResults.Problem(statusCode: StatusCodes.Status400BadRequest, title: $"limit is a number from 1 to {MostAtOnce}.");

    private static ProblemHttpResult BadCursor() =>
        TypedResults.Problem(statusCode: StatusCodes.Status400BadRequest, title: "cursor is not the next of a page of this list.");
}
