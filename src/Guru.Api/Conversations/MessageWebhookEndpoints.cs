using Guru.Api.Security;
using Guru.Application.Conversations;
using Guru.Infrastructure.Twilio;
using MediatR;
using Microsoft.AspNetCore.Mvc;

namespace Guru.Api.Conversations;

/// <summary>Twilio's side of the chat: messages that come in, and what became of those that went out. docs/conversation.md, steps 1 and 8.</summary>
internal static partial class MessageWebhookEndpoints
{
    public static void MapMessageWebhooks(this WebApplication app)
    {
        var twilio = app.MapGroup("/api/whatsapp").AddEndpointFilter<TwilioRequest>().DisableAntiforgery().ExcludeFromDescription();
        twilio.MapPost("/webhook", ReceiveAsync);
        twilio.MapPost("/status", async (IMediator mediator, [FromForm] MessageForm form, CancellationToken cancellationToken) =>
        {
            await mediator.Send(new RecordMessageDelivery(form.MessageSid, form.To, form.MessageStatus, form.ErrorCode), cancellationToken);
            return Results.NoContent();
        });
    }

    /// <summary>Anything but TwiML would be sent to the caller as a message, so that the answer is an empty document, whatever happens.</summary>
    private static async Task<IResult> ReceiveAsync(IMediator mediator, ILogger<Replier> logger, [FromForm] MessageForm form, CancellationToken cancellationToken)
    {
        var status = StatusCodes.Status200OK;
        try
        {
            await mediator.Send(
                new ReceiveWhatsAppMessage(
                    form.MessageSid, form.From, form.ProfileName, form.Body, form.MessageType, form.ButtonText, form.MediaUrl0, form.MediaContentType0,
                    form.Latitude, form.Longitude, form.Label ?? form.Address),
                cancellationToken);
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
    public string? MessageSid { get; set; }

    public string? From { get; set; }

    public string? To { get; set; }

    public string? Body { get; set; }

    public string? ProfileName { get; set; }

    public string? MessageType { get; set; }

    public string? ButtonText { get; set; }

    public string? MediaUrl0 { get; set; }

    public string? MediaContentType0 { get; set; }

    public string? Latitude { get; set; }

    public string? Longitude { get; set; }

    public string? Address { get; set; }

    public string? Label { get; set; }

    public string? MessageStatus { get; set; }

    public string? ErrorCode { get; set; }
}
