using System.Diagnostics.Metrics;
using System.Text;
using System.Text.Json.Nodes;
using Guru.Application.Conversations;
using Guru.Application.Tests;
using Guru.Domain.Calls;
using Guru.Infrastructure.OpenAI;
using Guru.Infrastructure.Tests.Sockets;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Extensions.Logging;
using Microsoft.Net.Http.Headers;
using Shouldly;

namespace Guru.Infrastructure.Tests.OpenAI;

public sealed class AskingTheTextModel
{
    private const string Schema = """
        {"type":"object","additionalProperties":false,"required":["agent"],"properties":{"agent":{"type":"string","enum":["legal","general"]}}}
        """;

    private static readonly TextRequest Route = new(
        "route",
        "Route the message.",
        [new TextTurn(Speaker.Caller, "My visa …"), new TextTurn(Speaker.Agent, "Which one?"), new TextTurn(Speaker.Caller, "À \"K-1\" 🙂")],
        Schema,
        MaxOutputTokens: 300,
        "h_1");

    [Fact]
    public async Task Is_the_request_that_OpenAI_documents()
    {
        await using var server = await ScriptedServer.StartAsync(Answers.Json(TextModels.Completed("""{"agent":"legal"}""")));
        using var model = TextModels.Of(server);

        await model.AnswerAsync(Route, default);

        var asked = server.Asked.ShouldHaveSingleItem();
        (asked.Method, asked.Target, asked.Authorization).ShouldBe(("POST", "/v1/responses", "Bearer sk-invented"));
        asked.Headers.ContentType.ToString().ShouldBe("application/json");
        var expected = JsonNode.Parse("""
            {"model":"gpt-6-luna","instructions":"Route the message.","input":[
              {"type":"message","role":"user","content":[{"type":"input_text","text":"My visa …"}]},
              {"type":"message","role":"assistant","content":[{"type":"output_text","text":"Which one?","annotations":[]}]},
              {"type":"message","role":"user","content":[{"type":"input_text","text":"À \"K-1\" 🙂"}]}],
             "reasoning":{"effort":"none"},"max_output_tokens":300,"store":false,"safety_identifier":"h_1","prompt_cache_key":"guru-route",
             "text":{"format":{"type":"json_schema","name":"route","strict":true,"schema":SCHEMA}}}
            """.Replace("SCHEMA", Schema, StringComparison.Ordinal));
        JsonNode.DeepEquals(JsonNode.Parse(asked.Text), expected).ShouldBeTrue(asked.Text);
    }

    [Fact]
    public async Task Asks_for_plain_text_where_there_is_no_schema_and_for_the_configured_model()
    {
        await using var server = await ScriptedServer.StartAsync(Answers.Json(TextModels.Completed("Hello")));
        using var model = TextModels.Of(server, new TextModelSettings { Model = "gpt-6.1-sol", ReasoningEffort = "low" });

        await model.AnswerAsync(Route with { Purpose = "reply", Schema = null }, default);

        var asked = JsonNode.Parse(server.Asked.ShouldHaveSingleItem().Text)!;
        asked["text"].ShouldBeNull();
        asked["model"]!.GetValue<string>().ShouldBe("gpt-6.1-sol");
        asked["reasoning"]!["effort"]!.GetValue<string>().ShouldBe("low");
        asked["prompt_cache_key"]!.GetValue<string>().ShouldBe("guru-reply");
        asked["store"]!.GetValue<bool>().ShouldBeFalse();
    }

    [Fact]
    public async Task Gives_the_text_behind_the_reasoning_and_what_it_cost()
    {
        await using var server = await ScriptedServer.StartAsync(Answers.Json("""
            {"id":"resp_1","object":"response","created_at":1741476542,"status":"completed","error":null,"incomplete_details":null,"model":"gpt-6-luna-2026-10-01","output":[
              {"type":"reasoning","id":"rs_1","summary":[]},
              {"type":"something_new","id":"x_1"},
              {"type":"message","id":"msg_1","status":"completed","role":"assistant","phase":"final","content":[
                {"type":"output_text","text":"Bonjour, ","annotations":[]},{"type":"output_new"},{"type":"output_text","text":"Ama 🙂","annotations":[],"logprobs":[]}]}],
             "service_tier":"unheard_of",
             "usage":{"input_tokens":36,"input_tokens_details":{"cached_tokens":12},"output_tokens":20,"output_tokens_details":{"reasoning_tokens":0},"total_tokens":56}}
            """));
        using var model = TextModels.Of(server);

        (await model.AnswerAsync(Route, default)).ShouldBe(
            new TextAnswer("Bonjour, Ama 🙂", "gpt-6-luna-2026-10-01", InputTokens: 36, CachedTokens: 12, OutputTokens: 20));
    }

