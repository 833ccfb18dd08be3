using Guru.Application.Conversations;
using Guru.Application.Work;
using Guru.Domain.Callers;
using Guru.Domain.Calls;
using Guru.Domain.Conversations;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Guru.Application.Calling;

/// <summary>
/// Places a call, once, if the rules allow it at that moment. That they do is on record before the carrier is asked, and who takes over
/// from a node that died looks first for what it has placed. docs/consent.md, steps 4 and 5.
/// </summary>
public sealed partial class CallPlacer(
    IEventStore store, IWorkQueue queue, ICallCarrier carrier, CallingTerms terms, Outbox outbox, IOptions<WorkRules> work, TimeProvider time, ILogger<CallPlacer> logger) : IWork
{
    public string Kind => WorkItem.Call;

    public async Task RunAsync(WorkItem item, CancellationToken cancellationToken)
    {
        var log = new ConversationLog(store, item.CallerId);
        await log.ReadAsync(cancellationToken);
        await AskForAsync(item, log, cancellationToken);
        if (Open(log, item) is not { } call || await AdoptAsync(item, log, call, cancellationToken))
        {
            return;
        }

        var allowed = await log.AppendAsync(new AllowOutboundCall(item.Subject, terms.Sender, terms.Rules, time.GetUtcNow()), cancellationToken);
        if (allowed.OfType<OutboundCallAllowed>().Any())
        {
            await PlaceAsync(item, log, cancellationToken);
        }
        else if (Open(log, item) is { } waiting)
        {
            var from = CallPolicy.MayCall(log.State, terms.Sender, time.GetUtcNow(), terms.Rules, item.Subject).PossibleFrom ?? time.GetUtcNow();
            throw new NotYetException(from - time.GetUtcNow(), waiting.RequestId);
        }
    }

    public async Task GiveUpAsync(WorkItem item, OutsideException error, CancellationToken cancellationToken)
    {
        if (error is MessengerException { Unknown: true })
        {
            throw error; // The list will tell, the next time; and once its time is over it is not tried again.
        }

        LogGivenUp(item.Subject, error.Reason);
        var reason = error switch
        {
            NotYetException => CallRefusalReason.TooLate,
            MessengerException { Code: not null } => CallRefusalReason.CarrierRefused,
            _ => CallRefusalReason.CarrierSilent,
        };
        await new ConversationLog(store, item.CallerId).AppendAsync(new RefuseOutboundCall(item.Subject, reason, (error as MessengerException)?.Code, time.GetUtcNow()), cancellationToken);
    }

    /// <summary>A call-back whose time has come asks for its call by itself.</summary>
    private async Task AskForAsync(WorkItem item, ConversationLog log, CancellationToken cancellationToken)
    {
        if (log.State.Consent.CallBacks.GetValueOrDefault(item.Subject) is { State: CallBackState.Confirmed } back && !log.State.Consent.Calls.ContainsKey(item.Subject))
        {
            var wanted = new OutboundCallRequested(
                back.CallBackId, item.CallerId, log.State.Address, back.Agent, back.Reason, back.DueAt, back.DueAt + CallConsent.CallBackLateness, time.GetUtcNow());
            await log.AppendAsync(new RequestOutboundCall(wanted, terms.Sender, terms.Rules), cancellationToken);
        }
    }

    private static OutboundCall? Open(ConversationLog log, WorkItem item) => log.State.Consent.Calls.GetValueOrDefault(item.Subject) is { IsSettled: false } call ? call : null;

    /// <summary>Looks for a call that an earlier claim may have placed.</summary>
    private async Task<bool> AdoptAsync(WorkItem item, ConversationLog log, OutboundCall call, CancellationToken cancellationToken)
    {
        if (item.IntentAt is null || call.AllowedBy is null || !CallerAddress.TryParse(log.State.Address, out var address))
        {
            return false;
        }

        var known = log.State.Consent.Calls.Values.Select(other => other.CallSid).ToHashSet();
        var placed = await carrier.FindPlacedAsync(address, await outbox.ListedSinceAsync(item, cancellationToken), cancellationToken);
        if (placed.FirstOrDefault(sid => !known.Contains(sid)) is not { Value: not null } callSid)
        {
            return false;
        }

        LogAdopted(callSid);
        await log.AppendAsync(new RecordPlacedCall(item.Subject, callSid, time.GetUtcNow()), cancellationToken);
        return true;
    }

    private async Task PlaceAsync(WorkItem item, ConversationLog log, CancellationToken cancellationToken)
    {
        // The lease must be ours now, and it outlasts the request.
        await queue.SaveIntentAsync(item, item.Subject, work.Value.Lease, cancellationToken);
        CallSid callSid;
        try
        {
            callSid = await carrier.PlaceAsync(CallerAddress.Parse(log.State.Address), cancellationToken);
        }
        catch (MessengerException refused) when (!refused.Transient)
        {
            LogRefused(item.Subject, refused.Code);
            await log.AppendAsync(new RefuseOutboundCall(item.Subject, ReasonOf(refused.Code), refused.Code, time.GetUtcNow()), cancellationToken);
            return;
        }

        await log.AppendAsync(new RecordPlacedCall(item.Subject, callSid, time.GetUtcNow()), cancellationToken);
        LogPlaced(callSid);
    }

    private static CallRefusalReason ReasonOf(int? code) => code switch
    {
        CarrierErrors.NoPermission => CallRefusalReason.PermissionRevoked,
        CarrierErrors.SenderCountry => CallRefusalReason.SenderCountryExcluded,
        _ => CallRefusalReason.CarrierRefused,
    };

    [LoggerMessage(Level = LogLevel.Information, Message = "Call {CallSid}: placed")]
    private partial void LogPlaced(CallSid callSid);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Call {CallSid}: was placed by a node that did not come to say so")]
    private partial void LogAdopted(CallSid callSid);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Request {RequestId}: the carrier refuses the call ({Code})")]
    private partial void LogRefused(string requestId, int? code);

    [LoggerMessage(Level = LogLevel.Error, Message = "Request {RequestId}: no call could be placed, for good: {Reason}")]
    private partial void LogGivenUp(string requestId, string reason);
}

/// <summary>The time for it has not come.</summary>
/// <inheritdoc/>
internal sealed class NotYetException(TimeSpan wait, string requestId) : OutsideException($"too early for {requestId}", transient: true, wait > TimeSpan.Zero ? wait : TimeSpan.FromSeconds(1), inner: null);
