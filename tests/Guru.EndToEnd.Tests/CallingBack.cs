using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using Guru.Application;
using Guru.Application.Calling;
using Guru.Application.Conversations;
using Guru.Domain.Callers;
using Guru.Domain.Conversations;
using Guru.Infrastructure.Twilio;
using Guru.Sandbox.Twilio;
using Microsoft.Extensions.DependencyInjection;

namespace Guru.EndToEnd.Tests;

/// <summary>A sender in Britain, people in Ghana who may be called at any hour, and a WhatsApp that asks for permission.</summary>
public sealed class CallingWorld : World
{
    private readonly string _rules = Path.Combine(Directory.CreateTempSubdirectory("guru-rules-").FullName, "rules.yaml");

    protected override TwilioStandInOptions TwilioOptions => base.TwilioOptions with
    {
        WhatsAppNumber = "whatsapp:+447700900123",
        NeedsCallPermission = true,
        WhenCalled = person => person.EndsWith("09", StringComparison.Ordinal) ? new CallOptions { Outcome = CallOutcome.NoAnswer }
            : person.EndsWith("08", StringComparison.Ordinal) ? new CallOptions { Outcome = CallOutcome.Busy }
            : Calls.Short("yes-en"),
    };

    protected override Dictionary<string, string?> Settings => new()
    {
        ["Guru:Calling:RulesPath"] = _rules,
        ["Guru:Work:PollSeconds"] = "0.05",
        ["Guru:Work:RetrySeconds"] = "0.1",
        ["Guru:Messages:ListDelaySeconds"] = "0.2",
        ["Guru:Replies:RoutingSeconds"] = "30",
    };

    public override async Task InitializeAsync()
    {
        await File.WriteAllTextAsync(_rules, "asOf: 2026-09-01\nsources: [a test]\nwakingHours: { from: \"00:00\", to: \"24:00\" }");
        await base.InitializeAsync();
    }

    public override async Task DisposeAsync()
    {
        await base.DisposeAsync();
        Directory.Delete(Path.GetDirectoryName(_rules)!, recursive: true);
    }

    internal const string ContentSid = "HX00000000000000000000000000000001";

    internal async Task<(HttpStatusCode Status, JsonElement Body)> PostAsync(string path, object body, string? key = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, $"/api/whatsapp/voice/{path}") { Content = JsonContent.Create(body) };
        if (key is not null)
        {
            request.Headers.Add("Idempotency-Key", key);
        }

        using var response = await Operator.SendAsync(request);
        return (response.StatusCode, (await response.Content.ReadFromJsonAsync<JsonElement>()).Clone());
    }

    /// <summary>The ledger once it has an entry of that type.</summary>
    internal async Task<JsonElement> LedgerWithAsync(string callerId, string type)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        while (true)
        {
            var ledger = await GetAsync($"/api/conversations/{callerId}/consent");
            if (Types(ledger).Contains(type))
            {
                return ledger;
            }

            limit.Token.IsCancellationRequested.ShouldBeFalse($"{type} does not come: {ledger}");
        }
    }

    internal static IReadOnlyList<string> Types(JsonElement ledger) => [.. ledger.GetProperty("entries").EnumerateArray().Select(entry => entry.GetProperty("type").GetString()!)];

    /// <summary>Somebody is asked, gets the message, and answers.</summary>
    internal async Task<string> AskedAsync(string person, bool accepts)
    {
        var (status, asked) = await PostAsync("permissions", new { phoneNumber = person, contentSid = ContentSid });
        status.ShouldBe(HttpStatusCode.Accepted, asked.ToString());
        var callerId = asked.GetProperty("callerId").GetString()!;
        await Twilio.WaitForMessageAsync($"whatsapp:{person}", message => message.Parameters.ContainsKey("ContentSid"));
        await Twilio.WriteAsync(InboundMessage.CallPermission(accepts) with { From = $"whatsapp:{person}" });
        await LedgerWithAsync(callerId, accepts ? "CallPermissionGranted" : "CallPermissionDeclined");
        return callerId;
    }

    internal PlacedCall CallTo(string person) => Twilio.Calls.Entries.Single(call => call.To == $"whatsapp:{person}");
}

public sealed class CallingBack(CallingWorld world) : IClassFixture<CallingWorld>
{
    private const string Why = "your bill from the hospital";

