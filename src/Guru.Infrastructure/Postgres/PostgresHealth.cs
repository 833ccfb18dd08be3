using Microsoft.Extensions.Diagnostics.HealthChecks;
using Npgsql;

namespace Guru.Infrastructure.Postgres;

/// <summary>Ready when the database answers and is at this version's migrations.</summary>
public sealed class PostgresHealth(NpgsqlDataSource dataSource) : IHealthCheck
{
    public async Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        try
        {
            await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
            var applied = await Migrator.AppliedAsync(connection, cancellationToken);
            var missing = Migration.Shipped.Count(migration => applied.All(done => done.Version != migration.Version));
            return missing == 0
                ? HealthCheckResult.Healthy("PostgreSQL answers")
                : HealthCheckResult.Unhealthy($"The database lacks {missing} migrations");
        }
        catch (Exception e) when (e is NpgsqlException or TimeoutException)
        {
            return HealthCheckResult.Unhealthy("PostgreSQL does not answer", e);
        }
    }
}
