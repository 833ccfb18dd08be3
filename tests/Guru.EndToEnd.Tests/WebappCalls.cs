using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Guru.Application.Traces;
using Guru.Domain.Calls;
using Guru.Sandbox.OpenAI;
using Guru.Sandbox.Twilio;
using Microsoft.Extensions.DependencyInjection;

namespace Guru.EndToEnd.Tests;

/// <summary>Calls between a browser and the model, which Guru attends.</summary>
public sealed class WebappCalls(WebappWorld world) : IClassFixture<WebappWorld>
{
    private const string Number = "%2B15550300001";

    [Fact]
    public async Task A_call_of_the_webapp_is_recorded_and_shown_as_it_goes_on()
    {
        var browser = await world.CallAsync($"?phoneNumber={Number}");
        await browser.HeardAsync("What can I do for you");
        await browser.Call.SayAsync("yes-en");
        await browser.HeardAsync("tell me a little more");
        await browser.HangUpAsync();

        var record = await world.RecordOf(browser);
        record.Call.GetProperty("callSid").GetString().ShouldBe(browser.Id);
        record.Call.GetProperty("channel").GetString().ShouldBe("webapp");
        record.Call.GetProperty("status").GetString().ShouldBe("completed");
        record.EndReason.ShouldBe("callerHungUp");
        record.Conversation.ShouldBe(
            """
            agent: Hello, this is Guru. I can help you with questions about health care, money, and the law. What can I do for you today?
            caller: Yes, please.
            agent: I see. Please tell me a little more about that.
            """);
        record.EventTypes.Take(3).ShouldBe(["CallStarted", "AgentRouted", "MediaStreamConnected"]);
        record.EventTypes.Count(type => type == "UsageRecorded").ShouldBe(3);
        record.EventTypes.Count(type => type == "CallEnded").ShouldBe(1);
        browser.Call.EndedBy.ShouldBe("hangup");
        var timeline = await world.TimelineAsync("+15550300001");
        timeline.Select(entry => $"{entry.GetProperty("channel").GetString()} {entry.GetProperty("speaker").GetString()}")
            .ShouldBe(["webapp agent", "webapp caller", "webapp agent"]);

        await browser.Shown.WaitAsync(shown => shown.Type == "closed");
        var shown = browser.Shown.Entries;
        shown[0].Data.GetProperty("agent").GetString().ShouldBe("general");
        shown.Where(one => one.Type == "utterance").Select(one => one.Data.GetProperty("speaker").GetString()).ShouldBe(["agent", "caller", "agent"]);
        shown.First(one => one.Type == "words").Data.GetProperty("id").GetString()
            .ShouldBe(shown.First(one => one.Type == "utterance").Data.GetProperty("id").GetString());
        shown.Single(one => one.Type == "ended").Data.GetProperty("reason").GetString().ShouldBe("callerHungUp");
    }

    [Fact]
    public async Task A_call_of_the_webapp_can_be_replayed_and_its_sound_is_not_recorded_since_it_does_not_pass_here()
    {
        var browser = await world.CallAsync("?phoneNumber=%2B15550300009");
        await browser.HeardAsync("What can I do for you");
        await browser.Call.SayAsync("yes-en");
        await browser.HeardAsync("tell me a little more");
        await browser.HangUpAsync();

        var record = await world.RecordOf(browser);
        record.Call.GetProperty("recording").ValueKind.ShouldBe(JsonValueKind.Null);
        var traces = await world.Guru.App.Services.GetRequiredService<ICallTraces>().OfAsync(CallSid.Parse(browser.Id), CancellationToken.None);
        var outcome = CallReplay.Run(traces.ShouldHaveSingleItem().Text!);
        outcome.Difference.ShouldBeNull();
        outcome.Decisions.ShouldBeGreaterThan(5);
    }

