using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using System.Text.Json.Nodes;
using Guru.Api.Security;
using Guru.Sandbox.OpenAI;
using Guru.Sandbox.Twilio;
using Microsoft.Extensions.DependencyInjection;

namespace Guru.EndToEnd.Tests;

/// <summary>The webapp's ephemeral secrets: the same advisor as on the phone, for who may ask.</summary>
public sealed class WebappSessions(WebappSessions.Site site) : IClassFixture<WebappSessions.Site>
{
    private const string AllowedOrigin = "https://app.example.test";

    [Fact]
    public async Task A_session_has_the_shape_that_existing_webapps_read()
    {
        using var response = await site.PostAsync("session", new { agent = "legal" });

        response.StatusCode.ShouldBe(HttpStatusCode.OK);
        response.Headers.CacheControl!.NoStore.ShouldBeTrue();
        var answer = await response.Content.ReadFromJsonAsync<JsonElement>();
        answer.GetProperty("apiKey").GetString().ShouldStartWith("ek_");
        answer.GetProperty("client_secret").GetString().ShouldBe(answer.GetProperty("apiKey").GetString());
        answer.GetProperty("session").GetProperty("id").GetString().ShouldStartWith("sess_");
        answer.GetProperty("session").GetProperty("model").GetString().ShouldBe("gpt-realtime-2.1");
        answer.GetProperty("session").GetProperty("expires_at").GetInt64().ShouldBeGreaterThan(1_700_000_000);
        answer.GetProperty("agent").GetString().ShouldBe("legal");
        answer.GetProperty("instructions").GetString().ShouldNotBeNullOrEmpty();
        answer.TryGetProperty("language", out _).ShouldBeTrue();
    }

    [Fact]
    public async Task Phone_and_webapp_get_the_same_configuration_but_for_tools_and_audio_format_and_the_same_context_to_the_letter()
    {
        const string Caller = "whatsapp:+15550200001";
        await site.Twilio.WriteAsync(InboundMessage.Text("I got a bill from the hospital. Здравствуйте! \"Quoted\" <b>") with { From = Caller });
        await site.Twilio.WaitForMessageAsync(Caller, _ => true);
        await site.UntilRepliedAsync(Caller);

        using var response = await site.PostAsync("session", new { phoneNumber = Caller["whatsapp:".Length..] });
        var webapp = site.LastSecretRequest()["session"]!.AsObject();
        var call = await site.Twilio.PlaceCallAsync(Calls.Greeted with { From = Caller });
        await site.RecordOf(call);
        var session = site.OpenAI.Sessions.Entries[^1];
        var events = session.Events.Entries.Where(e => e.FromClient && e.Type != "closed").ToList();
        var phone = events.First(e => e.Type == "session.update").Json["session"]!.AsObject();
        var context = (string)events.First(e => e.Type == "conversation.item.create").Json["item"]!["content"]![0]!["text"]!;

        ((string)webapp["instructions"]!).ShouldBe($"{(string)phone["instructions"]!}\n\n{context}");
        context.ShouldContain("\"Quoted\" <b>");
        webapp["tools"]!.AsArray().ShouldBeEmpty();
        phone["tools"]!.AsArray().ShouldNotBeEmpty();
        ((string)webapp["model"]!).ShouldBe(session.Model);
        foreach (var side in new[] { "input", "output" })
        {
            phone["audio"]![side]!.AsObject().Remove("format").ShouldBeTrue();
            webapp["audio"]![side]!.AsObject().ContainsKey("format").ShouldBeFalse();
        }

        Without(webapp, "instructions", "tools", "model").ToJsonString().ShouldBe(Without(phone, "instructions", "tools").ToJsonString());
        response.StatusCode.ShouldBe(HttpStatusCode.OK);
    }

