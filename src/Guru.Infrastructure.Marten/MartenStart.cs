using Guru.Infrastructure.Postgres;
using Microsoft.Extensions.Hosting;

namespace Guru.Infrastructure.Marten;

/// <summary>Before Guru serves: Marten's tables, and an append for nothing, so that the first caller does not wait while Marten makes itself ready.</summary>
public sealed class MartenStart(MartenTables tables, MartenEventStore store) : IHostedService
{
    /// <exception cref="MigrationException">A shared table is not as Marten expects it.</exception>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        await tables.ReadyAsync();
        await store.WarmUpAsync(cancellationToken);
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
