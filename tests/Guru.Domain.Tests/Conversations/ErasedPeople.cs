using Guru.Domain.Calls;
using Guru.Domain.Conversations;
using Shouldly;

namespace Guru.Domain.Tests.Conversations;

public sealed class ErasedPeople : ConsentSpec
{
    private static readonly CallerErased Erased = new(Caller, At(10));

    [Fact]
    public void Are_not_erased_while_they_are_called() =>
        Should.Throw<RuleException>(() => Given(Asked(0), Granted(1), Wanted("call", 2), Allowed("call", 2), Placed("call", 2)).When(new EraseCaller(Caller, At(3))));

    [Fact]
    public void Are_erased_once_the_call_is_over() =>
        Given([Asked(0), Granted(1), .. Called("call", 2, CallStatus.Completed)]).When(new EraseCaller(Caller, At(10))).Then(Erased);

    [Fact]
    public void Have_nothing_put_on_record_that_was_under_way() => Given(Wrote(0), Erased).When(
        new ReceiveMessage(Wrote(9)),
        new RecordSummary(new ConversationSummarized(Caller, "words", UpTo: At(9), At(11))),
        new RecordSent(new MessageSent("callSummary", "CA1", Caller, ["SMs"], "legal", "words", At(9))),
        new RecordReply(new MessageReplied(["SM0"], Caller, ["SMr"], "legal", "words", At(11))),
        new DetermineLanguage(new LanguageDetermined(Caller, "es", "voiceNote", At(11))),
        new DetermineLanguage(new LanguageDetermined(Caller, "es", "call", At(9))),
        new RecordDelivery(new MessageDeliveryChanged("SMr", Caller, DeliveryStatus.Read, ErrorCode: null, At(11)))).ThenNothing();

    [Fact]
    public void Are_not_brought_back_by_a_message_delivered_again() => Given(Wrote(0), Erased).When(new ReceiveMessage(Wrote(0))).ThenNothing();

    [Fact]
    public void Are_not_brought_back_by_a_call_delivered_again()
    {
        var granted = new CallPermissionGranted(SidOf("in").Value, Caller, Address, GrantSource.Call, RequestId: null, ExpiresAt: null, At(1));

        Given(granted, Erased).When(new GrantByCall(SidOf("in"), Caller, Address, Rules, At(1))).ThenNothing();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Are_not_brought_back_by_an_answer_that_waited(bool accepted) => Given(Asked(0), Erased).When(
        new AnswerPermission("SMa", Caller, Address, accepted, Permanent: false, Rules, At(9)), new ReceiveMessage(Wrote(9))).ThenNothing();

    [Fact]
    public void Begin_anew_when_they_write()
    {
        var summary = new ConversationSummarized(Caller, "words", UpTo: At(12), At(13));

        Given(Wrote(0), Erased).When(new ReceiveMessage(Wrote(12)), new RecordSummary(summary)).Then(Wrote(12), summary);
    }

    [Fact]
    public void Can_be_erased_again() => Given(Wrote(0), Erased, Wrote(12)).When(new EraseCaller(Caller, At(13))).Then(new CallerErased(Caller, At(13)));
}
