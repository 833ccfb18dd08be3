using System.Collections.Immutable;
using System.ComponentModel.DataAnnotations;
using System.Text.Json;
using Guru.Application.Work;
using Guru.Domain.Callers;
using Guru.Domain.Conversations;
using Microsoft.Extensions.Options;

namespace Guru.Application.Conversations;

/// <summary>How messages are sent; section <c>Guru:Messages</c>.</summary>
public sealed class MessageRules
{
    /// <summary>How long a message just sent may be missing from the carrier's list.</summary>
    [Range(0, 60)]
    public double ListDelaySeconds { get; set; } = 5;

    /// <summary>Whether callers get a summary of their call as a message.</summary>
    public bool SummaryAfterCall { get; set; } = true;
}

/// <summary>Sends what a to-do item wants sent, once, even if the node dies anywhere in between. The carrier takes no idempotency key.</summary>
public sealed class Outbox(IWorkQueue queue, IMessenger messenger, PublicAddress address, IOptions<MessageRules> rules, TimeProvider time)
{
    /// <summary>WhatsApp's customer service window: outside it only templates are delivered.</summary>
    public static readonly TimeSpan Window = TimeSpan.FromHours(24);

    /// <summary>WhatsApp's code for a message outside the window (twilio.md 7).</summary>
    private const int OutsideWindow = 63016;

    public bool IsOpen(Conversation conversation) => conversation.Address.Length > 0 && time.GetUtcNow() - conversation.LastReceivedAt <= Window;

    /// <summary>What an earlier claim of the item was about to send.</summary>
    public static Draft? Begun(WorkItem item) => item.Intent is null ? null : JsonSerializer.Deserialize<Draft>(item.Intent);

    /// <summary>Sends the parts that are left.</summary>
    /// <param name="resumed">The draft is from an earlier claim: what that may have sent is looked for first.</param>
    /// <returns>The draft with a SID for each part.</returns>
    /// <exception cref="MessengerException">Not everything was sent.</exception>
    /// <exception cref="LeaseLostException">Another node took over.</exception>
    public async Task<Draft> SendAsync(WorkItem item, Conversation to, Draft draft, bool resumed, CancellationToken cancellationToken)
    {
        if (!IsOpen(to))
        {
            throw new MessengerException(OutsideWindow, transient: false);
        }

        var recipient = CallerAddress.Parse(to.Address);
        if (!resumed)
        {
            await SaveAsync(item, draft, cancellationToken);
        }

        var sent = resumed ? await FindSentAsync(item, recipient, cancellationToken) : [];
        for (var index = 0; index < draft.Parts.Count; index++)
        {
            var part = draft.Parts[index];
            if (part.MessageSid is null)
            {
                var adopted = sent.FirstOrDefault(message => message.Body == part.Body && draft.Parts.All(other => other.MessageSid != message.MessageSid));
                var sid = adopted?.MessageSid ?? (await messenger.SendAsync(new OutgoingMessage(recipient, part.Body, address.MessageStatus), cancellationToken)).MessageSid;
                draft = draft with { Parts = draft.Parts.SetItem(index, part with { MessageSid = sid }) };
                await SaveAsync(item, draft, cancellationToken);
            }
        }

        return draft;
    }

    /// <summary>What may have been sent since the item's intent was saved.</summary>
    /// <exception cref="MessengerException">The list could not be had.</exception>
    public async Task<IReadOnlyList<SentMessage>> FindSentAsync(WorkItem item, CallerAddress to, CancellationToken cancellationToken)
    {
        // A message just created may be listed with a delay: it is looked for once that has passed.
        var since = item.IntentAt ?? time.GetUtcNow();
        var settled = since + TimeSpan.FromSeconds(rules.Value.ListDelaySeconds) - time.GetUtcNow();
        if (settled > TimeSpan.Zero)
        {
            await Task.Delay(settled, time, cancellationToken);
        }

        return await messenger.FindSentAsync(to, since - TimeSpan.FromMinutes(1), cancellationToken);
    }

    private Task SaveAsync(WorkItem item, Draft draft, CancellationToken cancellationToken) =>
        queue.SaveIntentAsync(item, JsonSerializer.Serialize(draft), WorkLoop.Lease, cancellationToken);
}

/// <summary>What is about to be sent, exactly.</summary>
/// <param name="Answers">The SIDs of the messages it answers; none where Guru writes of itself.</param>
public sealed record Draft(ImmutableArray<string> Answers, string Agent, ImmutableList<DraftPart> Parts)
{
    public static Draft Of(ImmutableArray<string> answers, string agent, string text) =>
        new(answers, agent, [.. ReplyText.Split(text).Select(body => new DraftPart(body, MessageSid: null))]);

    public override string ToString() => $"{nameof(Draft)} to {Answers.Length}";
}

/// <param name="MessageSid">Set once it was sent.</param>
public sealed record DraftPart(string Body, string? MessageSid)
{
    public override string ToString() => $"{nameof(DraftPart)} {MessageSid}";
}

/// <summary>Where Guru is reached from outside (BASE_URL).</summary>
public sealed record PublicAddress(string BaseUrl)
{
    public Uri MessageStatus { get; } = new($"{BaseUrl}/api/whatsapp/status");

    public Uri VoiceWebhook { get; } = new($"{BaseUrl}/api/whatsapp/voice/webhook");

    public Uri CallStatus { get; } = new($"{BaseUrl}/api/whatsapp/voice/status");
}
