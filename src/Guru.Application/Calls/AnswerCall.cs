using FluentValidation;
using Guru.Application.Callers;
using Guru.Application.Calling;
using Guru.Application.Conversations;
using Guru.Application.Privacy;
using Guru.Application.Voice;
using Guru.Domain;
using Guru.Domain.Agents;
using Guru.Domain.Callers;
using Guru.Domain.Calls;
using Guru.Domain.Conversations;
using MediatR;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Guru.Application.Calls;

/// <summary>A call arrives: it is on record before it is answered, and its model is dialled while the carrier reads the answer.</summary>
/// <param name="Direction">Twilio's word: inbound, outbound-api or outbound-dial.</param>
public sealed record AnswerCall(string? CallSid, string? From, string? To, string? Direction) : IRequest<CallAnswer>
{
    /// <summary>The person, whoever calls whom.</summary>
    public string? Caller => CallDirections.Parse(Direction) == CallDirection.Outbound ? To : From;
}

public sealed class AnswerCallValidator : AbstractValidator<AnswerCall>
{
    public AnswerCallValidator()
    {
        RuleFor(call => call.CallSid).Must(sid => CallSid.TryParse(sid, out _)).WithMessage("CallSid must be CA and 32 hexadecimal digits.");
        RuleFor(call => call.Caller).Must(caller => CallerAddress.TryParse(caller, out _))
            .WithMessage("The caller must be whatsapp:+E164 or a business-scoped user id.");
    }
}

public sealed partial class AnswerCallHandler(
    IEventStore store,
    CallerNames callers,
    CallerMemory memory,
    IPersonalKeys keys,
    Switchboard switchboard,
    AgentCatalog agents,
    CallingTerms terms,
    ServerSecret secret,
    IOptions<CallRules> rules,
    TimeProvider time,
    ILogger<AnswerCallHandler> logger) : IRequestHandler<AnswerCall, CallAnswer>
{
    /// <summary>What the events of a call's start hold.</summary>
    private static readonly PersonalDataKind[] Kinds = [PersonalDataKind.Contact, PersonalDataKind.Transcript];

    public async Task<CallAnswer> Handle(AnswerCall request, CancellationToken cancellationToken)
    {
        var callSid = CallSid.Parse(request.CallSid!);
        var address = CallerAddress.Parse(request.Caller!);
        var callerId = callers.IdOf(address);
        var streamToken = StreamToken.For(callSid, attempt: 0, secret.Value);
        var log = new CallLog(store, callSid, isNew: true);
        var known = Remembered.Nothing;
        OutboundCall? ours = null;
        using var place = switchboard.TakePlace(callSid, out var refusal);
        try
        {
            var appended = await Patience.LimitAsync(
                async token =>
                {
                    (callerId, known) = await KnownAsync(callerId, callSid, token);
                    ours = await ConsentAsync(request, callSid, callerId, address, token);
                    return await log.AppendAsync(Start(request, callSid, callerId, address, streamToken, known, ours, refusal), token);
                },
                rules.Value.Commit,
                time,
                cancellationToken);
            if (appended.Count > 0)
            {
                CallMeter.Started();
            }
        }
        catch (Exception error) when (error is not RuleException && !cancellationToken.IsCancellationRequested)
        {
            LogNotStored(callSid, error.GetType().Name);
            return new SayAndHangUp(FixedSentence.TryAgain, Language: null);
        }

        if (log.State.Ended is { } ended)
        {
            return CallEndings.AnswerAfter(ended, log.State.Language);
        }

        var hash = StreamToken.Hash(streamToken);
        if (log.State.OpenTokens.ContainsKey(hash))
        {
            switchboard.Expect(new ExpectedCall(callSid, callerId, log.State.Agent, log.State.Language, hash, Earlier: null, known.Text) { Purpose = log.State.Purpose });
        }

        LogAnswered(callSid);
        return new ConnectStream(callSid, address.Value, streamToken, log.State.Language, rules.Value.SayBeforeConnect) { TellsOfRecording = switchboard.Records };
    }

    /// <summary>Nearly everybody's id is their own: what is known under it, and the keys for it, are fetched while that is looked up.</summary>
    private async Task<(CallerId CallerId, Remembered Known)> KnownAsync(CallerId id, CallSid callSid, CancellationToken cancellationToken)
    {
        var (owner, own) = (callers.OfAsync(id, cancellationToken), OfAsync(id));
        await Task.WhenAll(owner, own, keys.PrepareAsync(id, time.GetUtcNow(), Kinds, cancellationToken));
        return await owner == id ? (id, await own) : (await owner, await OfAsync(await owner));

        Task<Remembered> OfAsync(CallerId callerId) => memory.OfAsync(callerId, entry => entry.CallSid == callSid.Value, cancellationToken);
    }

    /// <summary>A call of ours is looked up, to know why it was placed; a person's call may be permission to call back.</summary>
    private async Task<OutboundCall?> ConsentAsync(AnswerCall request, CallSid callSid, CallerId callerId, CallerAddress address, CancellationToken cancellationToken)
    {
        var conversation = new ConversationLog(store, callerId);
        if (CallDirections.Parse(request.Direction) == CallDirection.Outbound)
        {
            await conversation.ReadAsync(cancellationToken);
            return conversation.State.Consent.CallOf(callSid);
        }

        if (terms.Settings.CallGrantsPermission)
        {
            await conversation.AppendAsync(new GrantByCall(callSid, callerId, address.Value, terms.Rules, time.GetUtcNow()), cancellationToken);
        }

        return null;
    }

    private StartCall Start(AnswerCall request, CallSid callSid, CallerId callerId, CallerAddress address, string token, Remembered known, OutboundCall? ours, CallEndReason? refusal)
    {
        var (agent, because) = ours?.Agent is { } asked ? (agents[asked].Name, "The call was asked for with this agent.") : known.OpeningAgent(agents);
        return new StartCall(
            callSid,
            callerId,
            address.Value,
            CallChannel.Whatsapp,
            CallDirections.Parse(request.Direction),
            known.Language,
            StreamToken.Hash(token),
            agent,
            because,
            time.GetUtcNow(),
            refusal,
            ours?.Reason);
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "Call {CallSid}: its start could not be stored ({Error}); the caller hears an apology")]
    private partial void LogNotStored(CallSid callSid, string error);

    [LoggerMessage(Level = LogLevel.Information, Message = "Call {CallSid}: answered, the model is being dialled")]
    private partial void LogAnswered(CallSid callSid);
}

internal static class CallDirections
{
    public static CallDirection Parse(string? twilio) =>
        twilio?.StartsWith("outbound", StringComparison.Ordinal) == true ? CallDirection.Outbound : CallDirection.Inbound;
}

internal static class CallEndings
{
    /// <summary>What is left to say to a caller whose call has ended for this reason.</summary>
    public static CallAnswer AnswerAfter(CallEndReason reason, string? language) => reason switch
    {
        CallEndReason.ModelUnavailable => new SayAndHangUp(FixedSentence.ModelUnavailable, language),
        CallEndReason.AtCapacity => new SayAndHangUp(FixedSentence.AtCapacity, language),
        CallEndReason.ShuttingDown => new SayAndHangUp(FixedSentence.ShuttingDown, language),
        CallEndReason.StreamLost => new SayAndHangUp(FixedSentence.TechnicalProblem, language),
        _ => new JustHangUp(),
    };
}
