using FluentValidation;
using Guru.Application.Callers;
using Guru.Application.Calling;
using Guru.Application.Calls;
using Guru.Application.Conversations;
using Guru.Application.Privacy;
using Guru.Application.Recordings;
using Guru.Application.Traces;
using Guru.Application.Voice;
using Guru.Application.VoiceSessions;
using Guru.Application.Work;
using MediatR;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Guru.Application;

public static class Registration
{
    /// <summary>The use cases. Everything is a singleton: a call outlives a request.</summary>
    public static IServiceCollection AddApplication(this IServiceCollection services)
    {
        services.TryAddSingleton(TimeProvider.System);
        services.AddSingleton<CallerNames>();
        services.AddSingleton<CallerMemory>();
        services.AddSingleton<MessageReception>();
        services.AddSingleton<Outbox>();
        services.AddSingleton<IWork, Replier>();
        services.AddSingleton<IWork, CallSummarizer>();
        services.AddSingleton<IWork, Digester>();
        services.AddSingleton<IWork, PermissionAsker>();
        services.AddSingleton<IWork, CallPlacer>();
        services.AddSingleton<UnheardEnds>();
        services.AddSingleton<IWork, CallFollowUp>();
        services.AddSingleton<IWork, RetentionWork>();
        services.AddSingleton<CallStart>();
        services.AddSingleton<Callees>();
        services.AddSingleton<CallBacks>();
        services.AddSingleton<CallBackDesk>();
        services.AddSingleton<ErasureFollower>();
        services.AddSingleton<CallTracer>();
        services.AddSingleton<CallRecordings>();
        services.AddSingleton<Switchboard>();
        services.AddSingleton<BrowserCalls>();
        services.AddSingleton<IMediator, Mediator>();
        services.AddSingleton<ServiceFactory>(provider => type => provider.GetService(type)!);
        services.AddSingleton(typeof(IPipelineBehavior<,>), typeof(Tracing<,>));
        services.AddSingleton(typeof(IPipelineBehavior<,>), typeof(Validation<,>));
        foreach (var type in typeof(Registration).Assembly.GetTypes().Where(type => type is { IsClass: true, IsAbstract: false, IsGenericType: false }))
        {
            foreach (var contract in type.GetInterfaces().Where(contract => contract.IsGenericType))
            {
                var definition = contract.GetGenericTypeDefinition();
                if (definition == typeof(IRequestHandler<,>) || definition == typeof(IValidator<>))
                {
                    services.AddSingleton(contract, type);
                }
            }
        }

        return services;
    }

    /// <summary>What a node does by itself, begun in this order: nothing works with what a backup brought back before the erasures are applied to it.</summary>
    public static IServiceCollection AddBackgroundWork(this IServiceCollection services)
    {
        services.AddHostedService(provider => provider.GetRequiredService<ErasureFollower>());
        services.AddHostedService<JournalRecovery>();
        services.AddHostedService<LateMessages>();
        services.AddHostedService<UnfinishedTurns>();
        services.AddHostedService(provider => provider.GetRequiredService<UnheardEnds>());
        services.AddHostedService<WorkLoop>();
        services.AddHostedService<RetentionClock>();
        return services;
    }
}

/// <summary>Refuses a request that its validators refuse.</summary>
internal sealed class Validation<TRequest, TResponse>(IEnumerable<IValidator<TRequest>> validators) : IPipelineBehavior<TRequest, TResponse>
{
    public Task<TResponse> Handle(TRequest request, CancellationToken cancellationToken, RequestHandlerDelegate<TResponse> next)
    {
        var failures = validators.SelectMany(validator => validator.Validate(request).Errors).ToList();
        return failures.Count == 0 ? next() : throw new ValidationException(failures);
    }
}

/// <summary>One span for each use case; nothing of the request becomes a tag.</summary>
internal sealed class Tracing<TRequest, TResponse> : IPipelineBehavior<TRequest, TResponse>
{
    public async Task<TResponse> Handle(TRequest request, CancellationToken cancellationToken, RequestHandlerDelegate<TResponse> next)
    {
        using var activity = CallMeter.Activities.StartActivity(typeof(TRequest).Name);
        return await next();
    }
}
