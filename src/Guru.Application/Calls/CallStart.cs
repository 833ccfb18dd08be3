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

namespace Guru.Application.Calls;

/// <summary>A call whose start is on record.</summary>
/// <param name="StreamToken">What its first stream has to present.</param>
/// <param name="IsNew">It was not on record before.</param>
public sealed record StartedCall(CallerId CallerId, Call State, Remembered Known, string StreamToken, bool IsNew);

/// <summary>Puts the start of a call on record: who calls, with which agent it begins and why, and what its stream has to present.</summary>
public sealed class CallStart(
    IEventStore store, IPersonalKeys keys, CallerNames callers, CallerMemory memory, AgentCatalog agents, CallingTerms terms, ServerSecret secret, TimeProvider time)
{
    /// <summary>What the events of a call's start hold.</summary>
    private static readonly PersonalDataKind[] Kinds = [PersonalDataKind.Contact, PersonalDataKind.Transcript];

    /// <param name="refusal">Why the call is not taken; null where it is.</param>
    public async Task<StartedCall> RecordAsync(AnswerCall request, CallEndReason? refusal, CancellationToken cancellationToken)
    {
        var callSid = CallSid.Parse(request.CallSid!);
        var address = CallerAddress.Parse(request.Caller!);
        var streamToken = StreamToken.For(callSid, attempt: 0, secret.Value);
        var log = new CallLog(store, callSid, isNew: true);
        var (callerId, known) = await KnownAsync(callers.IdOf(address), callSid, cancellationToken);
        var ours = await ConsentAsync(request, callSid, callerId, address, cancellationToken);
        var appended = await log.AppendAsync(Start(request, callSid, callerId, address, streamToken, known, ours, refusal), cancellationToken);
        return new StartedCall(callerId, log.State, known, streamToken, IsNew: appended.Count > 0);
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
}