    [Fact]
    public async Task Gives_an_answer_that_does_not_say_what_it_cost()
    {
        await using var server = await ScriptedServer.StartAsync(Answers.Json(
            """{"status":"completed","output":[{"type":"message","content":[{"type":"output_text","text":"Hello"}]}],"usage":null}"""));
        using var model = TextModels.Of(server);

        (await model.AnswerAsync(Route, default)).ShouldBe(new TextAnswer("Hello", "gpt-6-luna", 0, 0, 0));
    }

    [Theory]
    [InlineData("""{"status":"incomplete","incomplete_details":{"reason":"max_output_tokens"},"output":[{"type":"message","content":[{"type":"output_text","text":"{\"age"}]}]}""", "cut_off", false)]
    [InlineData("""{"status":"incomplete","incomplete_details":null,"output":[]}""", "cut_off", false)]
    [InlineData("""{"status":"incomplete","incomplete_details":{"reason":"content_filter"},"output":[]}""", "refused", false)]
    [InlineData("""{"status":"completed","output":[{"type":"message","content":[{"type":"refusal","refusal":"I cannot."}]}]}""", "refused", false)]
    [InlineData("""{"status":"completed","output":[{"type":"message","content":[{"type":"output_text","text":"I "},{"type":"refusal","refusal":"cannot."}]}]}""", "refused", false)]
    [InlineData("""{"status":"failed","error":{"code":"server_error","message":"Sorry."},"output":[]}""", "server_error", true)]
    [InlineData("""{"status":"failed","error":{"code":"rate_limit_exceeded","message":"Slower."}}""", "rate_limit_exceeded", true)]
    [InlineData("""{"status":"failed","error":{"code":"invalid_prompt","message":"No."}}""", "invalid_prompt", false)]
    [InlineData("""{"status":"failed","error":{"code":"insufficient_quota","message":"No."}}""", "insufficient_quota", false)]
    [InlineData("""{"status":"failed","error":null}""", "failed", true)]
    [InlineData("""{"status":"cancelled"}""", "cancelled", true)]
    [InlineData("""{"status":"in_progress"}""", "in_progress", true)]
    [InlineData("""{"status":"completed","output":[{"type":"reasoning"}]}""", "empty", true)]
    [InlineData("""{"status":"completed","output":null}""", "empty", true)]
    [InlineData("""{"status":"completed","output":[{"type":"message","content":[{"type":"output_text","text":"half \ud83d"}]}]}""", "malformed", true)]
    [InlineData("""{"id":"resp_1"}""", "malformed", true)]
    [InlineData("[]", "malformed", true)]
    [InlineData("<html></html>", "malformed", true)]
    [InlineData("", "malformed", true)]
    public async Task Has_no_answer_to_use(string body, string code, bool transient)
    {
        var refusal = await RefusalAsync(Answers.Json(body));

        (refusal.Reason, refusal.Transient).ShouldBe((code, transient));
    }

