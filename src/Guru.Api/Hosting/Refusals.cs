using System.Globalization;
using System.Text.Json;
using FluentValidation;
using FluentValidation.Results;
using Guru.Api.Calling;
using Guru.Api.VoiceAgent;
using Guru.Application.Calling;
using Guru.Application.Privacy;
using Guru.Application.Voice;
using Guru.Domain;
using Guru.Domain.Conversations;
using Guru.Infrastructure.Postgres;
using Microsoft.AspNetCore.Diagnostics;
using Microsoft.AspNetCore.Http.HttpResults;

namespace Guru.Api.Hosting;

/// <summary>Turns what is refused into a problem; anything else rises and is logged once, as a 500 without details.</summary>
internal sealed partial class Refusals(ILogger<Refusals> logger) : IExceptionHandler
{
    /// <summary>How soon to ask again for what is only not to be had now.</summary>
    private const int Soon = 5;

    /// <summary>How soon while the read models are made anew.</summary>
    private const int Later = 60;

    /// <summary>A 503 that says when to ask again.</summary>
    public static ProblemHttpResult NotNow(HttpResponse response, string title, int seconds = Soon)
    {
        response.Headers.RetryAfter = seconds.ToString(CultureInfo.InvariantCulture);
        return TypedResults.Problem(statusCode: StatusCodes.Status503ServiceUnavailable, title: title);
    }

    public async ValueTask<bool> TryHandleAsync(HttpContext context, Exception exception, CancellationToken cancellationToken)
    {
        IResult? problem = exception switch
        {
            CallRefusedException e => CallRefusals.Problem(e),
            UnknownPersonException e => Results.Problem(statusCode: StatusCodes.Status404NotFound, title: "There is no such caller.", detail: e.Message),
            UnknownRequestException e => Results.Problem(statusCode: StatusCodes.Status404NotFound, title: "There is no such request.", detail: e.Message),
            KeyReusedException e => Results.Problem(statusCode: StatusCodes.Status422UnprocessableEntity, title: "The key is used.", detail: e.Message),
            ValidationException e => Results.ValidationProblem(
                e.Errors.GroupBy(error => NameOf(error, context.Request)).ToDictionary(group => group.Key, group => group.Select(error => error.ErrorMessage).ToArray())),
            VoiceModelException e => ModelProblems.Of(e, context.Response),
            ReadModelsOutdatedException e => NotNow(context.Response, e.Message, Later),
            RuleException e => Results.Problem(statusCode: StatusCodes.Status409Conflict, title: "Not possible now.", detail: e.Message),
            BadHttpRequestException e => Results.Problem(statusCode: e.StatusCode, title: "The request cannot be read."),
            InvalidDataException => Results.Problem(statusCode: StatusCodes.Status400BadRequest, title: "The form is too large or malformed."),
            _ when Database.DoesNotAnswer(exception) => WithoutDatabase(context.Response, exception),
            _ => null,
        };
        if (problem is null)
        {
            return false;
        }

        await problem.ExecuteAsync(context);
        return true;
    }

    /// <summary>As whoever asked wrote it: in JSON with a small letter, in Twilio's forms with a capital one.</summary>
    private static string NameOf(ValidationFailure error, HttpRequest request) =>
        request.HasFormContentType ? error.PropertyName : JsonNamingPolicy.CamelCase.ConvertName(error.PropertyName);

    private ProblemHttpResult WithoutDatabase(HttpResponse response, Exception error)
    {
        LogNoDatabase(error.GetType().Name);
        return NotNow(response, "The database does not answer: try again in a moment.");
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "A request was answered with 503, since the database does not answer ({Error})")]
    private partial void LogNoDatabase(string error);
}
