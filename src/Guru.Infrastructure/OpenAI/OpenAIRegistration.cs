using Guru.Application.Conversations;
using Guru.Application.Voice;
using Guru.Application.VoiceSessions;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Guru.Infrastructure.OpenAI;

public static class OpenAIRegistration
{
    /// <summary>The models: voice for calls and for browsers, and text.</summary>
    public static IServiceCollection AddOpenAI(this IServiceCollection services, OpenAIOptions options, TextModelSettings text)
    {
        services.AddSingleton(options);
        services.AddSingleton<RealtimeDialer>();
        services.AddSingleton<IVoiceModelDialer>(provider => provider.GetRequiredService<RealtimeDialer>());
        services.AddSingleton<IBrowserSessions, RealtimeBrowserSessions>();
        services.AddSingleton<ITextModel>(provider => new OpenAITextModel(
            options, text, provider.GetRequiredService<TimeProvider>(), provider.GetRequiredService<ILogger<OpenAITextModel>>()));
        return services;
    }
}
