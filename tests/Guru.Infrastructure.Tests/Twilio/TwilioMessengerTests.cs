using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Guru.Application.Conversations;
using Guru.Application.Tests;
using Guru.Domain.Callers;
using Guru.Infrastructure.Tests.Sockets;
using Guru.Infrastructure.Twilio;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Shouldly;

namespace Guru.Infrastructure.Tests.Twilio;

public sealed class SendingAMessage
{
    [Fact]
    public async Task Is_the_form_that_Twilio_documents()
    {
        await using var server = await ScriptedServer.StartAsync(Answers.Json(TwilioJson.Message("SM1", "Bonjour, ça va?"), 201));
        using var twilio = Messengers.Of(server);

        var sent = await twilio.SendAsync(
            new OutgoingMessage(Messengers.Caller, "Bonjour, ça va?\n1 + 1 = 2", new Uri("https://guru.example.org/api/whatsapp/status?a=b&c=d")), default);

        sent.ShouldBe(new SentMessage("SM1", "Bonjour, ça va?", "queued", ErrorCode: null, new DateTimeOffset(2026, 11, 24, 10, 0, 5, TimeSpan.Zero)));
        var asked = server.Asked.ShouldHaveSingleItem();
        asked.Method.ShouldBe("POST");
        asked.Target.ShouldBe("/2010-04-01/Accounts/AC00000000000000000000000000000001/Messages.json");
        asked.Headers.ContentType.ToString().ShouldBe("application/x-www-form-urlencoded");
        asked.Text.ShouldBe(
            "From=whatsapp%3A%2B15005550006&To=whatsapp%3A%2B233201234567&Body=Bonjour%2C+%C3%A7a+va%3F%0A1+%2B+1+%3D+2"
            + "&StatusCallback=https%3A%2F%2Fguru.example.org%2Fapi%2Fwhatsapp%2Fstatus%3Fa%3Db%26c%3Dd");
    }

    [Fact]
    public async Task Reaches_a_caller_without_a_phone_number_and_needs_no_callback()
    {
        await using var server = await ScriptedServer.StartAsync(Answers.Json(TwilioJson.Message("SM1"), 201));
        using var twilio = Messengers.Of(server);

        await twilio.SendAsync(new OutgoingMessage(CallerAddress.Parse("whatsapp:US.13491208655302741918"), "Hi", StatusCallback: null), default);

        server.Asked.ShouldHaveSingleItem().Text.ShouldBe("From=whatsapp%3A%2B15005550006&To=whatsapp%3AUS.13491208655302741918&Body=Hi");
    }

    [Theory]
    [InlineData("SK1", "s:cret", "SK1:s:cret")]
    [InlineData(null, null, "AC00000000000000000000000000000001:token-1")]
    [InlineData("SK1", null, "AC00000000000000000000000000000001:token-1")]
    public async Task Shows_the_api_key_where_there_is_one_and_else_the_first_auth_token(string? key, string? secret, string pair)
    {
        await using var server = await ScriptedServer.StartAsync(Answers.Json(TwilioJson.Message("SM1"), 201));
        using var twilio = Messengers.Of(server, options => options with { ApiKey = key, ApiSecret = secret });

        await twilio.SendAsync(Messengers.Hello, default);

        server.Asked.ShouldHaveSingleItem().Authorization.ShouldBe("Basic " + Convert.ToBase64String(Encoding.UTF8.GetBytes(pair)));
    }

    [Theory]
    [InlineData("15005550006")]
    [InlineData("")]
    public void Needs_a_sender(string number) => Should.Throw<FormatException>(() =>
        new TwilioMessenger(Messengers.Options with { WhatsAppNumber = number }, Messengers.Fast, TimeProvider.System, new KeptLog<TwilioMessenger>()));

