using Guru.Api.Security;
using Guru.Application.Calls;
using Guru.Application.Voice;
using Guru.Domain.Calls;
using Guru.Infrastructure.Sockets;
using Guru.Infrastructure.Twilio;
using MediatR;
using Microsoft.Extensions.Options;

namespace Guru.Api.Calls;

/// <summary>Twilio's side of a call: webhook, status, action URL, Media Stream. docs/call-flow.md, steps 1, 3 and 9.</summary>
internal static partial class VoiceWebhookEndpoints
{
    public static void MapVoiceWebhooks(this WebApplication app)
    {
        var twilio = app.MapGroup("/api/whatsapp/voice").AddEndpointFilter<TwilioRequest>().ExcludeFromDescription();

        twilio.MapPost("/webhook", (IMediator mediator, TwimlAnswers answers, ILogger<Switchboard> logger, HttpContext context) =>
        {
            var form = VoiceForm.Of(context.Request.Form);
            var call = new AnswerCall(form.CallSid, form.From, form.To, form.Direction);
            return AnswerAsync(answers, logger, nameof(AnswerCall), () => mediator.Send(call, context.RequestAborted));
        });

        twilio.MapPost("/continue", (IMediator mediator, AskedOnce once, TwimlAnswers answers, Switchboard switchboard, ILogger<Switchboard> logger, HttpContext context) =>
        {
            var form = VoiceForm.Of(context.Request.Form);
            var call = new ContinueCall(form.CallSid, form.CallStatus);
            return AnswerAsync(answers, logger, nameof(ContinueCall), async () =>
            {
                var answer = await once.AskAsync(form.CallSid, context.Request.Headers[AskedOnce.Header], () => mediator.Send(call, CancellationToken.None));
                if (!answers.LeavesToFetch(answer) && CallSid.TryParse(form.CallSid, out var callSid))
                {
                    switchboard.CarrierAsked(callSid); // The server does not stop before this answer is out.
                }

                return answer;
            });
        });

        twilio.MapPost("/status", async (IMediator mediator, HttpContext context) =>
        {
            // Twilio does not say it again: who gives up waiting for the answer has said it all the same.
            var form = VoiceForm.Of(context.Request.Form);
            await mediator.Send(
                new RecordCallStatus(form.CallSid, form.CallStatus, form.From, form.To, form.Direction, form.CallDuration, form.ErrorCode), CancellationToken.None);
            return Results.NoContent();
        });

        twilio.MapGet("/stream", StreamAsync);

        // Fetched by Twilio without a signature; the name is the secret.
        app.MapGet("/api/whatsapp/voice/sentences/{name}.wav", (string name, Sentences sentences) =>
            sentences.TryFindRecording(name, out var wav) ? Results.Bytes(wav, "audio/wav") : Results.NotFound()).ExcludeFromDescription();
    }

    /// <summary>A caller is on the line: whatever goes wrong, they hear a sentence and not Twilio's error.</summary>
    private static async Task<IResult> AnswerAsync(TwimlAnswers answers, ILogger logger, string request, Func<Task<CallAnswer>> ask)
    {
        CallAnswer answer;
        try
        {
            answer = await ask();
        }
        catch (FluentValidation.ValidationException error) when (error.Errors.All(failure => failure.PropertyName == nameof(AnswerCall.Caller)))
        {
            LogStranger(logger); // A SIP phone, a client of the carrier's SDK, or a hidden number.
            answer = new SayAndHangUp(FixedSentence.TechnicalProblem, Language: null);
        }
        catch (Exception error) when (error is not FluentValidation.ValidationException and not OperationCanceledException)
        {
            LogFailed(logger, request, error);
            answer = new SayAndHangUp(FixedSentence.TechnicalProblem, Language: null);
        }

        return Results.Content(answers.Write(answer), Twiml.ContentType);
    }

    private static async Task<IResult> StreamAsync(
        HttpContext context, Switchboard switchboard, IOptions<MediaStreamOptions> options, TimeProvider time, ILogger<Switchboard> logger,
        IHostApplicationLifetime lifetime)
    {
        if (!context.WebSockets.IsWebSocketRequest)
        {
            return Results.Problem(statusCode: StatusCodes.Status400BadRequest, title: "This address takes Media Streams only.");
        }

        var connection = await WebSocketConnection.AcceptAsync(context);
        var accepted = await MediaStreamLine.AcceptAsync(connection, options.Value, time, lifetime.ApplicationStopping);
        if (accepted.Line is not { } line)
        {
            LogNoStart(logger, accepted.Refusal.ToString());
        }
        else if (!CallSid.TryParse(line.Start.CallSid, out var callSid))
        {
            LogNoStart(logger, "callSid");
            await line.CloseAsync(lifetime.ApplicationStopping);
            await line.DisposeAsync();
        }
        else
        {
            await switchboard.ConnectAsync(line, callSid, line.Start.Token ?? "", lifetime.ApplicationStopping);
        }

        return Results.Empty;
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "{Request} failed; the caller hears an apology")]
    private static partial void LogFailed(ILogger logger, string request, Exception error);

    [LoggerMessage(Level = LogLevel.Warning, Message = "A call that is not of WhatsApp was not taken")]
    private static partial void LogStranger(ILogger logger);

    [LoggerMessage(Level = LogLevel.Warning, Message = "A Media Stream was closed before it began: {Reason}")]
    private static partial void LogNoStart(ILogger logger, string reason);
}

/// <summary>The fields of Twilio's voice requests that Guru reads; there are more, and new ones come without notice.</summary>
internal sealed class VoiceForm
{
    public string? CallSid { get; init; }

    public string? From { get; init; }

    public string? To { get; init; }

    public string? Direction { get; init; }

    public string? CallStatus { get; init; }

    public string? CallDuration { get; init; }

    public string? ErrorCode { get; init; }

    public static VoiceForm Of(IFormCollection form) => new()
    {
        CallSid = form.Field(nameof(CallSid)),
        From = form.Field(nameof(From)),
        To = form.Field(nameof(To)),
        Direction = form.Field(nameof(Direction)),
        CallStatus = form.Field(nameof(CallStatus)),
        CallDuration = form.Field(nameof(CallDuration)),
        ErrorCode = form.Field(nameof(ErrorCode)),
    };
}
