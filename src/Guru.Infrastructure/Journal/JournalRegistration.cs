using Guru.Application;
using Guru.Application.Calls;
using Guru.Application.Conversations;
using Guru.Application.Privacy;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Guru.Infrastructure.Journal;

public static class JournalRegistration
{
    /// <summary>What waits on this node's disk while the database is away: facts of calls, and messages.</summary>
    public static IServiceCollection AddJournals(this IServiceCollection services, string dataDirectory, JournalOptions options)
    {
        services.AddSingleton(provider => new CallJournal(
            dataDirectory, provider.GetRequiredService<ServerSecret>(), options, provider.GetRequiredService<ILogger<CallJournal>>()));
        services.AddSingleton<ICallJournal>(provider => provider.GetRequiredService<CallJournal>());
        services.AddSingleton<IPersonalStore>(provider => provider.GetRequiredService<CallJournal>());
        services.AddSingleton(provider => new MessageJournal(
            dataDirectory, provider.GetRequiredService<ServerSecret>(), options, provider.GetRequiredService<ILogger<MessageJournal>>()));
        services.AddSingleton<IMessageJournal>(provider => provider.GetRequiredService<MessageJournal>());
        services.AddSingleton<IPersonalStore>(provider => provider.GetRequiredService<MessageJournal>());
        return services;
    }
}
