using System.Net;
using Guru.Application;
using Guru.Domain.Callers;
using Guru.Domain.Conversations;
using Guru.Sandbox.Twilio;
using Microsoft.Extensions.DependencyInjection;

namespace Guru.EndToEnd.Tests;

[Collection(nameof(CallingWorld))]
public sealed class CallingBack(CallingWorld world)
{
    private const string Why = "your bill from the hospital";

    [Fact]
    public async Task Who_agrees_is_called_hears_who_calls_and_why_and_the_call_names_the_answer_that_allowed_it()
    {
        const string Person = "+233200000001";
        const string Reason = "your bill of March";
        var callerId = await world.People.AskedAsync(Person, accepts: true);

        var (status, plan) = await world.People.PostAsync("calls", new { phoneNumber = Person, agent = "healthcare", reason = Reason });

        status.ShouldBe(HttpStatusCode.Accepted, plan.ToString());
        var ledger = await world.People.LedgerWithAsync(callerId, "OutboundCallEnded");
        Callable.Types(ledger).ShouldBe(
        [
            "CallPermissionRequested", "CallPermissionRequestSent", "CallPermissionGranted", "OutboundCallRequested", "OutboundCallAllowed", "OutboundCallPlaced", "OutboundCallEnded",
        ], ignoreOrder: true);
        var entries = ledger.GetProperty("entries").EnumerateArray().ToList();
        var grant = entries.First(entry => entry.GetProperty("type").GetString() == "CallPermissionGranted").GetProperty("grantId").GetString();
        entries.First(entry => entry.GetProperty("type").GetString() == "OutboundCallPlaced").GetProperty("grantId").GetString().ShouldBe(grant);
        entries.First(entry => entry.GetProperty("type").GetString() == "OutboundCallEnded").GetProperty("outcome").GetString().ShouldBe("completed");
        ledger.GetProperty("permission").GetString().ShouldBe("granted");

        var call = world.People.CallsTo(Person).ShouldHaveSingleItem();
        var record = await world.RecordOf(call);
        record.Call.GetProperty("direction").GetString().ShouldBe("outbound");
        record.Call.GetProperty("agent").GetString().ShouldBe("healthcare");
        record.Event("CallStarted").GetProperty("purpose").GetString().ShouldBe(Reason);
        call.Heard[0].Sample.Id.ShouldBe("calling-en");
        var asked = FirstAskedAbout(Reason);
        asked.ShouldContain("say that you are Guru, an AI advisor, say why you are calling");
        asked.ShouldContain($"Why you are calling: {Reason}");
    }

    [Fact]
    public async Task Who_declines_is_not_called_and_the_operator_learns_why_and_what_would_help()
    {
        const string Person = "+233200000002";
        var callerId = await world.People.AskedAsync(Person, accepts: false);

        var (status, problem) = await world.People.PostAsync("calls", new { callerId, reason = Why });

        status.ShouldBe(HttpStatusCode.Conflict);
        var reasons = problem.GetProperty("reasons").EnumerateArray().Select(reason => reason.GetProperty("code").GetString()).ToList();
        reasons.ShouldBe(["permissionDeclined", "requestLimit"]);
        problem.GetProperty("reasons")[0].GetProperty("remedy").GetString().ShouldNotBeNullOrWhiteSpace();
        Callable.Types(await world.People.LedgerWithAsync(callerId, "OutboundCallRefused")).ShouldNotContain("OutboundCallAllowed");
        world.People.CallsTo(Person).ShouldBeEmpty();
    }

    [Fact]
    public async Task A_permission_that_WhatsApp_knows_to_be_gone_is_gone_in_the_ledger_too()
    {
        const string Person = "+233200000003";
        var callerId = await world.People.AskedAsync(Person, accepts: true);
        world.Twilio.Permissions.Set($"whatsapp:{Person}", granted: false);

        (await world.People.PostAsync("calls", new { callerId, reason = Why })).Status.ShouldBe(HttpStatusCode.Accepted);

        var ledger = await world.People.LedgerWithAsync(callerId, "OutboundCallRefused");
        ledger.GetProperty("permission").GetString().ShouldBe("revoked");
        ledger.GetProperty("entries").EnumerateArray().Last(entry => entry.GetProperty("type").GetString() == "OutboundCallRefused").GetProperty("errorCode").GetInt32().ShouldBe(37000);
        (await world.People.PostAsync("calls", new { callerId, reason = Why })).Status.ShouldBe(HttpStatusCode.Conflict);
    }

