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
        if (!warmUp.IsOver)
        {
            return Answer(HealthStatus.Unhealthy, [new("warmUp", new(HealthStatus.Unhealthy.ToString(), "Warming up"))]); // Not a check: what a check finds is logged as an error.
        }

        var report = await health.CheckHealthAsync(check => check.Tags.Contains("ready"), cancellationToken);
        return Answer(report.Status, report.Entries.Select(entry =>
            KeyValuePair.Create(entry.Key, new ReadinessCheck(entry.Value.Status.ToString(), entry.Value.Description))));
    }

    private static IResult Answer(HealthStatus status, IEnumerable<KeyValuePair<string, ReadinessCheck>> checks) => Results.Json(
        new Readiness(status.ToString(), checks.ToDictionary()),
        statusCode: status == HealthStatus.Unhealthy ? StatusCodes.Status503ServiceUnavailable : StatusCodes.Status200OK);
}

/// <summary>A node with facts that the database refused takes calls all the same; somebody should look.</summary>
internal sealed class JournalHealth(ICallJournal journal) : IHealthCheck
{
    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default) =>
        Task.FromResult(journal.SetAside is > 0 and var count
            ? HealthCheckResult.Degraded($"{count} facts were refused by the database and are set aside: the log says which")
            : HealthCheckResult.Healthy("Nothing is set aside"));
}
