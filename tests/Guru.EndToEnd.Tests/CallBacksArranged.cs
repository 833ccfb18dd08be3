using System.Net;
using Guru.Application;
using Guru.Application.Callers;
using Guru.Application.Conversations;
using Guru.Domain.Callers;
using Guru.Domain.Conversations;
using Guru.Sandbox.Twilio;
using Microsoft.Extensions.DependencyInjection;

namespace Guru.EndToEnd.Tests;

/// <summary>"Call me tomorrow at ten", in writing and on the phone.</summary>
[Collection(nameof(CallingWorld))]
public sealed class CallBacksArranged(CallingWorld world)
{
    [Fact]
    public async Task Who_asks_in_writing_for_a_call_and_agrees_to_it_is_called_then()
    {
        const string Person = "+233200000011";
        var callerId = await world.People.AskedAsync(Person, accepts: true);
        await world.WriteAsync(Person, "Please call me right away about my visa.");
        await world.People.LedgerWithAsync(callerId, "CallBackProposed");
        world.People.CallsTo(Person).ShouldBeEmpty();

        await world.WriteAsync(Person, "Yes");

        Callable.Types(await world.People.LedgerWithAsync(callerId, "OutboundCallEnded")).ShouldContain("CallBackConfirmed");
        world.People.CallsTo(Person).ShouldHaveSingleItem();
    }

    [Fact]
    public async Task Who_takes_back_a_call_that_was_arranged_is_not_called()
    {
        const string Person = "+233200000012";
        var callerId = await world.People.AskedAsync(Person, accepts: true);
        await world.WriteAsync(Person, "Can you call me tomorrow?");
        await world.WriteAsync(Person, "Yes");
        var tomorrow = DateTimeOffset.UtcNow.UtcDateTime.Date.AddDays(1).AddHours(10);
        (await world.People.LedgerWithAsync(callerId, "CallBackConfirmed")).GetProperty("entries").EnumerateArray()
            .Last(entry => entry.GetProperty("type").GetString() == "CallBackConfirmed").GetProperty("dueAt").GetDateTimeOffset().UtcDateTime.ShouldBe(tomorrow);

        await world.WriteAsync(Person, "Please do not call me.");

        await world.People.LedgerWithAsync(callerId, "CallBackCancelled");
    }

    [Fact]
    public async Task Who_asks_for_a_call_on_the_phone_and_agrees_to_it_is_called_then()
    {
        const string Person = "+233200000031";
        var callerId = await world.People.AskedAsync(Person, accepts: true);

        await world.Twilio.PlaceCallAsync(new CallOptions
        {
            From = $"whatsapp:{Person}",
            Script =
            [
                new CallerTurn(new AgentSpeaking(TimeSpan.FromMilliseconds(500)), new Say("thanks-en")),
                new CallerTurn(new AgentSpeaking(TimeSpan.FromMilliseconds(500)), new Say("yes-en")),
                new CallerTurn(new AgentSpeaking(TimeSpan.FromMilliseconds(500)), new HangUp()),
            ],
        });

        var ledger = await world.People.LedgerWithAsync(callerId, "OutboundCallEnded");
        var id = Callable.Entry(ledger, "CallBackConfirmed").GetProperty("requestId").GetString();
        Callable.Entry(ledger, "CallBackProposed").GetProperty("note").GetString().ShouldBe("the visa");
        Callable.Entry(ledger, "OutboundCallPlaced").GetProperty("requestId").GetString().ShouldBe(id);
        var record = await world.RecordOf(world.People.CallsTo(Person).ShouldHaveSingleItem());
        record.Event("CallStarted").GetProperty("purpose").GetString().ShouldBe("the visa");
    }

    [Fact]
    public async Task Who_takes_back_on_the_phone_what_was_arranged_in_writing_is_told_so_and_is_not_called()
    {
        const string Person = "+233200000035";
        var callerId = await world.People.AskedAsync(Person, accepts: true);
        await world.WriteAsync(Person, "Can you call me tomorrow?");
        await world.WriteAsync(Person, "Yes");
        var id = Callable.Entry(await world.People.LedgerWithAsync(callerId, "CallBackConfirmed"), "CallBackConfirmed").GetProperty("requestId").GetString();

        var call = await world.Twilio.PlaceCallAsync(new CallOptions
        {
            From = $"whatsapp:{Person}",
            Script =
            [
                new CallerTurn(new AgentSpeaking(TimeSpan.FromMilliseconds(500)), new Say("sorry-en")),
                new CallerTurn(new AgentSpeaking(TimeSpan.FromMilliseconds(500)), new HangUp()),
            ],
        });

        var cancelled = Callable.Entry(await world.People.LedgerWithAsync(callerId, "CallBackCancelled"), "CallBackCancelled");
        (cancelled.GetProperty("requestId").GetString(), Callable.Reasons(cancelled).ShouldHaveSingleItem()).ShouldBe((id, "caller"));
        var told = world.OpenAI.Sessions.Entries.Last(session => session.Events.Entries.Any(e => e.Type == "conversation.item.create" && e.Json["item"]!["type"]!.GetValue<string>() == "function_call_output"))
            .Events.Entries.Last(e => e.Type == "conversation.item.create").Json["item"]!["output"]!.GetValue<string>();
        told.ShouldContain("cancelled");
        call.Heard[^1].Sample.Id.ShouldBe("tell-me-more-en"); // The agent went on once it had been told.
        (await world.People.CancelAsync(callerId, id!)).ShouldBe(HttpStatusCode.NoContent);
        Callable.Types(await world.People.LedgerWithAsync(callerId, "CallBackCancelled")).Count(type => type == "CallBackCancelled").ShouldBe(1);
        world.People.CallsTo(Person).ShouldBeEmpty();
    }