    [Fact]
    public async Task A_request_sent_twice_at_once_with_one_key_is_one_call()
    {
        const string Person = "+233200000004";
        var callerId = await world.People.AskedAsync(Person, accepts: true);
        var body = new { callerId, reason = Why };

        var answers = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => world.People.PostAsync("calls", body, key: "the-same-key")));

        answers.ShouldAllBe(answer => answer.Status == HttpStatusCode.Accepted);
        answers.Select(answer => answer.Body.GetProperty("requestId").GetString()).Distinct().ShouldHaveSingleItem();
        await world.People.LedgerWithAsync(callerId, "OutboundCallEnded");
        world.Twilio.Rest.Exchanges.Entries.Count(exchange => exchange.Method == "POST" && exchange.Path.EndsWith("/Calls.json", StringComparison.Ordinal)).ShouldBeGreaterThan(0);
        world.People.CallsTo(Person).ShouldHaveSingleItem();
        var again = await world.People.PostAsync("calls", body, key: "the-same-key");
        again.Body.GetProperty("status").GetString().ShouldBe("completed");
        again.Body.GetProperty("callSid").GetString().ShouldBe(world.People.CallsTo(Person).ShouldHaveSingleItem().CallSid);
        (await world.People.PostAsync("calls", new { callerId, reason = "something else" }, key: "the-same-key")).Status.ShouldBe(HttpStatusCode.UnprocessableEntity);
    }

    [Fact]
    public async Task A_call_that_Twilio_placed_without_saying_so_is_found_and_not_placed_again()
    {
        const string Person = "+233200000005";
        var callerId = await world.People.AskedAsync(Person, accepts: true);
        world.Twilio.Rest.FailNext(RestFault.ServerError("Calls", executed: true));

        await world.People.PostAsync("calls", new { callerId, reason = Why });

        var ledger = await world.People.LedgerWithAsync(callerId, "OutboundCallEnded");
        Callable.Types(ledger).Count(type => type == "OutboundCallPlaced").ShouldBe(1);
        world.People.CallsTo(Person).ShouldHaveSingleItem();
    }

    [Theory]
    [InlineData("+233200000009", "noAnswer")]
    [InlineData("+233200000008", "busy")]
    [InlineData("+233200000018", "failed")]
    [InlineData("+233200000019", "canceled")]
    public async Task Who_does_not_answer_gets_a_polite_message(string person, string outcome)
    {
        var callerId = await world.People.AskedAsync(person, accepts: true);

        await world.People.PostAsync("calls", new { callerId, reason = Why });

        var ledger = await world.People.LedgerWithAsync(callerId, "OutboundCallEnded");
        ledger.GetProperty("entries").EnumerateArray().Last().GetProperty("outcome").GetString().ShouldBe(outcome);
        var message = await world.Twilio.WaitForMessageAsync($"whatsapp:{person}", message => message.Body.StartsWith("We called you", StringComparison.Ordinal));
        message.ErrorCode.ShouldBeNull();
    }

    [Theory]
    [InlineData("+233200000021", 37001, "carrierRefused")]
    [InlineData("+233200000022", 37007, "senderCountryExcluded")]
    [InlineData("+233200000023", 37008, "carrierRefused")]
    [InlineData("+233200000024", 37005, "carrierRefused")]
    public async Task What_Twilio_refuses_for_good_is_refused_with_its_code_and_not_tried_again(string person, int code, string reason)
    {
        var callerId = await world.People.AskedAsync(person, accepts: true);
        world.Twilio.Rest.FailNext(new RestFault("Calls", 400, code) { Method = "POST" });

        await world.People.PostAsync("calls", new { callerId, reason = Why });

        var ledger = await world.People.LedgerWithAsync(callerId, "OutboundCallRefused");
        var refused = Callable.Entry(ledger, "OutboundCallRefused");
        (refused.GetProperty("errorCode").GetInt32(), Callable.Reasons(refused).ShouldHaveSingleItem()).ShouldBe((code, reason));
        ledger.GetProperty("permission").GetString().ShouldBe("granted", "The person has not taken it back.");
        world.People.CallsTo(person).ShouldBeEmpty();
    }

    [Theory]
    [InlineData("+233200000025", 400, 37004)]
    [InlineData("+233200000026", 429, 20429)]
    [InlineData("+233200000027", 500, 20500)]
    public async Task What_passes_is_tried_again_and_places_one_call(string person, int status, int code)
    {
        var callerId = await world.People.AskedAsync(person, accepts: true);
        world.Twilio.Rest.FailNext(new RestFault("Calls", status, code) { Method = "POST", Times = 2 });

        await world.People.PostAsync("calls", new { callerId, reason = Why });

        Callable.Types(await world.People.LedgerWithAsync(callerId, "OutboundCallEnded")).Count(type => type == "OutboundCallPlaced").ShouldBe(1);
        world.People.CallsTo(person).ShouldHaveSingleItem();
    }

    [Fact]
    public async Task Nobody_is_asked_twice_in_a_day_and_the_time_is_told()
    {
        const string Person = "+233200000006";
        await world.People.AskedAsync(Person, accepts: false);

        var (status, problem) = await world.People.PostAsync("permissions", new { phoneNumber = Person, contentSid = Callable.ContentSid });

        status.ShouldBe(HttpStatusCode.Conflict);
        problem.GetProperty("reasons")[0].GetProperty("code").GetString().ShouldBe("requestLimit");
        problem.GetProperty("possibleFrom").GetDateTimeOffset().ShouldBeGreaterThan(DateTimeOffset.UtcNow.AddHours(23));
    }

    [Fact]
    public async Task A_permission_that_expires_between_the_request_and_the_call_is_none()
    {
        const string Person = "+233200000013";
        var callerId = CallerId.Parse(await world.People.AskedAsync(Person, accepts: true));
        var now = TimeProvider.System.GetUtcNow();
        await world.Guru.App.Services.GetRequiredService<IEventStore>().AppendAsync(
            Conversation.StreamId(callerId), ExpectedVersion.Any, callerId,
            [new CallPermissionGranted("SMshort", callerId, Person, GrantSource.Answer, RequestId: null, ExpiresAt: now.AddSeconds(2), now)], CancellationToken.None);
        world.Twilio.Rest.FailNext(RestFault.TooManyRequests("Calls", TimeSpan.FromSeconds(3))); // Meanwhile it expires.

        (await world.People.PostAsync("calls", new { callerId = callerId.Value, reason = Why })).Status.ShouldBe(HttpStatusCode.Accepted);

        var ledger = await world.People.LedgerWithAsync(callerId.Value, "OutboundCallRefused");
        Callable.Types(ledger).ShouldContain("OutboundCallAllowed");
        ledger.GetProperty("entries").EnumerateArray().Last().GetProperty("reasons").EnumerateArray().Select(reason => reason.GetString()).ShouldContain("permissionExpired");
        ledger.GetProperty("permission").GetString().ShouldBe("expired");
        world.People.CallsTo(Person).ShouldBeEmpty();
    }

    /// <summary>What the model was first asked to say in the call that was placed for a reason.</summary>
    private string FirstAskedAbout(string reason) =>
        world.OpenAI.Sessions.Entries
            .Select(session => session.Events.Entries.FirstOrDefault(sent => sent is { FromClient: true, Type: "response.create" }))
            .Select(sent => (string?)sent?.Json["response"]?["instructions"] ?? "")
            .Single(asked => asked.Contains(reason, StringComparison.Ordinal));
}
