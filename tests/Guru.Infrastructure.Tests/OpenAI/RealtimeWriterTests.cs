using System.Buffers;
using System.Text;
using System.Text.Json.Nodes;
using Guru.Application.Voice;
using Guru.Application.VoiceSessions;
using Guru.Infrastructure.OpenAI;
using Shouldly;

namespace Guru.Infrastructure.Tests.OpenAI;

public sealed class WritingToTheModel
{
    internal static readonly VoiceConfiguration Configuration = new(
        "general",
        "gpt-realtime-2.1",
        "marin",
        "You are Guru. Réponds \"poliment\".",
        new Transcription("gpt-transcribe", ["en", "fr"], "A phone call about Medicaid"),
        new TurnDetection(0.5, 300, 500),
        [new VoiceTool("hand_off", "Hands the call to another advisor.", """{"type":"object","properties":{"agent":{"type":"string"}},"required":["agent"]}""")],
        4096,
        "low");

    [Fact]
    public void Configures_the_session_in_the_shape_of_the_ga_api() =>
        ShouldBeJson(Update(Configuration), """
            {"type":"session.update","event_id":"session-0","session":{
              "type":"realtime",
              "instructions":"You are Guru. Réponds \"poliment\".",
              "output_modalities":["audio"],
              "reasoning":{"effort":"low"},
              "audio":{
                "input":{
                  "format":{"type":"audio/pcmu"},
                  "noise_reduction":null,
                  "transcription":{"model":"gpt-transcribe","languages":["en","fr"],"prompt":"A phone call about Medicaid"},
                  "turn_detection":{"type":"server_vad","threshold":0.5,"prefix_padding_ms":300,"silence_duration_ms":500,
                                    "idle_timeout_ms":null,"create_response":true,"interrupt_response":true}},
                "output":{"format":{"type":"audio/pcmu"},"voice":"marin","speed":1}},
              "tools":[{"type":"function","name":"hand_off","description":"Hands the call to another advisor.",
                        "parameters":{"type":"object","properties":{"agent":{"type":"string"}},"required":["agent"]}}],
              "tool_choice":"auto",
              "max_output_tokens":4096,
              "truncation":{"type":"retention_ratio","retention_ratio":0.8},
              "tracing":null}}
            """);

    [Fact]
    public void Configures_a_browsers_session_alike_with_the_model_and_without_a_format()
    {
        var phone = JsonNode.Parse(Update(Configuration))!["session"]!.AsObject();
        var browser = JsonNode.Parse(RealtimeWriter.BrowserSession(Configuration))!.AsObject();

        ((string)browser["model"]!).ShouldBe("gpt-realtime-2.1");
        browser.Remove("model");
        phone["audio"]!["input"]!.AsObject().Remove("format");
        phone["audio"]!["output"]!.AsObject().Remove("format");
        browser.ToJsonString().ShouldBe(phone.ToJsonString());
    }

    [Fact]
    public void Uses_no_name_of_the_beta_api()
    {
        var json = Update(Configuration);

        foreach (var name in new[] { "modalities\":[\"text", "g711_ulaw", "input_audio_format", "output_audio_format", "temperature", "\"prompt\":{" })
        {
            json.ShouldNotContain(name);
        }
    }

    [Theory]
    [InlineData("noise_reduction")]
    [InlineData("idle_timeout_ms")]
    [InlineData("tracing")]
    public void Switches_things_off_by_writing_null(string member) => Update(Configuration).ShouldContain($"\"{member}\":null");

    [Theory]
    [InlineData("gpt-realtime-2.1", true)]
    [InlineData("gpt-realtime-2.1-mini", true)]
    [InlineData("gpt-realtime-2", true)]
    [InlineData("gpt-realtime-1.5", false)]
    [InlineData("gpt-realtime", false)]
    public void Asks_only_models_that_reason_to_reason(string model, bool reasons) =>
        Update(Configuration with { Model = model }).Contains("\"reasoning\"", StringComparison.Ordinal).ShouldBe(reasons);

    [Fact]
    public void Leaves_out_what_is_not_configured()
    {
        var session = JsonNode.Parse(Update(Configuration with
        {
            ReasoningEffort = null,
            Tools = [],
            Transcription = new Transcription("gpt-transcribe", [], Prompt: null),
        }))!["session"]!;

        session["reasoning"].ShouldBeNull();
        session["tools"]!.AsArray().ShouldBeEmpty();
        session["audio"]!["input"]!["transcription"]!.ToJsonString().ShouldBe("""{"model":"gpt-transcribe"}""");
    }

