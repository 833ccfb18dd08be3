using Guru.Application.Privacy;
using Guru.Application.Recordings;
using Microsoft.Extensions.DependencyInjection;

namespace Guru.Infrastructure.Recordings;

public static class RecordingRegistration
{
    /// <summary>Recordings in a folder of this machine, or one that it shares.</summary>
    public static IServiceCollection AddRecordingFiles(this IServiceCollection services)
    {
        services.AddSingleton<RecordingFiles>();
        services.AddSingleton<IRecordingStore>(provider => provider.GetRequiredService<RecordingFiles>());
        services.AddSingleton<IPersonalStore>(provider => provider.GetRequiredService<RecordingFiles>());
        return services;
    }
}
