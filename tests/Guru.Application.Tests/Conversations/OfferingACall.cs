using Guru.Application.Calling;
using Guru.Application.Conversations;
using Guru.Domain.Conversations;
using Shouldly;

namespace Guru.Application.Tests.Conversations;

/// <summary>Who would rather talk gets a button by which they can call, below the reply.</summary>
public sealed class OfferingACall
{
    private static readonly Template Card = new(TemplateKind.CallCard, "en", "HX00000000000000000000000000000002", "Do you want to talk to us?");
    private readonly Desk _desk = new();

    public OfferingACall() => _desk.Model.OffersCall = true;

    [Fact]
    public async Task Sends_the_card_below_the_reply_and_the_agent_knows_of_it()
    {
        await _desk.Templates.SaveAsync(Card, CancellationToken.None);
        await _desk.ReceivesAsync("Can I talk to somebody?");
        await _desk.WorksAsync();

        _desk.SentTexts.ShouldBe(["You said: Can I talk to somebody?", Card.Body]);
        _desk.Carrier.Templates.ShouldBe([Card.ContentSid]);
        _desk.Model.Replies.ShouldHaveSingleItem().Instructions.ShouldContain("A button by which the person can call you is sent below your reply");
        _desk.Store.Of<AgentSelected>().ShouldHaveSingleItem().OffersCall.ShouldBeTrue();
        var replied = _desk.Store.Of<MessageReplied>().ShouldHaveSingleItem();
        replied.ReplySids.Length.ShouldBe(2);
        replied.Text.ShouldEndWith(Card.Body);
    }

    [Fact]
    public async Task Is_not_promised_where_there_is_no_card()
    {
        await _desk.ReceivesAsync("Can I talk to somebody?");
        await _desk.WorksAsync();

        _desk.SentTexts.ShouldHaveSingleItem();
        _desk.Model.Replies.ShouldHaveSingleItem().Instructions.ShouldNotContain("button");
    }

    [Fact]
    public async Task Is_not_done_where_the_person_wants_to_write()
    {
        _desk.Model.OffersCall = false;
        await _desk.Templates.SaveAsync(Card, CancellationToken.None);
        await _desk.ReceivesAsync("My rent went up.");
        await _desk.WorksAsync();

        _desk.Carrier.Templates.ShouldBeEmpty();
    }

    [Fact]
    public async Task That_was_decided_before_a_node_died_is_kept_by_the_next()
    {
        await _desk.Templates.SaveAsync(Card, CancellationToken.None);
        await _desk.ReceivesAsync("Can I talk to somebody?");
        _desk.Model.Writes = _ => throw new TextModelException("503", transient: true);
        await Should.ThrowAsync<TextModelException>(() => _desk.WorksAsync());
        (_desk.Model.OffersCall, _desk.Model.Writes) = (false, _ => Task.FromResult("Yes, tap the button."));
        _desk.Queue.Expire();
        await _desk.WorksAsync();

        _desk.SentTexts.ShouldBe(["Yes, tap the button.", Card.Body]);
    }

    [Fact]
    public async Task That_is_refused_leaves_the_reply_as_it_is()
    {
        await _desk.Templates.SaveAsync(Card, CancellationToken.None);
        await _desk.ReceivesAsync("Can I talk to somebody?");
        var refused = new MessengerException(21655, transient: false);
        _desk.Carrier.Sending[2] = _ => throw refused;
        var error = await Should.ThrowAsync<MessengerException>(() => _desk.WorksAsync());
        _desk.Queue.Expire();
        await _desk.GivesUpAsync(error);

        var replied = _desk.Store.Of<MessageReplied>().ShouldHaveSingleItem();
        (replied.ReplySids.Length, replied.Text).ShouldBe((1, "You said: Can I talk to somebody?"));
        _desk.Store.Of<MessageReplyFailed>().ShouldBeEmpty();
    }
}