    [Theory]
    [InlineData("whisper-1", "en", """{"model":"whisper-1","language":"en"}""")]
    [InlineData("whisper-1", "en,fr", """{"model":"whisper-1"}""")]
    [InlineData("gpt-transcribe", "en", """{"model":"gpt-transcribe","languages":["en"]}""")]
    public void Gives_language_hints_in_the_form_the_transcription_model_takes(string model, string languages, string expected) =>
        JsonNode.Parse(Update(Configuration with { Transcription = new Transcription(model, languages.Split(','), Prompt: null) }))!
            ["session"]!["audio"]!["input"]!["transcription"]!.ToJsonString().ShouldBe(expected);

    [Fact]
    public void Has_a_shape_for_every_command()
    {
        ShouldBeJson(Write(new AddSystemItem("Earlier: « allô »")),
            """{"type":"conversation.item.create","event_id":"id-1","item":{"type":"message","role":"system","content":[{"type":"input_text","text":"Earlier: « allô »"}]}}""");
        ShouldBeJson(Write(new AnswerTool("call_1", """{"ok":true}""")),
            """{"type":"conversation.item.create","event_id":"id-1","item":{"type":"function_call_output","call_id":"call_1","output":"{\"ok\":true}"}}""");
        ShouldBeJson(Write(new CreateResponse("greeting", "Greet the caller.")),
            """{"type":"response.create","event_id":"id-1","response":{"instructions":"Greet the caller.","metadata":{"purpose":"greeting"}}}""");
        ShouldBeJson(Write(new CreateResponse("goodbye", Instructions: null, ToolsAllowed: false)),
            """{"type":"response.create","event_id":"id-1","response":{"metadata":{"purpose":"goodbye"},"tools":[],"tool_choice":"none"}}""");
        ShouldBeJson(Write(new TruncateItem("item_5", 0, 1340)),
            """{"type":"conversation.item.truncate","event_id":"id-1","item_id":"item_5","content_index":0,"audio_end_ms":1340}""");
        ShouldBeJson(Write(new CancelResponse("resp_1")), """{"type":"response.cancel","event_id":"id-1","response_id":"resp_1"}""");
        ShouldBeJson(Write(new RetrieveItem("item_1")), """{"type":"conversation.item.retrieve","event_id":"id-1","item_id":"item_1"}""");
        ShouldBeJson(Write(new CommitTurn()), """{"type":"input_audio_buffer.commit","event_id":"id-1"}""");
    }

    [Fact]
    public void Changes_a_session_that_has_spoken_without_a_word_about_its_voice() =>
        ShouldBeJson(Write(new Configure(Configuration, IsFresh: false)), """
            {"type":"session.update","event_id":"id-1","session":{
              "type":"realtime",
              "instructions":"You are Guru. Réponds \"poliment\".",
              "audio":{
                "input":{
                  "format":{"type":"audio/pcmu"},
                  "noise_reduction":null,
                  "transcription":{"model":"gpt-transcribe","languages":["en","fr"],"prompt":"A phone call about Medicaid"},
                  "turn_detection":{"type":"server_vad","threshold":0.5,"prefix_padding_ms":300,"silence_duration_ms":500,
                                    "idle_timeout_ms":null,"create_response":true,"interrupt_response":true}},
                "output":{"format":{"type":"audio/pcmu"}}},
              "tools":[{"type":"function","name":"hand_off","description":"Hands the call to another advisor.",
                        "parameters":{"type":"object","properties":{"agent":{"type":"string"}},"required":["agent"]}}]}}
            """);

    [Fact]
    public void Configures_a_session_that_has_not_spoken_anew_with_its_voice() =>
        Write(new Configure(Configuration, IsFresh: true)).ShouldBe(Update(Configuration).Replace("session-0", "id-1"));

    [Fact]
    public void Puts_audio_into_its_envelope() =>
        ShouldBeJson(
            Encoding.UTF8.GetString([.. RealtimeWriter.AppendPrefix, .. "//8A"u8, .. RealtimeWriter.AppendSuffix]),
            """{"type":"input_audio_buffer.append","audio":"//8A"}""");

    private static string Update(VoiceConfiguration configuration)
    {
        var output = new ArrayBufferWriter<byte>();
        RealtimeWriter.WriteSessionUpdate(output, configuration, "session-0");
        return Encoding.UTF8.GetString(output.WrittenSpan);
    }

    private static string Write(ModelCommand command)
    {
        var output = new ArrayBufferWriter<byte>();
        RealtimeWriter.WriteCommand(output, command, "id-1");
        return Encoding.UTF8.GetString(output.WrittenSpan);
    }

    private static void ShouldBeJson(string actual, string expected) =>
        JsonNode.DeepEquals(JsonNode.Parse(actual), JsonNode.Parse(expected)).ShouldBeTrue(actual);
}
