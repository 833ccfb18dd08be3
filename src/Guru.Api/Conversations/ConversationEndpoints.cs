using Guru.Api.Calls;
using Guru.Api.Reading;
using Guru.Api.Security;
using Guru.Application;
using Guru.Application.Callers;
using Guru.Application.Analytics;
using Guru.Application.Calling;
using Guru.Application.Calls;
using Guru.Application.Conversations;
using Guru.Domain.Callers;
using Guru.Domain.Calls;
using Microsoft.AspNetCore.Http.HttpResults;

namespace Guru.Api.Conversations;

/// <summary>What analysts read of conversations: texts, voice notes and calls in one timeline.</summary>
internal static class ConversationEndpoints
{
    private static readonly QueryParameter[] Filter =
    [
        QueryParameter.Time("lastActivityAt.from", "Last active at this time or later."),
        QueryParameter.Time("lastActivityAt.to", "Last active before this time."),
        QueryParameter.AnyOf("agent", "The agent who has the conversation; none: those without one."),
        QueryParameter.AnyOf("language", "ISO 639-1; none: those whose language is not known."),
        QueryParameter.Text("callerId", "Of this caller."),
        QueryParameter.Text("phoneNumber", "Of one caller: a number in E.164 form or a business-scoped user id."),
    ];

    private static readonly QueryParameter[] TimelineFilterParameters =
    [
        QueryParameter.Time("at.from", "Written or spoken at this time or later."),
        QueryParameter.Time("at.to", "Written or spoken before this time."),
        QueryParameter.AnyOf<TimelineChannel>("channel", "By one of these channels."),
        QueryParameter.OneOf<Speaker>("speaker", "Who wrote or said it."),
        QueryParameter.AnyOf("agent", "Which agent wrote or spoke, or was spoken to; none: entries without one."),
        QueryParameter.Text("callSid", "In this call."),
        QueryParameter.Text("messageSid", "This message."),
    ];

    public static void MapConversations(this WebApplication app)
    {
        var conversations = app.MapGroup("/api/conversations").RequireAuthorization(Roles.Analyst).WithTags("Conversations")
            .ProducesProblem(StatusCodes.Status401Unauthorized).ProducesProblem(StatusCodes.Status403Forbidden);
        conversations.MapGet("/", ListAsync).WithSummary("Conversations, newest activity first.").WithPages<Page<ConversationSummary>>(Filter);
        var one = conversations.MapGroup("/{callerId}").ProducesProblem(StatusCodes.Status404NotFound);
        one.MapGet("", FindAsync).WithSummary("One conversation.");
        one.MapGet("/messages", TimelineAsync).WithSummary("Everything written, spoken and heard, oldest first.").WithPages<Page<TimelineEntry>>(TimelineFilterParameters);
        one.MapGet("/sessions", SessionsAsync).WithSummary("Runs of activity with no gap of an hour or more, newest first.");
        one.MapGet("/routing", RoutingAsync).WithSummary("Which agents were chosen, and why, oldest first.");
        one.MapGet("/consent", ConsentAsync).WithSummary("The consent ledger: whether the person may be called, and everything that led to it.");
    }

    private static async Task<IResult> ListAsync(IConversationQueries conversations, CallerNames callers, HttpContext context, CancellationToken cancellationToken)
    {
        var query = new QueryReader(context.Request.Query);
        var ids = await query.OneCallerAsync(callers, cancellationToken);
        var known = ids is null ? null : await conversations.KnownAsync(ids, cancellationToken);
        var filter = new ConversationFilter
        {
            CallerId = known is null ? ids?[0] : CallerId.Parse(known.CallerId),
            Agents = query.NamesOrNone("agent"),
            Languages = query.NamesOrNone("language"),
            LastActivityAt = query.Times("lastActivityAt"),
        };
        return await query.PageAsync(context, (limit, cursor) => conversations.ListAsync(filter, limit, cursor, cancellationToken));
    }

