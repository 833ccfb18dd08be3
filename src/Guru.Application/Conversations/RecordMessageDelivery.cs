using FluentValidation;
using Guru.Application.Callers;
using Guru.Domain.Callers;
using Guru.Domain.Conversations;
using MediatR;

namespace Guru.Application.Conversations;

/// <summary>The carrier's word on a message of ours: in any order, repeated.</summary>
/// <param name="To">Whom it was sent to.</param>
/// <param name="Status">The carrier's word; one that we do not know is ignored.</param>
public sealed record RecordMessageDelivery(string? MessageSid, string? To, string? Status, string? ErrorCode) : IRequest
{
    public override string ToString() => $"{nameof(RecordMessageDelivery)} {MessageSid} {Status}";
}

internal sealed class RecordMessageDeliveryValidator : AbstractValidator<RecordMessageDelivery>
{
    public RecordMessageDeliveryValidator()
    {
        RuleFor(message => message.MessageSid).MustBeMessageSid();
        RuleFor(message => message.To).Must(to => CallerAddress.TryParse(to, out _)).WithMessage("To must be whatsapp:+E164 or a business-scoped user id.");
    }
}

public sealed class RecordMessageDeliveryHandler(IEventStore store, IConversationQueries conversations, CallerNames callers, TimeProvider time)
    : IRequestHandler<RecordMessageDelivery>
{
    public async Task<Unit> Handle(RecordMessageDelivery request, CancellationToken cancellationToken)
    {
        if (StatusOf(request.Status) is { } status)
        {
            // The number may be somebody else's since the message was sent.
            var callerId = await conversations.CallerOfMessageAsync(request.MessageSid!, cancellationToken)
                ?? await callers.OfAsync(CallerAddress.Parse(request.To!), cancellationToken);
            var change = new MessageDeliveryChanged(
                request.MessageSid!, callerId, status, int.TryParse(request.ErrorCode, out var code) ? code : null, time.GetUtcNow());
            await new ConversationLog(store, callerId).AppendAsync(new RecordDelivery(change), cancellationToken);
        }

        return Unit.Value;
    }

    private static DeliveryStatus? StatusOf(string? word) => word?.ToLowerInvariant() switch
    {
        "queued" => DeliveryStatus.Queued,
        "sending" => DeliveryStatus.Sending,
        "sent" => DeliveryStatus.Sent,
        "delivered" => DeliveryStatus.Delivered,
        "read" => DeliveryStatus.Read,
        "undelivered" => DeliveryStatus.Undelivered,
        "failed" => DeliveryStatus.Failed,
        _ => null,
    };
}
