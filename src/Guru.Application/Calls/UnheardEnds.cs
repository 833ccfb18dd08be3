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
    /// <summary>Calls without an end on record, of which nothing has been recorded for a while; some of them, where there are more than the limit.</summary>
    /// <param name="quietInBrowser">For how long of a browser's call, of which nobody can be asked.</param>
    Task<IReadOnlyList<CallSid>> FindAsync(TimeSpan quiet, TimeSpan quietInBrowser, int limit, CancellationToken cancellationToken);
}

/// <summary>
/// Ends, on record, the calls that ended while nobody heard of it: the carrier tells of an end once, and so does a socket. The carrier is asked how those
/// stand of which nothing has been recorded for a while; what it cannot tell of is over when no call lasts as long.
/// </summary>
public sealed partial class UnheardEnds(
    IQuietCalls calls, ICallCarrier carrier, IMediator mediator, IEventStore store, IOptions<CallRules> rules, TimeProvider time, ILogger<UnheardEnds> logger) : BackgroundService
{
    private const int MostAtOnce = 100;
    private const int MostFailures = 5;

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
        // After a while, so that what a journal knows of an end comes first; and so does, after an outage, what waits for the database.
        using var clock = new PeriodicTimer(rules.Value.Quiet, time);
        for (var outage = false; await clock.WaitForNextTickAsync(stoppingToken);)
        {
            var quiet = await FindAsync(stoppingToken);
            if (quiet is not null && !outage)
            {
                await EndAsync(quiet, stoppingToken);
            }

            outage = quiet is null;
        }
    }

    /// <returns>Null where the database does not tell.</returns>
    private async Task<IReadOnlyList<CallSid>?> FindAsync(CancellationToken cancellationToken)
    {
        try
        {
            return await calls.FindAsync(rules.Value.Quiet, rules.Value.Longest, MostAtOnce, cancellationToken);
        }
        catch (Exception error) when (!cancellationToken.IsCancellationRequested)
        {
            LogFailed(error.GetType().Name);
            return null;
        }
    }

    private async Task EndAsync(IReadOnlyList<CallSid> quiet, CancellationToken cancellationToken)
    {
        var failures = 0;
        foreach (var call in quiet)
        {
            failures = await TryEndAsync(call, cancellationToken) ? 0 : failures + 1;
            if (failures == MostFailures)
            {
                return; // It is not about the calls. The next time others come first.
            }
        }
    }

    private async Task<bool> TryEndAsync(CallSid callSid, CancellationToken cancellationToken)
    {
        try
        {
            await EndAsync(callSid, cancellationToken);
            return true;
        }
        catch (Exception error) when (!cancellationToken.IsCancellationRequested)
        {
            LogNotEnded(callSid, (error as OutsideException)?.Reason ?? error.GetType().Name);
            return false;
        }
    }

    private async Task EndAsync(CallSid callSid, CancellationToken cancellationToken)
    {
        if (!callSid.IsWebapp && await AskAsync(callSid, cancellationToken))
        {
            return;
        }

        var log = new CallLog(store, callSid);
        var events = await log.ReadAsync(cancellationToken);
        if (events.Count > 0 && events.Max(@event => @event.At) is var lastAt && time.GetUtcNow() - lastAt > rules.Value.Longest)
        {
            LogGivenUp(callSid);
            await log.AppendAsync(log.State.Started ? new EndCall(CallEndReason.StreamLost, lastAt) : NeverStarted(callSid, events, lastAt), cancellationToken);
        }
    }

    private static RecordStatus NeverStarted(CallSid callSid, IReadOnlyList<CallEvent> events, DateTimeOffset at) => new(new CallStatusChanged(
        CallStatus.Failed, callSid, CallerId: null, events.OfType<CallStatusChanged>().FirstOrDefault()?.Direction ?? default, DurationSeconds: null, ErrorCode: null, at));

    [LoggerMessage(Level = LogLevel.Warning, Message = "Call {CallSid}: the carrier did not say how it ended, and was asked")]
    private partial void LogAskedFor(CallSid callSid);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Call {CallSid}: how it ended could not be found out ({Reason}); it is tried again")]
    private partial void LogNotEnded(CallSid callSid, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Call {CallSid}: nobody knows how it ended; it has been over for long")]
    private partial void LogGivenUp(CallSid callSid);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Calls that ended unheard could not be looked after ({Error}); it is tried again")]
    private partial void LogFailed(string error);
}
