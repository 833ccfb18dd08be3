using Guru.Application.Calls;
using Guru.Application.Work;
using Guru.Domain.Calls;
using Guru.Domain.Conversations;

namespace Guru.Application.Conversations;

/// <summary>A message that Guru writes of itself, about a call: sent once, and on record as sent, or why it was not.</summary>
/// <param name="occasion">In <see cref="MessageSent"/>, beside the item's subject.</param>
internal sealed class Notice(string occasion, IEventStore store, Outbox outbox, TimeProvider time)
{
    /// <param name="conversation">With the person; it may be that only the call is known of them, which opens the window like a message.</param>
    public static Conversation Recipient(Conversation conversation, IEnumerable<CallEvent> call) =>
        call.OfType<CallStarted>().FirstOrDefault() is { Channel: CallChannel.Whatsapp } started ? conversation.WithCall(started.Address, started.At) : conversation;

    /// <param name="log">As it was read.</param>
    /// <param name="to">The conversation, or the <see cref="Recipient"/>.</param>
    /// <param name="write">Writes it, where no earlier claim has.</param>
    /// <exception cref="MessengerException">Not everything was sent; <see cref="MessengerException.Unsent"/> tells what was.</exception>
    public async Task SendAsync(WorkItem item, ConversationLog log, Conversation to, Func<Draft> write, CancellationToken cancellationToken)
    {
        if (log.State.Settled.Contains((occasion, item.Subject)))
        {
            return;
        }

        var begun = Outbox.Begun(item);
        if (begun is null && item.IntentAt is not null)
        {
            // Its words were erased since, and it may have been sent: nobody can tell any more.
            await log.AppendAsync(NotSent(item, "erased"), cancellationToken);
        }
        else if (begun is null && !outbox.IsOpen(to))
        {
            await log.AppendAsync(NotSent(item, "windowClosed"), cancellationToken);
        }
        else
        {
            await log.AppendAsync(Sent(item, await outbox.SendAsync(item, to, begun ?? write(), resumed: begun is not null, cancellationToken)), cancellationToken);
        }
    }

    /// <summary>It failed for good; what was sent before that counts.</summary>
    /// <exception cref="MessengerException">Nobody knows whether it was sent: the list will tell, the next time.</exception>
    public async Task GiveUpAsync(WorkItem item, OutsideException error, CancellationToken cancellationToken)
    {
        if (error is MessengerException { Unknown: true })
        {
            throw error;
        }

        var log = new ConversationLog(store, item.CallerId);
        await log.ReadAsync(cancellationToken);
        var draft = (error as MessengerException)?.Unsent;
        if (draft is null && Outbox.Begun(item) is { } begun)
        {
            var call = CallSid.TryParse(item.Subject, out var callSid) ? await new CallLog(store, callSid).ReadAsync(cancellationToken) : [];
            draft = await outbox.AdoptAsync(item, Recipient(log.State, call), begun, cancellationToken);
        }

        await log.AppendAsync(draft is { SentSids.IsEmpty: false } ? Sent(item, draft) : NotSent(item, error.Reason), cancellationToken);
    }

    private RecordSent Sent(WorkItem item, Draft draft) =>
        new(new MessageSent(occasion, item.Subject, item.CallerId, draft.SentSids, draft.Agent, draft.SentText, draft.SentAt ?? time.GetUtcNow()));

    private RecordNotSent NotSent(WorkItem item, string reason) =>
        new(new MessageNotSent(occasion, item.Subject, item.CallerId, reason, time.GetUtcNow()));
}
