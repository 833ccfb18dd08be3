using Guru.Api.Security;
using Guru.Application;
using Guru.Application.Calling;
using Guru.Application.Calls;
using Guru.Application.Conversations;
using Guru.Domain.Callers;
using Microsoft.AspNetCore.Http.HttpResults;

namespace Guru.Api.Conversations;

/// <summary>What analysts read of conversations: texts, voice notes and calls in one timeline.</summary>
internal static class ConversationEndpoints
{
    private const int DefaultLimit = 50;
    private const int MostAtOnce = 200;

    public static void MapConversations(this WebApplication app)
    {
        var conversations = app.MapGroup("/api/conversations").RequireAuthorization(Roles.Analyst).WithTags("Conversations")
            .ProducesProblem(StatusCodes.Status401Unauthorized).ProducesProblem(StatusCodes.Status403Forbidden);
        conversations.MapGet("/", ListAsync).WithSummary("Conversations, newest activity first; of one caller by phoneNumber.");
        conversations.MapGet("/{callerId}", FindAsync).WithSummary("One conversation.");
        conversations.MapGet("/{callerId}/messages", TimelineAsync).WithSummary("Everything written, spoken and heard, oldest first.");
        conversations.MapGet("/{callerId}/consent", ConsentAsync).WithSummary("The consent ledger: whether the person may be called, and everything that led to it.");
    }

    private static async Task<Results<Ok<Page<ConversationSummary>>, ProblemHttpResult>> ListAsync(
        IConversationQueries conversations, ServerSecret secret, CancellationToken cancellationToken,
        string? phoneNumber = null, int limit = DefaultLimit, string? cursor = null)
    {
        CallerId? callerId = null;
        if (phoneNumber is not null)
        {
            // A plus sign that was not encoded arrives as a space.
            if (!CallerAddress.TryParse(phoneNumber.StartsWith(' ') ? $"+{phoneNumber[1..]}" : phoneNumber, out var address))
            {
                return Problem(StatusCodes.Status400BadRequest, "phoneNumber is a number in E.164 form or a business-scoped user id.");
            }

            callerId = CallerId.Of(address, secret.Value);
        }

        return await PageAsync(limit, () => conversations.ListAsync(callerId, limit, cursor, cancellationToken));
    }

    private static async Task<Results<Ok<ConversationSummary>, ProblemHttpResult>> FindAsync(
        IConversationQueries conversations, string callerId, CancellationToken cancellationToken) =>
        CallerId.TryParse(callerId, out var id) && await conversations.FindAsync(id, cancellationToken) is { } found ? TypedResults.Ok(found) : Unknown();

    private static async Task<Results<Ok<Page<TimelineEntry>>, ProblemHttpResult>> TimelineAsync(
        IConversationQueries conversations, string callerId, CancellationToken cancellationToken, int limit = DefaultLimit, string? cursor = null) =>
        CallerId.TryParse(callerId, out var id) && await conversations.FindAsync(id, cancellationToken) is not null
            ? await PageAsync(limit, () => conversations.TimelineAsync(id, limit, cursor, cancellationToken))
            : Unknown();

    private static async Task<Results<Ok<ConsentLedger>, ProblemHttpResult>> ConsentAsync(
        IConsentQueries consent, IConversationQueries conversations, string callerId, CancellationToken cancellationToken) =>
        !CallerId.TryParse(callerId, out var id) ? Unknown()
        : await consent.FindAsync(id, cancellationToken) is { } ledger ? TypedResults.Ok(ledger)
        : await conversations.FindAsync(id, cancellationToken) is not null ? TypedResults.Ok(new ConsentLedger(callerId, "none", GrantId: null, ExpiresAt: null, []))
        : Unknown();

    private static async Task<Results<Ok<Page<T>>, ProblemHttpResult>> PageAsync<T>(int limit, Func<Task<Page<T>>> read)
    {
        if (limit is < 1 or > MostAtOnce)
        {
            return Problem(StatusCodes.Status400BadRequest, $"limit is a number from 1 to {MostAtOnce}.");
        }

        try
        {
            return TypedResults.Ok(await read());
        }
        catch (FormatException)
        {
            return Problem(StatusCodes.Status400BadRequest, "cursor is not the next of a page of this list.");
        }
    }

    private static ProblemHttpResult Unknown() => Problem(StatusCodes.Status404NotFound, "There is no such conversation.");

    private static ProblemHttpResult Problem(int status, string title) => TypedResults.Problem(statusCode: status, title: title);
}
