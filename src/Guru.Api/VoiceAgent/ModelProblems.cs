using Guru.Application.Voice;

namespace Guru.Api.VoiceAgent;

/// <summary>
/// What a webapp is told when the voice model cannot be had: enough to act on, by a <c>code</c>, and nothing of what the model's
/// operator said, which is about Guru's account and stands in Guru's log.
/// </summary>
internal static class ModelProblems
{
    private const int RetryAfterSeconds = 5;

    /// <summary>Those that no other reason has.</summary>
    public static RouteHandlerBuilder ProducesModelProblems(this RouteHandlerBuilder endpoint) =>
        endpoint.ProducesProblem(StatusCodes.Status502BadGateway).ProducesProblem(StatusCodes.Status504GatewayTimeout);

    public static IResult Of(VoiceModelException refusal, HttpResponse response)
    {
        var (status, code, title) = refusal switch
        {
            { Code: VoiceModelException.InvalidOffer } => (StatusCodes.Status400BadRequest, "offerRefused", "The SDP offer was refused."),
            { Code: "timeout" } => (StatusCodes.Status504GatewayTimeout, "modelTimeout", "The voice model did not answer in time."),
            { Code: "rate_limit_exceeded" or "slow_down" } => (StatusCodes.Status503ServiceUnavailable, "modelBusy", "The voice model takes no more sessions at the moment."),
            { Transient: true } => (StatusCodes.Status503ServiceUnavailable, "modelUnavailable", "The voice model cannot be reached at the moment."),
            { Code: "invalid_api_key" or "401" or "403" or "account_deactivated" } =>
                (StatusCodes.Status502BadGateway, "modelKey", "This server's access to the voice model is refused."),
            { Code: "model_not_found" or "404" } => (StatusCodes.Status502BadGateway, "modelMissing", "The voice model of this server does not exist."),
            { Code: "insufficient_quota" or "credit_balance_exhausted" or "billing_hard_limit_reached" or "billing_not_active" or "project_spend_limit_exceeded"
                or "organization_spend_limit_exceeded" or "organization_usage_limit_exceeded" } => (StatusCodes.Status502BadGateway, "modelQuota", "This server's quota with the voice model is used up."),
            _ => (StatusCodes.Status502BadGateway, "modelRefused", "The voice model refused the session."),
        };
        if (refusal.Transient)
        {
            response.Headers.RetryAfter = RetryAfterSeconds.ToString(System.Globalization.CultureInfo.InvariantCulture);
        }

        return Results.Problem(
            statusCode: status,
            title: title,
            detail: refusal.Transient ? "Try again in a few seconds." : status == StatusCodes.Status400BadRequest ? null : "Trying again will not help: tell the operator of this server.",
            extensions: new Dictionary<string, object?>(StringComparer.Ordinal) { ["code"] = code });
    }
}