    [Fact]
    public async Task An_operator_can_cancel_what_was_arranged_and_the_person_is_told()
    {
        const string Person = "+233200000032";
        var callerId = await world.People.AskedAsync(Person, accepts: true);
        await world.WriteAsync(Person, "Can you call me tomorrow?");
        await world.WriteAsync(Person, "Yes");
        var id = Callable.Entry(await world.People.LedgerWithAsync(callerId, "CallBackConfirmed"), "CallBackConfirmed").GetProperty("requestId").GetString()!;

        (await world.People.CancelAsync(callerId, id, World.WebappKey)).ShouldBe(HttpStatusCode.Forbidden);
        (await world.People.CancelAsync(callerId, "another")).ShouldBe(HttpStatusCode.NotFound);
        (await world.People.CancelAsync("nobody", id)).ShouldBe(HttpStatusCode.BadRequest);
        (await world.People.CancelAsync(callerId, id)).ShouldBe(HttpStatusCode.NoContent);
        (await world.People.CancelAsync(callerId, id)).ShouldBe(HttpStatusCode.NoContent);

        var ledger = await world.People.LedgerWithAsync(callerId, "CallBackCancelled");
        Callable.Types(ledger).Count(type => type == "CallBackCancelled").ShouldBe(1);
        Callable.Reasons(Callable.Entry(ledger, "CallBackCancelled")).ShouldBe(["operator"]);
        await world.Twilio.WaitForMessageAsync($"whatsapp:{Person}", message => message.Body.StartsWith("Sorry, we cannot call you at the time", StringComparison.Ordinal));
    }

    [Fact]
    public async Task An_operator_can_cancel_a_call_by_the_id_that_the_person_has_been_known_by_since()
    {
        const string Person = "+233200000034";
        var callerId = await world.People.AskedAsync(Person, accepts: true);
        var (_, later) = await world.People.PostAsync("calls", new { callerId, reason = "the rent", earliest = DateTimeOffset.UtcNow.AddDays(1) });
        var services = world.Guru.App.Services;
        var since = services.GetRequiredService<CallerNames>().IdOf(CallerAddress.Parse("US.13491208655300000034"));
        await new ConversationLog(services.GetRequiredService<IEventStore>(), since).AppendAsync(
            new AliasCaller(since, CallerId.Parse(callerId), TimeProvider.System.GetUtcNow()), CancellationToken.None);

        (await world.People.CancelAsync(since.Value, later.GetProperty("requestId").GetString()!)).ShouldBe(HttpStatusCode.NoContent);

        Callable.Reasons(Callable.Entry(await world.People.LedgerWithAsync(callerId, "OutboundCallRefused"), "OutboundCallRefused")).ShouldBe(["cancelled"]);
    }

    [Fact]
    public async Task An_operator_can_cancel_a_call_that_waits_and_none_that_was_placed()
    {
        const string Person = "+233200000033";
        var callerId = await world.People.AskedAsync(Person, accepts: true);
        var (_, later) = await world.People.PostAsync("calls", new { callerId, reason = "the rent", earliest = DateTimeOffset.UtcNow.AddDays(1) });
        (await world.People.CancelAsync(callerId, later.GetProperty("requestId").GetString()!)).ShouldBe(HttpStatusCode.NoContent);
        Callable.Reasons(Callable.Entry(await world.People.LedgerWithAsync(callerId, "OutboundCallRefused"), "OutboundCallRefused")).ShouldBe(["cancelled"]);

        var (_, now) = await world.People.PostAsync("calls", new { callerId, reason = "the rent" });
        await world.People.LedgerWithAsync(callerId, "OutboundCallEnded");
        (await world.People.CancelAsync(callerId, now.GetProperty("requestId").GetString()!)).ShouldBe(HttpStatusCode.Conflict);
    }

    [Fact]
    public async Task Who_would_rather_talk_gets_a_card_with_a_call_button_below_the_reply()
    {
        const string Person = "whatsapp:+233200000034";
        await world.MakesTemplatesAsync();

        await world.Twilio.WriteAsync(InboundMessage.Text("Can I talk to somebody about my rent?") with { From = Person });

        var card = await world.Twilio.WaitForMessageAsync(Person, message => message.Parameters.ContainsKey("ContentSid"));
        card.Parameters["ContentSid"].ShouldBe(world.Twilio.Contents.Made.Entries.Single(content => content.FriendlyName == "guru_call_us_en").Sid);
        var sent = world.Twilio.Rest.Messages.Entries.Where(message => message.To == Person).ToList();
        sent.Count.ShouldBe(2);
        sent[^1].ShouldBe(card, "The words come first.");
        world.InstructionsOf(body => !body.Contains("json_schema") && body.Contains("Can I talk to somebody")).ShouldContain("A button by which the person can call you");
    }
}
