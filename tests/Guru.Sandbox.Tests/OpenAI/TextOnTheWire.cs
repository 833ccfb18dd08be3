using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using Guru.Sandbox.Audio;
using Guru.Sandbox.OpenAI;
using Shouldly;

namespace Guru.Sandbox.Tests.OpenAI;

public sealed class TextOnTheWire : IAsyncLifetime
{
    private const string Route = """
        {"type":"object","additionalProperties":false,"required":["confidence","agent","alternatives","reason","language"],"properties":{
          "confidence":{"type":"number"},"agent":{"type":"string","enum":["healthcare","financial","legal","general"]},
          "alternatives":{"type":"array","items":{"type":"object","additionalProperties":false,"required":["agent","confidence"],"properties":{
            "agent":{"type":"string","enum":["healthcare","financial","legal","general"]},"confidence":{"type":"number"}}}},
          "reason":{"type":"string"},"language":{"type":["string","null"]}}}
        """;

    private const string Summary = """
        {"type":"object","additionalProperties":false,"required":["summary","agreed","documents","deadlines","addresses","phoneNumbers"],"properties":{
          "summary":{"type":"string"},"agreed":{"type":"array","items":{"type":"string"}},
          "documents":{"type":"array","items":{"type":"object","additionalProperties":false,"required":["name"],"properties":{"name":{"type":"string"}}}},
          "deadlines":{"type":"array","items":{"type":"string"}},"addresses":{"type":"array","items":{"type":"string"}},
          "phoneNumbers":{"type":"array","items":{"type":"string"}}}}
        """;

    private OpenAIStandIn _openai = null!;
    private HttpClient _http = null!;

    public async Task InitializeAsync()
    {
        _openai = await OpenAIStandIn.StartAsync();
        _http = new HttpClient { DefaultRequestHeaders = { Authorization = new("Bearer", "sk-any") } };
    }

    public async Task DisposeAsync()
    {
        _http.Dispose();
        await _openai.DisposeAsync();
    }

    [Fact]
    public async Task A_route_has_its_confidence_alternatives_and_language()
    {
        (await StructuredAsync(Route, ("user", "My visa, and the rent"))).ToJsonString().ShouldBe(
            """{"confidence":0.9,"agent":"legal","alternatives":[{"agent":"financial","confidence":0.2}],"reason":"The message says \u0022visa\u0022.","language":"en"}""");
        (await StructuredAsync(Route, ("user", "Ok"))).ToJsonString().ShouldBe(
            """{"confidence":0.3,"agent":"general","alternatives":[],"reason":"No word of the message decides.","language":null}""");
    }

    [Fact]
    public async Task A_summary_is_made_of_the_sentences_that_were_said()
    {
        var summary = await StructuredAsync(
            Summary, ("user", "I got a bill."), ("assistant", SampleLibrary.Shipped["bill-answer-en"].Text), ("user", "I will do it before Friday. My phone is 555."));
        ((string?)summary["summary"]).ShouldBe("We talked about this: I got a bill.");
        summary["documents"]!.AsArray().Select(document => (string?)document!["name"]).ShouldBe(
        [
            "First, call the billing office of the hospital and ask for an itemized bill.", "Then compare it with the letter from your insurance.",
            "Finally, ask for the form for financial assistance, because most hospitals must offer it to people with a low income.",
        ]);
        Texts("deadlines").ShouldBe(["I will do it before Friday."]);
        Texts("agreed").ShouldBe(["I will do it before Friday."]);
        Texts("phoneNumbers").ShouldBe(["My phone is 555."]);
        Texts("addresses").ShouldBeEmpty();

        IEnumerable<string?> Texts(string name) => summary[name]!.AsArray().Select(text => (string?)text);
    }

    [Fact]
    public async Task A_summary_keeps_what_was_noted_so_far()
    {
        const string Notes = """{"type":"object","additionalProperties":false,"required":["summary"],"properties":{"summary":{"type":"string"}}}""";
        var request = Request(Notes, ("user", "I got a bill."));
        request["instructions"] = "Write the notes anew.\n\nThe notes so far:\nShe has a visa.";
        JsonNode.Parse(TextOf(await RespondAsync(request)))!["summary"]!.GetValue<string>().ShouldBe("She has a visa. We talked about this: I got a bill.");

        request["instructions"] = "Write the notes anew.\n\nThe notes so far:\nnone";
        JsonNode.Parse(TextOf(await RespondAsync(request)))!["summary"]!.GetValue<string>().ShouldBe("We talked about this: I got a bill.");
    }