    [Theory]
    [InlineData(400, 21211, false)]
    [InlineData(400, 21602, false)]
    [InlineData(400, 21603, false)]
    [InlineData(400, 21606, false)]
    [InlineData(400, 21610, false)]
    [InlineData(400, 21617, false)]
    [InlineData(400, 21656, false)]
    [InlineData(400, 63001, false)]
    [InlineData(400, 63003, false)]
    [InlineData(400, 63005, false)]
    [InlineData(400, 63007, false)]
    [InlineData(400, 63008, false)]
    [InlineData(400, 63013, false)]
    [InlineData(400, 63015, false)]
    [InlineData(400, 63016, false)]
    [InlineData(400, 63019, false)]
    [InlineData(400, 63024, false)]
    [InlineData(400, 63027, false)]
    [InlineData(400, 63032, false)]
    [InlineData(400, 63033, false)]
    [InlineData(400, 63051, false)]
    [InlineData(400, 99999, false)]
    [InlineData(401, 20003, false)]
    [InlineData(403, 20005, false)]
    [InlineData(403, 20403, false)]
    [InlineData(404, 20404, false)]
    [InlineData(409, 20409, false)]
    [InlineData(429, 20429, true)]
    [InlineData(400, 20429, true)]
    [InlineData(429, 63017, true)]
    [InlineData(429, 63018, true)]
    [InlineData(400, 12400, true)]
    [InlineData(400, 30001, true)]
    [InlineData(400, 63009, true)]
    [InlineData(400, 63010, true)]
    [InlineData(400, 63012, true)]
    [InlineData(400, 63017, true)]
    [InlineData(400, 63018, true)]
    [InlineData(400, 63038, true)]
    public async Task Is_refused_by_a_code_that_says_whether_trying_again_may_help(int status, int code, bool transient)
    {
        var refusal = await RefusalAsync(Answers.Json(TwilioJson.Error(code, status), status));

        (refusal.Code, refusal.Transient, refusal.Unknown, refusal.RetryAfter).ShouldBe((code, transient, false, null));
    }

    [Theory]
    [InlineData("7", 7.0)]
    [InlineData("0", 0.0)]
    [InlineData("Wed, 21 Oct 2015 07:28:00 GMT", 0.0)]
    [InlineData("soon", null)]
    [InlineData("-3", null)]
    public async Task Says_how_long_Twilio_asks_to_wait(string retryAfter, double? seconds)
    {
        var refusal = await RefusalAsync(Answers.Json(TwilioJson.Error(20429, 429), 429, retryAfter));

        refusal.Transient.ShouldBeTrue();
        refusal.RetryAfter.ShouldBe(seconds is { } wait ? TimeSpan.FromSeconds(wait) : null);
    }

    [Theory]
    [InlineData(500, """{"code":20500,"message":"Internal server error","status":500}""", 20500)]
    [InlineData(503, """{"code":20503,"status":503}""", 20503)]
    [InlineData(502, "<html><body>Bad gateway</body></html>", 502)]
    [InlineData(500, "", 500)]
    [InlineData(504, "[]", 504)]
    [InlineData(408, "{}", 408)]
    public async Task May_have_been_sent_when_Twilio_fails(int status, string body, int code)
    {
        var refusal = await RefusalAsync(Answers.Of(status, "text/html", Encoding.UTF8.GetBytes(body)));

        (refusal.Code, refusal.Transient, refusal.Unknown).ShouldBe((code, true, true));
    }

    [Theory]
    [InlineData(400, "")]
    [InlineData(400, "<html></html>")]
    [InlineData(403, "\"\"")]
    [InlineData(404, "null")]
    [InlineData(400, """{"code":null}""")]
    [InlineData(400, """{"code":1e99}""")]
    [InlineData(400, """{"code":"many"}""")]
    [InlineData(301, "")]
    public async Task Is_refused_by_the_status_where_the_body_says_nothing(int status, string body)
    {
        var refusal = await RefusalAsync(Answers.Of(status, "text/html", Encoding.UTF8.GetBytes(body)));

        (refusal.Code, refusal.Transient, refusal.Unknown).ShouldBe((status, false, false));
    }

    [Fact]
    public async Task Reads_the_code_of_a_problem_that_writes_it_as_text() =>
        (await RefusalAsync(Answers.Json("""{"type":"about:blank","title":"Bad","code":"21610","status":400}""", 400))).Code.ShouldBe(21610);

