using System.Text.Json.Serialization;
using FluentValidation;
using Guru.Application.Callers;
using Guru.Application.Calling;
using Guru.Domain;
using Guru.Domain.Callers;
using Guru.Domain.Conversations;
using MediatR;
using Microsoft.Extensions.Logging;

namespace Guru.Application.Conversations;

/// <summary>
/// Somebody writes. The message is on record before the carrier is answered, or in the journal while the database does not take it; the reply comes by itself.
/// </summary>
/// <param name="ExternalUserId">The person's business-scoped id, also where <paramref name="From"/> is their number.</param>
public sealed record ReceiveWhatsAppMessage(
    string? MessageSid,
    string? From,
    string? ProfileName,
    string? Body,
    string? MessageType,
    string? ButtonText,
    string? MediaUrl,
    string? MediaType,
    string? Latitude,
    string? Longitude,
    string? Place,
    string? ButtonPayload = null,
    string? ChannelMetadata = null,
    string? ExternalUserId = null) : IRequest
{
    /// <summary>When it came, where that is a while ago.</summary>
    public DateTimeOffset? ReceivedAt { get; init; }

    /// <summary>The business-scoped id that is shown beside the number, where one is; what is no id is not looked at.</summary>
    [JsonIgnore]
    public CallerAddress? ShownId =>
        CallerAddress.TryParse(From, out var from) && from.IsPhoneNumber && CallerAddress.TryParse(ExternalUserId, out var id) && !id.IsPhoneNumber ? id : null;

    /// <summary>Who writes, as far as the message shows it: what is one person's keeps its order.</summary>
    [JsonIgnore]
    public string Person => (ShownId ?? (CallerAddress.TryParse(From, out var from) ? from : null))?.Value ?? "";

    public override string ToString() => $"{nameof(ReceiveWhatsAppMessage)} {MessageSid}";
}

internal sealed class ReceiveWhatsAppMessageValidator : AbstractValidator<ReceiveWhatsAppMessage>
{
    private const int MostCharacters = 20_000;
    private const int MostOfAnAddress = 2_000;
    private const int MostOfAName = 100;

    public ReceiveWhatsAppMessageValidator()
    {
        RuleFor(message => message.MessageSid).MustBeMessageSid();
        RuleFor(message => message.From).Must(from => CallerAddress.TryParse(from, out _)).WithMessage("From must be whatsapp:+E164 or a business-scoped user id.");
        RuleFor(message => message.Body).MaximumLength(MostCharacters);
        RuleFor(message => message.ButtonText).MaximumLength(MostCharacters);
        RuleFor(message => message.Place).MaximumLength(MostCharacters);
        RuleFor(message => message.MediaUrl).MaximumLength(MostOfAnAddress)
            .Must(url => url is null || (Uri.TryCreate(url, UriKind.Absolute, out var address) && address.Scheme is "http" or "https")).WithMessage("MediaUrl0 must be an address.");
        RuleFor(message => message.MediaType).MaximumLength(MostOfAName);
        RuleFor(message => message.Latitude).MaximumLength(MostOfAName);
        RuleFor(message => message.Longitude).MaximumLength(MostOfAName);
    }
}