    [Theory]
    [InlineData(AnswerFault.Refusal, "completed", "refusal", null)]
    [InlineData(AnswerFault.CutOff, "incomplete", "output_text", "max_output_tokens")]
    [InlineData(AnswerFault.Filtered, "incomplete", "output_text", "content_filter")]
    [InlineData(AnswerFault.Failed, "failed", null, null)]
    [InlineData(AnswerFault.Empty, "completed", null, null)]
    [InlineData(AnswerFault.NotJson, "completed", "output_text", null)]
    public async Task An_answer_may_be_no_answer(AnswerFault fault, string status, string? part, string? reason)
    {
        _openai.Http.FailNext(HttpFault.Answering(fault));
        var response = await RespondAsync(Request(Route, ("user", "My visa")));
        ((string?)response["status"]).ShouldBe(status);
        var message = response["output"]!.AsArray().SingleOrDefault(item => (string?)item!["type"] == "message");
        ((string?)message?["content"]![0]!["type"]).ShouldBe(part);
        ((string?)response["incomplete_details"]?["reason"]).ShouldBe(reason);
        if (message?["content"]![0]!["text"] is { } text)
        {
            Should.Throw<System.Text.Json.JsonException>(() => JsonNode.Parse((string)text!));
        }

        ((string?)(await RespondAsync(Request(Route, ("user", "My visa"))))["status"]).ShouldBe("completed");
    }

    [Fact]
    public async Task An_answer_longer_than_allowed_is_cut_off()
    {
        var response = await RespondAsync(new JsonObject { ["model"] = "gpt-6-luna", ["input"] = "I got a bill", ["max_output_tokens"] = 16 });
        ((string?)response["status"]).ShouldBe("incomplete");
        ((string)response["output"]![1]!["content"]![0]!["text"]!).Length.ShouldBe(64);
    }

    [Fact]
    public async Task A_fault_can_be_meant_for_the_router_or_for_replies_alone()
    {
        _openai.Http.FailNext(new HttpFault("/v1/responses", 503, "server_is_overloaded") { Times = 2 }.OfRouting());
        _openai.Http.FailNext(HttpFault.NoQuota("/v1/responses").OfReplies());
        using var quota = await PostAsync(new JsonObject { ["model"] = "gpt-6-luna", ["input"] = "Hello" });
        ((int)quota.StatusCode).ShouldBe(429);
        ((string?)(await ReadAsync(quota))["error"]!["type"]).ShouldBe("insufficient_quota");
        for (var expected = 0; expected < 2; expected++)
        {
            using var down = await PostAsync(Request(Route, ("user", "My visa")));
            ((int)down.StatusCode).ShouldBe(503);
        }

        using var up = await PostAsync(Request(Route, ("user", "My visa")));
        up.IsSuccessStatusCode.ShouldBeTrue();
    }

    [Fact]
    public async Task An_answer_may_never_come()
    {
        _openai.Http.FailNext(HttpFault.Timeout("/v1/responses"));
        using var patience = new CancellationTokenSource(TimeSpan.FromMilliseconds(100));
        await Should.ThrowAsync<OperationCanceledException>(() => PostAsync(new JsonObject { ["model"] = "m", ["input"] = "Hello" }, patience.Token));
        (await _openai.Http.Exchanges.WaitAsync(exchange => exchange.Status == 499)).Path.ShouldBe("/v1/responses");
    }

    [Theory]
    [InlineData("""{"model":"m"}""", "missing_required_parameter")]
    [InlineData("""{"model":"m","input":"x","max_output_tokens":15}""", "integer_below_min_value")]
    [InlineData("""{"model":"m","input":[{"role":"assistant","content":[{"type":"input_text","text":"x"}]}]}""", "invalid_value")]
    [InlineData("""{"model":"m","input":[{"role":"agent","content":"x"}]}""", "invalid_value")]
    [InlineData("""{"model":"m","input":"x","text":{"format":{"type":"json_schema","schema":{}}}}""", "missing_required_parameter")]
    [InlineData("""{"model":"m","input":"x","text":{"format":{"type":"json_schema","name":"n","strict":true,"schema":{"type":"object","properties":{}}}}}""", "invalid_json_schema")]
    [InlineData("""{"model":"m","input":"x","text":{"format":{"type":"json_schema","name":"n","strict":true,"schema":{"type":"object","additionalProperties":false,"required":[],"properties":{"a":{"type":"string"}}}}}}""", "invalid_json_schema")]
    [InlineData("""{"model":"m","input":"x","text":{"format":{"type":"json_schema","name":"n","strict":true,"schema":{"type":"array","items":{"type":"string"}}}}}""", "invalid_json_schema")]
    [InlineData("""{"model":"m","input":"x","text":{"format":{"type":"json_schema","name":"n","strict":true,"schema":{"type":"object"}}}}""", "invalid_json_schema")]
    [InlineData("""{"model":"m","input":"x","text":{"format":{"type":"json_schema","name":"n","strict":true,"schema":{"type":"object","additionalProperties":false,"required":["a"],"properties":{}}}}}""", "invalid_json_schema")]
    public async Task A_wrong_request_is_refused(string json, string code)
    {
        using var response = await PostAsync(JsonNode.Parse(json)!);
        ((int)response.StatusCode).ShouldBe(400);
        ((string?)(await ReadAsync(response))["error"]!["code"]).ShouldBe(code);
    }