    [Fact]
    public async Task The_same_events_give_the_same_bytes_each_time()
    {
        const string Caller = "whatsapp:+15550200002";
        await site.Twilio.WriteAsync(InboundMessage.VoiceNote("bill-es") with { From = Caller });
        await site.Twilio.WaitForMessageAsync(Caller, _ => true);
        await site.UntilRepliedAsync(Caller);

        (await site.PostAsync("session", new { phoneNumber = Caller["whatsapp:".Length..] })).Dispose();
        var first = site.LastSecretRequest().ToJsonString();
        (await site.PostAsync("session", new { phoneNumber = Caller["whatsapp:".Length..] })).Dispose();

        site.LastSecretRequest().ToJsonString().ShouldBe(first);
        first.ShouldContain("(ISO 639-1)");
    }

    [Fact]
    public async Task Of_an_unknown_caller_nothing_is_remembered_and_the_general_agent_answers()
    {
        using var asked = await site.PostAsync("session", new { callerId = "0123456789abcdef0123456789abcdef" });
        var unknown = await asked.Content.ReadFromJsonAsync<JsonElement>();
        using var nobody = await site.Webapp.GetAsync("/api/voice-agent/session");

        unknown.GetProperty("agent").GetString().ShouldBe("general");
        unknown.GetProperty("language").ValueKind.ShouldBe(JsonValueKind.Null);
        unknown.GetProperty("instructions").GetString()!.ShouldNotContain("conversation so far");
        (await nobody.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("instructions").GetString().ShouldBe(unknown.GetProperty("instructions").GetString());
    }

    [Fact]
    public async Task A_user_token_opens_the_sessions_of_its_owner_and_of_nobody_else()
    {
        using var bought = await site.PostAsync("tokens", new { phoneNumber = "+15550200003" });
        var answer = await bought.Content.ReadFromJsonAsync<JsonElement>();
        var token = answer.GetProperty("token").GetString()!;

        using var own = await site.PostAsync("session", new { }, token);
        using var ownByNumber = await site.PostAsync("session", new { phoneNumber = "+15550200003" }, token);
        using var foreign = await site.PostAsync("session", new { phoneNumber = "+15550200004" }, token);
        using var more = await site.PostAsync("tokens", new { }, token);

        own.StatusCode.ShouldBe(HttpStatusCode.OK);
        ownByNumber.StatusCode.ShouldBe(HttpStatusCode.OK);
        foreign.StatusCode.ShouldBe(HttpStatusCode.Forbidden);
        more.StatusCode.ShouldBe(HttpStatusCode.Forbidden);
        token.ShouldNotContain("15550200003");
    }

    [Fact]
    public async Task An_expired_token_and_a_changed_one_are_refused_with_the_way_to_a_new_one()
    {
        var tokens = site.Guru.App.Services.GetRequiredService<UserTokens>();
        var (expired, _) = tokens.Issue(new UserToken("0123456789abcdef0123456789abcdef", Address: null, Agent: null, "key"), TimeSpan.FromSeconds(-1));
        var (good, _) = tokens.Issue(new UserToken("0123456789abcdef0123456789abcdef", Address: null, Agent: null, "key"), TimeSpan.FromMinutes(1));

        foreach (var token in new[] { expired, good[..^4] + "AAAA", UserTokens.Prefix })
        {
            using var response = await site.PostAsync("session", new { }, token);
            response.StatusCode.ShouldBe(HttpStatusCode.Unauthorized);
            (await response.Content.ReadAsStringAsync()).ShouldContain("/api/voice-agent/tokens");
        }
    }

    [Theory]
    [InlineData(null, HttpStatusCode.Unauthorized)]
    [InlineData("no-such-key", HttpStatusCode.Unauthorized)]
    [InlineData("analyst-key", HttpStatusCode.Forbidden)]
    public async Task Sessions_are_for_webapps(string? key, HttpStatusCode status)
    {
        using var response = await site.PostAsync("session", new { }, key ?? "");

        response.StatusCode.ShouldBe(status);
        response.Content.Headers.ContentType!.MediaType.ShouldBe("application/problem+json");
    }

    [Theory]
    [InlineData("""{"phoneNumber":"12345"}""")]
    [InlineData("""{"callerId":"nobody"}""")]
    [InlineData("""{"phoneNumber":"+15550200001","callerId":"0123456789abcdef0123456789abcdef"}""")]
    [InlineData("""{"agent":"astrologer"}""")]
    [InlineData("""{"agent":""")]
    public async Task What_cannot_be_understood_is_a_problem(string body)
    {
        using var content = new StringContent(body, new MediaTypeHeaderValue("application/json"));
        using var response = await site.Webapp.PostAsync("/api/voice-agent/session", content);

        response.StatusCode.ShouldBe(HttpStatusCode.BadRequest);
        response.Content.Headers.ContentType!.MediaType.ShouldBe("application/problem+json");
    }

    [Fact]
    public async Task A_page_of_a_foreign_origin_is_refused_before_it_costs_anything()
    {
        var before = site.OpenAI.Http.Exchanges.Entries.Count;
        using var foreign = await site.FromOriginAsync("https://evil.example.test");
        using var preflight = await site.PreflightAsync("https://evil.example.test");

        foreign.StatusCode.ShouldBe(HttpStatusCode.Forbidden);
        foreign.Headers.Contains("Access-Control-Allow-Origin").ShouldBeFalse();
        preflight.Headers.Contains("Access-Control-Allow-Origin").ShouldBeFalse();
        site.OpenAI.Http.Exchanges.Entries.Count.ShouldBe(before);
    }

    [Fact]
    public async Task A_page_of_an_allowed_origin_and_one_of_Gurus_own_may_ask()
    {
        using var allowed = await site.FromOriginAsync(AllowedOrigin);
        using var own = await site.FromOriginAsync(World.PublicAddress);
        using var preflight = await site.PreflightAsync(AllowedOrigin);

        allowed.StatusCode.ShouldBe(HttpStatusCode.OK);
        allowed.Headers.GetValues("Access-Control-Allow-Origin").ShouldBe([AllowedOrigin]);
        own.StatusCode.ShouldBe(HttpStatusCode.OK);
        preflight.Headers.GetValues("Access-Control-Allow-Headers").Single().ShouldContain("Authorization");
    }

    [Fact]
    public async Task A_caller_who_asks_too_often_waits_and_others_do_not()
    {
        HttpResponseMessage? last = null;
        for (var i = 0; i <= Site.PerCaller; i++)
        {
            last?.Dispose();
            last = await site.PostAsync("session", new { phoneNumber = "+15550200010" });
            last.IsSuccessStatusCode.ShouldBe(i < Site.PerCaller);
        }

        last!.StatusCode.ShouldBe(HttpStatusCode.TooManyRequests);
        last.Headers.RetryAfter!.Delta!.Value.ShouldBeGreaterThan(TimeSpan.Zero);
        last.Dispose();
        using var other = await site.PostAsync("session", new { phoneNumber = "+15550200011" });
        other.StatusCode.ShouldBe(HttpStatusCode.OK);
    }

    [Fact]
    public async Task A_key_that_asks_too_often_waits_and_its_tokens_with_it()
    {
        using var bought = await site.PostAsync("tokens", new { }, Site.BusyKey);
        var token = (await bought.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("token").GetString()!;
        var statuses = new List<HttpStatusCode>();
        while (statuses.Count <= Site.PerKey && !statuses.Contains(HttpStatusCode.TooManyRequests))
        {
            using var response = await site.PostAsync("tokens", new { }, Site.BusyKey);
            statuses.Add(response.StatusCode);
        }

        using var byToken = await site.PostAsync("session", new { }, token);
        using var byAnotherKey = await site.PostAsync("tokens", new { });
        statuses[^1].ShouldBe(HttpStatusCode.TooManyRequests);
        byToken.StatusCode.ShouldBe(HttpStatusCode.TooManyRequests);
        byAnotherKey.StatusCode.ShouldBe(HttpStatusCode.OK);
    }

    [Theory]
    [InlineData(401, "invalid_api_key", "invalid_request_error", HttpStatusCode.BadGateway, "modelKey")]
    [InlineData(404, "model_not_found", "invalid_request_error", HttpStatusCode.BadGateway, "modelMissing")]
    [InlineData(429, "insufficient_quota", "insufficient_quota", HttpStatusCode.BadGateway, "modelQuota")]
    [InlineData(429, "credit_balance_exhausted", "insufficient_quota", HttpStatusCode.BadGateway, "modelQuota")]
    [InlineData(429, "rate_limit_exceeded", "requests", HttpStatusCode.ServiceUnavailable, "modelBusy")]
    [InlineData(503, "server_is_overloaded", "server_error", HttpStatusCode.ServiceUnavailable, "modelUnavailable")]
    [InlineData(400, "unknown_parameter", "invalid_request_error", HttpStatusCode.BadGateway, "modelRefused")]
    public async Task Each_failure_of_the_model_is_a_problem_of_its_own_that_tells_nothing_of_the_operator(
        int status, string code, string type, HttpStatusCode answered, string told)
    {
        site.OpenAI.Http.FailNext(new HttpFault("/v1/realtime/client_secrets", status, code) { Type = type });

        using var response = await site.PostAsync("session", new { });

        response.StatusCode.ShouldBe(answered);
        var body = await response.Content.ReadAsStringAsync();
        JsonNode.Parse(body)!["code"]!.GetValue<string>().ShouldBe(told);
        body.ShouldNotContain("It was arranged to fail.");
        body.ShouldNotContain("sk-invented");
        response.Headers.RetryAfter.ShouldBe(answered == HttpStatusCode.ServiceUnavailable ? response.Headers.RetryAfter.ShouldNotBeNull() : null);
    }

    [Fact]
    public async Task A_model_that_never_answers_is_a_problem_too()
    {
        site.OpenAI.Http.FailNext(HttpFault.Timeout("/v1/realtime/client_secrets"));

        using var response = await site.PostAsync("session", new { });

        response.StatusCode.ShouldBe(HttpStatusCode.GatewayTimeout);
    }

    private static JsonObject Without(JsonObject json, params string[] members)
    {
        var rest = (JsonObject)json.DeepClone();
        Array.ForEach(members, member => rest.Remove(member));
        return rest;
    }

    /// <summary>With limits that a test can reach.</summary>
    public sealed class Site : WebappWorld
    {
        public const int PerCaller = 4;
        public const int PerKey = 60;
        public const string BusyKey = "busy-key";

        protected override Dictionary<string, string?> Settings => new()
        {
            ["GURU_WEBAPP_KEYS"] = $"{WebappKey},{BusyKey}",
            ["Guru:Webapp:AllowedOrigins"] = $"{AllowedOrigin}, https://other.example.test",
            ["Guru:Webapp:SessionsPerMinutePerCaller"] = $"{PerCaller}",
            ["Guru:Webapp:RequestsPerMinutePerKey"] = $"{PerKey}",
            ["Guru:OpenAI:ConfigureTimeoutSeconds"] = "1",
        };

        public Task<HttpResponseMessage> FromOriginAsync(string origin) =>
            SendAsync(HttpMethod.Post, "session", JsonContent.Create(new { }), bearer: null, request => request.Headers.Add("Origin", origin));

        public Task<HttpResponseMessage> PreflightAsync(string origin) => SendAsync(HttpMethod.Options, "session", body: null, "", request =>
        {
            request.Headers.Add("Origin", origin);
            request.Headers.Add("Access-Control-Request-Method", "POST");
            request.Headers.Add("Access-Control-Request-Headers", "authorization,content-type");
        });

        /// <summary>What the model's operator was asked last for a secret.</summary>
        public JsonNode LastSecretRequest() =>
            JsonNode.Parse(OpenAI.Http.Exchanges.Entries.Last(exchange => exchange.Path == "/v1/realtime/client_secrets").Body)!;

        /// <summary>A reply is on record a moment after it was sent.</summary>
        public async Task UntilRepliedAsync(string caller)
        {
            while (true)
            {
                var timeline = await TimelineAsync(caller["whatsapp:".Length..]);
                if (timeline.Any(entry => entry.GetProperty("speaker").GetString() == "agent"))
                {
                    return;
                }
            }
        }
    }
}
