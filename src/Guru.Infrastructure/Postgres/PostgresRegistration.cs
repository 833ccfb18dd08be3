using Guru.Application;
using Guru.Application.Analytics;
using Guru.Application.Callers;
using Guru.Application.Calling;
using Guru.Application.Calls;
using Guru.Application.Conversations;
using Guru.Application.Privacy;
using Guru.Application.Traces;
using Guru.Application.Transcripts;
using Guru.Application.Work;
using Guru.Domain.Costs;
using Microsoft.Extensions.DependencyInjection;

namespace Guru.Infrastructure.Postgres;

public static class PostgresRegistration
{
    /// <summary>The event store and everything that reads from it. The database stays the caller's, to be disposed last.</summary>
    public static IServiceCollection AddPostgres(this IServiceCollection services, Database database, PriceTable prices)
    {
        services.AddSingleton(database.DataSource);
        services.AddSingleton(EventTypes.Shipped);
        services.AddSingleton(Upcasters.Shipped);
        services.AddSingleton(prices);
        services.AddSingleton(Projections.Live(prices));
        services.AddSingleton(_ => new EventKeys(database.DataSource, TimeProvider.System));
        services.AddSingleton<IPersonalKeys>(provider => provider.GetRequiredService<EventKeys>());
        services.AddSingleton<EventSerializer>();
        services.AddSingleton<PostgresEventStore>();
        services.AddSingleton<IEventStore>(provider => provider.GetRequiredService<PostgresEventStore>());
        services.AddSingleton<IDryRun, PostgresDryRun>();
        services.AddSingleton<ICallQueries, CallQueries>();
        services.AddSingleton<IQuietCalls, QuietCalls>();
        services.AddSingleton<IConversationQueries, ConversationQueries>();
        services.AddSingleton<IConsentQueries, ConsentQueries>();
        services.AddSingleton<ICallerAliases, CallerAliases>();
        services.AddSingleton<IRequestKeys, PostgresRequestKeys>();
        services.AddSingleton<ITemplates, PostgresTemplates>();
        services.AddSingleton<ICallTraces, PostgresCallTraces>();
        services.AddSingleton<ITranscriptQueries, TranscriptQueries>();
        services.AddSingleton<PastReadModels>();
        services.AddSingleton<IAnalyticsQueries, AnalyticsQueries>();
        services.AddSingleton<IExports, Exports>();
        services.AddSingleton<IEventFeed, EventFeed>();
        services.AddSingleton<IWorkQueue>(provider => new PostgresWorkQueue(
            database.DataSource, provider.GetRequiredService<EventKeys>(), TimeProvider.System));
        services.AddSingleton<IErasures, PostgresErasures>();
        services.AddSingleton<IRetention>(provider => new PostgresRetention(
            database.DataSource, provider.GetRequiredService<PostgresEventStore>(), provider.GetRequiredService<EventKeys>(), TimeProvider.System));
        services.AddSingleton<Rebuild>();
        services.AddSingleton<OutdatedReadModels>();
        services.AddSingleton<RollupFollower>();
        services.AddSingleton<PostgresHealth>();
        return services;
    }
}