    [Fact]
    public async Task Knows_a_refusal_whose_body_breaks_off()
    {
        var refusal = await RefusalAsync(Answers.CutOff(429));

        (refusal.Code, refusal.Transient, refusal.Unknown).ShouldBe((429, true, false));
    }

    [Fact]
    public async Task Knows_a_refusal_whose_body_never_comes()
    {
        var refusal = await RefusalAsync(
            async context =>
            {
                context.Response.StatusCode = 400;
                await context.Response.Body.FlushAsync();
                await Answers.Never(context);
            },
            Messengers.Impatient);

        (refusal.Code, refusal.Transient, refusal.Unknown).ShouldBe((400, false, false));
    }

    public static TheoryData<string> LostAnswers => [nameof(Answers.Lost), nameof(Answers.CutOff), "html", "no sid", "empty"];

    [Theory]
    [MemberData(nameof(LostAnswers))]
    public async Task May_have_been_sent_when_the_answer_is_lost_or_cannot_be_read(string how)
    {
        var refusal = await RefusalAsync(how switch
        {
            nameof(Answers.Lost) => Answers.Lost,
            nameof(Answers.CutOff) => Answers.CutOff(201),
            "html" => Answers.Html(200),
            "no sid" => Answers.Json("""{"status":"queued"}""", 201),
            _ => Answers.Empty(201),
        });

        (refusal.Code, refusal.Transient, refusal.Unknown).ShouldBe((null, true, true));
    }

    [Fact]
    public async Task May_have_been_sent_when_no_answer_comes_in_time()
    {
        var refusal = await RefusalAsync(Answers.Never, Messengers.Impatient);

        (refusal.Code, refusal.Transient, refusal.Unknown).ShouldBe((null, true, true));
    }

    [Fact]
    public async Task May_have_been_sent_when_a_connection_in_use_is_lost_and_is_not_sent_again()
    {
        await using var server = await ScriptedServer.StartAsync(Answers.Json(TwilioJson.Message("SM1"), 201), Answers.Lost);
        using var twilio = Messengers.Of(server);

        await twilio.SendAsync(Messengers.Hello, default);
        var refusal = await Should.ThrowAsync<MessengerException>(() => twilio.SendAsync(Messengers.Hello, default));

        refusal.Unknown.ShouldBeTrue();
        server.Asked.Count.ShouldBe(2);
    }

    [Fact]
    public async Task Has_not_been_sent_when_nobody_listens()
    {
        var server = await ScriptedServer.StartAsync(Answers.Empty(201));
        using var twilio = Messengers.Of(server);
        await server.DisposeAsync();

        var refusal = await Should.ThrowAsync<MessengerException>(() => twilio.SendAsync(Messengers.Hello, default));

        (refusal.Code, refusal.Transient, refusal.Unknown).ShouldBe((null, true, false));
    }

    [Fact]
    public async Task Has_not_been_sent_when_the_connection_is_not_secured_in_time()
    {
        using var silent = new TcpListener(IPAddress.Loopback, 0);
        silent.Start();
        using var twilio = new TwilioMessenger(
            Messengers.Options with { BaseUrl = new Uri($"https://127.0.0.1:{((IPEndPoint)silent.LocalEndpoint).Port}") },
            Messengers.Fast with { ConnectTimeoutSeconds = 0.2 },
            TimeProvider.System,
            new KeptLog<TwilioMessenger>());

        var refusal = await Should.ThrowAsync<MessengerException>(() => twilio.SendAsync(Messengers.Hello, default));

        (refusal.Code, refusal.Transient, refusal.Unknown).ShouldBe((null, true, false));
    }

    [Fact]
    public async Task Ends_with_the_callers_patience()
    {
        var asked = new TaskCompletionSource();
        await using var server = await ScriptedServer.StartAsync(async context =>
        {
            asked.SetResult();
            await Answers.Never(context);
        });
        using var twilio = Messengers.Of(server);
        using var patience = new CancellationTokenSource();

        var sending = twilio.SendAsync(Messengers.Hello, patience.Token);
        await asked.Task.WaitAsync(RawSockets.Patience);
        await patience.CancelAsync();

        await Should.ThrowAsync<OperationCanceledException>(() => sending.WaitAsync(RawSockets.Patience));
    }

