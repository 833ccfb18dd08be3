using System.Text.Json.Serialization;
using Guru.Api.Security;
using Guru.Application.Callers;
using Guru.Application.VoiceSessions;
using Guru.Domain.Agents;
using Guru.Domain.Callers;
using MediatR;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.DataProtection.KeyManagement;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.ModelBinding;
using Microsoft.Extensions.Options;

namespace Guru.Api.VoiceAgent;

/// <summary>What webapps ask for: tokens for their users, and sessions with the advisor. docs/webapp.md tells it from their side.</summary>
internal static class VoiceAgentEndpoints
{
    private const string Cors = "webapp";

    public static IServiceCollection AddVoiceAgent(this IServiceCollection services, WebappOptions options)
    {
        services.AddSingleton(options);
        services.AddSingleton<WebappLimits>();
        services.AddSingleton<SecretKeyRing>();
        services.AddSingleton<IConfigureOptions<KeyManagementOptions>>(provider => provider.GetRequiredService<SecretKeyRing>());
        services.AddDataProtection().SetApplicationName("Guru");
        services.AddSingleton<UserTokens>();
        services.AddRateLimiter(limiter => WebappLimits.Configure(limiter, options));
        return services.AddCors(cors => cors.AddPolicy(Cors, policy => policy
            .WithOrigins(options.Origins)
            .WithMethods(HttpMethods.Get, HttpMethods.Post, HttpMethods.Delete)
            .WithHeaders("Authorization", "Content-Type")
            .WithExposedHeaders("Location", "Retry-After")));
    }

    public static void MapVoiceAgent(this WebApplication app)
    {
        var agent = app.MapGroup("/api/voice-agent").RequireAuthorization(Roles.WebappUser).RequireCors(Cors).RequireRateLimiting(WebappLimits.PerKey)
            .AddEndpointFilter<AllowedOrigins>().AddEndpointFilter<NotStored>().CheckTypesOfBodiesAfterKeys().WithTags("Voice agent")
            .ProducesProblem(StatusCodes.Status400BadRequest).ProducesProblem(StatusCodes.Status401Unauthorized)
            .ProducesProblem(StatusCodes.Status403Forbidden).ProducesProblem(StatusCodes.Status429TooManyRequests)
            .ProducesProblem(StatusCodes.Status503ServiceUnavailable);

        agent.MapPost("/tokens", TokenAsync).RequireAuthorization(Roles.Webapp).WithSummary("A short-lived token for one caller, to be handed to a browser.")
            .Produces<TokenAnswer>();
        agent.MapGet("/session", ([AsParameters] WebSessionRequest request, [AsParameters] WebappServices services) => SessionAsync(request, services))
            .WithSummary("A client secret for the configuration that a phone call would get.").Produces<SessionAnswer>().ProducesModelProblems();
        agent.MapPost("/session", ([FromBody(EmptyBodyBehavior = EmptyBodyBehavior.Allow)] WebSessionRequest? request, [AsParameters] WebappServices services) =>
                SessionAsync(request ?? new WebSessionRequest(), services))
            .WithSummary("The same, with the caller in the body, where no log of a proxy sees it.").Produces<SessionAnswer>().ProducesModelProblems();
        agent.MapBrowserCalls();
    }

    private static async Task<IResult> TokenAsync(
        [FromBody(EmptyBodyBehavior = EmptyBodyBehavior.Allow)] WebSessionRequest? request,
        HttpContext context, CallerNames callers, AgentCatalog agents, UserTokens tokens, WebappOptions options)
    {
        var (caller, problem) = await WebCaller.OfAsync(context.User, request ?? new WebSessionRequest(), callers, context.RequestAborted);
        if (caller is null)
        {
            return problem!;
        }

        if (caller.Agent is { } agent && !agents.Agents.Any(known => known.Name == agent))
        {
            return Results.Problem(statusCode: StatusCodes.Status400BadRequest, title: "There is no such agent.");
        }

        var callerId = caller.CallerId ?? CallerId.New();
        var (token, expiresAt) = tokens.Issue(new UserToken(callerId.Value, caller.Address?.Value, caller.Agent, context.User.KeyOf()), options.TokenLife);
        return Results.Ok(new TokenAnswer(token, expiresAt, callerId.Value));
    }

    private static async Task<IResult> SessionAsync(WebSessionRequest request, WebappServices services)
    {
        var (context, callers, limits, mediator) = services;
        var (caller, problem) = await WebCaller.OfAsync(context.User, request, callers, context.RequestAborted);
        if (caller is null)
        {
            return problem!;
        }

        if (limits.Refuse(caller.CallerId, context) is { } tooMany)
        {
            return tooMany;
        }

        var opened = await mediator.Send(new OpenVoiceSession(caller.CallerId, caller.Agent), context.RequestAborted);
        return Results.Ok(SessionAnswer.Of(opened));
    }
}

/// <summary>What the endpoints of this group need of the request and the host.</summary>
internal sealed record WebappServices(HttpContext Context, CallerNames Callers, WebappLimits Limits, IMediator Mediator);

/// <summary>Secrets and tokens are not for caches.</summary>
internal sealed class NotStored : IEndpointFilter
{
    public ValueTask<object?> InvokeAsync(EndpointFilterInvocationContext context, EndpointFilterDelegate next)
    {
        context.HttpContext.Response.Headers.CacheControl = "no-store";
        return next(context);
    }
}

/// <param name="CallerId">To be given again the next time, so that the agent remembers somebody without a phone number.</param>
internal sealed record TokenAnswer(string Token, DateTimeOffset ExpiresAt, string CallerId);

/// <summary>The shape that existing webapps read.</summary>
/// <param name="ClientSecret">The same as <paramref name="ApiKey"/>.</param>
internal sealed record SessionAnswer(
    string ApiKey,
    [property: JsonPropertyName("client_secret")] string ClientSecret,
    SessionOfAnswer Session,
    string Agent,
    string? Language,
    string Instructions)
{
    public static SessionAnswer Of(OpenedVoiceSession opened) => new(
        opened.Secret.Value,
        opened.Secret.Value,
        new SessionOfAnswer(opened.Secret.SessionId, opened.Secret.Model, opened.Secret.ExpiresAt.ToUnixTimeSeconds()),
        opened.Agent,
        opened.Language,
        opened.Instructions);
}

/// <param name="ExpiresAt">Until when the secret can begin sessions, in seconds since 1970.</param>
internal sealed record SessionOfAnswer(string Id, string Model, [property: JsonPropertyName("expires_at")] long ExpiresAt);