    [Fact]
    public async Task Who_wrote_before_is_greeted_with_it_and_phone_and_webapp_have_one_configuration()
    {
        const string Caller = "whatsapp:+15550300002";
        await world.Twilio.WriteAsync(InboundMessage.Text("I got a bill from the hospital.") with { From = Caller });
        await world.Twilio.WaitForMessageAsync(Caller, _ => true);

        var browser = await world.CallAsync("?phoneNumber=%2B15550300002");
        await browser.HeardAsync("You told me about a bill from the hospital");
        var context = browser.Call.Events.Entries.First(e => e.Type == "conversation.item.create").Json["item"]!["content"]![0]!["text"]!.GetValue<string>();
        await browser.HangUpAsync();
        (await world.RecordOf(browser)).Call.GetProperty("agent").GetString().ShouldBe("healthcare");
        var phone = await world.Twilio.PlaceCallAsync(Calls.Greeted with { From = Caller });
        await world.RecordOf(phone);

        var events = world.OpenAI.Sessions.Entries[^1].Events.Entries.Where(e => e.FromClient && e.Type != "closed").ToList();
        var ofPhone = events.First(e => e.Type == "session.update").Json["session"]!.AsObject();
        var ofWebapp = (JsonObject)browser.Call.Configuration.DeepClone();
        ofWebapp.Remove("model");
        ofPhone["audio"]!["input"]!.AsObject().Remove("format");
        ofPhone["audio"]!["output"]!.AsObject().Remove("format");
        WithoutMinute(ofWebapp).ShouldBe(WithoutMinute(ofPhone));
        var afterwards = events.First(e => e.Type == "conversation.item.create").Json["item"]!["content"]![0]!["text"]!.GetValue<string>();
        afterwards.ShouldStartWith(context);
        afterwards[context.Length..].ShouldContain("You in the web app: Hello, this is Guru.");
    }