    private static async Task<Results<Ok<ConversationSummary>, ProblemHttpResult>> FindAsync(
        IConversationQueries conversations, CallerNames callers, string callerId, CancellationToken cancellationToken) =>
        await conversations.KnownAsync(await IdsOfAsync(callers, callerId, cancellationToken), cancellationToken) is { } found ? TypedResults.Ok(found) : Unknown();

    private static async Task<IResult> TimelineAsync(
        IConversationQueries conversations, CallerNames callers, string callerId, HttpContext context, CancellationToken cancellationToken)
    {
        var ids = await IdsOfAsync(callers, callerId, cancellationToken);
        if (await conversations.KnownAsync(ids, cancellationToken) is null)
        {
            return Unknown();
        }

        var query = new QueryReader(context.Request.Query);
        var filter = new TimelineFilter
        {
            Channels = query.Enums<TimelineChannel>("channel"),
            Speaker = query.Enum<Speaker>("speaker"),
            Agents = query.NamesOrNone("agent"),
            CallSid = query.CallSid("callSid"),
            MessageSid = query.Name("messageSid"),
            At = query.Times("at"),
        };
        return await query.PageAsync(context, (limit, cursor) => conversations.TimelineAsync(ids, filter, limit, cursor, cancellationToken));
    }

    private static async Task<Results<Ok<ConsentLedger>, ProblemHttpResult>> ConsentAsync(
        IConsentQueries consent, IConversationQueries conversations, CallerNames callers, string callerId, CancellationToken cancellationToken)
    {
        var ids = await IdsOfAsync(callers, callerId, cancellationToken);
        return ids.Count == 0 ? Unknown()
            : await consent.FindAsync(ids, cancellationToken) is { } ledger ? TypedResults.Ok(ledger)
            : await conversations.KnownAsync(ids, cancellationToken) is not null ? TypedResults.Ok(new ConsentLedger(ids[0].Value, "none", GrantId: null, ExpiresAt: null, []))
            : Unknown();
    }

    private static async Task<Results<Ok<IReadOnlyList<ConversationSession>>, ProblemHttpResult>> SessionsAsync(
        IConversationQueries conversations, IAnalyticsQueries analytics, CallerNames callers, string callerId, CancellationToken cancellationToken)
    {
        var ids = await IdsOfAsync(callers, callerId, cancellationToken);
        return await conversations.KnownAsync(ids, cancellationToken) is not null ? TypedResults.Ok(await analytics.SessionsAsync(ids, cancellationToken)) : Unknown();
    }

    private static async Task<Results<Ok<IReadOnlyList<AgentChoice>>, ProblemHttpResult>> RoutingAsync(
        IConversationQueries conversations, IAnalyticsQueries analytics, CallerNames callers, string callerId, CancellationToken cancellationToken)
    {
        var ids = await IdsOfAsync(callers, callerId, cancellationToken);
        return await conversations.KnownAsync(ids, cancellationToken) is not null ? TypedResults.Ok(await analytics.RoutingAsync(ids, cancellationToken)) : Unknown();
    }

    /// <summary>All ids of whom an id stands for, the one that they are known by first; none where it is no id.</summary>
    private static async Task<IReadOnlyList<CallerId>> IdsOfAsync(CallerNames callers, string callerId, CancellationToken cancellationToken) =>
        CallerId.TryParse(callerId, out var id) ? await callers.IdsOfAsync(await callers.OfAsync(id, cancellationToken), cancellationToken) : [];

    /// <summary>Under the first of the ids that something was written or spoken under; null: there is nothing.</summary>
    private static async Task<ConversationSummary?> KnownAsync(this IConversationQueries conversations, IReadOnlyList<CallerId> ids, CancellationToken cancellationToken)
    {
        foreach (var id in ids)
        {
            if (await conversations.FindAsync(id, cancellationToken) is { } known)
            {
                return known;
            }
        }

        return null;
    }

    private static ProblemHttpResult Unknown() => TypedResults.Problem(statusCode: StatusCodes.Status404NotFound, title: "There is no such conversation.");
}
