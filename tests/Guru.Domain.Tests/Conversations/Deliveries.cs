using Guru.Domain.Callers;
using Guru.Domain.Conversations;
using Shouldly;

namespace Guru.Domain.Tests.Conversations;

public sealed class Deliveries
{
    private static readonly CallerId Maria = CallerId.Parse("0123456789abcdef0123456789abcdef");

    [Theory]
    [InlineData(DeliveryStatus.Sent, DeliveryStatus.Delivered, true)]
    [InlineData(DeliveryStatus.Sent, DeliveryStatus.Failed, true)]
    [InlineData(DeliveryStatus.Delivered, DeliveryStatus.Delivered, false)]
    [InlineData(DeliveryStatus.Delivered, DeliveryStatus.Queued, false)]
    [InlineData(DeliveryStatus.Read, DeliveryStatus.Failed, false)]
    [InlineData(DeliveryStatus.Undelivered, DeliveryStatus.Failed, false)]
    [InlineData(DeliveryStatus.Failed, DeliveryStatus.Read, false)]
    public void A_message_only_goes_forward_and_what_is_final_stays(DeliveryStatus known, DeliveryStatus told, bool isNews) =>
        Conversation.Decide(Conversation.Apply(Conversation.Empty, Change(known)), new RecordDelivery(Change(told))).Count.ShouldBe(isNews ? 1 : 0);

    private static MessageDeliveryChanged Change(DeliveryStatus status) => new("SM1", Maria, status, ErrorCode: null, DateTimeOffset.UnixEpoch);
}