    [Fact]
    public async Task Keeps_numbers_words_and_keys_out_of_the_log_and_the_exception()
    {
        var log = new KeptLog<TwilioMessenger>();
        await using var server = await ScriptedServer.StartAsync(
            Answers.Json("""{"code":21211,"message":"The 'To' number whatsapp:+233201234567 is not valid.","status":400}""", 400));
        using var twilio = Messengers.Of(server, log: log);

        var refusal = await Should.ThrowAsync<MessengerException>(() => twilio.SendAsync(Messengers.Hello, default));

        var line = log.Lines.ShouldHaveSingleItem();
        line.ShouldContain("21211");
        foreach (var secret in new[] { "233201234567", "Hello", "token-1" })
        {
            (line + refusal).ShouldNotContain(secret);
        }
    }

    private static async Task<MessengerException> RefusalAsync(Func<HttpContext, Task> answer, MessengerOptions? options = null)
    {
        await using var server = await ScriptedServer.StartAsync(answer);
        using var twilio = Messengers.Of(server, messenger: options);
        var refusal = await Should.ThrowAsync<MessengerException>(() => twilio.SendAsync(Messengers.Hello, default).WaitAsync(RawSockets.Patience));
        server.Asked.Count.ShouldBe(1, "A message must never be sent again unasked.");
        return refusal;
    }
}

public sealed class ShowingThatAnAnswerIsBeingWritten
{
    [Fact]
    public async Task Is_the_form_that_Twilio_documents()
    {
        await using var server = await ScriptedServer.StartAsync(Answers.Json("""{"success":true}"""));
        using var twilio = Messengers.Of(server);

        await twilio.ShowTypingAsync("SM00000000000000000000000000000003", default);

        var asked = server.Asked.ShouldHaveSingleItem();
        (asked.Method, asked.Target).ShouldBe(("POST", "/v2/Indicators/Typing.json"));
        asked.Text.ShouldBe("channel=whatsapp&messageId=SM00000000000000000000000000000003");
        asked.Authorization.ShouldNotBeNull();
    }

    [Fact]
    public async Task Tells_that_it_could_not_be_shown_and_is_not_repeated()
    {
        await using var server = await ScriptedServer.StartAsync(Answers.Html(503));
        using var twilio = Messengers.Of(server);

        (await Should.ThrowAsync<MessengerException>(() => twilio.ShowTypingAsync("SM1", default))).Code.ShouldBe(503);
        server.Asked.Count.ShouldBe(1);
    }

    [Theory]
    [InlineData("https://api.twilio.com", "https://messaging.twilio.com/v2/Indicators/Typing.json")]
    [InlineData("https://api.dublin.ie1.twilio.com/", "https://messaging.dublin.ie1.twilio.com/v2/Indicators/Typing.json")]
    [InlineData("http://127.0.0.1:4010", "http://127.0.0.1:4010/v2/Indicators/Typing.json")]
    [InlineData("https://proxy.example.org/twilio/", "https://proxy.example.org/twilio/v2/Indicators/Typing.json")]
    public void Goes_to_the_messaging_host_unless_another_stands_for_all(string baseUrl, string address) =>
        new TwilioHosts(new Uri(baseUrl)).Messaging("/v2/Indicators/Typing.json").AbsoluteUri.ShouldBe(address);
}

public sealed class FindingWhatWasSent
{
    private static readonly DateTimeOffset Since = new(2026, 11, 24, 10, 0, 0, 900, TimeSpan.Zero);

