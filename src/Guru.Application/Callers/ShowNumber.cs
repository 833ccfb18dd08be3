using Guru.Application.Calls;
using Guru.Application.Conversations;
using Guru.Domain.Callers;
using Guru.Domain.Calls;
using MediatR;
using Microsoft.Extensions.Logging;

namespace Guru.Application.Callers;

/// <summary>Somebody who may see phone numbers asks for one. That they did is logged; the number is not.</summary>
/// <param name="Key">A name for the key of who asks.</param>
public sealed record ShowNumber(CallerId CallerId, string Key) : IRequest<string?>;

/// <summary>Null where Guru does not know the number, or has forgotten it.</summary>
internal sealed partial class ShowNumberHandler(IEventStore store, ICallQueries calls, ILogger<ShowNumber> logger) : IRequestHandler<ShowNumber, string?>
{
    public async Task<string?> Handle(ShowNumber request, CancellationToken cancellationToken)
    {
        LogShown(request.CallerId, request.Key);
        var log = new ConversationLog(store, request.CallerId);
        await log.ReadAsync(cancellationToken);
        return log.State.Address is { Length: > 0 } address ? address : await OfLatestCallAsync(request.CallerId, cancellationToken);
    }

    /// <summary>Who has only ever called has written nothing that would tell it.</summary>
    private async Task<string?> OfLatestCallAsync(CallerId callerId, CancellationToken cancellationToken)
    {
        var latest = await calls.ListAsync(CallFilter.All with { CallerIds = [callerId] }, CallOrder.NewestFirst, limit: 1, cursor: null, cancellationToken);
        if (latest.Items is not [var call])
        {
            return null;
        }

        var events = await store.ReadAsync(Call.StreamId(CallSid.Parse(call.CallSid)), fromVersion: 1, cancellationToken);
        return events.Select(stored => stored.Data).OfType<CallStarted>().FirstOrDefault() is { Address.Length: > 0 } started ? started.Address : null;
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "The number of caller {CallerId} was shown to the key {Key}")]
    private partial void LogShown(CallerId callerId, string key);
}
