using Guru.Application.Calls;
using Guru.Application.Conversations;
using Guru.Domain.Callers;
using Guru.Domain.Calls;

namespace Guru.Application.Calling;

/// <summary>Places calls. Twilio is the one adapter.</summary>
public interface ICallCarrier
{
    /// <summary>Places one call. The carrier takes no idempotency key: who may have placed it before asks <see cref="FindPlacedAsync"/> first.</summary>
    /// <exception cref="MessengerException">It was not placed, or nobody knows.</exception>
    Task<CallSid> PlaceAsync(CallerAddress to, CancellationToken cancellationToken);

    /// <summary>Calls placed to an address, newest first. One just placed may be listed with a delay.</summary>
    /// <exception cref="MessengerException">The list could not be had.</exception>
    Task<IReadOnlyList<CallSid>> FindPlacedAsync(CallerAddress to, DateTimeOffset since, CancellationToken cancellationToken);

    /// <summary>How a call stands, as the carrier tells of each step by itself; null where it does not know the call.</summary>
    /// <exception cref="MessengerException">It could not be asked.</exception>
    Task<RecordCallStatus?> TellAsync(CallSid callSid, CancellationToken cancellationToken);
}
