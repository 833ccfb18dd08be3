using Guru.Application;
using Guru.Infrastructure.Postgres;
using Marten;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace Guru.Infrastructure.Marten;

public static class MartenRegistration
{
    /// <summary>Marten in place of the default event store; the read models and everything else stay as they are.</summary>
    public static IServiceCollection AddMartenEventStore(this IServiceCollection services)
    {
        services.AddSingleton<IDocumentStore>(provider => MartenStore.Open(
            provider.GetRequiredService<NpgsqlDataSource>(), provider.GetRequiredService<EventTypes>(), provider.GetRequiredService<Upcasters>()));
        services.AddSingleton<MartenTables>();
        services.AddSingleton<MartenEventStore>();
        services.AddSingleton<IEventStore>(provider => provider.GetRequiredService<MartenEventStore>());
        services.AddHostedService<MartenStart>();
        return services;
    }
}
