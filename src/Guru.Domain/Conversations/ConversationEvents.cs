using System.Collections.Immutable;
using Guru.Domain.Callers;

namespace Guru.Domain.Conversations;

public enum MessageKind
{
    Text,
    VoiceNote,
    Image,
    Document,
    Location,
    Button,
    Other,
}

/// <summary>How far a message of ours has come; failures are final, and so is <see cref="Read"/>.</summary>
public enum DeliveryStatus
{
    Queued,
    Sending,
    Sent,
    Delivered,
    Read,
    Undelivered,
    Failed,
}

/// <summary>What happened in writing. The stream is <c>conversation-{CallerId}</c>; the names are part of the contract.</summary>
public abstract record ConversationEvent(DateTimeOffset At);

/// <param name="Address">The caller's, without <c>whatsapp:</c>.</param>
/// <param name="Text">The text, caption or button; for a location its description; empty for a voice note.</param>
/// <param name="MediaUrl">Where the medium can be fetched with our credentials; null without one.</param>
/// <param name="MediaType">Such as audio/ogg.</param>
public sealed record MessageReceived(
    string MessageSid,
    CallerId CallerId,
    [property: PersonalData(PersonalDataKind.Contact)] string Address,
    [property: PersonalData(PersonalDataKind.Contact)] string? ProfileName,
    MessageKind Kind,
    [property: PersonalData(PersonalDataKind.Message)] string Text,
    [property: PersonalData(PersonalDataKind.Message)] string? MediaUrl,
    string? MediaType,
    DateTimeOffset At) : ConversationEvent(At);

/// <param name="Language">ISO 639-1, where the transcription told it.</param>
/// <param name="Understood">False: it could not be fetched or written down, and never will be.</param>
public sealed record VoiceNoteTranscribed(
    string MessageSid,
    CallerId CallerId,
    [property: PersonalData(PersonalDataKind.Message)] string Text,
    string? Language,
    bool Understood,
    DateTimeOffset At) : ConversationEvent(At);

/// <summary>Which agent answers a message, and why.</summary>
/// <param name="Confidence">0 to 1, as the router said; 0 where it did not answer and the present agent stayed.</param>
/// <param name="Alternatives">The agents that could have been chosen.</param>
/// <param name="PromptVersion">Of the router's instructions.</param>
public sealed record AgentSelected(
    string MessageSid,
    CallerId CallerId,
    string Agent,
    double Confidence,
    [property: PersonalData(PersonalDataKind.Message)] string Reason,
    ImmutableArray<string> Alternatives,
    string PromptVersion,
    DateTimeOffset At) : ConversationEvent(At)
{
    /// <summary>The person would rather talk: the reply brings a button by which they can call.</summary>
    public bool OffersCall { get; init; }
}

/// <summary>One reply went out, in as many messages as its length asked for.</summary>
/// <param name="Answers">The messages it answers; several that came in a burst are answered once.</param>
/// <param name="ReplySids">The carrier's ids of the messages sent.</param>
public sealed record MessageReplied(
    ImmutableArray<string> Answers,
    CallerId CallerId,
    ImmutableArray<string> ReplySids,
    string Agent,
    [property: PersonalData(PersonalDataKind.Message)] string Text,
    DateTimeOffset At) : ConversationEvent(At);

/// <summary>There is no reply to some messages, for good.</summary>
/// <param name="Reason">A code, such as insufficient_quota, or "messenger 63016" outside WhatsApp's window.</param>
public sealed record MessageReplyFailed(ImmutableArray<string> Answers, CallerId CallerId, string Reason, DateTimeOffset At) : ConversationEvent(At)
{
    /// <summary>The carrier's ids of what was sent all the same: an apology, or the first parts of a reply that broke off.</summary>
    public ImmutableArray<string> ReplySids { get; init; } = [];

    /// <summary>In whose name that was sent.</summary>
    public string? Agent { get; init; }

    [PersonalData(PersonalDataKind.Message)]
    public string? Text { get; init; }
}

/// <summary>Guru wrote of itself, in as many messages as the length asked for.</summary>
/// <param name="Occasion">callSummary.</param>
/// <param name="Subject">What it is about, such as the call's SID; written once for each.</param>
/// <param name="MessageSids">The carrier's ids of the messages sent.</param>
public sealed record MessageSent(
    string Occasion,
    string Subject,
    CallerId CallerId,
    ImmutableArray<string> MessageSids,
    string Agent,
    [property: PersonalData(PersonalDataKind.Message)] string Text,
    DateTimeOffset At) : ConversationEvent(At);

/// <summary>What Guru would have written of itself was not sent, and will not be.</summary>
/// <param name="Occasion">As in <see cref="MessageSent"/>.</param>
/// <param name="Subject">As in <see cref="MessageSent"/>.</param>
/// <param name="Reason">A code, such as windowClosed or insufficient_quota.</param>
public sealed record MessageNotSent(string Occasion, string Subject, CallerId CallerId, string Reason, DateTimeOffset At) : ConversationEvent(At);

public sealed record MessageDeliveryChanged(string MessageSid, CallerId CallerId, DeliveryStatus Status, int? ErrorCode, DateTimeOffset At)
    : ConversationEvent(At);

/// <param name="Evidence">voiceNote, text, request or call.</param>
public sealed record LanguageDetermined(CallerId CallerId, string Language, string Evidence, DateTimeOffset At) : ConversationEvent(At);

/// <summary>What was said before a moment, in short.</summary>
/// <param name="UpTo">Everything before this moment is in it.</param>
public sealed record ConversationSummarized(
    CallerId CallerId,
    [property: PersonalData(PersonalDataKind.Summary)] string Summary,
    DateTimeOffset UpTo,
    DateTimeOffset At) : ConversationEvent(At);

/// <summary>Another id, of a number or a business-scoped user id, is the same person's: what comes under it belongs here.</summary>
public sealed record CallerAliased(CallerId CallerId, CallerId Alias, DateTimeOffset At) : ConversationEvent(At);

/// <summary>The time of keeping is over for what was said, written or recorded before a moment: the keys are destroyed.</summary>
/// <param name="Before">What happened from then on is kept.</param>
public sealed record RetentionApplied(CallerId CallerId, Retained Kind, DateTimeOffset Before, DateTimeOffset At) : ConversationEvent(At);
