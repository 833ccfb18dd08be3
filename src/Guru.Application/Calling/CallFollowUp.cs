using Guru.Application.Calls;
using Guru.Application.Conversations;
using Guru.Application.Work;
using Guru.Domain.Agents;
using Guru.Domain.Calls;
using Guru.Domain.Conversations;
using Microsoft.Extensions.Logging;

namespace Guru.Application.Calling;

/// <summary>
/// When a call of ours is over, or a person did not have theirs because of us: how it ended goes into the ledger, and the person gets a
/// message that carries on the same conversation, where the window allows. docs/consent.md, steps 6 and 7.
/// </summary>
public sealed partial class CallFollowUp(
    IEventStore store, UnheardEnds ends, Outbox outbox, IFixedTexts texts, CallingTerms terms, TimeProvider time, ILogger<CallFollowUp> logger) : IWork
{
    /// <summary>After this the carrier is asked how a call of ours went, if it has not said so.</summary>
    public static readonly TimeSpan LongestRinging = TimeSpan.FromMinutes(12);

    /// <summary>Of a call that ended unheard, and longer ago, nobody is told.</summary>
    private static readonly TimeSpan StillOfInterest = TimeSpan.FromDays(1);

    private readonly Notice _notice = new("followUp", store, outbox, time);

    public string Kind => WorkItem.FollowUp;

    /// <summary>The person wanted to talk, and it is our fault that they could not (any longer).</summary>
    public static bool IsOurDoing(CallEndReason reason) =>
        reason is CallEndReason.AtCapacity or CallEndReason.ModelUnavailable or CallEndReason.ShuttingDown or CallEndReason.StreamLost;

    public async Task RunAsync(WorkItem item, CancellationToken cancellationToken)
    {
        var conversation = new ConversationLog(store, item.CallerId);
        await conversation.ReadAsync(cancellationToken);
        if (CallSid.TryParse(item.Subject, out var callSid))
        {
            await AfterCallAsync(item, conversation, callSid, cancellationToken);
        }
        else if (NewsOf(conversation.State.Consent, item.Subject) is { } news)
        {
            await TellAsync(item, conversation, conversation.State, news, agent: null, language: null, cancellationToken);
        }
    }

    public async Task GiveUpAsync(WorkItem item, OutsideException error, CancellationToken cancellationToken)
    {
        await _notice.GiveUpAsync(item, error, cancellationToken);
        LogGivenUp(item.Subject, error.Reason);
    }

    /// <summary>What a person should know of a call that they wait for; null where they wait for none, or know it.</summary>
    private static FixedText? NewsOf(CallConsent consent, string callBackId) => consent.CallBacks.GetValueOrDefault(callBackId) switch
    {
        { CancelledBy: CallBackCancelled.ByOperator } => FixedText.CallBackCancelled,
        { State: CallBackState.Confirmed } when consent.Calls.GetValueOrDefault(callBackId) is { Refused: not null } => FixedText.CallBackFailed,
        _ => null,
    };

    private async Task AfterCallAsync(WorkItem item, ConversationLog conversation, CallSid callSid, CancellationToken cancellationToken)
    {
        var log = new CallLog(store, callSid);
        var events = await log.ReadAsync(cancellationToken);
        if (log.State.Ended is not { } ended)
        {
            await ends.AskAsync(callSid, cancellationToken);
            return; // Its end comes back here.
        }

        var errorCode = events.OfType<CallStatusChanged>().Select(change => change.ErrorCode).LastOrDefault(code => code is not null);
        var outcome = log.State.Started ? CallStatus.Completed : CallStatuses.After(ended); // Our address is asked once the person has answered.
        if (IsOutbound(events))
        {
            await conversation.AppendAsync(new RecordOutboundEnd(callSid, outcome, errorCode, terms.Rules, time.GetUtcNow()), cancellationToken);
            if (outcome != CallStatus.Completed && errorCode != CarrierErrors.NoPermission && conversation.State.Consent.CallOf(callSid)?.CallSid == callSid)
            {
                await TellAsync(item, conversation, conversation.State, FixedText.CallMissed, agent: null, language: null, cancellationToken);
                return;
            }
        }

        if (IsOurDoing(ended) && time.GetUtcNow() - log.State.EndedAt < StillOfInterest && events.OfType<CallStarted>().Any())
        {
            await TellAsync(item, conversation, Notice.Recipient(conversation.State, events), FixedText.CallFailed, log.State.Agent, log.State.Language, cancellationToken);
        }
    }

    private Task TellAsync(
        WorkItem item, ConversationLog log, Conversation to, FixedText text, string? agent, string? language, CancellationToken cancellationToken) =>
        _notice.SendAsync(
            item, log, to, () => Draft.Of([], agent ?? to.Agent ?? AgentCatalog.GeneralName, texts.Of(text, language ?? to.Language)), cancellationToken);

    private static bool IsOutbound(IReadOnlyList<CallEvent> events) => events.Any(@event => @event is
        CallStarted { Direction: CallDirection.Outbound } or CallStatusChanged { Direction: CallDirection.Outbound });

    [LoggerMessage(Level = LogLevel.Error, Message = "{Subject}: the person could not be written to, for good: {Reason}")]
    private partial void LogGivenUp(string subject, string reason);
}
