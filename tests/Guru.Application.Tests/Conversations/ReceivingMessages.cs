using Guru.Application.Conversations;
using Guru.Application.Tests.Voice;
using Guru.Domain.Conversations;
using Shouldly;

namespace Guru.Application.Tests.Conversations;

public sealed class ReceivingMessages
{
    private static readonly ReceiveWhatsAppMessage Message = new(
        $"SM{new string('0', 32)}", "whatsapp:+15550100001", "Maria", "Hello", "text", ButtonText: null, MediaUrl: null, MediaType: null, Latitude: null, Longitude: null, Place: null);

    [Fact]
    public async Task The_name_that_people_give_themselves_is_not_cut_within_a_character()
    {
        var house = new House();

        await new MessageReception(house.Store, house.Callers, House.Terms, house.Time)
            .StoreAsync(Message with { ProfileName = $"{new string('x', 99)}👋👋" }, default);

        house.Store.Of<MessageReceived>().ShouldHaveSingleItem().ProfileName.ShouldBe($"{new string('x', 99)}…");
    }

    [Fact]
    public async Task A_permission_to_call_that_nobody_asked_for_is_kept_as_one_and_is_no_message_to_be_answered()
    {
        var house = new House();
        var reception = new MessageReception(house.Store, house.Callers, House.Terms, house.Time);
        var allowed = Message with { Body = "VOICE_CALL_REQUEST", MessageType = "interactive", ButtonText = "VOICE_CALL_REQUEST", ButtonPayload = "ACCEPTED" };
        await reception.StoreAsync(allowed, default);
        await reception.StoreAsync(allowed, default);
        await reception.StoreAsync(allowed with { MessageSid = $"SM{new string('1', 32)}", ButtonPayload = "REJECTED" }, default);
        await reception.StoreAsync(allowed with { MessageSid = $"SM{new string('2', 32)}" }, default);

        var granted = house.Store.Of<CallPermissionGranted>().ShouldHaveSingleItem();
        (granted.GrantId, granted.Source, granted.RequestId).ShouldBe((Message.MessageSid, GrantSource.Answer, null));
        house.Store.Of<CallPermissionDeclined>().ShouldHaveSingleItem();
        house.Store.Of<MessageReceived>().ShouldBeEmpty();
    }

    [Theory]
    [InlineData(null)]
    [InlineData("SM1")]
    public void A_message_whose_SID_is_none_is_refused_with_a_word_on_what_one_is(string? sid) =>
        new ReceiveWhatsAppMessageValidator().Validate(Message with { MessageSid = sid }).Errors.ShouldHaveSingleItem().ErrorMessage.ShouldContain("32 hexadecimal digits");
}