    [Theory]
    [InlineData(400, "invalid_request_error", null, "invalid_request_error", false)]
    [InlineData(400, "invalid_request_error", "context_length_exceeded", "context_length_exceeded", false)]
    [InlineData(401, "invalid_request_error", "invalid_api_key", "invalid_api_key", false)]
    [InlineData(403, "invalid_request_error", "unsupported_country_region_territory", "unsupported_country_region_territory", false)]
    [InlineData(404, "invalid_request_error", "model_not_found", "model_not_found", false)]
    [InlineData(422, "invalid_request_error", null, "invalid_request_error", false)]
    [InlineData(408, "timeout", null, "timeout", true)]
    [InlineData(409, "conflict", null, "conflict", true)]
    [InlineData(429, "requests", "rate_limit_exceeded", "rate_limit_exceeded", true)]
    [InlineData(429, "tokens", "rate_limit_exceeded", "rate_limit_exceeded", true)]
    [InlineData(429, "slow_down", null, "slow_down", true)]
    [InlineData(429, "insufficient_quota", "insufficient_quota", "insufficient_quota", false)]
    [InlineData(429, "insufficient_quota", null, "insufficient_quota", false)]
    [InlineData(429, "insufficient_quota", "credit_balance_exhausted", "credit_balance_exhausted", false)]
    [InlineData(429, "insufficient_quota", "a_limit_of_the_future", "a_limit_of_the_future", false)]
    [InlineData(429, "requests", "organization_spend_limit_exceeded", "organization_spend_limit_exceeded", false)]
    [InlineData(429, "requests", "project_spend_limit_exceeded", "project_spend_limit_exceeded", false)]
    [InlineData(429, "requests", "organization_usage_limit_exceeded", "organization_usage_limit_exceeded", false)]
    [InlineData(500, "server_error", null, "server_error", true)]
    [InlineData(502, "server_error", "server_error", "server_error", true)]
    [InlineData(503, "server_error", "server_is_overloaded", "server_is_overloaded", true)]
    [InlineData(504, "server_error", null, "server_error", true)]
    public async Task Is_refused_by_a_code_that_says_whether_trying_again_may_help(int status, string type, string? code, string told, bool transient)
    {
        var refusal = await RefusalAsync(Answers.Json(TextModels.Error(type, code), status));

        (refusal.Reason, refusal.Transient, refusal.RetryAfter).ShouldBe((told, transient, null));
    }

    [Theory]
    [InlineData(500, true)]
    [InlineData(429, true)]
    [InlineData(502, true)]
    [InlineData(404, false)]
    [InlineData(301, false)]
    public async Task Is_refused_by_the_status_where_the_body_says_nothing(int status, bool transient)
    {
        foreach (var answer in new[] { Answers.Html(status), Answers.Empty(status), Answers.Json("""{"error":"no"}""", status) })
        {
            var refusal = await RefusalAsync(answer);
            (refusal.Reason, refusal.Transient).ShouldBe((status.ToString(System.Globalization.CultureInfo.InvariantCulture), transient));
        }
    }

    [Theory]
    [InlineData(429, "20", 20.0)]
    [InlineData(503, "1", 1.0)]
    [InlineData(503, "in a while", null)]
    public async Task Says_how_long_OpenAI_asks_to_wait(int status, string retryAfter, double? seconds)
    {
        var refusal = await RefusalAsync(Answers.Json(TextModels.Error("server_error", null), status, retryAfter));

        refusal.RetryAfter.ShouldBe(seconds is { } wait ? TimeSpan.FromSeconds(wait) : null);
    }

    [Fact]
    public async Task Is_given_up_when_it_takes_too_long()
    {
        var refusal = await RefusalAsync(Answers.Never, new TextModelSettings { TimeoutSeconds = 0.2 });

        (refusal.Reason, refusal.Transient).ShouldBe(("timeout", true));
    }

    [Fact]
    public async Task Is_given_up_when_the_answer_stops_coming()
    {
        var refusal = await RefusalAsync(
            async context =>
            {
                context.Response.ContentType = "application/json";
                await context.Response.WriteAsync("""{"status":""");
                await context.Response.Body.FlushAsync();
                await Answers.Never(context);
            },
            new TextModelSettings { TimeoutSeconds = 0.2 });

        (refusal.Reason, refusal.Transient).ShouldBe(("timeout", true));
    }

    [Fact]
    public async Task Is_unreachable_when_the_connection_breaks()
    {
        foreach (var answer in new[] { Answers.Lost, Answers.CutOff(200) })
        {
            var refusal = await RefusalAsync(answer);
            (refusal.Reason, refusal.Transient).ShouldBe(("unreachable", true));
        }
    }

