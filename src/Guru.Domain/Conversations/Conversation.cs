using System.Collections.Immutable;
using System.Diagnostics;
using Guru.Domain.Callers;

namespace Guru.Domain.Conversations;

public abstract record ConversationCommand(DateTimeOffset At);

public sealed record ReceiveMessage(MessageReceived Message) : ConversationCommand(Message.At);

public sealed record RecordTranscript(VoiceNoteTranscribed Transcript) : ConversationCommand(Transcript.At);

public sealed record SelectAgent(AgentSelected Selection) : ConversationCommand(Selection.At);

public sealed record RecordReply(MessageReplied Reply) : ConversationCommand(Reply.At);

public sealed record GiveUpReply(MessageReplyFailed Failure) : ConversationCommand(Failure.At);

public sealed record RecordSent(MessageSent Message) : ConversationCommand(Message.At);

public sealed record RecordNotSent(MessageNotSent Message) : ConversationCommand(Message.At);

public sealed record RecordDelivery(MessageDeliveryChanged Change) : ConversationCommand(Change.At);

public sealed record DetermineLanguage(LanguageDetermined Language) : ConversationCommand(Language.At);

public sealed record AliasCaller(CallerId CallerId, CallerId Alias, DateTimeOffset At) : ConversationCommand(At);

public sealed record RecordSummary(ConversationSummarized Summary) : ConversationCommand(Summary.At);

/// <summary>A message that waits for an answer.</summary>
/// <param name="Text">Null for a voice note that is not written down yet.</param>
public sealed record OpenMessage(string MessageSid, MessageKind Kind, string? Text, string? MediaUrl, string? MediaType, bool Routed, DateTimeOffset At)
{
    /// <summary>As <see cref="AgentSelected.OffersCall"/>.</summary>
    public bool OffersCall { get; init; }
}

