using Guru.Application;
using Guru.Application.Calling;
using Guru.Application.Conversations;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Guru.Infrastructure.Twilio;

public static class TwilioRegistration
{
    /// <summary>The carrier: its signatures, messages and calls, and what it is told to say.</summary>
    /// <param name="baseUrl">Where Twilio reaches Guru; what it signs begins with it.</param>
    public static IServiceCollection AddTwilio(
        this IServiceCollection services, TwilioOptions options, MessengerOptions messenger, CallingSettings calling, string baseUrl, ServerSecret secret)
    {
        services.AddSingleton(new TwilioSignature(options.AuthTokens, baseUrl));
        services.AddSingleton(Sentences.Load(baseUrl, secret.Value));
        services.AddSingleton<IFixedTexts>(FixedTexts.Load());
        services.AddSingleton<IMessenger>(provider => new TwilioMessenger(
            options, messenger, provider.GetRequiredService<TimeProvider>(), provider.GetRequiredService<ILogger<TwilioMessenger>>()));
        services.AddSingleton<ICallCarrier>(provider => new TwilioCalls(
            options, messenger, calling, provider.GetRequiredService<PublicAddress>(), provider.GetRequiredService<TimeProvider>(),
            provider.GetRequiredService<ILogger<TwilioCalls>>()));
        return services;
    }
}