    [Fact]
    public async Task Is_unreachable_when_nobody_listens()
    {
        var server = await ScriptedServer.StartAsync(Answers.Empty(200));
        using var model = TextModels.Of(server);
        await server.DisposeAsync();

        var refusal = await Should.ThrowAsync<TextModelException>(() => model.AnswerAsync(Route, default));

        (refusal.Reason, refusal.Transient).ShouldBe(("unreachable", true));
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
        using var model = TextModels.Of(server);
        using var patience = new CancellationTokenSource();

        var answering = model.AnswerAsync(Route, patience.Token);
        await asked.Task.WaitAsync(RawSockets.Patience);
        await patience.CancelAsync();

        await Should.ThrowAsync<OperationCanceledException>(() => answering.WaitAsync(RawSockets.Patience));
    }

    [Fact]
    public async Task Keeps_words_and_keys_out_of_the_log_and_the_exception()
    {
        var log = new KeptLog<OpenAITextModel>();
        await using var server = await ScriptedServer.StartAsync(async context =>
        {
            context.Response.Headers["x-request-id"] = "req_1";
            await Answers.Json("""{"error":{"message":"Bad input: My visa; key sk-invented","type":"invalid_request_error","code":"invalid_prompt"}}""", 400)(context);
        });
        using var model = TextModels.Of(server, log: log);

        var refusal = await Should.ThrowAsync<TextModelException>(() => model.AnswerAsync(Route, default));

        var line = log.Lines.ShouldHaveSingleItem();
        line.ShouldContain("invalid_prompt");
        line.ShouldContain("req_1");
        foreach (var secret in new[] { "visa", "sk-invented", "h_1" })
        {
            (line + refusal).ShouldNotContain(secret);
        }
    }

    [Fact]
    public async Task Is_counted_by_purpose()
    {
        const string Purpose = "a-purpose-of-this-test";
        var counted = new List<(string Kind, long Tokens)>();
        using var listener = new MeterListener();
        listener.InstrumentPublished = (instrument, self) =>
        {
            if (instrument.Name == "guru.text.tokens")
            {
                self.EnableMeasurementEvents(instrument);
            }
        };
        listener.SetMeasurementEventCallback<long>((_, tokens, tags, _) =>
        {
            var named = tags.ToArray().ToDictionary(tag => tag.Key, tag => (string)tag.Value!);
            if (named["purpose"] == Purpose)
            {
                counted.Add((named["kind"], tokens));
            }
        });
        listener.Start();
        await using var server = await ScriptedServer.StartAsync(Answers.Json(TextModels.Completed("Hello")));
        using var model = TextModels.Of(server);

        await model.AnswerAsync(Route with { Purpose = Purpose }, default);

        counted.ShouldBe([("input", 36), ("cached", 4), ("output", 20)]);
    }

    private static async Task<TextModelException> RefusalAsync(Func<HttpContext, Task> answer, TextModelSettings? settings = null)
    {
        await using var server = await ScriptedServer.StartAsync(answer);
        using var model = TextModels.Of(server, settings);
        var refusal = await Should.ThrowAsync<TextModelException>(() => model.AnswerAsync(Route, default).WaitAsync(RawSockets.Patience));
        server.Asked.Count.ShouldBe(1, "Trying again is the work queue's.");
        return refusal;
    }
}

public sealed class WritingDownAVoiceNote
{
    private static readonly byte[] VoiceNote = [0x4f, 0x67, 0x67, 0x53, 0, 13, 10, 45, 45, 0xff];

    [Fact]
    public async Task Is_the_form_that_OpenAI_documents()
    {
        await using var server = await ScriptedServer.StartAsync(Answers.Json(TextModels.Transcript));
        using var model = TextModels.Of(server);

        await model.TranscribeAsync(VoiceNote, "audio/ogg; codecs=opus", default);

        var asked = server.Asked.ShouldHaveSingleItem();
        (asked.Method, asked.Target, asked.Authorization).ShouldBe(("POST", "/v1/audio/transcriptions", "Bearer sk-invented"));
        asked.Headers.ContentLength.ShouldBe(asked.Body.Length);
        (await PartsAsync(asked)).ShouldBe(
        [
            ("""form-data; name="file"; filename="voice.ogg" """.TrimEnd(), "audio/ogg", Convert.ToHexString(VoiceNote)),
            ("""form-data; name="model" """.TrimEnd(), null, Convert.ToHexString("gpt-transcribe"u8)),
            ("""form-data; name="response_format" """.TrimEnd(), null, Convert.ToHexString("json"u8)),
        ]);
    }

