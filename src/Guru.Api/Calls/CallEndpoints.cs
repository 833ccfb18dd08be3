using Guru.Api.Analytics;
using Guru.Api.Reading;
using Guru.Api.Security;
using Guru.Application;
using Guru.Application.Callers;
using Guru.Application.Calls;
using Guru.Application.Recordings;
using Guru.Domain.Calls;
using Guru.Infrastructure.Postgres;
using Microsoft.AspNetCore.Http.HttpResults;

namespace Guru.Api.Calls;

/// <summary>What analysts read of calls.</summary>
internal static class CallEndpoints
{
    private static readonly QueryParameter Sort = QueryParameter.Text(
        "sort", $"{string.Join(", ", EnumNames.All<CallSort>())}; with a hyphen before it from the largest down. -startedAt where it is not given.");

    /// <summary>Of what happens in calls.</summary>
    private static readonly string[] EventNames =
        [.. EventTypes.Shipped.All.Where(type => type.ClrType.IsAssignableTo(typeof(CallEvent))).Select(type => type.Name)];

    private static readonly QueryParameter[] EventFilterParameters =
    [
        QueryParameter.AnyOf("type", "One of these events.", EventNames),
        QueryParameter.Time("at.from", "Happened at this time or later."),
        QueryParameter.Time("at.to", "Happened before this time."),
    ];

    public static void MapCalls(this WebApplication app)
    {
        var all = app.MapGroup("/api/calls").WithTags("Calls")
            .ProducesProblem(StatusCodes.Status401Unauthorized).ProducesProblem(StatusCodes.Status403Forbidden);
        var calls = all.MapGroup("").RequireAuthorization(Roles.Analyst);
        calls.MapGet("/", ListAsync).WithSummary("Calls, newest first, or in another order.").WithPages<Page<CallSummary>>([.. CallFilterQuery.Parameters, Sort]);
        calls.MapGet("/{callSid}", FindAsync).WithSummary("One call, with what it used and cost, and which agents were chosen and why.")
            .ProducesProblem(StatusCodes.Status404NotFound);
        all.MapGet("/{callSid}/transcript", TranscriptAsync).RequireAuthorization(Roles.Download)
            .WithSummary("What was said and heard, as JSON, plain text, WebVTT or CSV.")
            .WithQuery(QueryParameter.Text("format", "json, txt, vtt or csv; without it the Accept header decides, and JSON is the default."))
            .Produces<Transcript>(StatusCodes.Status200OK, "application/json", "text/plain", "text/vtt", "text/csv").ProducesProblem(StatusCodes.Status404NotFound);
        all.MapGet("/{callSid}/recording", RecordingAsync).RequireAuthorization(Roles.Download)
            .WithSummary("The call's sound as WAV: the caller left, the agent right, as it was heard. It begins at 0 on the call's clock; Range is understood.")
            .Produces(StatusCodes.Status200OK, contentType: "audio/wav").Produces(StatusCodes.Status206PartialContent, contentType: "audio/wav")
            .ProducesProblem(StatusCodes.Status404NotFound);
        calls.MapGet("/{callSid}/events", EventsAsync).WithSummary("The call's events, in order.").WithPages<Page<EventView>>(EventFilterParameters)
            .ProducesProblem(StatusCodes.Status404NotFound);
    }

    private static async Task<IResult> ListAsync(ICallQueries calls, CallerNames callers, HttpContext context, CancellationToken cancellationToken)
    {
        var query = new QueryReader(context.Request.Query);
        var filter = await query.CallFilterAsync(callers, cancellationToken);
        var order = query.Read<CallOrder?>("sort", OrderOf) ?? CallOrder.NewestFirst;
        return await query.PageAsync(context, (limit, cursor) => calls.ListAsync(filter, order, limit, cursor, cancellationToken), ExportEndpoints.CallColumns);
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

    private static async Task<IResult> RecordingAsync(
        ICallQueries calls, IRecordingStore recordings, string callSid, HttpContext context, CancellationToken cancellationToken)
    {
        if (!CallSid.TryParse(callSid, out var sid) || await calls.DetailAsync(sid, cancellationToken) is not { } call)
        {
            return UnknownCall();
        }

        if (call.Recording is not { } recorded)
        {
            return TypedResults.Problem(statusCode: StatusCodes.Status404NotFound, title: "There is no recording of this call.");
        }

        if (await recordings.OpenAsync(sid, cancellationToken) is not { } recording)
        {
            return TypedResults.Problem(
                statusCode: StatusCodes.Status404NotFound,
                title: "The recording of this call is not here.",
                detail: $"It was deleted (Guru__Recording__Days, Guru__Recording__MostGigabytes, Guru__Retention__RecordingDays, or with its caller), or it lies on another node: the call was last on {call.Node}.");
        }

        if (recording.Bytes < recorded.Bytes)
        {
            context.Response.Headers["Guru-Recording"] = "incomplete"; // A part of it lies on another node, or was lost: silence is in its place.
        }

        return TypedResults.Stream(recording.Sound, "audio/wav", lastModified: recording.StoredAt, enableRangeProcessing: true);
    }

    private static async Task<IResult> EventsAsync(ICallQueries calls, string callSid, HttpContext context, CancellationToken cancellationToken)
    {
        if (!CallSid.TryParse(callSid, out var sid) || await calls.FindAsync(sid, cancellationToken) is null)
        {
            return UnknownCall();
        }

        var query = new QueryReader(context.Request.Query);
        var filter = new EventFilter { Types = query.Among("type", EventNames), At = query.Times("at") };
        return await query.PageAsync(context, async (limit, cursor) =>
            await calls.EventsAsync(sid, filter, limit, cursor, cancellationToken) ?? new Page<EventView>([], Next: null));
    }

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
