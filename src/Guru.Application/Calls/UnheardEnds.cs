using Guru.Application.Calling;
using Guru.Application.Conversations;
using Guru.Application.Voice;
using Guru.Domain.Calls;
using MediatR;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Guru.Application.Calls;

/// <summary>Finds calls by what is missing of them.</summary>
public interface IQuietCalls
{
    /// <summary>Calls without an end on record, of which nothing has been recorded for a while, the newest first.</summary>
    Task<IReadOnlyList<QuietCall>> FindAsync(TimeSpan quiet, int limit, CancellationToken cancellationToken);
}

/// <param name="At">When something was last recorded of it.</param>
/// <param name="Quiet">How long that is ago.</param>
public sealed record QuietCall(CallSid CallSid, DateTimeOffset At, TimeSpan Quiet);

/// <summary>
/// Ends, on record, the calls that ended while nobody heard of it: the carrier tells of an end once, and so does a socket. The carrier is asked how those
/// stand of which nothing has been recorded for a while; what it cannot tell of is over when no call lasts as long.
/// </summary>
public sealed partial class UnheardEnds(
    IQuietCalls calls, ICallCarrier carrier, IMediator mediator, IEventStore store, IOptions<CallRules> rules, TimeProvider time, ILogger<UnheardEnds> logger) : BackgroundService
{
    private const int MostAtOnce = 100;

    /// <summary>Asks the carrier about one call, and records what it says as if it had said so by itself.</summary>
    /// <returns>False where the carrier does not know the call.</returns>
    /// <exception cref="MessengerException">It could not be asked.</exception>
    public async Task<bool> AskAsync(CallSid callSid, CancellationToken cancellationToken)
    {
        if (await carrier.TellAsync(callSid, cancellationToken) is not { } told)
        {
            return false;
        }

        if (CallStatusWords.Parse(told.Status) is { } status && status.IsFinal())
        {
            LogAskedFor(callSid);
            await mediator.Send(told, cancellationToken);
        }

        return true;
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        // After a while, so that what a journal knows of an end comes first.
        using var clock = new PeriodicTimer(rules.Value.Quiet, time);
        while (await clock.WaitForNextTickAsync(stoppingToken))
        {
            try
            {
                await LookAsync(stoppingToken);
            }
            catch (Exception error) when (!stoppingToken.IsCancellationRequested)
            {
                LogFailed(error.GetType().Name);
            }
        }
    }

    private async Task LookAsync(CancellationToken cancellationToken)
    {
        foreach (var call in await calls.FindAsync(rules.Value.Quiet, MostAtOnce, cancellationToken))
        {
            try
            {
                await EndAsync(call, cancellationToken);
            }
            catch (MessengerException error) when (!error.Transient)
            {
                LogNotAsked(call.CallSid, error.Reason); // The others may be asked about.
            }
        }
    }

    private async Task EndAsync(QuietCall call, CancellationToken cancellationToken)
    {
        var isKnown = !call.CallSid.IsWebapp && await AskAsync(call.CallSid, cancellationToken);
        if (!isKnown && call.Quiet > rules.Value.Longest)
        {
            LogGivenUp(call.CallSid);
            await new CallLog(store, call.CallSid).AppendAsync([new EndCall(CallEndReason.StreamLost, call.At)], (_, _) => { }, cancellationToken);
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Call {CallSid}: the carrier did not say how it ended, and was asked")]
    private partial void LogAskedFor(CallSid callSid);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Call {CallSid}: the carrier could not be asked how it ended ({Reason}); it is tried again")]
    private partial void LogNotAsked(CallSid callSid, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Call {CallSid}: nobody knows how it ended; it has been over for long")]
    private partial void LogGivenUp(CallSid callSid);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Calls that ended unheard could not be looked after ({Error}); it is tried again")]
    private partial void LogFailed(string error);
}