    [Theory]
    [InlineData("audio/ogg", "voice.ogg")]
    [InlineData("audio/opus", "voice.ogg")]
    [InlineData("audio/mpeg", "voice.mp3")]
    [InlineData("audio/mp4", "voice.m4a")]
    [InlineData("audio/x-m4a", "voice.m4a")]
    [InlineData("video/mp4", "voice.mp4")]
    [InlineData("audio/wav", "voice.wav")]
    [InlineData("audio/x-wav", "voice.wav")]
    [InlineData("AUDIO/WEBM", "voice.webm")]
    [InlineData("audio/flac", "voice.flac")]
    public async Task Tells_the_format_by_the_name_of_the_file(string contentType, string fileName)
    {
        await using var server = await ScriptedServer.StartAsync(Answers.Json(TextModels.Transcript));
        using var model = TextModels.Of(server);

        await model.TranscribeAsync(VoiceNote, contentType, default);

        (await PartsAsync(server.Asked.ShouldHaveSingleItem()))[0].Disposition.ShouldBe($"form-data; name=\"file\"; filename=\"{fileName}\"");
    }

    [Theory]
    [InlineData("audio/amr")]
    [InlineData("image/jpeg")]
    [InlineData("application/octet-stream")]
    [InlineData("")]
    [InlineData("nonsense")]
    public async Task Does_not_ask_about_what_is_no_audio_that_the_model_takes(string contentType)
    {
        await using var server = await ScriptedServer.StartAsync(Answers.Json(TextModels.Transcript));
        using var model = TextModels.Of(server);

        var refusal = await Should.ThrowAsync<TextModelException>(() => model.TranscribeAsync(VoiceNote, contentType, default));

        (refusal.Reason, refusal.Transient).ShouldBe(("unsupported_audio", false));
        server.Asked.ShouldBeEmpty();
    }

    [Fact]
    public async Task Does_not_send_more_than_the_model_takes()
    {
        await using var server = await ScriptedServer.StartAsync(Answers.Json(TextModels.Transcript));
        using var model = TextModels.Of(server);

        var refusal = await Should.ThrowAsync<TextModelException>(() => model.TranscribeAsync(new byte[(25 * 1024 * 1024) + 1], "audio/ogg", default));

        (refusal.Reason, refusal.Transient).ShouldBe(("audio_too_large", false));
        server.Asked.ShouldBeEmpty();
    }

    [Theory]
    [InlineData("""{"text":"Bonjour ...","languages":[{"code":"fr"}],"usage":{"type":"tokens","input_tokens":14,"input_token_details":{"text_tokens":0,"audio_tokens":14},"output_tokens":45,"total_tokens":59}}""",
        "Bonjour ...", "fr", null, 14, 45)]
    [InlineData("""{"text":"Alo, kijan ou ye?","languages":[{"code":"ht"},{"code":"en"}],"usage":{"type":"duration","seconds":3.25}}""",
        "Alo, kijan ou ye?", "ht", 3.25, 0, 0)]
    [InlineData("""{"text":"Alo","languages":[{"code":"hat"}]}""", "Alo", "ht", null, 0, 0)]
    [InlineData("""{"text":"Nyob zoo","languages":[{"code":"hmn"}]}""", "Nyob zoo", null, null, 0, 0)]
    [InlineData("""{"text":"Olá","languages":[{"code":"pt-BR"}],"usage":{"type":"duration","seconds":3}}""", "Olá", "pt", 3.0, 0, 0)]
    [InlineData("""{"text":"Hm","languages":[],"usage":null}""", "Hm", null, null, 0, 0)]
    [InlineData("""{"text":"Hm","languages":[{"code":"unknown"}]}""", "Hm", null, null, 0, 0)]
    [InlineData("""{"text":"Hm","languages":null}""", "Hm", null, null, 0, 0)]
    [InlineData("""{"text":""}""", "", null, null, 0, 0)]
    public async Task Gives_the_words_the_language_and_what_it_cost(string body, string text, string? language, double? seconds, int input, int output)
    {
        await using var server = await ScriptedServer.StartAsync(Answers.Json(body));
        using var model = TextModels.Of(server);

        (await model.TranscribeAsync(VoiceNote, "audio/ogg", default))
            .ShouldBe(new TranscribedNote(text, language, "gpt-transcribe", seconds, input, output));
    }

