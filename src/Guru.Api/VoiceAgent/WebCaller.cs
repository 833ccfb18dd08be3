using System.Security.Claims;
using Guru.Api.Security;
using Guru.Application;
using Guru.Domain.Callers;

namespace Guru.Api.VoiceAgent;

/// <summary>Whom a request is for: a key may speak for anybody, a user token for its owner alone.</summary>
/// <param name="CallerId">Null for somebody of whom nothing is known.</param>
/// <param name="Address">Where it was given; it is not kept in URLs or logs.</param>
internal sealed record WebCaller(CallerId? CallerId, CallerAddress? Address, string? Agent)
{
    public override string ToString() => $"{nameof(WebCaller)} {CallerId}";

    /// <param name="problem">Why not, where there is no caller.</param>
    public static WebCaller? Of(ClaimsPrincipal user, WebSessionRequest request, ServerSecret secret, out IResult? problem)
    {
        CallerAddress address = default;
        CallerId given = default;
        if (request is { PhoneNumber: not null, CallerId: not null })
        {
            return Refused("Give phoneNumber or callerId, not both.", out problem);
        }

        // In a query, a plus sign that was not encoded arrives as a space.
        if (request.PhoneNumber is { } number && !CallerAddress.TryParse(number.StartsWith(' ') ? $"+{number[1..]}" : number, out address))
        {
            return Refused("phoneNumber is a number in E.164 form or a business-scoped user id.", out problem);
        }

        if (request.CallerId is { } id && !Domain.Callers.CallerId.TryParse(id, out given))
        {
            return Refused("callerId is 32 lowercase hexadecimal digits.", out problem);
        }

        problem = null;
        CallerId? callerId = request.PhoneNumber is not null ? Domain.Callers.CallerId.Of(address, secret.Value) : request.CallerId is not null ? given : null;
        if (user.FindFirstValue(BearerClaims.Caller) is not { } owner)
        {
            return new WebCaller(callerId, request.PhoneNumber is null ? null : address, request.Agent);
        }

        if ((callerId is { } asked && asked.Value != owner) || (request.Agent is { } agent && agent != (user.FindFirstValue(BearerClaims.Agent) ?? agent)))
        {
            problem = Results.Problem(statusCode: StatusCodes.Status403Forbidden, title: "This user token is for another caller or agent.");
            return null;
        }

        return new WebCaller(
            Domain.Callers.CallerId.Parse(owner),
            CallerAddress.TryParse(user.FindFirstValue(BearerClaims.Address), out var known) ? known : null,
            request.Agent ?? user.FindFirstValue(BearerClaims.Agent));
    }

    private static WebCaller? Refused(string title, out IResult? problem)
    {
        problem = Results.Problem(statusCode: StatusCodes.Status400BadRequest, title: title);
        return null;
    }
}

/// <summary>Whom a session, a call or a token is for; everything may be left out.</summary>
/// <param name="PhoneNumber">E.164, or a business-scoped user id.</param>
/// <param name="CallerId">As Guru names the caller.</param>
/// <param name="Agent">In place of the one that the conversation has.</param>
internal sealed record WebSessionRequest(string? PhoneNumber = null, string? CallerId = null, string? Agent = null)
{
    public override string ToString() => nameof(WebSessionRequest);
}
