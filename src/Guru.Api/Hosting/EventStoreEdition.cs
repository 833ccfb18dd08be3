#if MARTEN
using Guru.Infrastructure.Marten;
#endif
using Guru.Domain.Costs;
using Guru.Infrastructure.Postgres;

namespace Guru.Api.Hosting;

/// <summary>The event store that Guru was built with: its own, or with <c>-p:EventStore=Marten</c> Marten's.</summary>
internal static class EventStoreEdition
{
#if MARTEN
    public static string Name => $"Marten {typeof(Marten.IDocumentStore).Assembly.GetName().Version!.ToString(3)}";

    public static IServiceCollection AddEventStore(this IServiceCollection services, Database database, PriceTable prices) =>
        services.AddPostgres(database, prices).AddMartenEventStore();
#else
    public static string Name => "Guru's own";

    public static IServiceCollection AddEventStore(this IServiceCollection services, Database database, PriceTable prices) =>
        services.AddPostgres(database, prices);
#endif
}
