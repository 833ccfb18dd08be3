using System.Collections.Immutable;
using System.ComponentModel.DataAnnotations;
using System.Text.Json;
using System.Text.Json.Serialization;
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
public sealed class Outbox(
    IWorkQueue queue, IMessenger messenger, PublicAddress address, IOptions<MessageRules> rules, IOptions<WorkRules> work, TimeProvider time)
{
    /// <summary>WhatsApp's customer service window: outside it only templates are delivered.</summary>
    public static readonly TimeSpan Window = TimeSpan.FromHours(24);

    /// <summary>The carrier's code for a message outside the window, so that the record says the same whoever refused it.</summary>
    private const int OutsideWindow = 63016;

    /// <summary>How far the clocks of the database and the carrier may be apart.</summary>
    private static readonly TimeSpan ClockSkew = TimeSpan.FromMinutes(1);

    private TimeSpan ListDelay => TimeSpan.FromSeconds(rules.Value.ListDelaySeconds);

    public bool IsOpen(Conversation conversation) => conversation.Address.Length > 0 && time.GetUtcNow() - conversation.LastReceivedAt <= Window;

    /// <summary>What an earlier claim of the item was about to send.</summary>
    public static Draft? Begun(WorkItem item) => item.Intent is null ? null : JsonSerializer.Deserialize<Draft>(item.Intent);

    /// <summary>Sends the parts that are left.</summary>
    /// <param name="resumed">The draft is from an earlier claim: what that may have sent is looked for first.</param>
    /// <returns>The draft with a SID for each part.</returns>
    /// <exception cref="MessengerException">Not everything was sent; <see cref="MessengerException.Unsent"/> tells what was.</exception>
    /// <exception cref="LeaseLostException">Another node took over.</exception>
    public async Task<Draft> SendAsync(WorkItem item, Conversation to, Draft draft, bool resumed, CancellationToken cancellationToken)
    {
        try
        {
            draft = resumed ? await AdoptAsync(item, to, draft, cancellationToken) : draft;
            if (draft.Parts.Exists(part => part.MessageSid is null) && !IsOpen(to))
            {
                throw new MessengerException(OutsideWindow, transient: false);
            }

            // The item is ours at this moment, and whoever takes over knows what may have been sent.
            draft = draft with { SentAt = draft.SentAt ?? time.GetUtcNow() };
            await SaveAsync(item, draft, cancellationToken);
            for (var index = 0; index < draft.Parts.Count; index++)
            {
                if (draft.Parts[index] is { MessageSid: null } part)
                {
                    var message = new OutgoingMessage(CallerAddress.Parse(to.Address), part.Body, address.MessageStatus)
                    {
                        Template = part.ContentSid is { } content ? new MessageTemplate(content, Variables: null) : null,
                    };
                    draft = draft.With(index, (await messenger.SendAsync(message, cancellationToken)).MessageSid);
                    await SaveAsync(item, draft, cancellationToken);
                }
            }

            return draft;
        }
        catch (MessengerException error)
        {
            // Where nobody knows whether it was sent, only the list will tell.
            var after = error.Unknown && !(error.RetryAfter > ListDelay) ? ListDelay : error.RetryAfter;
            throw new MessengerException(error.Code, error.Transient, error.Unknown, after, error) { Unsent = draft };
        }
    }

    /// <summary>Gives the parts that an earlier claim has sent their SIDs.</summary>
    /// <exception cref="MessengerException">The list of what was sent could not be had.</exception>
    public async Task<Draft> AdoptAsync(WorkItem item, Conversation to, Draft draft, CancellationToken cancellationToken)
    {
        if (to.Address.Length == 0 || draft.Parts.TrueForAll(part => part.MessageSid is not null))
        {
            return draft;
        }

        var sent = await FindSentAsync(item, CallerAddress.Parse(to.Address), cancellationToken);
        for (var index = 0; index < draft.Parts.Count; index++)
        {
            // The same words may have been sent a moment before, as another reply.
            if (draft.Parts[index] is { MessageSid: null } part
                && sent.FirstOrDefault(message => message.Body == part.Body && !to.Sent.Contains(message.MessageSid) && !draft.Has(message.MessageSid)) is { } found)
            {
                draft = draft.With(index, found.MessageSid);
            }
        }

        return draft;
    }

    /// <summary>What may have been sent since the item's intent was saved.</summary>
    /// <exception cref="MessengerException">The list could not be had.</exception>
    public async Task<IReadOnlyList<SentMessage>> FindSentAsync(WorkItem item, CallerAddress to, CancellationToken cancellationToken) =>
        await messenger.FindSentAsync(to, await ListedSinceAsync(item, cancellationToken), cancellationToken);

    /// <summary>Waits until the carrier lists what may have been created since the item's intent was saved: it does so with a delay.</summary>
    /// <returns>From when on that is, by the carrier's clock.</returns>
    public async Task<DateTimeOffset> ListedSinceAsync(WorkItem item, CancellationToken cancellationToken)
    {
        var since = item.IntentAt ?? time.GetUtcNow();
        if (since + ListDelay - time.GetUtcNow() is { Ticks: > 0 } settles)
        {
            await Task.Delay(settles, time, cancellationToken);
        }

        return since - ClockSkew;
    }

    private Task SaveAsync(WorkItem item, Draft draft, CancellationToken cancellationToken) =>
        queue.SaveIntentAsync(item, JsonSerializer.Serialize(draft), work.Value.Lease, cancellationToken);
}

/// <summary>What is about to be sent, exactly.</summary>
/// <param name="Answers">The SIDs of the messages it answers; none where Guru writes of itself.</param>
/// <param name="Failure">Why there is no reply, where this is the apology for it.</param>
/// <param name="SentAt">When the sending began. It may be on record much later, and what the person writes then comes after it.</param>
public sealed record Draft(
    ImmutableArray<string> Answers, string Agent, ImmutableList<DraftPart> Parts, string? Failure = null, DateTimeOffset? SentAt = null)
{
    public static Draft Of(ImmutableArray<string> answers, string agent, string text) =>
        new(answers, agent, [.. ReplyText.Split(text).Select(body => new DraftPart(body, MessageSid: null))]);

    /// <summary>The carrier's ids of the parts that were sent, in order.</summary>
    [JsonIgnore]
    public ImmutableArray<string> SentSids => [.. Parts.Select(part => part.MessageSid).OfType<string>()];

    [JsonIgnore]
    public string SentText => string.Join("\n\n", Parts.Where(part => part.MessageSid is not null).Select(part => part.Body));

    public bool Has(string messageSid) => Parts.Exists(part => part.MessageSid == messageSid);

    public Draft With(int part, string messageSid) => this with { Parts = Parts.SetItem(part, Parts[part] with { MessageSid = messageSid }) };

    public override string ToString() => $"{nameof(Draft)} to {Answers.Length}";
}

/// <param name="MessageSid">Set once it was sent.</param>
/// <param name="ContentSid">Of the template that it is sent as; null for plain words.</param>
public sealed record DraftPart(string Body, string? MessageSid, string? ContentSid = null)
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
