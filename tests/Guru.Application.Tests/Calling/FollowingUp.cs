using Guru.Application.Calling;
using Guru.Application.Calls;
using Guru.Application.Conversations;
using Guru.Application.Tests.Conversations;
using Guru.Application.Tests.Voice;
using Guru.Application.Tests.Work;
using Guru.Application.Work;
using Guru.Domain.Calls;
using Guru.Domain.Conversations;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Shouldly;

namespace Guru.Application.Tests.Calling;

/// <summary>A call broke off because of us, and a node died while it wrote to the caller about it.</summary>
public sealed class FollowingUp : IAsyncLifetime
{
    private readonly ManualTime _time = new();
    private readonly MemoryStore _store = new();
    private readonly MemoryQueue _queue;
    private readonly ScriptedCarrier _carrier;

    public FollowingUp() => (_queue, _carrier) = (new MemoryQueue(_time), new ScriptedCarrier(_time));

    public async Task InitializeAsync()
    {
        var (at, log) = (_time.GetUtcNow(), new CallLog(_store, House.CallSid));
        await log.AppendAsync(
            new StartCall(House.CallSid, Desk.Maria, "+15550100001", CallChannel.Whatsapp, CallDirection.Inbound, "en", StreamTokenHash: null, "legal", "why", at), default);
        await log.AppendAsync(new EndCall(CallEndReason.StreamLost, at), default);
        _queue.Add(Desk.Maria, WorkItem.FollowUp);
        _carrier.Sending[1] = sends =>
        {
            sends();
            throw new OperationCanceledException();
        };
        await Should.ThrowAsync<OperationCanceledException>(WorksAsync);
        _queue.Expire();
    }

    public Task DisposeAsync() => Task.CompletedTask;

    [Fact]
    public async Task What_it_has_sent_is_on_record_as_of_then_and_not_sent_again()
    {
        var at = _time.GetUtcNow();
        _time.Jump(TimeSpan.FromMinutes(10));

        await WorksAsync();

        _carrier.Tries.ShouldBe(1);
        var sent = _store.Of<MessageSent>().ShouldHaveSingleItem();
        (sent.Occasion, sent.Subject, sent.MessageSids.ShouldHaveSingleItem(), sent.Text, sent.At).ShouldBe(("followUp", House.Sid, "SMout1", "Sorry (en).", at));
    }

    [Fact]
    public async Task What_was_erased_since_is_not_sent_a_second_time()
    {
        _queue.Erase();

        await WorksAsync();

        _carrier.Tries.ShouldBe(1);
        _store.Of<MessageNotSent>().ShouldHaveSingleItem().Reason.ShouldBe("erased");
    }

    [Fact]
    public async Task What_it_has_sent_counts_although_the_rest_is_given_up()
    {
        await FollowUp().GiveUpAsync(await ClaimAsync(), new DefectException("attempts used up"), default);

        _store.Of<MessageSent>().ShouldHaveSingleItem().MessageSids.ShouldBe(["SMout1"]);
    }

    private async Task WorksAsync() => await FollowUp().RunAsync(await ClaimAsync(), default);

    private CallFollowUp FollowUp() => new(
        _store, ends: null!, // Of a call whose end is on record nobody is asked.
        new Outbox(_queue, _carrier, new PublicAddress("https://guru.example.test"), Options.Create(new MessageRules { ListDelaySeconds = 0 }), Options.Create(new WorkRules()), _time),
        new Desk.Texts(), House.Terms, _time, NullLogger<CallFollowUp>.Instance);

    private async Task<WorkItem> ClaimAsync() => (await _queue.ClaimAsync(TimeSpan.FromMinutes(1), default))! with { Subject = House.Sid };
}
