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

    /// <summary>How a call stands; null where the carrier does not know it, or uses a word that we do not know.</summary>
    /// <exception cref="MessengerException">It could not be asked.</exception>
    Task<CallStatus?> StatusAsync(CallSid callSid, CancellationToken cancellationToken);
}