    [Theory]
    [InlineData(200, "{}", "malformed", true)]
    [InlineData(200, "<html></html>", "malformed", true)]
    [InlineData(400, """{"error":{"message":"Invalid file format.","type":"invalid_request_error","param":"file","code":"unsupported_value"}}""", "unsupported_value", false)]
    [InlineData(413, "", "413", false)]
    [InlineData(429, """{"error":{"type":"insufficient_quota","code":"credit_balance_exhausted"}}""", "credit_balance_exhausted", false)]
    [InlineData(503, "<html></html>", "503", true)]
    public async Task Is_refused_as_other_requests_are_and_not_repeated(int status, string body, string code, bool transient)
    {
        await using var server = await ScriptedServer.StartAsync(Answers.Of(status, "application/json", Encoding.UTF8.GetBytes(body)));
        using var model = TextModels.Of(server);

        var refusal = await Should.ThrowAsync<TextModelException>(() => model.TranscribeAsync(VoiceNote, "audio/ogg", default));

        (refusal.Reason, refusal.Transient).ShouldBe((code, transient));
        server.Asked.Count.ShouldBe(1);
    }

    [Fact]
    public async Task Is_given_up_when_it_takes_too_long()
    {
        await using var server = await ScriptedServer.StartAsync(Answers.Never);
        using var model = TextModels.Of(server, new TextModelSettings { TranscriptionTimeoutSeconds = 0.2 });

        var refusal = await Should.ThrowAsync<TextModelException>(() =>
            model.TranscribeAsync(VoiceNote, "audio/ogg", default).WaitAsync(RawSockets.Patience));

        (refusal.Reason, refusal.Transient).ShouldBe(("timeout", true));
    }

    private static async Task<List<(string? Disposition, string? ContentType, string Hex)>> PartsAsync(AskedRequest asked)
    {
        var boundary = HeaderUtilities.RemoveQuotes(MediaTypeHeaderValue.Parse(asked.Headers.ContentType.ToString()).Boundary).Value!;
        var reader = new MultipartReader(boundary, new MemoryStream(asked.Body));
        var parts = new List<(string?, string?, string)>();
        while (await reader.ReadNextSectionAsync() is { } part)
        {
            using var content = new MemoryStream();
            await part.Body.CopyToAsync(content);
            parts.Add((part.ContentDisposition, part.ContentType, Convert.ToHexString(content.ToArray())));
        }

        return parts;
    }
}

internal static class TextModels
{
    public const string Transcript = """{"text":"Bonjour","languages":[{"code":"fr"}],"usage":{"type":"duration","seconds":3}}""";

    public static OpenAITextModel Of(ScriptedServer server, TextModelSettings? settings = null, ILogger<OpenAITextModel>? log = null) =>
        new(
            new OpenAIOptions { BaseUrl = new Uri(server.Address, "v1"), ApiKey = "sk-invented" },
            settings ?? new TextModelSettings(),
            TimeProvider.System,
            log ?? new KeptLog<OpenAITextModel>());

    public static string Completed(string text) => new JsonObject
    {
        ["id"] = "resp_1",
        ["status"] = "completed",
        ["model"] = "gpt-6-luna",
        ["output"] = new JsonArray(new JsonObject
        {
            ["type"] = "message",
            ["content"] = new JsonArray(new JsonObject { ["type"] = "output_text", ["text"] = text, ["annotations"] = new JsonArray() }),
        }),
        ["usage"] = JsonNode.Parse("""{"input_tokens":36,"input_tokens_details":{"cached_tokens":4},"output_tokens":20}"""),
    }.ToJsonString();

    public static string Error(string type, string? code) => new JsonObject
    {
        ["error"] = new JsonObject { ["message"] = "It was arranged.", ["type"] = type, ["param"] = null, ["code"] = code },
    }.ToJsonString();
}
