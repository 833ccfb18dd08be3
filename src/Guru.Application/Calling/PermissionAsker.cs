using Guru.Application.Conversations;
using Guru.Application.Work;
using Guru.Domain.Callers;
using Guru.Domain.Conversations;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Guru.Application.Calling;

/// <summary>Sends a request for permission, once. docs/consent.md, step 2.</summary>
internal sealed partial class PermissionAsker(
    IEventStore store, IWorkQueue queue, IMessenger messenger, Outbox outbox, PublicAddress address, IOptions<WorkRules> work, TimeProvider time,
    ILogger<PermissionAsker> logger) : IWork
{
    public string Kind => WorkItem.Permission;

    public async Task RunAsync(WorkItem item, CancellationToken cancellationToken)
    {
        var log = new ConversationLog(store, item.CallerId);
        await log.ReadAsync(cancellationToken);
        if (log.State.Consent.Requests.Find(request => request.RequestId == item.Subject) is not { MessageSid: null, Failed: false } request || log.State.Consent.Erased)
        {
            return;
        }

        var recipient = CallerAddress.Parse(log.State.Address);
        var sid = item.IntentAt is null ? null : await FindAsync(item, log.State, recipient, cancellationToken);
        if (sid is null)
        {
            await queue.SaveIntentAsync(item, item.Subject, work.Value.Lease, cancellationToken);
            var message = new OutgoingMessage(recipient, Body: "", address.MessageStatus) { Template = new MessageTemplate(request.ContentSid, request.Variables) };
            sid = (await messenger.SendAsync(message, cancellationToken)).MessageSid;
        }

        await log.AppendAsync(new RecordPermissionRequest(new CallPermissionRequestSent(request.RequestId, item.CallerId, sid, time.GetUtcNow())), cancellationToken);
    }

    public async Task GiveUpAsync(WorkItem item, OutsideException error, CancellationToken cancellationToken)
    {
        if (error is MessengerException { Unknown: true })
        {
            throw error; // The list will tell, the next time.
        }

        LogGivenUp(item.Subject, error.Reason);
        var failed = new CallPermissionRequestFailed(item.Subject, item.CallerId, error.Reason, (error as MessengerException)?.Code, time.GetUtcNow());
        await new ConversationLog(store, item.CallerId).AppendAsync(new RecordPermissionRequest(failed), cancellationToken);
    }

    /// <summary>What an earlier claim may have sent. The carrier lists a template by its words, which we need not know: it is the message that nothing else accounts for.</summary>
    private async Task<string?> FindAsync(WorkItem item, Conversation conversation, CallerAddress to, CancellationToken cancellationToken)
    {
        var requests = conversation.Consent.Requests.Select(request => request.MessageSid).ToHashSet(StringComparer.Ordinal);
        var sent = await outbox.FindSentAsync(item, to, cancellationToken);
        return sent.FirstOrDefault(message => !conversation.Sent.Contains(message.MessageSid) && !requests.Contains(message.MessageSid))?.MessageSid;
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "Request {RequestId}: the person could not be asked for permission, for good: {Reason}")]
    private partial void LogGivenUp(string requestId, string reason);
}
