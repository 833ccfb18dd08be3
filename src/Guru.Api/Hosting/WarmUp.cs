using System.Security.Cryptography;
using Guru.Application;
using Guru.Application.Calls;
using Guru.Domain.Calls;
using Guru.Infrastructure.Twilio;
using MediatR;
using Microsoft.AspNetCore.Http.Features;
using OpenTelemetry;

namespace Guru.Api.Hosting;

/// <summary>
/// What a process does for the first time it compiles, and the first caller would wait for that, perhaps for longer than the start of a call may take. So an
/// invented call goes through the voice webhook before the node is ready: put on record as any, and taken back. It takes no place, counts nothing and dials nobody.
/// What goes wrong with it keeps no node from being ready. Where the event store is Marten, it is Guru's own all the same that is warmed here; the other sees to itself at its start.
/// </summary>
internal sealed partial class WarmUp(
    IDryRun dryRun, TwilioSignature signature, IServiceProvider services, IHostApplicationLifetime lifetime, TimeProvider time, ILogger<WarmUp> logger) : BackgroundService
{
    private const string Webhook = "/api/whatsapp/voice/webhook";
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(10);

    private volatile bool _isOver;

    public bool IsOver => _isOver;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var unseen = SuppressInstrumentationScope.Begin();
        try
        {
            await StartedAsync(stoppingToken);
            await Patience.LimitAsync(TryAsync, Limit, time, stoppingToken);
        }
        catch (Exception error) when (!stoppingToken.IsCancellationRequested)
        {
            LogFailed(error.GetType().Name, error.Message);
        }
        finally
        {
            _isOver = true;
        }
    }

    /// <summary>The endpoints are there when the server is.</summary>
    private async Task StartedAsync(CancellationToken cancellationToken)
    {
        var started = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var registration = lifetime.ApplicationStarted.Register(started.SetResult);
        await started.Task.WaitAsync(cancellationToken);
    }

    private Task<StartedCall> TryAsync(CancellationToken cancellationToken) => dryRun.TryAsync(
        (store, keys) => CallAsync(new Understudy(store, ActivatorUtilities.CreateInstance<CallStart>(services, store, keys)), cancellationToken), cancellationToken);

    private async Task<StartedCall> CallAsync(Understudy understudy, CancellationToken cancellationToken)
    {
        // Nodes that start at once have callers of their own, or one would wait for the other; no country has the number.
        var form = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["CallSid"] = $"CA{RandomNumberGenerator.GetHexString(32, lowercase: true)}",
            ["From"] = $"whatsapp:+999{RandomNumberGenerator.GetString("0123456789", 12)}",
            ["Direction"] = "inbound",
        };
        using var content = new FormUrlEncodedContent(form);
        var context = new DefaultHttpContext { RequestServices = understudy.Among(services), RequestAborted = cancellationToken };
        context.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget = Webhook;
        context.Request.Method = HttpMethods.Post;
        context.Request.ContentType = content.Headers.ContentType!.MediaType;
        context.Request.Body = await content.ReadAsStreamAsync(cancellationToken);
        context.Request.Headers[TwilioSignature.Header] = signature.Sign(Webhook, form);
        await services.GetRequiredService<EndpointDataSource>().Endpoints.OfType<RouteEndpoint>().Single(endpoint => endpoint.RoutePattern.RawText == Webhook).RequestDelegate!(context);
        return await (understudy.Recorded ?? throw new InvalidOperationException("The webhook refused the call."));
    }

    /// <summary>Handles the call in place of who else would, as far as its start is on record.</summary>
    private sealed class Understudy(IEventStore store, CallStart start) : IRequestHandler<AnswerCall, CallAnswer>
    {
        /// <summary>Null until the webhook has asked.</summary>
        public Task<StartedCall>? Recorded { get; private set; }

        public async Task<CallAnswer> Handle(AnswerCall request, CancellationToken cancellationToken)
        {
            var callSid = CallSid.Parse(request.CallSid!);
            Recorded = RecordAsync();
            await ((Task)Recorded).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing); // Or the webhook would log that a caller hears an apology.
            return Recorded is { IsCompletedSuccessfully: true, Result: var call }
                ? new ConnectStream(callSid, request.From!, call.StreamToken, call.State.Language, SayFirst: true)
                : new JustHangUp();

            async Task<StartedCall> RecordAsync()
            {
                var started = await start.RecordAsync(request, refusal: null, cancellationToken);
                await new CallLog(store, callSid).ReadAsync(cancellationToken); // As a node does to which the stream of another's call comes.
                return started;
            }
        }

        public Cast Among(IServiceProvider services) =>
            new Cast(services, new Mediator(type => type == typeof(IRequestHandler<AnswerCall, CallAnswer>) ? this : services.GetService(type)!));
    }

    private sealed class Cast(IServiceProvider others, IMediator mediator) : IServiceProvider
    {
        public object? GetService(Type serviceType) => serviceType == typeof(IMediator) ? mediator : others.GetService(serviceType);
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The warm-up failed ({Error}: {Text}); the first caller may have to wait")] // Of a call that is invented: nothing personal.
    private partial void LogFailed(string error, string text);
}
