using Guru.Application.Calls;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Guru.Api.Hosting;

/// <param name="Status">Healthy, Degraded or Unhealthy.</param>
/// <param name="Checks">By what was checked.</param>
internal sealed record Readiness(string Status, IReadOnlyDictionary<string, ReadinessCheck> Checks);

internal sealed record ReadinessCheck(string Status, string? Description);

/// <summary>An endpoint of our own in place of the framework's, so that OpenAPI describes it.</summary>
internal static class ReadinessEndpoint
{
    private const string Path = "/health/ready";

    public static void MapReadiness(this WebApplication app)
    {
        app.MapGet(Path, CheckAsync).WithTags("Health").WithSummary("Whether this node takes calls, and what keeps it from it. Needs no key.")
            .Produces<Readiness>(StatusCodes.Status200OK).Produces<Readiness>(StatusCodes.Status503ServiceUnavailable);
        app.MapMethods(Path, [HttpMethods.Head], CheckAsync).ExcludeFromDescription(); // Some load balancers ask this way.
    }

    private static async Task<IResult> CheckAsync(HealthCheckService health, WarmUp warmUp, HttpResponse response, CancellationToken cancellationToken)
    {
        response.Headers.CacheControl = "no-store";
        // Not one of the checks: what they find is logged as an error.
        var (warmth, wait) = warmUp.IsOver ? (HealthStatus.Healthy, "Over") : (HealthStatus.Unhealthy, "Warming up");
        var report = await health.CheckHealthAsync(check => check.Tags.Contains("ready"), cancellationToken);
        var checks = report.Entries.ToDictionary(entry => entry.Key, entry => new ReadinessCheck(entry.Value.Status.ToString(), entry.Value.Description));
        checks.Add("warmUp", new ReadinessCheck(warmth.ToString(), wait));
        var status = warmth < report.Status ? warmth : report.Status;
        return Results.Json(
            new Readiness(status.ToString(), checks),
            statusCode: status == HealthStatus.Unhealthy ? StatusCodes.Status503ServiceUnavailable : StatusCodes.Status200OK);
    }
}

/// <summary>A node with facts that the database refused takes calls all the same; somebody should look.</summary>
internal sealed class JournalHealth(ICallJournal journal) : IHealthCheck
{
    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default) =>
        Task.FromResult(journal.SetAside is > 0 and var count
            ? HealthCheckResult.Degraded($"{count} facts were refused by the database and are set aside: the log says which")
            : HealthCheckResult.Healthy("Nothing is set aside"));
}
