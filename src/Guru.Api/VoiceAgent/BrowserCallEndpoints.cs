using System.Net.ServerSentEvents;
using System.Runtime.CompilerServices;
using System.Security.Claims;
using System.Text;
using Guru.Api.Hosting;
using Guru.Api.Security;
using Guru.Application.Voice;
using Guru.Application.VoiceSessions;
using Guru.Domain.Callers;
using Guru.Domain.Calls;
using MediatR;

namespace Guru.Api.VoiceAgent;

/// <summary>Calls of the webapp: begun with the browser's SDP, shown while they go on, and ended.</summary>
internal static class BrowserCallEndpoints
{
    private const string Sdp = "application/sdp";

    /// <summary>Often enough for the proxies in between, and to find out that nobody listens.</summary>
    private static readonly TimeSpan Ping = TimeSpan.FromSeconds(10);

    public static void MapBrowserCalls(this RouteGroupBuilder agent)
    {
        agent.MapPost("/calls", StartAsync).WithSummary("Answers the browser's SDP offer; Guru attends the call. Location names it.")
            .Accepts<string>(Sdp).Produces<string>(StatusCodes.Status201Created, Sdp).ProducesProblem(StatusCodes.Status415UnsupportedMediaType).ProducesModelProblems();
        agent.MapDelete("/calls/{id}", EndAsync).WithSummary("The caller hangs up.")
            .Produces(StatusCodes.Status204NoContent).ProducesProblem(StatusCodes.Status404NotFound);
        agent.MapGet("/calls/{id}/events", Events).WithSummary("What is said, by whom, and how the call ends, as server-sent events.")
            .Produces<string>(StatusCodes.Status200OK, "text/event-stream").ProducesProblem(StatusCodes.Status404NotFound);
    }

    private static async Task<IResult> StartAsync(
        [AsParameters] WebSessionRequest request, [AsParameters] WebappServices services, Switchboard switchboard, WebappOptions options)
    {
        var (context, callers, limits, mediator) = services;
        if (context.Request.ContentType?.StartsWith(Sdp, StringComparison.OrdinalIgnoreCase) != true)
        {
            return Results.Problem(statusCode: StatusCodes.Status415UnsupportedMediaType, title: $"The body is the browser's offer, of the type {Sdp}.");
        }

        var (caller, problem) = await WebCaller.OfAsync(context.User, request, callers, context.RequestAborted);
        if (caller is null)
        {
            return problem!;
        }

        if (limits.Refuse(caller.CallerId, context) is { } tooMany)
        {
            return tooMany;
        }

        var offer = await ReadOfferAsync(context); // However long that takes.
        using var place = switchboard.TakePlace(callSid: null, out var refusal);
        if (refusal is not null)
        {
            return Refusals.NotNow(
                context.Response, refusal == CallEndReason.ShuttingDown ? "This server is being stopped: call again in a moment." : "All lines are busy.");
        }

        var answered = await mediator.Send(
            new StartBrowserCall(caller.CallerId ?? CallerId.New(), caller.Address, caller.Agent, offer, options.Absence), context.RequestAborted);
        if (answered is null)
        {
            return Refusals.NotNow(context.Response, "The call could not be written down: call again in a moment.");
        }

        context.Response.Headers.Location = $"/api/voice-agent/calls/{answered.CallSid}";
        return Results.Content(answered.Answer, Sdp, Encoding.UTF8, StatusCodes.Status201Created);
    }

    private static async Task<IResult> EndAsync(string id, HttpContext context, IMediator mediator) =>
        CallSid.TryParse(id, out var callSid) && await mediator.Send(new EndBrowserCall(callSid, OwnerOf(context.User)), context.RequestAborted)
            ? Results.NoContent()
            : Unknown();

    private static IResult Events(string id, HttpContext context, BrowserCalls calls, TimeProvider time) =>
        CallSid.TryParse(id, out var callSid) && calls.Find(callSid) is { } line && (OwnerOf(context.User) ?? line.CallerId) == line.CallerId
            ? TypedResults.ServerSentEvents(ShowAsync(line, time, context.RequestAborted))
            : Unknown();

    private static async IAsyncEnumerable<SseItem<object>> ShowAsync(
        BrowserLine line, TimeProvider time, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var news = line.ListenAsync(cancellationToken).GetAsyncEnumerator(cancellationToken);
        var next = news.MoveNextAsync().AsTask();
        try
        {
            while (true)
            {
                await ((Task)next).WaitAsync(Ping, time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                if (!next.IsCompleted)
                {
                    cancellationToken.ThrowIfCancellationRequested();
                    yield return new SseItem<object>(new { }, "ping");
                    continue;
                }

                if (!await next)
                {
                    yield break;
                }

                yield return Item(news.Current);
                next = news.MoveNextAsync().AsTask();
            }
        }
        finally
        {
            // If nobody listens any more, what was waited for is cancelled by now.
            await ((Task)next).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await news.DisposeAsync();
        }
    }

    private static SseItem<object> Item(CallNews news) => news switch
    {
        AgentSpeaks e => new SseItem<object>(new { e.Agent }, "agent"),
        WordsAdded e => new SseItem<object>(new { e.Id, e.Text }, "words"),
        TurnEnded e => new SseItem<object>(e, "utterance"),
        CallIsOver e => new SseItem<object>(new { e.Reason }, "ended"),
        _ => throw new System.Diagnostics.UnreachableException($"{news.GetType().Name} has no event."),
    };

    /// <summary>Longer ones are cut, and refused for that.</summary>
    private static async Task<string> ReadOfferAsync(HttpContext context)
    {
        using var reader = new StreamReader(context.Request.Body, Encoding.UTF8);
        var buffer = new char[StartBrowserCallValidator.MaxOffer + 1];
        return new string(buffer, 0, await reader.ReadBlockAsync(buffer, context.RequestAborted));
    }

    /// <summary>A user token is for its owner's calls alone.</summary>
    private static CallerId? OwnerOf(ClaimsPrincipal user) => CallerId.TryParse(user.FindFirstValue(BearerClaims.Caller), out var owner) ? owner : null;

    private static IResult Unknown() => Results.Problem(
        statusCode: StatusCodes.Status404NotFound, title: "There is no such call.", detail: "It may be over, or be attended by another node.");
}