    [Fact]
    public async Task Who_agrees_is_called_hears_who_calls_and_why_and_the_call_names_the_answer_that_allowed_it()
    {
        const string Person = "+233200000001";
        var callerId = await world.AskedAsync(Person, accepts: true);

        var (status, plan) = await world.PostAsync("calls", new { phoneNumber = Person, agent = "healthcare", reason = Why });

        status.ShouldBe(HttpStatusCode.Accepted, plan.ToString());
        var ledger = await world.LedgerWithAsync(callerId, "OutboundCallEnded");
        CallingWorld.Types(ledger).ShouldBe(
        [
            "CallPermissionRequested", "CallPermissionRequestSent", "CallPermissionGranted", "OutboundCallRequested", "OutboundCallAllowed", "OutboundCallPlaced", "OutboundCallEnded",
        ], ignoreOrder: true);
        var entries = ledger.GetProperty("entries").EnumerateArray().ToList();
        var grant = entries.First(entry => entry.GetProperty("type").GetString() == "CallPermissionGranted").GetProperty("grantId").GetString();
        entries.First(entry => entry.GetProperty("type").GetString() == "OutboundCallPlaced").GetProperty("grantId").GetString().ShouldBe(grant);
        entries.First(entry => entry.GetProperty("type").GetString() == "OutboundCallEnded").GetProperty("outcome").GetString().ShouldBe("completed");
        ledger.GetProperty("permission").GetString().ShouldBe("granted");

        var call = world.CallTo(Person);
        var record = await world.RecordOf(call);
        record.Call.GetProperty("direction").GetString().ShouldBe("outbound");
        record.Call.GetProperty("agent").GetString().ShouldBe("healthcare");
        record.Event("CallStarted").GetProperty("purpose").GetString().ShouldBe(Why);
        call.Heard[0].Sample.Id.ShouldBe("calling-en");
    }