    /// <summary>The two calls are seconds apart, and a minute may begin between them.</summary>
    private static string WithoutMinute(JsonObject session)
    {
        var text = session.ToJsonString();
        var told = Regex.Match(text, @"It is \w+, \d{4}-\d\d-\d\d \d\d:\d\d UTC\.", RegexOptions.None, TimeSpan.FromSeconds(1));
        told.Success.ShouldBeTrue();
        return text.Replace(told.Value, "", StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_the_caller_talks_over_is_recorded_as_far_as_it_was_heard()
    {
        var browser = await world.CallAsync();
        await browser.HeardAsync("What can I do for you");
        await browser.Call.SayAsync("bill-en");
        await browser.PlayingAsync(response: 2);
        await browser.Call.SayAsync("itemized-en");
        await browser.HeardAsync("Itemized means");
        await browser.HangUpAsync();

        var record = await world.RecordOf(browser);
        var truncated = browser.Call.Events.Entries.Single(e => e.Type == "conversation.item.truncated").Json;
        var cut = record.Utterances.Single(turn => turn.GetProperty("interrupted").GetBoolean());
        cut.GetProperty("id").GetString().ShouldBe($"{browser.Id}:{(string)truncated["item_id"]!}");
        cut.GetProperty("heardMs").GetInt64().ShouldBe((long)truncated["audio_end_ms"]!);
        cut.GetProperty("said").GetString()!.ShouldStartWith(cut.GetProperty("heard").GetString()!);
        cut.GetProperty("heard").GetString()!.Length.ShouldBeLessThan(cut.GetProperty("said").GetString()!.Length);
        record.Utterances.Select(turn => turn.GetProperty("speaker").GetString()).ShouldBe(["agent", "caller", "agent", "caller", "agent"]);
        browser.Call.Events.Entries.ShouldNotContain(e => e.FromClient && e.Type == "conversation.item.truncate");
    }

    [Fact]
    public async Task A_lost_sideband_is_attached_again_and_the_conversation_goes_on()
    {
        var browser = await world.CallAsync("?phoneNumber=%2B15550300003");
        await browser.HeardAsync("What can I do for you");
        browser.Call.LoseSidebands();
        await browser.Call.Attended.WaitAsync(_ => browser.Call.Attended.Entries.Count == 2);
        await browser.Call.SayAsync("yes-en");
        await browser.HeardAsync("tell me a little more");
        await browser.HangUpAsync();

        var record = await world.RecordOf(browser);
        record.Conversation.ShouldEndWith("caller: Yes, please.\nagent: I see. Please tell me a little more about that.");
        record.Event("VoiceModelReconnected").GetProperty("reason").GetString().ShouldBe("dropped");
        browser.Call.Events.Entries.Count(e => e.FromClient && e.Type == "response.create").ShouldBe(1, "nobody is greeted twice");
    }

    [Fact]
    public async Task What_was_said_while_nobody_attended_is_asked_for_again()
    {
        var browser = await world.CallAsync();
        await browser.HeardAsync("What can I do for you");
        var said = browser.Call.SayAsync("visa-en");
        await browser.Call.Events.WaitAsync(e => e.Type == "input_audio_buffer.speech_started");
        world.OpenAI.FailNext([.. Enumerable.Repeat(new RealtimeFaults { RefuseUpgrade = 503 }, 5)]);
        browser.Call.LoseSidebands();
        await said;
        await browser.Call.Attended.WaitAsync(_ => browser.Call.Attended.Entries.Count == 2);
        await browser.HeardAsync("My student visa ends in two months");
        await browser.HeardAsync("about the deadline this week");
        await browser.Call.SayAsync("yes-en");
        await browser.HeardAsync("tell me a little more");
        await browser.HangUpAsync();

        var record = await world.RecordOf(browser);
        record.Conversation.ShouldContain("caller: My student visa ends in two months. Can I stay and work here after that?");
        record.Conversation.ShouldContain("agent: There are ways to stay");
    }

    [Fact]
    public async Task A_killed_tab_ends_the_call_with_a_reason_and_hangs_it_up()
    {
        var browser = await world.CallAsync();
        await browser.HeardAsync("What can I do for you");
        browser.IsKilled();

        var record = await world.RecordOf(browser);
        record.EndReason.ShouldBe("streamLost");
        browser.Call.EndedBy.ShouldBe("hangup");
    }

    [Fact]
    public async Task A_browser_that_comes_back_has_not_left_and_sees_what_it_missed()
    {
        var browser = await world.CallAsync();
        await browser.HeardAsync("What can I do for you");
        browser.IsKilled();
        await browser.Shown.WaitAsync(shown => shown.Type == "closed");
        var again = new Browser(browser.Id, browser.Call, world);
        await again.ListenAsync();
        await again.HeardAsync("What can I do for you");
        await again.Call.SayAsync("yes-en");
        await again.HeardAsync("tell me a little more");
        await again.HangUpAsync();

        (await world.RecordOf(again)).EndReason.ShouldBe("callerHungUp");
    }

    [Fact]
    public async Task A_call_that_is_over_on_the_models_side_is_over()
    {
        var browser = await world.CallAsync();
        await browser.HeardAsync("What can I do for you");
        browser.Call.Leaves();

        await browser.Shown.WaitAsync(shown => shown.Type == "ended");
        (await world.RecordOf(browser)).EndReason.ShouldBe("callerHungUp");
    }

    [Fact]
    public async Task A_call_that_no_page_listens_to_is_attended_all_the_same()
    {
        var browser = await world.CallAsync(listens: false);
        await browser.Call.Events.WaitAsync(e => e.Type == "output_audio_buffer.stopped");
        await browser.HangUpAsync();

        (await world.RecordOf(browser)).Conversation.ShouldStartWith("agent: Hello, this is Guru.");
    }

    [Fact]
    public async Task A_user_token_ends_and_hears_only_its_owners_calls()
    {
        using var mine = await world.PostAsync("tokens", new { phoneNumber = "+15550300004" });
        using var theirs = await world.PostAsync("tokens", new { phoneNumber = "+15550300005" });
        var (token, other) = (await TokenOf(mine), await TokenOf(theirs));
        using var started = await world.OfferAsync(bearer: token);
        var call = started.Headers.Location!.OriginalString["/api/voice-agent/".Length..];

        using var overheard = await world.SendAsync(HttpMethod.Get, $"{call}/events", body: null, other);
        using var cutOff = await world.SendAsync(HttpMethod.Delete, call, body: null, other);
        using var ended = await world.SendAsync(HttpMethod.Delete, call, body: null, token);
        await world.OpenAI.Calls.Entries.Single(one => call.EndsWith(one.Id, StringComparison.Ordinal)).Over;
        using var endedAgain = await world.SendAsync(HttpMethod.Delete, call, body: null, token);
        using var unknown = await world.SendAsync(HttpMethod.Delete, "calls/rtc_unknown", body: null, token);

        overheard.StatusCode.ShouldBe(HttpStatusCode.NotFound);
        cutOff.StatusCode.ShouldBe(HttpStatusCode.NotFound);
        ended.StatusCode.ShouldBe(HttpStatusCode.NoContent);
        endedAgain.StatusCode.ShouldBe(HttpStatusCode.NoContent);
        unknown.StatusCode.ShouldBe(HttpStatusCode.NotFound);
    }

    [Theory]
    [InlineData("hello", "application/sdp", HttpStatusCode.BadRequest)]
    [InlineData("v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\n", "application/sdp", HttpStatusCode.BadRequest)]
    [InlineData("{}", "application/json", HttpStatusCode.UnsupportedMediaType)]
    public async Task What_is_no_offer_is_refused(string body, string type, HttpStatusCode status)
    {
        using var response = await world.OfferAsync(sdp: body, type: type);

        response.StatusCode.ShouldBe(status);
        response.Content.Headers.ContentType!.MediaType.ShouldBe("application/problem+json");
    }

    [Theory]
    [InlineData("calls", "application/json")]
    [InlineData("session", "text/plain")]
    [InlineData("tokens", "text/plain")]
    public async Task Without_a_key_for_it_nobody_learns_which_types_of_bodies_are_taken(string what, string type)
    {
        foreach (var (key, expected) in new[]
        {
            ("", HttpStatusCode.Unauthorized), (World.AnalystKey, HttpStatusCode.Forbidden), (WebappWorld.WebappKey, HttpStatusCode.UnsupportedMediaType),
        })
        {
            using var response = await world.SendAsync(HttpMethod.Post, what, new StringContent("{}", new MediaTypeHeaderValue(type)), key);

            response.StatusCode.ShouldBe(expected, key);
        }
    }

    [Fact]
    public async Task A_call_that_the_model_refuses_is_a_problem_and_leaves_no_call()
    {
        var before = (await world.GetAsync("/api/calls?limit=1")).GetRawText();
        world.OpenAI.Http.FailNext(HttpFault.NoQuota("/v1/realtime/calls"));
        using var noQuota = await world.OfferAsync();
        world.OpenAI.Http.FailNext(new HttpFault("/v1/realtime/calls", 400, "invalid_sdp"));
        using var badOffer = await world.OfferAsync();

        noQuota.StatusCode.ShouldBe(HttpStatusCode.BadGateway);
        (await noQuota.Content.ReadAsStringAsync()).ShouldContain("modelQuota");
        badOffer.StatusCode.ShouldBe(HttpStatusCode.BadRequest);
        (await badOffer.Content.ReadAsStringAsync()).ShouldContain("offerRefused");
        (await world.GetAsync("/api/calls?limit=1")).GetRawText().ShouldBe(before);
    }

    private static async Task<string> TokenOf(HttpResponseMessage response) =>
        (await response.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("token").GetString()!;
}

/// <summary>The server's leash on a browser's call.</summary>
public sealed class WebappLimitsOnCalls(WebappLimitsOnCalls.Strict world) : IClassFixture<WebappLimitsOnCalls.Strict>
{
    [Fact]
    public async Task A_silent_caller_is_asked_and_then_hung_up()
    {
        var browser = await world.CallAsync();

        var record = await world.RecordOf(browser);
        record.EndReason.ShouldBe("silence");
        record.Conversation.ShouldContain("agent: Are you still there?");
        record.Conversation.ShouldEndWith("Goodbye.");
        browser.Call.EndedBy.ShouldBe("hangup");
        browser.Shown.Entries.Single(shown => shown.Type == "ended").Data.GetProperty("reason").GetString().ShouldBe("silence");
    }

    /// <summary>Patience of a second.</summary>
    public sealed class Strict : WebappWorld
    {
        protected override Dictionary<string, string?> Settings => new() { ["Guru:Calls:SilenceSeconds"] = "1" };
    }
}

public sealed class WebappCallsAtTheLimit(WebappCallsAtTheLimit.Short world) : IClassFixture<WebappCallsAtTheLimit.Short>
{
    [Fact]
    public async Task The_longest_call_ends_with_a_goodbye_that_is_heard()
    {
        var browser = await world.CallAsync();

        var record = await world.RecordOf(browser);
        record.EndReason.ShouldBe("maxDuration");
        record.Utterances[^1].GetProperty("heard").GetString().ShouldEndWith("Goodbye.");
    }

    /// <summary>Ten seconds for a call.</summary>
    public sealed class Short : WebappWorld
    {
        protected override Dictionary<string, string?> Settings => new() { ["Guru:Calls:MaxDurationSeconds"] = "10" };
    }
}

public sealed class WebappCallsThatTheAgentEnds(WebappCallsThatTheAgentEnds.Polite world) : IClassFixture<WebappCallsThatTheAgentEnds.Polite>
{
    [Fact]
    public async Task The_agent_ends_a_call_when_its_goodbye_was_heard()
    {
        var browser = await world.CallAsync();
        await browser.HeardAsync("What can I do for you");
        await browser.Call.SayAsync("thanks-en");

        var record = await world.RecordOf(browser);
        record.EndReason.ShouldBe("agentEnded");
        record.Conversation.ShouldEndWith("agent: You are welcome. Take care, and call again whenever you like. Goodbye.");
        browser.Call.Events.Entries.Count(e => e.Type == "response.created").ShouldBe(2);
    }

    /// <summary>A model that ends calls.</summary>
    public sealed class Polite : WebappWorld
    {
        protected override OpenAIStandInOptions OpenAIOptions => new()
        {
            Brain = Brain.Shipped.With([new BrainRule(["goodbye"], "goodbye", new ToolUse("end_call"))]),
        };
    }
}

public sealed class WebappCallsHandedOver(WebappCallsHandedOver.Several world) : IClassFixture<WebappCallsHandedOver.Several>
{
    [Fact]
    public async Task Another_advisor_goes_on_over_the_sideband_and_the_browser_is_shown_who()
    {
        var browser = await world.CallAsync();
        await browser.HeardAsync("What can I do for you");
        await browser.Call.SayAsync("visa-en");
        await browser.HeardAsync("the deadline this week");
        await browser.HangUpAsync();

        var record = await world.RecordOf(browser);
        record.Event("AgentHandedOff").GetProperty("to").GetString().ShouldBe("legal");
        record.Utterances[^1].GetProperty("agent").GetString().ShouldBe("legal");
        browser.Shown.Entries.Where(shown => shown.Type == "agent").Select(shown => shown.Data.GetProperty("agent").GetString()).ShouldBe(["general", "legal"]);
        var update = browser.Call.Events.Entries.Single(e => e.FromClient && e.Type == "session.update").Json["session"]!;
        ((string)update["instructions"]!).ShouldContain("legal advisor");
        update["audio"]!["input"]!.AsObject().ContainsKey("format").ShouldBeFalse("WebRTC has agreed on it");
        update["audio"]!["output"]!.AsObject().ShouldBeEmpty();
        browser.Call.Events.Entries.ShouldNotContain(e => e.Type == "error");
        browser.Call.Attended.Entries.Count.ShouldBe(1);
    }

    /// <summary>A model that knows what it does not know.</summary>
    public sealed class Several : WebappWorld
    {
        protected override OpenAIStandInOptions OpenAIOptions => new()
        {
            Brain = Brain.Shipped.With(
            [
                new BrainRule(
                    ["visa"], "pass-on", new ToolUse("hand_off", """{"agent":"legal","reason":"a student visa","request":"May they stay when their visa ends?"}"""), "general"),
            ]),
        };
    }
}