    public static TheoryData<string> EveryVoiceNote =>
        [.. SampleLibrary.Shipped.All.Where(sample => sample.Speaker == "caller").Select(sample => sample.Id)];

    [Theory]
    [MemberData(nameof(EveryVoiceNote))]
    public async Task Every_voice_note_is_known_with_its_language(string id)
    {
        var sample = SampleLibrary.Shipped[id];
        Encoding.ASCII.GetString(sample.VoiceNote.AsSpan()[..4]).ShouldBe("OggS");
        var (status, json) = await TranscribeAsync(sample.VoiceNote.AsSpan().ToArray(), "voice.ogg");
        status.ShouldBe(200);
        ((string?)json["text"]).ShouldBe(sample.Text);
        ((string?)json["languages"]![0]!["code"]).ShouldBe(sample.Language);
    }

    [Fact]
    public async Task A_recording_of_nothing_known_has_no_words_and_no_language()
    {
        var (_, json) = await TranscribeAsync(new byte[4000], "voice.ogg");
        ((string?)json["text"]).ShouldBe("");
        json["languages"]!.AsArray().ShouldBeEmpty();
        JsonNode.Parse(_openai.Http.Exchanges.Entries[^1].Body)!["file"]!["fileName"]!.GetValue<string>().ShouldBe("voice.ogg");
    }

    [Fact]
    public async Task A_voice_note_forced_into_another_language_cannot_be_understood()
    {
        var (_, json) = await TranscribeAsync(SampleLibrary.Shipped["bill-es"].VoiceNote.AsSpan().ToArray(), "voice.ogg", ("language", "en"));
        ((string?)json["text"]).ShouldBe("(unintelligible)");
    }

    [Theory]
    [InlineData("voice", null, null, 400)]
    [InlineData("voice.ogg", "response_format", "verbose_json", 400)]
    [InlineData("voice.ogg", "languages[]", "es", 200)]
    public async Task An_upload_is_held_against_the_rules(string fileName, string? field, string? value, int status)
    {
        (string, string)[] fields = field is null ? [] : [(field, value!)];
        (await TranscribeAsync(SampleLibrary.Shipped["yes-es"].VoiceNote.AsSpan().ToArray(), fileName, fields)).Status.ShouldBe(status);
    }

    private async Task<(int Status, JsonNode Json)> TranscribeAsync(byte[] file, string fileName, params (string Name, string Value)[] fields)
    {
        using var form = new MultipartFormDataContent { { new StringContent("gpt-transcribe"), "model" }, { new ByteArrayContent(file), "file", fileName } };
        foreach (var (name, value) in fields)
        {
            form.Add(new StringContent(value), name);
        }

        using var response = await _http.PostAsync(new Uri($"{_openai.BaseUrl}/audio/transcriptions"), form);
        return ((int)response.StatusCode, await ReadAsync(response));
    }

    private async Task<JsonNode> StructuredAsync(string schema, params (string Role, string Text)[] turns) =>
        JsonNode.Parse(TextOf(await RespondAsync(Request(schema, turns))))!;

    private static string TextOf(JsonNode response) => (string)response["output"]![1]!["content"]![0]!["text"]!;

    private static JsonObject Request(string schema, params (string Role, string Text)[] turns) => new()
    {
        ["model"] = "gpt-6-luna",
        ["store"] = false,
        ["input"] = new JsonArray([.. turns.Select(turn => new JsonObject
        {
            ["type"] = "message", ["role"] = turn.Role,
            ["content"] = new JsonArray(new JsonObject { ["type"] = turn.Role == "user" ? "input_text" : "output_text", ["text"] = turn.Text }),
        })]),
        ["text"] = new JsonObject
        {
            ["format"] = new JsonObject { ["type"] = "json_schema", ["name"] = "answer", ["strict"] = true, ["schema"] = JsonNode.Parse(schema) },
        },
    };

    private async Task<JsonNode> RespondAsync(JsonNode request)
    {
        using var response = await PostAsync(request);
        var json = await ReadAsync(response);
        response.IsSuccessStatusCode.ShouldBeTrue(string.Create(CultureInfo.InvariantCulture, $"{json}"));
        return json;
    }

    private Task<HttpResponseMessage> PostAsync(JsonNode request, CancellationToken cancellationToken = default) => _http.PostAsync(
        new Uri($"{_openai.BaseUrl}/responses"), new StringContent(request.ToJsonString(), Encoding.UTF8, "application/json"), cancellationToken);

    private static async Task<JsonNode> ReadAsync(HttpResponseMessage response) => JsonNode.Parse(await response.Content.ReadAsStringAsync())!;
}
