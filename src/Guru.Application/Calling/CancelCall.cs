using FluentValidation;
using Guru.Application.Callers;
using Guru.Application.Conversations;
using Guru.Domain.Callers;
using Guru.Domain.Conversations;
using MediatR;

namespace Guru.Application.Calling;

/// <summary>A call is not wanted any more that was asked for, or arranged with the person. Cancelled once, it stays so.</summary>
/// <param name="RequestId">Of the request, or of the call-back; as in the ledger.</param>
public sealed record CancelCall(string CallerId, string RequestId) : IRequest;

internal sealed class CancelCallValidator : AbstractValidator<CancelCall>
{
    private const int MostCharacters = 100;

    public CancelCallValidator()
    {
        RuleFor(request => request.CallerId).Must(id => CallerId.TryParse(id, out _)).WithMessage("callerId is not one.");
        RuleFor(request => request.RequestId).MaximumLength(MostCharacters);
    }
}

internal sealed class CancelCallHandler(IEventStore store, CallerNames callers, TimeProvider time) : IRequestHandler<CancelCall>
{
    /// <exception cref="UnknownRequestException">Nobody asked for such a call.</exception>
    /// <exception cref="Domain.RuleException">It was placed.</exception>
    public async Task<Unit> Handle(CancelCall request, CancellationToken cancellationToken)
    {
        // It waits under the id by which the person was known when it was asked for.
        var owner = await callers.OfAsync(CallerId.Parse(request.CallerId), cancellationToken);
        foreach (var callerId in await callers.IdsOfAsync(owner, cancellationToken))
        {
            var log = new ConversationLog(store, callerId);
            await log.ReadAsync(cancellationToken);
            var consent = log.State.Consent;
            if (consent.Calls.ContainsKey(request.RequestId) || consent.CallBacks.ContainsKey(request.RequestId))
            {
                await log.AppendAsync(new CancelOutboundCall(request.RequestId, callerId, time.GetUtcNow()), cancellationToken);
                return Unit.Value;
            }
        }

        throw new UnknownRequestException();
    }
}

public sealed class UnknownRequestException() : Exception("Nobody asked for a call with this requestId.");
