using Guru.Application.Calls;
using Guru.Domain.Callers;
using Guru.Domain.Calls;
using MediatR;

namespace Guru.Application.VoiceSessions;

/// <summary>The caller hangs up a call of the webapp. Any node can end it, the one that attends it with the last words.</summary>
/// <param name="Owner">Whose it must be; null where a webapp asks for any of its callers.</param>
/// <returns>False where there is no such call.</returns>
public sealed record EndBrowserCall(CallSid CallSid, CallerId? Owner) : IRequest<bool>;

internal sealed class EndBrowserCallHandler(IEventStore store, BrowserCalls calls, IBrowserSessions sessions, TimeProvider time)
    : IRequestHandler<EndBrowserCall, bool>
{
    public async Task<bool> Handle(EndBrowserCall request, CancellationToken cancellationToken)
    {
        var (callSid, owner) = request;
        if (calls.Find(callSid) is { } line)
        {
            var isTheirs = owner is null || line.CallerId == owner;
            if (isTheirs)
            {
                line.HangUp();
            }

            return isTheirs;
        }

        var log = new CallLog(store, callSid);
        await log.ReadAsync(cancellationToken);
        if (!callSid.IsWebapp || !log.State.Started || (owner is not null && log.State.CallerId != owner))
        {
            return false;
        }

        if (log.State.Ended is null)
        {
            await log.AppendAsync(new EndCall(CallEndReason.CallerHungUp, time.GetUtcNow()), cancellationToken);
            await sessions.HangUpAsync(callSid, cancellationToken);
        }

        return true;
    }
}
