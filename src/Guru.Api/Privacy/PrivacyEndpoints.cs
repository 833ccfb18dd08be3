using System.ComponentModel.DataAnnotations;
using System.Text.Json;
using Guru.Api.Security;
using Guru.Application.Privacy;
using MediatR;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.Extensions.Options;

namespace Guru.Api.Privacy;

/// <summary>Forgetting people, and what has been kept for long enough. docs/privacy.md.</summary>
internal static class PrivacyEndpoints
{
    public static void MapPrivacy(this WebApplication app)
    {
        var privacy = app.MapGroup("/api").RequireAuthorization(Roles.Operator).WithTags("Privacy")
            .ProducesProblem(StatusCodes.Status401Unauthorized).ProducesProblem(StatusCodes.Status403Forbidden).ProducesValidationProblem();
        privacy.MapDelete("/callers/{person}", ForgetAsync).ProducesProblem(StatusCodes.Status404NotFound).ProducesProblem(StatusCodes.Status409Conflict)
            .ProducesProblem(StatusCodes.Status503ServiceUnavailable)
            .WithSummary("Erases a person, by phone number, business-scoped user id or callerId, and certifies what was destroyed. Asked again it answers the same.");
        privacy.MapGet("/retention", RetentionAsync)
            .WithSummary("What the times of keeping would destroy now, and nothing is; transcriptDays, messageDays and recordingDays stand in place of the settings.");
    }

    private static async Task<Results<Ok<ErasureCertificate>, ProblemHttpResult>> ForgetAsync(IMediator mediator, string person, CancellationToken cancellationToken) =>
        await mediator.Send(new ForgetCaller(person), cancellationToken) is { } certificate
            ? TypedResults.Ok(certificate)
            : TypedResults.Problem(statusCode: StatusCodes.Status404NotFound, title: "There is no such caller.", detail: "Nobody wrote or called under this number or id.");

    private static async Task<Results<Ok<IReadOnlyList<RetentionDue>>, ValidationProblem>> RetentionAsync(
        IRetention retention, IOptions<RetentionRules> settings, TimeProvider time, int? transcriptDays, int? messageDays, int? recordingDays, CancellationToken cancellationToken)
    {
        var rules = new RetentionRules
        {
            TranscriptDays = transcriptDays ?? settings.Value.TranscriptDays,
            MessageDays = messageDays ?? settings.Value.MessageDays,
            RecordingDays = recordingDays ?? settings.Value.RecordingDays,
        };
        var mistakes = new List<ValidationResult>();
        return Validator.TryValidateObject(rules, new ValidationContext(rules), mistakes, validateAllProperties: true)
            ? TypedResults.Ok(await retention.ReportAsync(RetentionLimits.Of(rules, time.GetUtcNow()), cancellationToken))
            : TypedResults.ValidationProblem(mistakes.ToDictionary(mistake => JsonNamingPolicy.CamelCase.ConvertName(mistake.MemberNames.First()), mistake => new[] { mistake.ErrorMessage! }));
    }
}