internal sealed partial class ReceiveWhatsAppMessageHandler(
    MessageReception reception, IMessageJournal journal, TimeProvider time, ILogger<ReceiveWhatsAppMessageHandler> logger) : IRequestHandler<ReceiveWhatsAppMessage>
{
    /// <summary>The carrier waits for 15 s, and does not deliver again what was refused.</summary>
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(5);

    private readonly OneAfterAnother _turns = new();

    public async Task<Unit> Handle(ReceiveWhatsAppMessage request, CancellationToken cancellationToken)
    {
        var message = request with { ReceivedAt = request.ReceivedAt ?? time.GetUtcNow() };
        var came = time.GetTimestamp();
        using var turn = await _turns.TakeAsync(message.Person); // What they wrote before is stored, or waits, within its own limit.
        if (journal.HasWaiting(message.Person))
        {
            journal.Keep(message); // Behind what the person wrote before.
            return Unit.Value;
        }

        try
        {
            var left = Limit - time.GetElapsedTime(came);
            await Patience.LimitAsync(token => reception.StoreAsync(message, token), left > TimeSpan.Zero ? left : TimeSpan.Zero, time, cancellationToken);
        }
        catch (Exception error) when (error is not (EventsRefusedException or RuleException))
        {
            journal.Keep(message);
            LogKept(message.MessageSid!, error.GetType().Name);
        }

        return Unit.Value;
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The message {MessageSid} could not be stored ({Error}); it waits in the journal")]
    private partial void LogKept(string messageSid, string error);
}

/// <summary>What has become of a message.</summary>
internal enum ReceptionOutcome
{
    Stored,

    /// <summary>It was on record already.</summary>
    Known,

    /// <summary>Who wrote it was erased after they did: it is dropped.</summary>
    Erased,
}

/// <summary>Puts messages on record. One that is there already causes nothing.</summary>
internal sealed class MessageReception(IEventStore store, CallerNames callers, CallingTerms terms, TimeProvider time)
{
    private const int MostOfAProfileName = 100;

    public async Task<ReceptionOutcome> StoreAsync(ReceiveWhatsAppMessage request, CancellationToken cancellationToken)
    {
        var at = request.ReceivedAt ?? time.GetUtcNow();
        var address = CallerAddress.Parse(request.From!);
        if (await CallerOfAsync(address, request.ShownId, at, cancellationToken) is not { } callerId)
        {
            return ReceptionOutcome.Erased; // It waited while they were forgotten.
        }

        var mediaType = request.MediaUrl is null ? null : request.MediaType?.Split(';')[0].Trim().ToLowerInvariant();
        var kind = KindOf(request, mediaType);
        var received = new MessageReceived(
            request.MessageSid!,
            callerId,
            address.Value,
            ProfileNameOf(request),
            kind,
            TextOf(request, kind),
            request.MediaUrl,
            mediaType,
            at);
        var log = new ConversationLog(store, callerId);

        // Whatever comes of an answer, it was not written to anybody, and nobody replies.
        ConversationCommand command = PermissionAnswer.Read(request) is { } answer
            ? new AnswerPermission(request.MessageSid!, callerId, address.Value, answer.Accepted, answer.Permanent, terms.Rules, at)
            : new ReceiveMessage(received);
        var appended = await log.AppendAsync(command, cancellationToken);
        return appended.Count > 0 ? ReceptionOutcome.Stored : at <= log.State.ErasedAt ? ReceptionOutcome.Erased : ReceptionOutcome.Known;
    }

    private async Task<CallerId?> CallerOfAsync(CallerAddress address, CallerAddress? id, DateTimeOffset at, CancellationToken cancellationToken) =>
        id is { } shown ? await callers.OfAsync(address, shown, at, cancellationToken) : await callers.OfAsync(address, cancellationToken);

    /// <summary>As people give it to themselves: cut, for no message is refused because of it.</summary>
    private static string? ProfileNameOf(ReceiveWhatsAppMessage request)
    {
        var name = request.ProfileName?.Trim();
        return string.IsNullOrEmpty(name) ? null : BoundedText.Cut(name, MostOfAProfileName);
    }

    private static MessageKind KindOf(ReceiveWhatsAppMessage request, string? mediaType) => mediaType switch
    {
        { } type when type.StartsWith("audio/", StringComparison.Ordinal) => MessageKind.VoiceNote,
        { } type when type.StartsWith("image/", StringComparison.Ordinal) => MessageKind.Image,
        not null => MessageKind.Document,
        _ when request.Latitude is not null && request.Longitude is not null => MessageKind.Location,
        _ when !string.IsNullOrEmpty(request.ButtonText) => MessageKind.Button,
        _ when request.MessageType is null or "text" || !string.IsNullOrWhiteSpace(request.Body) => MessageKind.Text,
        _ => MessageKind.Other,
    };

    private static string TextOf(ReceiveWhatsAppMessage request, MessageKind kind) => kind switch
    {
        MessageKind.Location => $"{request.Place} ({request.Latitude}, {request.Longitude})".Trim(),
        MessageKind.Button => request.ButtonText!,
        _ => request.Body ?? "",
    };
}