/// <summary>A conversation in writing, as its events tell it.</summary>
/// <param name="Open">The messages that wait for an answer, oldest first.</param>
/// <param name="LastReceivedAt">When the carrier's window for free-form answers opened last.</param>
public sealed record Conversation(
    string Address,
    string? Agent,
    string? Language,
    ImmutableList<OpenMessage> Open,
    ImmutableHashSet<string> Received,
    ImmutableHashSet<string> Sent,
    ImmutableDictionary<string, DeliveryStatus> Deliveries,
    DateTimeOffset? LastReceivedAt)
{
    /// <summary>What the person said about being called.</summary>
    public CallConsent Consent { get; init; } = CallConsent.None;

    /// <summary>When the person was forgotten last. What was under way then is not put on record any more.</summary>
    public DateTimeOffset? ErasedAt { get; init; }

    public static Conversation Empty { get; } = new(
        Address: "", Agent: null, Language: null, Open: [], Received: [], Sent: [], ImmutableDictionary<string, DeliveryStatus>.Empty, LastReceivedAt: null);

    /// <summary>What Guru has written of itself, or will not write, by occasion and subject.</summary>
    public ImmutableHashSet<(string Occasion, string Subject)> Settled { get; init; } = [];

    /// <summary>Other ids of the person.</summary>
    public ImmutableHashSet<CallerId> Aliases { get; init; } = [];

    /// <summary>Everything before this moment is in a summary.</summary>
    public DateTimeOffset? SummarizedUpTo { get; init; }

    /// <summary>The event stream of a caller's conversation.</summary>
    public static string StreamId(CallerId callerId) => $"conversation-{callerId}";

    public static Conversation Fold(IEnumerable<ConversationEvent> events) => events.Aggregate(Empty, Apply);

    public static Conversation Apply(Conversation conversation, ConversationEvent @event) => @event switch
    {
        MessageReceived e => conversation with
        {
            Address = e.Address.Length > 0 ? e.Address : conversation.Address,
            Received = conversation.Received.Add(e.MessageSid),
            LastReceivedAt = conversation.Later(e.At),
            Consent = conversation.Consent with { Erased = false }, // Who writes again begins anew.
            Open = conversation.Open.Add(new OpenMessage(
                e.MessageSid, e.Kind, e.Kind == MessageKind.VoiceNote ? null : e.Text, e.MediaUrl, e.MediaType, Routed: false, e.At)),
        },
        VoiceNoteTranscribed e => conversation with { Open = Change(conversation.Open, e.MessageSid, message => message with { Text = e.Text }) },
        AgentSelected e => conversation with
        {
            Agent = e.Agent,
            Open = Change(conversation.Open, e.MessageSid, message => message with { Routed = true, OffersCall = e.OffersCall }),
        },
        MessageReplied e => conversation with
        {
            Open = conversation.Open.RemoveAll(message => e.Answers.Contains(message.MessageSid)),
            Sent = conversation.Sent.Union(e.ReplySids),
        },
        MessageReplyFailed e => conversation with
        {
            Open = conversation.Open.RemoveAll(message => e.Answers.Contains(message.MessageSid)),
            Sent = conversation.Sent.Union(e.ReplySids),
        },
        MessageSent e => conversation with
        {
            Settled = conversation.Settled.Add((e.Occasion, e.Subject)),
            Sent = conversation.Sent.Union(e.MessageSids),
        },
        MessageNotSent e => conversation with { Settled = conversation.Settled.Add((e.Occasion, e.Subject)) },
        MessageDeliveryChanged e => conversation with { Deliveries = conversation.Deliveries.SetItem(e.MessageSid, e.Status) },
        LanguageDetermined e => conversation with { Language = e.Language },
        ConversationSummarized e => conversation with { SummarizedUpTo = e.UpTo },
        CallerAliased e => conversation with { Aliases = conversation.Aliases.Add(e.Alias) },
        RetentionApplied => conversation,
        ConsentEvent e => Consented(conversation, e) with { Consent = CallConsent.Apply(conversation.Consent, e) },
        _ => throw new UnreachableException($"{@event.GetType().Name} has no Apply."),
    };

    /// <summary>The events a command causes; none when it has already happened.</summary>
    public static IReadOnlyList<ConversationEvent> Decide(Conversation conversation, ConversationCommand command) => command switch
    {
        // Twilio may deliver a message twice; one may have waited while the person was forgotten.
        ReceiveMessage c when c.At <= conversation.ErasedAt => [],
        AnswerPermission c when c.At <= conversation.ErasedAt => [],
        ReceiveMessage c => conversation.Received.Contains(c.Message.MessageSid) ? [] : [c.Message],
        RecordTranscript c => conversation.Open.Exists(m => m.MessageSid == c.Transcript.MessageSid && m.Text is null) ? [c.Transcript] : [],
        SelectAgent c => conversation.Open.Exists(m => m.MessageSid == c.Selection.MessageSid && !m.Routed) ? [c.Selection] : [],
        RecordReply c => AnyOpen(conversation, c.Reply.Answers) ? [c.Reply] : [],
        GiveUpReply c => AnyOpen(conversation, c.Failure.Answers) ? [c.Failure] : [],

        // In any order, repeated: a message only goes forward, and what is final stays.
        RecordDelivery when conversation.Consent.Erased => [],
        RecordDelivery c => conversation.Deliveries.TryGetValue(c.Change.MessageSid, out var known) && (known >= DeliveryStatus.Read || known >= c.Change.Status)
            ? []
            : [c.Change],
        DetermineLanguage { Language.Evidence: "text" or "voiceNote" } when conversation.Consent.Erased => [],
        DetermineLanguage c when c.At <= conversation.ErasedAt => [],
        DetermineLanguage c => conversation.Language == c.Language.Language ? [] : [c.Language],
        RecordSent c when c.At <= conversation.ErasedAt => [],
        RecordSent c => conversation.Settled.Contains((c.Message.Occasion, c.Message.Subject)) ? [] : [c.Message],
        RecordNotSent c => conversation.Settled.Contains((c.Message.Occasion, c.Message.Subject)) ? [] : [c.Message],

        // Two nodes may summarise at once: what reaches further stands, since it was made of all that came before.
        RecordSummary c => c.Summary.UpTo <= conversation.SummarizedUpTo || c.Summary.UpTo <= conversation.ErasedAt ? [] : [c.Summary],
        AliasCaller c when c.At <= conversation.ErasedAt => [],
        AliasCaller c => c.Alias == c.CallerId || conversation.Aliases.Contains(c.Alias) ? [] : [new CallerAliased(c.CallerId, c.Alias, c.At)],
        ConsentCommand c => CallConsent.Decide(conversation, c),
        _ => throw new UnreachableException($"{command.GetType().Name} has no Decide."),
    };

    /// <summary>As it is while somebody calls: a call opens the carrier's window for free-form messages, too.</summary>
    /// <param name="address">The caller's, without <c>whatsapp:</c>.</param>
    public Conversation WithCall(string address, DateTimeOffset at) => this with
    {
        Address = Address.Length > 0 ? Address : address,
        LastReceivedAt = Later(at),
    };

    /// <summary>The conversation with a person at that address, where it is not known yet.</summary>
    public Conversation At(string address) => Address.Length > 0 ? this : this with { Address = address };

    /// <summary>An answer to a request is a message, and a call opens the window like one.</summary>
    private static Conversation Consented(Conversation conversation, ConsentEvent @event) => @event switch
    {
        CallPermissionRequested e => conversation.At(e.Address),
        OutboundCallRequested e => conversation.At(e.Address),
        CallPermissionGranted e => conversation.At(e.Address) with { Received = conversation.Received.Add(e.GrantId), LastReceivedAt = conversation.Later(e.At) },
        CallPermissionDeclined e => conversation.At(e.Address) with { Received = conversation.Received.Add(e.MessageSid), LastReceivedAt = conversation.Later(e.At) },
        CallBackProposed e => conversation.At(e.Address ?? "") with { LastReceivedAt = conversation.Later(e.At) }, // They have just asked for it.
        OutboundCallEnded { Outcome: Calls.CallStatus.Completed } e => conversation with { LastReceivedAt = conversation.Later(e.At) },
        CallerErased e => Empty with
        {
            // The carrier may still repeat itself; its ids tell nothing of the person.
            Received = conversation.Received,
            Sent = conversation.Sent,
            Deliveries = conversation.Deliveries,
            Settled = conversation.Settled,
            ErasedAt = e.At,
        },
        _ => conversation,
    };

    /// <summary>A message may have waited: what came after it has opened the window for longer.</summary>
    private DateTimeOffset Later(DateTimeOffset at) => LastReceivedAt > at ? LastReceivedAt.Value : at;

    private static bool AnyOpen(Conversation conversation, ImmutableArray<string> answers) =>
        conversation.Open.Exists(message => answers.Contains(message.MessageSid));

    private static ImmutableList<OpenMessage> Change(ImmutableList<OpenMessage> open, string sid, Func<OpenMessage, OpenMessage> change)
    {
        var index = open.FindIndex(message => message.MessageSid == sid);
        return index < 0 ? open : open.SetItem(index, change(open[index]));
    }
}