    [Fact]
    public async Task Lists_what_went_to_the_address_from_our_number()
    {
        await using var server = await ScriptedServer.StartAsync(Answers.Json(TwilioJson.Page(
            next: null,
            TwilioJson.Message("SM2", "two", "Tue, 24 Nov 2026 10:00:05 +0000", "failed", 63016),
            TwilioJson.Message("SM1", "one", created: null))));
        using var twilio = Messengers.Of(server);

        var found = await twilio.FindSentAsync(Messengers.Caller, Since, default);

        found.ShouldBe(
        [
            new SentMessage("SM2", "two", "failed", 63016, new DateTimeOffset(2026, 11, 24, 10, 0, 5, TimeSpan.Zero)),
            new SentMessage("SM1", "one", "queued", ErrorCode: null, CreatedAt: null),
        ]);
        var asked = server.Asked.ShouldHaveSingleItem();
        (asked.Method, asked.Target).ShouldBe((
            "GET",
            "/2010-04-01/Accounts/AC00000000000000000000000000000001/Messages.json"
            + "?To=whatsapp%3A%2B233201234567&From=whatsapp%3A%2B15005550006&PageSize=50"));
        asked.Authorization.ShouldNotBeNull();
    }

    [Fact]
    public async Task Turns_the_pages_until_there_are_no_more()
    {
        const string Second = "/2010-04-01/Accounts/AC00000000000000000000000000000001/Messages.json?PageSize=50&Page=1&PageToken=PASM2";
        await using var server = await ScriptedServer.StartAsync(
            Answers.Json(TwilioJson.Page(Second, TwilioJson.Message("SM2"))),
            Answers.Json(TwilioJson.Page(next: null, TwilioJson.Message("SM1"))));
        using var twilio = Messengers.Of(server);

        (await twilio.FindSentAsync(Messengers.Caller, Since, default)).Select(message => message.MessageSid).ShouldBe(["SM2", "SM1"]);

        server.Asked.Count.ShouldBe(2);
        server.Asked[1].Target.ShouldBe(Second);
    }

    [Fact]
    public async Task Stops_at_what_is_older_and_keeps_the_second_in_which_it_was_asked_to_begin()
    {
        await using var server = await ScriptedServer.StartAsync(Answers.Json(TwilioJson.Page(
            "/next",
            TwilioJson.Message("SM3", created: "Tue, 24 Nov 2026 10:00:01 +0000"),
            TwilioJson.Message("SM2", created: "Tue, 24 Nov 2026 10:00:00 +0000"),
            TwilioJson.Message("SM1", created: "Tue, 24 Nov 2026 09:59:59 +0000"))));
        using var twilio = Messengers.Of(server);

        (await twilio.FindSentAsync(Messengers.Caller, Since, default)).Select(message => message.MessageSid).ShouldBe(["SM3", "SM2"]);

        server.Asked.Count.ShouldBe(1);
    }

    [Fact]
    public async Task Fails_rather_than_give_a_part_of_a_list_without_an_end()
    {
        await using var server = await ScriptedServer.StartAsync(Answers.Json(TwilioJson.Page("/again", TwilioJson.Message("SM1"))));
        using var twilio = Messengers.Of(server);

        (await Should.ThrowAsync<MessengerException>(() => twilio.FindSentAsync(Messengers.Caller, Since, default))).Transient.ShouldBeFalse();

        server.Asked.Count.ShouldBe(20);
    }

    [Theory]
    [InlineData("https://elsewhere.example.org/page")]
    [InlineData("@elsewhere.example.org/page")]
    public async Task Does_not_turn_to_a_page_on_another_host(string next)
    {
        await using var server = await ScriptedServer.StartAsync(Answers.Json(TwilioJson.Page(next, TwilioJson.Message("SM1"))));
        using var twilio = Messengers.Of(server);

        await Should.ThrowAsync<MessengerException>(() => twilio.FindSentAsync(Messengers.Caller, Since, default));

        server.Asked.Count.ShouldBe(1);
    }

    [Fact]
    public async Task Is_repeated_since_it_only_reads()
    {
        await using var server = await ScriptedServer.StartAsync(
            Answers.Html(502), Answers.Json(TwilioJson.Error(20429, 429), 429, retryAfter: "0"), Answers.Json(TwilioJson.Page(next: null, TwilioJson.Message("SM1"))));
        using var twilio = Messengers.Of(server);

        (await twilio.FindSentAsync(Messengers.Caller, Since, default)).Count.ShouldBe(1);

        server.Asked.Count.ShouldBe(3);
    }

