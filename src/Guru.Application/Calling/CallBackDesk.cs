using System.Text.Encodings.Web;
using System.Text.Json;
using Guru.Application.Calls;
using Guru.Application.Conversations;
using Guru.Application.Voice;
using Guru.Application.VoiceSessions;
using Guru.Domain.Callers;
using Guru.Domain.Calls;
using Guru.Domain.Conversations;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Guru.Application.Calling;

/// <summary>
/// Answers the agents on the phone who use the tool call_back. What they are told is on record before; a database that does not answer
/// in time is told, too, so that nobody promises a call of which nobody knows.
/// </summary>
public sealed partial class CallBackDesk(IEventStore store, CallBacks callBacks, IOptions<CallRules> rules, TimeProvider time, ILogger<CallBackDesk> logger)
{
    private static readonly JsonSerializerOptions Plain = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>What the agent is told, as JSON.</summary>
    public async Task<string> AnswerAsync(CallSid callSid, CallerId callerId, ArrangeCallBack wish)
    {
        try
        {
            // The caller may hang up meanwhile, and what they have said still counts.
            return await Patience.LimitAsync(token => ArrangeAsync(callSid, callerId, wish, token), rules.Value.Commit, time, CancellationToken.None);
        }
        catch (Exception error)
        {
            LogNotArranged(callSid, error.GetType().Name);
            return Told("error", "It cannot be put on record now. Say so, and that they can write to you in this chat instead.");
        }
    }

    private async Task<string> ArrangeAsync(CallSid callSid, CallerId callerId, ArrangeCallBack wish, CancellationToken cancellationToken)
    {
        var log = new ConversationLog(store, callerId);
        await log.ReadAsync(cancellationToken);
        return VoiceTools.Argument(wish.Arguments, "action") switch
        {
            VoiceTools.Propose => await ProposeAsync(log, callSid, callerId, wish, cancellationToken),
            VoiceTools.Confirm => await ConfirmAsync(log, callerId, cancellationToken),
            VoiceTools.Cancel => await CancelAsync(log, callerId, cancellationToken),
            VoiceTools.LookUp => Standing(log.State),
            _ => Told("error", "action is propose, confirm, cancel or look_up."),
        };
    }

    private async Task<string> ProposeAsync(ConversationLog log, CallSid callSid, CallerId callerId, ArrangeCallBack wish, CancellationToken cancellationToken)
    {
        var address = log.State.Address;
        if (address.Length == 0)
        {
            var call = new CallLog(store, callSid);
            await call.ReadAsync(cancellationToken);
            address = call.State.Address;
        }

        if (address.Length == 0 || log.State.Consent.Erased)
        {
            return Told("error", "No WhatsApp number of this person is known, so that they cannot be called.");
        }

        if (callBacks.Read(VoiceTools.Argument(wish.Arguments, "at"), VoiceTools.Argument(wish.Arguments, "timeZone"), log.State.At(address), out var why) is not { } at)
        {
            return Told("error", why!);
        }

        var proposal = new CallBackProposed(
            Guid.NewGuid().ToString("N"), callerId, at.DueAt, at.Zone, wish.Agent, CallBacks.About(VoiceTools.Argument(wish.Arguments, "about")), time.GetUtcNow(), address);
        await CallBacks.ProposeAsync(log, proposal, cancellationToken);
        return Standing(log.State);
    }

    private async Task<string> ConfirmAsync(ConversationLog log, CallerId callerId, CancellationToken cancellationToken)
    {
        if (callBacks.Latest(log.State) is { State: CallBackState.Proposed } proposed)
        {
            await callBacks.ConfirmAsync(log, callerId, proposed, cancellationToken);
        }

        return Standing(log.State);
    }

    private async Task<string> CancelAsync(ConversationLog log, CallerId callerId, CancellationToken cancellationToken)
    {
        if (callBacks.Latest(log.State) is { State: not CallBackState.Cancelled } back)
        {
            await callBacks.CancelAsync(log, callerId, back, cancellationToken);
            return Told("cancelled", callBacks.Local(back));
        }

        return Standing(log.State);
    }

    private string Standing(Conversation conversation) => callBacks.Latest(conversation) switch
    {
        { State: CallBackState.Proposed } back => Told(
            "proposed", callBacks.Local(back), "Say the day and the time, and ask whether that is right. Only when they have said yes, use the action confirm."),
        { State: CallBackState.Confirmed } back when CallBacks.MayBeCalledAt(conversation, back.DueAt) => Told("arranged", callBacks.Local(back), "Say so."),
        { State: CallBackState.Confirmed } back when callBacks.IsAsked(conversation) => Told(
            "arranged", callBacks.Local(back), "They were asked in this chat whether you may call: tell them to allow it there, or the call cannot be made."),
        { State: CallBackState.Confirmed } back => Told(
            "arranged", callBacks.Local(back), "They have not allowed calls: tell them that it cannot be made unless they do, and that they can call at any time themselves."),
        _ => Told("error", "No call to this person is proposed or arranged."),
    };

    private static string Told(string what, string value, string? next = null)
    {
        var told = new Dictionary<string, string>(StringComparer.Ordinal) { [what] = value };
        if (next is not null)
        {
            told["next"] = next;
        }

        return JsonSerializer.Serialize(told, Plain);
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "Call {CallSid}: what the caller wants about a call-back could not be put on record ({Error}); they are told")]
    private partial void LogNotArranged(CallSid callSid, string error);
}
