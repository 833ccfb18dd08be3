using Guru.Api.Security;
using Guru.Application.Conversations;
using Guru.Infrastructure.Twilio;
using MediatR;

namespace Guru.Api.Conversations;

/// <summary>Twilio's side of the chat: messages that come in, and what became of those that went out. docs/conversation.md, steps 1 and 8.</summary>
internal static partial class MessageWebhookEndpoints
{
    public static void MapMessageWebhooks(this WebApplication app)
    {
        var twilio = app.MapGroup("/api/whatsapp").AddEndpointFilter<TwilioRequest>().ExcludeFromDescription();
        twilio.MapPost("/webhook", ReceiveAsync);
        twilio.MapPost("/status", async (IMediator mediator, HttpContext context) =>
        {
            var form = MessageForm.Of(context.Request.Form);
            await mediator.Send(new RecordMessageDelivery(form.MessageSid, form.To, form.MessageStatus, form.ErrorCode), context.RequestAborted);
            return Results.NoContent();
        });
    }

    /// <summary>Anything but TwiML would be sent to the caller as a message, so that the answer is an empty document, whatever happens.</summary>
    private static async Task<IResult> ReceiveAsync(IMediator mediator, ILogger<Replier> logger, HttpContext context)
    {
        var form = MessageForm.Of(context.Request.Form);
        var status = StatusCodes.Status200OK;
        try
        {
            await mediator.Send(
                new ReceiveWhatsAppMessage(
                    form.MessageSid, form.From, form.ProfileName, form.Body, form.MessageType, form.ButtonText, form.MediaUrl0, form.MediaContentType0,
                    form.Latitude, form.Longitude, form.Label ?? form.Address, form.ButtonPayload, form.ChannelMetadata, form.ExternalUserId),
                context.RequestAborted);
        }
        catch (FluentValidation.ValidationException error)
        {
            LogRefused(logger, string.Join(", ", error.Errors.Select(failure => failure.PropertyName)));
            status = StatusCodes.Status400BadRequest;
        }
        catch (Exception error) when (error is not OperationCanceledException)
        {
            LogNotStored(logger, error);
            status = StatusCodes.Status503ServiceUnavailable;
        }

        return Results.Content(Twiml.Document(), Twiml.ContentType, statusCode: status);
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "A message was refused: {Fields}")]
    private static partial void LogRefused(ILogger logger, string fields);

    [LoggerMessage(Level = LogLevel.Error, Message = "A message could not be stored")]
    private static partial void LogNotStored(ILogger logger, Exception error);
}

/// <summary>The fields of Twilio's message requests that Guru reads; there are more, and new ones come without notice.</summary>
internal sealed class MessageForm
{
    public string? MessageSid { get; init; }

    public string? From { get; init; }

    public string? To { get; init; }

    public string? Body { get; init; }

    public string? ProfileName { get; init; }

    public string? MessageType { get; init; }

    public string? ButtonText { get; init; }

    public string? ButtonPayload { get; init; }

    public string? ChannelMetadata { get; init; }

    public string? ExternalUserId { get; init; }

    public string? MediaUrl0 { get; init; }

    public string? MediaContentType0 { get; init; }

    public string? Latitude { get; init; }

    public string? Longitude { get; init; }

    public string? Address { get; init; }

    public string? Label { get; init; }

    public string? MessageStatus { get; init; }

    public string? ErrorCode { get; init; }

    public static MessageForm Of(IFormCollection form) => new()
    {
        MessageSid = form.Field(nameof(MessageSid)),
        From = form.Field(nameof(From)),
        To = form.Field(nameof(To)),
        Body = form.Field(nameof(Body)),
        ProfileName = form.Field(nameof(ProfileName)),
        MessageType = form.Field(nameof(MessageType)),
        ButtonText = form.Field(nameof(ButtonText)),
        ButtonPayload = form.Field(nameof(ButtonPayload)),
        ChannelMetadata = form.Field(nameof(ChannelMetadata)),
        ExternalUserId = form.Field(nameof(ExternalUserId)),
        MediaUrl0 = form.Field(nameof(MediaUrl0)),
        MediaContentType0 = form.Field(nameof(MediaContentType0)),
        Latitude = form.Field(nameof(Latitude)),
        Longitude = form.Field(nameof(Longitude)),
        Address = form.Field(nameof(Address)),
        Label = form.Field(nameof(Label)),
        MessageStatus = form.Field(nameof(MessageStatus)),
        ErrorCode = form.Field(nameof(ErrorCode)),
    };
}