    [Theory]
    [InlineData(503, null, 3)]
    [InlineData(429, "60", 1)]
    [InlineData(401, null, 1)]
    public async Task Is_repeated_a_few_times_at_most_and_not_when_that_cannot_help_soon(int status, string? retryAfter, int asked)
    {
        await using var server = await ScriptedServer.StartAsync(Answers.Json("{}", status, retryAfter));
        using var twilio = Messengers.Of(server);

        var refusal = await Should.ThrowAsync<MessengerException>(() => twilio.FindSentAsync(Messengers.Caller, Since, default));

        (refusal.Code, refusal.Unknown).ShouldBe((status, false));
        server.Asked.Count.ShouldBe(asked);
    }

    [Theory]
    [InlineData("<html></html>")]
    [InlineData("")]
    [InlineData("""{"messages":null}""")]
    public async Task Fails_for_now_when_there_is_no_list(string body)
    {
        await using var server = await ScriptedServer.StartAsync(Answers.Json(body));
        using var twilio = Messengers.Of(server);

        var refusal = await Should.ThrowAsync<MessengerException>(() => twilio.FindSentAsync(Messengers.Caller, Since, default));

        (refusal.Transient, refusal.Unknown).ShouldBe((true, false));
    }
}

internal static class Messengers
{
    public static readonly CallerAddress Caller = CallerAddress.Parse("+233201234567");

    public static readonly OutgoingMessage Hello = new(Caller, "Hello", StatusCallback: null);

    public static readonly MessengerOptions Fast = new() { RepeatDelaySeconds = 0.001, LongestRepeatDelaySeconds = 0.01 };

    public static readonly MessengerOptions Impatient = Fast with { RequestTimeoutSeconds = 0.2, DownloadTimeoutSeconds = 0.2 };

    public static TwilioOptions Options => new()
    {
        AccountSid = "AC00000000000000000000000000000001",
        AuthTokens = ["token-1", "token-2"],
        WhatsAppNumber = "whatsapp:+15005550006",
    };

    public static TwilioMessenger Of(
        ScriptedServer server,
        Func<TwilioOptions, TwilioOptions>? with = null,
        MessengerOptions? messenger = null,
        ILogger<TwilioMessenger>? log = null) =>
        new(
            (with ?? (options => options))(Options with { BaseUrl = server.Address }),
            messenger ?? Fast,
            TimeProvider.System,
            log ?? new KeptLog<TwilioMessenger>());
}

internal static class TwilioJson
{
    public static string Message(
        string sid, string body = "Hello", string? created = "Tue, 24 Nov 2026 10:00:05 +0000", string status = "queued", int? errorCode = null) =>
        new JsonObject
        {
            ["sid"] = sid, ["account_sid"] = "AC00000000000000000000000000000001", ["api_version"] = "2010-04-01", ["body"] = body,
            ["direction"] = "outbound-api", ["from"] = "whatsapp:+15005550006", ["to"] = "whatsapp:+233201234567", ["status"] = status,
            ["num_media"] = "0", ["num_segments"] = "1", ["messaging_service_sid"] = null, ["date_created"] = created, ["date_sent"] = null,
            ["date_updated"] = created, ["price"] = null, ["price_unit"] = null, ["error_code"] = errorCode, ["error_message"] = null,
            ["uri"] = $"/2010-04-01/Accounts/AC00000000000000000000000000000001/Messages/{sid}.json",
        }.ToJsonString();

    public static string Page(string? next, params string[] messages) =>
        $$"""{"messages":[{{string.Join(',', messages)}}],"page":0,"page_size":50,"next_page_uri":{{JsonSerializer.Serialize(next)}}}""";

    public static string Error(int code, int status) =>
        $$"""{"code":{{code}},"message":"It was arranged.","more_info":"https://www.twilio.com/docs/errors/{{code}}","status":{{status}}}""";
}
