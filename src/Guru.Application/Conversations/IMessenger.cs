using System.Globalization;
using Guru.Domain.Callers;

namespace Guru.Application.Conversations;

/// <summary>Sends WhatsApp messages and fetches what came with them. Twilio is the one adapter.</summary>
public interface IMessenger
{
    /// <summary>Sends one message. The carrier takes no idempotency key: who may have sent it before asks <see cref="FindSentAsync"/> first.</summary>
    /// <exception cref="MessengerException">It was not sent, or nobody knows.</exception>
    Task<SentMessage> SendAsync(OutgoingMessage message, CancellationToken cancellationToken);

    /// <summary>Shows the caller that an answer is being written, and marks their message as read.</summary>
    /// <exception cref="MessengerException">It could not be shown; nothing depends on it.</exception>
    Task ShowTypingAsync(string messageSid, CancellationToken cancellationToken);

    /// <summary>What was sent to an address, newest first. One just sent may be listed with a delay.</summary>
    /// <exception cref="MessengerException">The list could not be had.</exception>
    Task<IReadOnlyList<SentMessage>> FindSentAsync(CallerAddress to, DateTimeOffset since, CancellationToken cancellationToken);

    /// <summary>Fetches a medium that came with a message.</summary>
    /// <param name="mostBytes">A larger one is refused while it is read.</param>
    /// <exception cref="MessengerException">It could not be had; too large, foreign or gone is not transient.</exception>
    Task<MessageMedia> DownloadAsync(Uri mediaUrl, long mostBytes, CancellationToken cancellationToken);
}

/// <param name="Body">At most 1600 characters.</param>
/// <param name="StatusCallback">Where the carrier reports the delivery.</param>
public sealed record OutgoingMessage(CallerAddress To, string Body, Uri? StatusCallback)
{
    /// <summary>Sent in place of the body, also where the window is closed.</summary>
    public MessageTemplate? Template { get; init; }

    public override string ToString() => $"{nameof(OutgoingMessage)} to {To}";
}

/// <param name="ContentSid">HX...</param>
/// <param name="Variables">A JSON object of texts; null for none.</param>
public sealed record MessageTemplate(string ContentSid, string? Variables)
{
    public override string ToString() => $"{nameof(MessageTemplate)} {ContentSid}";
}

/// <param name="Status">The carrier's word, such as queued or delivered.</param>
/// <param name="ErrorCode">Of a message that failed.</param>
public sealed record SentMessage(string MessageSid, string Body, string Status, int? ErrorCode, DateTimeOffset? CreatedAt)
{
    public override string ToString() => $"{nameof(SentMessage)} {MessageSid}";
}

/// <param name="ContentType">The media type alone, such as audio/ogg.</param>
public sealed record MessageMedia(string ContentType, ReadOnlyMemory<byte> Content);

/// <summary>Why the carrier did not do what it was asked.</summary>
/// <param name="code">The carrier's error code, the HTTP status where it gave none, or null where it did not answer.</param>
/// <param name="unknown">It may have been done: the answer was lost.</param>
/// <inheritdoc/>
public sealed class MessengerException(int? code, bool transient, bool unknown = false, TimeSpan? retryAfter = null, Exception? inner = null)
    : OutsideException($"messenger {code?.ToString(CultureInfo.InvariantCulture) ?? "silent"}", transient, retryAfter, inner)
{
    public int? Code { get; } = code;

    public bool Unknown { get; } = unknown;

    /// <summary>What was to be sent, with what of it was.</summary>
    public Draft? Unsent { get; init; }
}
