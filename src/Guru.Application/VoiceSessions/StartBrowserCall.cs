using FluentValidation;
using Guru.Application.Calls;
using Guru.Application.Conversations;
using Guru.Application.Voice;
using Guru.Domain.Agents;
using Guru.Domain.Callers;
using Guru.Domain.Calls;
using MediatR;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Guru.Application.VoiceSessions;

/// <summary>A browser calls: the model answers its offer, the call goes on record as a phone call would, and Guru attends it.</summary>
/// <param name="Address">The caller's, where it is known.</param>
/// <param name="Agent">In place of the one that the conversation has.</param>
/// <param name="Offer">SDP.</param>
/// <param name="Absence">How long the browser may be away before it has left.</param>
/// <returns>Null where the call could not be put on record, and so does not go on.</returns>
public sealed record StartBrowserCall(CallerId CallerId, CallerAddress? Address, string? Agent, string Offer, TimeSpan Absence) : IRequest<AnsweredOffer?>
{
    public override string ToString() => $"{nameof(StartBrowserCall)} of {CallerId}";
}

public sealed class StartBrowserCallValidator : AbstractValidator<StartBrowserCall>
{
    public const int MaxOffer = 64 * 1024;

    public StartBrowserCallValidator(AgentCatalog agents)
    {
        RuleFor(call => call.Agent).MustBeOneOf(agents);
        RuleFor(call => call.Offer).Must(offer => offer.StartsWith("v=0", StringComparison.Ordinal) && offer.Contains("m=audio", StringComparison.Ordinal))
            .WithMessage("The body must be an SDP offer with audio.");
        RuleFor(call => call.Offer).MaximumLength(MaxOffer);
    }
}

internal sealed partial class StartBrowserCallHandler(
    IEventStore store,
    CallerMemory memory,
    AgentCatalog agents,
    IBrowserSessions sessions,
    BrowserCalls calls,
    ServerSecret secret,
    IOptions<VoiceSettings> voice,
    IOptions<CallRules> rules,
    TimeProvider time,
    ILogger<StartBrowserCallHandler> logger) : IRequestHandler<StartBrowserCall, AnsweredOffer?>
{
    public async Task<AnsweredOffer?> Handle(StartBrowserCall request, CancellationToken cancellationToken)
    {
        Remembered known;
        try
        {
            known = await Patience.LimitAsync(limited => memory.OfAsync(request.CallerId, _ => false, limited), rules.Value.Commit, time, cancellationToken);
        }
        catch (Exception error) when (!cancellationToken.IsCancellationRequested)
        {
            LogNotKnown(error.GetType().Name);
            return null;
        }

        var (agent, because) = request.Agent is { } asked ? (asked, "The webapp asked for this agent.") : known.OpeningAgent(agents);
        var answered = await sessions.CallAsync(voice.Value.For(agents, agent, known.Language, time.GetUtcNow()), request.Offer, request.CallerId.Value, cancellationToken);
        var callSid = answered.CallSid;
        var token = StreamToken.For(callSid, attempt: 0, secret.Value);
        var start = new StartCall(
            callSid, request.CallerId, request.Address?.Value ?? "", CallChannel.Webapp, CallDirection.Inbound, known.Language, StreamToken.Hash(token), agent,
            because, time.GetUtcNow());
        var storing = Task.CompletedTask;
        try
        {
            await Patience.LimitAsync(
                limited =>
                {
                    var append = new CallLog(store, callSid, isNew: true).AppendAsync(start, limited);
                    storing = append;
                    return append;
                },
                rules.Value.Commit,
                time,
                CancellationToken.None);
        }
        catch (Exception error)
        {
            // What is not on record must not go on; and what did not go on must not seem to on record, should the database have taken it all the same.
            LogNotStored(callSid, error.GetType().Name);
            calls.Refused(callSid, storing);
            await new BrowserLine(callSid, request.CallerId, agent, sessions, request.Absence, time, logger).CloseAsync(CancellationToken.None);
            return null;
        }

        CallMeter.Started();
        var line = new BrowserLine(callSid, request.CallerId, agent, sessions, request.Absence, time, logger);
        calls.Attend(line, new ExpectedCall(callSid, request.CallerId, agent, known.Language, start.StreamTokenHash!, Earlier: null, known.Text), token);
        LogStarted(callSid);
        return answered;
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "A browser's call was refused: its caller could not be looked up ({Error})")]
    private partial void LogNotKnown(string error);

    [LoggerMessage(Level = LogLevel.Error, Message = "Call {CallSid}: its start could not be stored ({Error}), and it is hung up")]
    private partial void LogNotStored(CallSid callSid, string error);

    [LoggerMessage(Level = LogLevel.Information, Message = "Call {CallSid}: a browser calls")]
    private partial void LogStarted(CallSid callSid);
}