    [Fact]
    public async Task Who_declines_is_not_called_and_the_operator_learns_why_and_what_would_help()
    {
        const string Person = "+233200000002";
        var callerId = await world.AskedAsync(Person, accepts: false);

        var (status, problem) = await world.PostAsync("calls", new { callerId, reason = Why });

        status.ShouldBe(HttpStatusCode.Conflict);
        var reasons = problem.GetProperty("reasons").EnumerateArray().Select(reason => reason.GetProperty("code").GetString()).ToList();
        reasons.ShouldBe(["permissionDeclined", "requestLimit"]);
        problem.GetProperty("reasons")[0].GetProperty("remedy").GetString().ShouldNotBeNullOrWhiteSpace();
        CallingWorld.Types(await world.LedgerWithAsync(callerId, "OutboundCallRefused")).ShouldNotContain("OutboundCallAllowed");
        world.Twilio.Calls.Entries.ShouldNotContain(call => call.To.EndsWith(Person, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_permission_that_WhatsApp_knows_to_be_gone_is_gone_in_the_ledger_too()
    {
        const string Person = "+233200000003";
        var callerId = await world.AskedAsync(Person, accepts: true);
        world.Twilio.Permissions.Set($"whatsapp:{Person}", granted: false);

        (await world.PostAsync("calls", new { callerId, reason = Why })).Status.ShouldBe(HttpStatusCode.Accepted);

        var ledger = await world.LedgerWithAsync(callerId, "OutboundCallRefused");
        ledger.GetProperty("permission").GetString().ShouldBe("revoked");
        ledger.GetProperty("entries").EnumerateArray().Last(entry => entry.GetProperty("type").GetString() == "OutboundCallRefused").GetProperty("errorCode").GetInt32().ShouldBe(37000);
        (await world.PostAsync("calls", new { callerId, reason = Why })).Status.ShouldBe(HttpStatusCode.Conflict);
    }

    [Fact]
    public async Task A_request_sent_twice_at_once_with_one_key_is_one_call()
    {
        const string Person = "+233200000004";
        var callerId = await world.AskedAsync(Person, accepts: true);
        var body = new { callerId, reason = Why };

        var answers = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => world.PostAsync("calls", body, key: "the-same-key")));

        answers.ShouldAllBe(answer => answer.Status == HttpStatusCode.Accepted);
        answers.Select(answer => answer.Body.GetProperty("requestId").GetString()).Distinct().ShouldHaveSingleItem();
        await world.LedgerWithAsync(callerId, "OutboundCallEnded");
        world.Twilio.Rest.Exchanges.Entries.Count(exchange => exchange.Method == "POST" && exchange.Path.EndsWith("/Calls.json", StringComparison.Ordinal)).ShouldBeGreaterThan(0);
        world.CallTo(Person).ShouldNotBeNull();
        var again = await world.PostAsync("calls", body, key: "the-same-key");
        again.Body.GetProperty("status").GetString().ShouldBe("completed");
        again.Body.GetProperty("callSid").GetString().ShouldBe(world.CallTo(Person).CallSid);
        (await world.PostAsync("calls", new { callerId, reason = "something else" }, key: "the-same-key")).Status.ShouldBe(HttpStatusCode.UnprocessableEntity);
    }

    [Fact]
    public async Task A_call_that_Twilio_placed_without_saying_so_is_found_and_not_placed_again()
    {
        const string Person = "+233200000005";
        var callerId = await world.AskedAsync(Person, accepts: true);
        world.Twilio.Rest.FailNext(RestFault.ServerError("Calls", executed: true));

        await world.PostAsync("calls", new { callerId, reason = Why });

        var ledger = await world.LedgerWithAsync(callerId, "OutboundCallEnded");
        CallingWorld.Types(ledger).Count(type => type == "OutboundCallPlaced").ShouldBe(1);
        world.CallTo(Person).ShouldNotBeNull();
    }

    /// <summary>A person writes, and has got the answer.</summary>
    private async Task WriteAsync(string person, string text)
    {
        var before = world.Twilio.Rest.Messages.Entries.Count(message => message.To == $"whatsapp:{person}");
        await world.Twilio.WriteAsync(InboundMessage.Text(text) with { From = $"whatsapp:{person}" });
        await world.Twilio.WaitForMessageAsync(
            $"whatsapp:{person}", _ => world.Twilio.Rest.Messages.Entries.Count(message => message.To == $"whatsapp:{person}") > before);
    }

    [Theory]
    [InlineData("+233200000009", "noAnswer")]
    [InlineData("+233200000008", "busy")]
    public async Task Who_does_not_answer_gets_a_polite_message(string person, string outcome)
    {
        var callerId = await world.AskedAsync(person, accepts: true);

        await world.PostAsync("calls", new { callerId, reason = Why });

        var ledger = await world.LedgerWithAsync(callerId, "OutboundCallEnded");
        ledger.GetProperty("entries").EnumerateArray().Last().GetProperty("outcome").GetString().ShouldBe(outcome);
        var message = await world.Twilio.WaitForMessageAsync($"whatsapp:{person}", message => message.Body.StartsWith("We called you", StringComparison.Ordinal));
        message.ErrorCode.ShouldBeNull();
    }

    [Fact]
    public async Task Nobody_is_asked_twice_in_a_day_and_the_time_is_told()
    {
        const string Person = "+233200000006";
        await world.AskedAsync(Person, accepts: false);

        var (status, problem) = await world.PostAsync("permissions", new { phoneNumber = Person, contentSid = CallingWorld.ContentSid });

        status.ShouldBe(HttpStatusCode.Conflict);
        problem.GetProperty("reasons")[0].GetProperty("code").GetString().ShouldBe("requestLimit");
        problem.GetProperty("possibleFrom").GetDateTimeOffset().ShouldBeGreaterThan(DateTimeOffset.UtcNow.AddHours(23));
    }

    [Fact]
    public async Task A_permission_that_expires_between_the_request_and_the_call_is_none()
    {
        const string Person = "+233200000013";
        var callerId = CallerId.Parse(await world.AskedAsync(Person, accepts: true));
        var now = TimeProvider.System.GetUtcNow();
        await world.Guru.App.Services.GetRequiredService<IEventStore>().AppendAsync(
            Conversation.StreamId(callerId), ExpectedVersion.Any, callerId,
            [new CallPermissionGranted("SMshort", callerId, Person, GrantSource.Answer, RequestId: null, ExpiresAt: now.AddSeconds(2), now)], CancellationToken.None);
        world.Twilio.Rest.FailNext(RestFault.TooManyRequests("Calls", TimeSpan.FromSeconds(3))); // Meanwhile it expires.

        (await world.PostAsync("calls", new { callerId = callerId.Value, reason = Why })).Status.ShouldBe(HttpStatusCode.Accepted);

        var ledger = await world.LedgerWithAsync(callerId.Value, "OutboundCallRefused");
        CallingWorld.Types(ledger).ShouldContain("OutboundCallAllowed");
        ledger.GetProperty("entries").EnumerateArray().Last().GetProperty("reasons").EnumerateArray().Select(reason => reason.GetString()).ShouldContain("permissionExpired");
        ledger.GetProperty("permission").GetString().ShouldBe("expired");
        world.Twilio.Calls.Entries.ShouldNotContain(call => call.To.EndsWith(Person, StringComparison.Ordinal));
    }

    [Fact]
    public async Task The_templates_are_made_and_submitted_once_and_the_request_is_then_sent_without_naming_one()
    {
        var services = world.Guru.App.Services;
        using var contents = new TwilioContents(
            new TwilioOptions
            {
                AccountSid = world.Twilio.Options.AccountSid,
                AuthTokens = [world.Twilio.Options.AuthToken],
                WhatsAppNumber = world.Twilio.Options.WhatsAppNumber,
                BaseUrl = world.Twilio.BaseUrl,
            },
            new MessengerOptions(), services.GetRequiredService<IFixedTexts>(), TimeProvider.System);

        var request = await contents.CreateAsync(TemplateKind.PermissionRequest, "en", CancellationToken.None);
        (await contents.CreateAsync(TemplateKind.PermissionRequest, "en", CancellationToken.None)).ShouldBe(request);
        var card = await contents.CreateAsync(TemplateKind.CallCard, "es", CancellationToken.None);

        world.Twilio.Contents.Made.Entries.Select(content => content.Sid).ShouldBe([request.ContentSid, card.ContentSid]);
        world.Twilio.Contents.Submitted.Entries.Select(submitted => submitted.Name).ShouldBe(["guru_call_permission_request_en", "guru_call_us_es"]);
        await services.GetRequiredService<ITemplates>().SaveAsync(request, CancellationToken.None);
        (await world.PostAsync("permissions", new { phoneNumber = "+233200000015" })).Status.ShouldBe(HttpStatusCode.Accepted);
        (await world.Twilio.WaitForMessageAsync("whatsapp:+233200000015")).Body.ShouldBe(request.Body);
    }

    [Fact]
    public async Task Who_asks_in_writing_for_a_call_and_agrees_to_it_is_called_then()
    {
        const string Person = "+233200000011";
        var callerId = await world.AskedAsync(Person, accepts: true);
        await WriteAsync(Person, "Please call me right away about my visa.");
        await world.LedgerWithAsync(callerId, "CallBackProposed");
        world.Twilio.Calls.Entries.ShouldNotContain(call => call.To.EndsWith(Person, StringComparison.Ordinal));

        await WriteAsync(Person, "Yes");

        CallingWorld.Types(await world.LedgerWithAsync(callerId, "OutboundCallEnded")).ShouldContain("CallBackConfirmed");
        world.CallTo(Person).ShouldNotBeNull();
    }

    [Fact]
    public async Task Who_takes_back_a_call_that_was_arranged_is_not_called()
    {
        const string Person = "+233200000012";
        var callerId = await world.AskedAsync(Person, accepts: true);
        await WriteAsync(Person, "Can you call me tomorrow?");
        await WriteAsync(Person, "Yes");
        var tomorrow = DateTimeOffset.UtcNow.UtcDateTime.Date.AddDays(1).AddHours(10);
        (await world.LedgerWithAsync(callerId, "CallBackConfirmed")).GetProperty("entries").EnumerateArray()
            .Last(entry => entry.GetProperty("type").GetString() == "CallBackConfirmed").GetProperty("dueAt").GetDateTimeOffset().UtcDateTime.ShouldBe(tomorrow);

        await WriteAsync(Person, "Please do not call me.");

        await world.LedgerWithAsync(callerId, "CallBackCancelled");
    }

    [Fact]
    public async Task What_is_missing_or_wrong_is_said()
    {
        (await world.PostAsync("calls", new { reason = Why })).Status.ShouldBe(HttpStatusCode.BadRequest);
        (await world.PostAsync("calls", new { phoneNumber = "+233200000007" })).Status.ShouldBe(HttpStatusCode.BadRequest);
        (await world.PostAsync("calls", new { phoneNumber = "+233200000007", reason = Why, agent = "astrologer" })).Status.ShouldBe(HttpStatusCode.BadRequest);
        (await world.PostAsync("calls", new { callerId = new string('0', 32), reason = Why })).Status.ShouldBe(HttpStatusCode.NotFound);
        (await world.PostAsync("permissions", new { phoneNumber = "+233200000007", contentSid = "HX1" })).Status.ShouldBe(HttpStatusCode.BadRequest);
        using var asAnalyst = await world.Analyst.PostAsJsonAsync("/api/whatsapp/voice/calls", new { phoneNumber = "+233200000007", reason = Why });
        asAnalyst.StatusCode.ShouldBe(HttpStatusCode.Forbidden);
    }
}
