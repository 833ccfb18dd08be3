using System.Security.Claims;
using Guru.Api.Security;
using Guru.Application.Callers;
using Guru.Domain.Callers;

namespace Guru.Api.VoiceAgent;

/// <summary>Whom a request is for: a key may speak for anybody, a user token for its owner alone.</summary>
/// <param name="CallerId">Null for somebody of whom nothing is known.</param>
/// <param name="Address">Where it was given; it is not kept in URLs or logs.</param>
internal sealed record WebCaller(CallerId? CallerId, CallerAddress? Address, string? Agent)
{
    public override string ToString() => $"{nameof(WebCaller)} {CallerId}";

    /// <returns>Or why there is none.</returns>
    public static async Task<(WebCaller? Caller, IResult? Problem)> OfAsync(ClaimsPrincipal user, WebSessionRequest request, CallerNames callers, CancellationToken cancellationToken)
    {
        CallerAddress address = default;
        CallerId given = default;
        if (request is { PhoneNumber: not null, CallerId: not null })
        {
            return Refused("Give phoneNumber or callerId, not both.");
        }

        // In a query, a plus sign that was not encoded arrives as a space.
        if (request.PhoneNumber is { } number && !CallerAddress.TryParse(number.StartsWith(' ') ? $"+{number[1..]}" : number, out address))
        {
            return Refused("phoneNumber is a number in E.164 form or a business-scoped user id.");
        }

        if (request.CallerId is { } id && !Domain.Callers.CallerId.TryParse(id, out given))
        {
            return Refused("callerId is 32 lowercase hexadecimal digits.");
        }

        CallerId? callerId = request is { PhoneNumber: null, CallerId: null } ? null
            : await callers.OfAsync(request.PhoneNumber is not null ? callers.IdOf(address) : given, cancellationToken);
        if (user.FindFirstValue(BearerClaims.Caller) is not { } owner)
        {
            return (new WebCaller(callerId, request.PhoneNumber is null ? null : address, request.Agent), null);
        }

        var ownerId = await callers.OfAsync(Domain.Callers.CallerId.Parse(owner), cancellationToken);
        if ((callerId is { } asked && asked != ownerId) || (request.Agent is { } agent && agent != (user.FindFirstValue(BearerClaims.Agent) ?? agent)))
        {
            return (null, Results.Problem(statusCode: StatusCodes.Status403Forbidden, title: "This user token is for another caller or agent."));
        }

        return (
            new WebCaller(
                ownerId,
                CallerAddress.TryParse(user.FindFirstValue(BearerClaims.Address), out var known) ? known : null,
                request.Agent ?? user.FindFirstValue(BearerClaims.Agent)),
            null);
    }

    private static (WebCaller? Caller, IResult? Problem) Refused(string title) => (null, Results.Problem(statusCode: StatusCodes.Status400BadRequest, title: title));
}

/// <summary>Whom a session, a call or a token is for; everything may be left out.</summary>
/// <param name="PhoneNumber">E.164, or a business-scoped user id.</param>
/// <param name="CallerId">As Guru names the caller.</param>
/// <param name="Agent">In place of the one that the conversation has.</param>
internal sealed record WebSessionRequest(string? PhoneNumber = null, string? CallerId = null, string? Agent = null)
{
    public override string ToString() => nameof(WebSessionRequest);
}
