using Guru.Api.Security;
using Guru.Application.Calling;
using MediatR;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Mvc;

namespace Guru.Api.Calling;

/// <summary>
/// Asking people for permission, and calling them. Both are taken at once and done by the to-do list; asked again with the same
/// Idempotency-Key, they tell how far it is. A call that was not placed yet can be cancelled, be it asked for here or arranged with the person.
/// </summary>
internal static class CallingEndpoints
{
    private const string Key = "Idempotency-Key";

    public static void MapCalling(this WebApplication app)
    {
        var calling = app.MapGroup("/api/whatsapp/voice").RequireAuthorization(Roles.Operator).CheckTypesOfBodiesAfterKeys().WithTags("Calling back")
            .ProducesProblem(StatusCodes.Status401Unauthorized).ProducesProblem(StatusCodes.Status403Forbidden).ProducesProblem(StatusCodes.Status404NotFound)
            .ProducesProblem(StatusCodes.Status409Conflict).ProducesProblem(StatusCodes.Status422UnprocessableEntity).ProducesValidationProblem();
        calling.MapPost("/permissions", AskAsync).WithSummary("Asks a person, with a template, whether they may be called.");
        calling.MapPost("/calls", PlaceAsync).WithSummary("Has a person called, if they have agreed to it and the rules allow it; else says why not, and what would make it possible.");
        calling.MapDelete("/calls/{callerId}/{requestId}", CancelAsync).WithSummary("Cancels a call that was asked for, or arranged with the person, and is not placed yet. The ledger has its requestId.");
    }

    private static async Task<NoContent> CancelAsync(IMediator mediator, string callerId, string requestId, CancellationToken cancellationToken)
    {
        await mediator.Send(new CancelCall(callerId, requestId), cancellationToken);
        return TypedResults.NoContent();
    }

    private static async Task<Accepted<PermissionAsked>> AskAsync(
        IMediator mediator, PermissionBody body, [FromHeader(Name = Key)] string? idempotencyKey, CancellationToken cancellationToken)
    {
        var asked = await mediator.Send(new AskPermission(body.PhoneNumber, body.CallerId, body.ContentSid, body.Variables, idempotencyKey), cancellationToken);
        return TypedResults.Accepted(Ledger(asked.CallerId), asked);
    }

    private static async Task<Accepted<CallPlan>> PlaceAsync(
        IMediator mediator, CallBody body, [FromHeader(Name = Key)] string? idempotencyKey, CancellationToken cancellationToken)
    {
        var plan = await mediator.Send(
            new PlaceCall(body.PhoneNumber, body.CallerId, body.Agent, body.Reason, body.Earliest, body.Latest, idempotencyKey), cancellationToken);
        return TypedResults.Accepted(Ledger(plan.CallerId), plan);
    }

    private static string Ledger(string callerId) => $"/api/conversations/{callerId}/consent";
}

/// <param name="ContentSid">HX...; left out: the one that <c>guru templates create</c> made.</param>
/// <param name="Variables">Of the template, by their numbers.</param>
internal sealed record PermissionBody(
    string? PhoneNumber = null, string? CallerId = null, string? ContentSid = null, Dictionary<string, string>? Variables = null);

/// <param name="Agent">Left out: whom the conversation has.</param>
/// <param name="Reason">Why the person is called; they hear it first.</param>
/// <param name="Earliest">Left out: at once.</param>
/// <param name="Latest">Left out: a quarter of an hour after that.</param>
internal sealed record CallBody(
    string? PhoneNumber = null, string? CallerId = null, string? Agent = null, string? Reason = null, DateTimeOffset? Earliest = null, DateTimeOffset? Latest = null);
