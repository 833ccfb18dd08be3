using System.Text;
using Guru.Application.Voice;
using Guru.Infrastructure.OpenAI;
using Guru.Infrastructure.Sockets;
using Shouldly;

namespace Guru.Infrastructure.Tests.OpenAI;

public sealed class ReadingTheModel
{
    [Fact]
    public void Points_at_the_speech_inside_the_message()
    {
        var bytes = """{"type":"response.output_audio.delta","event_id":"e","response_id":"resp_1","item_id":"item_5","output_index":0,"content_index":1,"delta":"//8A//8="}"""u8.ToArray();

        var audio = RealtimeReader.Read(bytes, new JsonStrings(), out var malformed)!.Value;

        malformed.ShouldBeFalse();
        audio.Event.ShouldBeNull();
        Text(audio.Audio.ResponseId).ShouldBe("resp_1");
        Text(audio.Audio.ItemId).ShouldBe("item_5");
        audio.Audio.ContentIndex.ShouldBe(1);
        Text(audio.Audio.Payload).ShouldBe("//8A//8=");
        audio.Audio.Bytes.ShouldBe(5);
        audio.Audio.Payload.Span.Overlaps(bytes).ShouldBeTrue();
    }

    [Theory]
    [InlineData("""{"delta":"AAAA","content_index":2,"item_id":"item_5","response_id":"resp_1","new":{"a":[1,{}]},"type":"response.output_audio.delta"}""")]
    [InlineData("""{"delta":"\u0041AA\u0041","content_index":2,"item_id":"item\u005f5","response_id":"resp_1","type":"response.output\u005faudio.delta"}""")]
    public void Does_not_mind_the_order_of_members_nor_escapes_in_speech(string json)
    {
        var audio = RealtimeReader.Read(Encoding.UTF8.GetBytes(json), new JsonStrings(), out _)!.Value.Audio;

        Text(audio.Payload).ShouldBe("AAAA");
        Text(audio.ItemId).ShouldBe("item_5");
        Text(audio.ResponseId).ShouldBe("resp_1");
        audio.ContentIndex.ShouldBe(2);
    }

    [Fact]
    public void Copies_the_value_of_escaped_speech_and_not_its_raw_text() =>
        Text(RealtimeReader.Read(
            """{"type":"response.output_audio.delta","response_id":"r","item_id":"i","content_index":0,"delta":"\/\/\u002B\/\u002f\/8="}"""u8.ToArray(),
            new JsonStrings(), out _)!.Value.Audio.Payload).ShouldBe("//+///8=");

    [Fact]
    public void Reads_the_events_of_a_callers_turn()
    {
        Event("""{"type":"input_audio_buffer.speech_started","event_id":"e","audio_start_ms":1000,"item_id":"item_3"}""")
            .ShouldBe(new SpeechStarted("item_3", 1000));
        Event("""{"type":"input_audio_buffer.speech_stopped","event_id":"e","audio_end_ms":2600,"item_id":"item_3"}""")
            .ShouldBe(new SpeechStopped("item_3", 2600));
        Event("""{"type":"input_audio_buffer.committed","event_id":"e","previous_item_id":"item_2","item_id":"item_3"}""")
            .ShouldBe(new TurnCommitted("item_3", "item_2"));
        Event("""{"item_id":"item_3","previous_item_id":null,"type":"input_audio_buffer.committed"}""")
            .ShouldBe(new TurnCommitted("item_3", PreviousItemId: null));
    }

    [Fact]
    public void Reads_a_transcription_priced_by_tokens() =>
        Event("""
            {"type":"conversation.item.input_audio_transcription.completed","event_id":"e","item_id":"item_1","content_index":0,"transcript":"Hey, can you hear me?",
             "languages":[{"code":"en"}],"usage":{"type":"tokens","total_tokens":22,"input_tokens":13,"input_token_details":{"text_tokens":0,"audio_tokens":13},"output_tokens":9}}
            """).ShouldBe(new CallerTranscribed("item_1", "Hey, can you hear me?", "en", new ModelUsage(0, 13, 0, 0, 9, 0)));

    [Fact]
    public void Reads_a_transcription_priced_by_time_in_fractions_of_a_second() =>
        Event("""
            {"type":"conversation.item.input_audio_transcription.completed","item_id":"item_1","content_index":0,"transcript":"",
             "usage":{"type":"duration","seconds":3.7}}
            """).ShouldBe(new CallerTranscribed("item_1", "", Language: null, new ModelUsage(0, 0, 0, 0, 0, 0, 3.7)));

    [Theory]
    [InlineData("""["fr"]""", "fr")]
    [InlineData("""[{"code":"ht"},{"code":"fr"}]""", "ht")]
    [InlineData("[]", null)]
    [InlineData("null", null)]
    public void Takes_the_first_language_heard(string languages, string? language) =>
        ((CallerTranscribed)Event($$"""
            {"type":"conversation.item.input_audio_transcription.completed","item_id":"item_1","transcript":"x","languages":{{languages}},"usage":null}
            """)!).Language.ShouldBe(language);

    [Fact]
    public void Reads_a_failed_transcription() =>
        Event("""
            {"type":"conversation.item.input_audio_transcription.failed","event_id":"e","item_id":"item_1","content_index":0,
             "error":{"type":"transcription_error","code":"audio_unintelligible","message":"...","param":null}}
            """).ShouldBe(new CallerTranscriptionFailed("item_1", "audio_unintelligible"));

    [Fact]
    public void Reads_the_events_of_a_response()
    {
        Event("""
            {"type":"response.created","event_id":"e","response":{"object":"realtime.response","id":"resp_1","status":"in_progress","status_details":null,"output":[],
             "conversation_id":"conv_1","output_modalities":["audio"],"max_output_tokens":"inf","audio":{"output":{"format":{"type":"audio/pcmu"},"voice":"marin"}},"usage":null,"metadata":null}}
            """).ShouldBe(new ResponseCreated("resp_1", Purpose: null));
        Event("""{"type":"response.created","response":{"id":"resp_1","metadata":{"purpose":"greeting"}}}""")
            .ShouldBe(new ResponseCreated("resp_1", "greeting"));
        Event("""
            {"type":"response.output_item.added","event_id":"e","response_id":"resp_1","output_index":0,
             "item":{"id":"item_5","object":"realtime.item","type":"message","status":"in_progress","role":"assistant","content":[]}}
            """).ShouldBe(new OutputItemAdded("resp_1", "item_5", "message"));
        Event("""{"type":"response.output_audio_transcript.delta","event_id":"e","response_id":"resp_1","item_id":"item_5","output_index":0,"content_index":0,"delta":"Hello"}""")
            .ShouldBe(new AgentTranscriptDelta("resp_1", "item_5", "Hello"));
        Event("""{"type":"response.output_audio.done","event_id":"e","response_id":"resp_1","item_id":"item_5","output_index":0,"content_index":0}""")
            .ShouldBe(new AgentAudioDone("resp_1", "item_5"));
        Event("""{"type":"response.output_audio_transcript.done","event_id":"e","response_id":"resp_1","item_id":"item_5","output_index":0,"content_index":0,"transcript":"Hello ..."}""")
            .ShouldBe(new AgentTranscriptDone("resp_1", "item_5", "Hello ..."));
        Event("""{"type":"response.output_audio_transcript.delta","response_id":"resp_1","item_id":"item_5","content_index":1,"delta":"Hello"}""")
            .ShouldBe(new AgentTranscriptDelta("resp_1", "item_5", "Hello", ContentIndex: 1));
    }

    [Fact]
    public void Reads_the_end_of_a_response_with_its_usage() =>
        Event("""
            {"type":"response.done","event_id":"e","response":{"object":"realtime.response","id":"resp_1","status":"completed","status_details":null,
             "output":[{"id":"item_5","type":"message","status":"completed","role":"assistant","content":[{"type":"output_audio","transcript":"Hello ..."}]}],
             "usage":{"total_tokens":253,"input_tokens":132,"output_tokens":121,
              "input_token_details":{"text_tokens":119,"audio_tokens":13,"image_tokens":0,"cached_tokens":64,"cached_tokens_details":{"text_tokens":64,"audio_tokens":0,"image_tokens":0}},
              "output_token_details":{"text_tokens":30,"audio_tokens":91}},"metadata":{"purpose":"greeting"}}}
            """).ShouldBe(new ResponseDone("resp_1", "greeting", "completed", Reason: null, ErrorCode: null, new ModelUsage(119, 13, 64, 0, 30, 91)));

    [Theory]
    [InlineData("cancelled", """{"type":"cancelled","reason":"turn_detected"}""", "turn_detected", null)]
    [InlineData("cancelled", """{"type":"cancelled","reason":"client_cancelled"}""", "client_cancelled", null)]
    [InlineData("incomplete", """{"type":"incomplete","reason":"max_output_tokens"}""", "max_output_tokens", null)]
    [InlineData("failed", """{"type":"failed","error":{"type":"server_error","code":null}}""", null, "server_error")]
    [InlineData("failed", """{"type":"failed","error":{"type":"requests","code":"rate_limit_exceeded"}}""", null, "rate_limit_exceeded")]
    public void Tells_how_a_response_ended(string status, string details, string? reason, string? error) =>
        Event($$$"""{"type":"response.done","response":{"id":"resp_1","status":"{{{status}}}","status_details":{{{details}}},"output":[],"usage":null,"metadata":null}}""")
            .ShouldBe(new ResponseDone("resp_1", Purpose: null, status, reason, error, Usage: null));

    [Theory]
    [InlineData("insufficient_quota", "insufficient_quota", true)]
    [InlineData("insufficient_quota", "a_code_of_next_year", true)]
    [InlineData("invalid_request_error", "billing_not_active", true)]
    [InlineData("invalid_request_error", "model_not_found", true)]
    [InlineData("invalid_request_error", "unknown_parameter", false)]
    [InlineData("requests", "rate_limit_exceeded", false)]
    [InlineData("server_error", null, false)]
    public void Tells_which_errors_stand_in_the_way_of_all_that_is_asked(string type, string? code, bool lasting)
    {
        var error = System.Text.Json.JsonSerializer.Serialize(new { type, code });

        Event($$$$"""{"type":"response.done","response":{"id":"resp_1","status":"failed","status_details":{"type":"failed","error":{{{{error}}}}}}}""")
            .ShouldBeOfType<ResponseDone>().Lasting.ShouldBe(lasting);
        Event($$"""{"type":"error","error":{{error}}}""").ShouldBeOfType<ModelErrored>().Lasting.ShouldBe(lasting);
    }

    [Theory]
    [InlineData("Rate limit reached for gpt-realtime-2.1 on tokens per min (TPM): Limit 40000. Please try again in 6.2s. Visit the limits page.", 6200)]
    [InlineData("Please try again in 1m2.5s.", 62_500)]
    [InlineData("Please try again in 6m0s", 360_000)]
    [InlineData("Please try again in 1h.", 3_600_000)]
    [InlineData("Try again in 20ms", 20)]
    [InlineData("Please try again in 20 seconds.", 20_000)]
    [InlineData("Please try again in 2 minutes.", 120_000)]
    [InlineData("Please try again in 3 days.", null)]
    [InlineData("Please try again later.", null)]
    [InlineData(null, null)]
    public void Tells_when_a_rate_limit_is_over(string? message, int? milliseconds)
    {
        var error = $$"""{"type":"requests","code":"rate_limit_exceeded","message":{{System.Text.Json.JsonSerializer.Serialize(message)}}}""";
        TimeSpan? wait = milliseconds is { } given ? TimeSpan.FromMilliseconds(given) : null;

        Event($$$$"""{"type":"response.done","response":{"id":"resp_1","status":"failed","status_details":{"type":"failed","error":{{{{error}}}}}}}""")
            .ShouldBeOfType<ResponseDone>().RetryAfter.ShouldBe(wait);
        Event($$"""{"type":"error","error":{{error}}}""").ShouldBeOfType<ModelErrored>().RetryAfter.ShouldBe(wait);
    }

    [Fact]
    public void Reads_a_tool_call_from_its_arguments_and_from_its_item()
    {
        var call = new ToolCalled("resp_3", "item_7", "call_1", "hand_off", """{"agent":"legal"}""");

        Event("""{"type":"response.function_call_arguments.done","event_id":"e","response_id":"resp_3","item_id":"item_7","output_index":0,"call_id":"call_1","name":"hand_off","arguments":"{\"agent\":\"legal\"}"}""")
            .ShouldBe(call);
        Event("""{"type":"response.output_item.done","response_id":"resp_3","output_index":0,"item":{"id":"item_7","type":"function_call","status":"completed","call_id":"call_1","name":"hand_off","arguments":"{\"agent\":\"legal\"}"}}""")
            .ShouldBe(call);
    }

    [Theory]
    [InlineData("""{"type":"response.function_call_arguments.done","response_id":"r","item_id":"i","call_id":"c","arguments":"{}"}""")]
    [InlineData("""{"type":"response.function_call_arguments.done","response_id":"r","item_id":"i","call_id":"c","name":"hand_off","arguments":"{\"agent\":\"le"}""")]
    [InlineData("""{"type":"response.output_item.done","response_id":"r","item":{"id":"i","type":"function_call","status":"incomplete","call_id":"c","name":"hand_off","arguments":"{\"ag"}}""")]
    [InlineData("""{"type":"response.output_item.done","response_id":"r","item":{"id":"i","type":"message","status":"completed","content":[{"type":"output_audio"}]}}""")]
    public void Does_not_take_a_nameless_or_cut_off_tool_call_for_one(string json) => Event(json).ShouldBeNull();

    [Fact]
    public void Reads_what_the_vendors_side_plays_to_a_browser()
    {
        Event("""{"type":"output_audio_buffer.started","event_id":"e","response_id":"resp_1"}""").ShouldBe(new PlaybackStarted("resp_1"));
        Event("""{"type":"output_audio_buffer.stopped","event_id":"e","response_id":"resp_1"}""").ShouldBe(new PlaybackStopped("resp_1"));
        Event("""{"type":"output_audio_buffer.cleared","event_id":"e","response_id":"resp_1"}""").ShouldBe(new PlaybackCleared("resp_1"));
        Event("""{"type":"conversation.item.truncated","event_id":"e","item_id":"item_2","content_index":0,"audio_end_ms":1500}""")
            .ShouldBe(new ItemTruncated("item_2", 1500));
    }

    [Fact]
    public void Reads_items_and_their_words()
    {
        Event("""{"type":"conversation.item.done","event_id":"e","previous_item_id":"item_1","item":{"id":"item_2"}}""").ShouldBe(new ItemDone("item_2", "item_1"));
        Event("""{"type":"conversation.item.retrieved","event_id":"e","item":{"id":"item_2","type":"message","role":"assistant","content":[{"type":"output_audio","transcript":"Hello","audio":"//8A"}]}}""")
            .ShouldBe(new ItemRetrieved("item_2", "assistant", "Hello"));
        Event("""{"type":"conversation.item.retrieved","item":{"id":"item_2","role":"assistant","content":[{"type":"output_audio","transcript":"First."},{"type":"output_audio"},{"type":"output_audio","transcript":"Then."}]}}""")
            .ShouldBe(new ItemRetrieved("item_2", "assistant", "First. Then."));
        Event("""{"type":"conversation.item.retrieved","event_id":"e","item":{"id":"item_3","type":"message","role":"user","content":[{"type":"input_audio","transcript":null}]}}""")
            .ShouldBe(new ItemRetrieved("item_3", "user", Text: null));
    }

    [Fact]
    public void Reads_errors_with_the_event_they_are_about()
    {
        Event("""{"type":"error","event_id":"event_9","error":{"type":"invalid_request_error","code":"invalid_value","message":"...","param":"session.audio","event_id":"cfg-1"}}""")
            .ShouldBe(new ModelErrored("invalid_value", "cfg-1"));
        Event("""{"type":"error","error":{"type":"server_error","code":null,"event_id":null}}""")
            .ShouldBe(new ModelErrored("server_error", ClientEventId: null));
    }

    [Theory]
    [InlineData("""{"type":"session.created","event_id":"event_1","session":{}}""")]
    [InlineData("""{"type":"session.updated","event_id":"event_2","session":{}}""")]
    [InlineData("""{"type":"conversation.created","event_id":"event_3","conversation":{"id":"conv_1","object":"realtime.conversation"}}""")]
    [InlineData("""{"type":"conversation.item.added","event_id":"e","previous_item_id":"item_1","item":{"id":"item_2","type":"message","content":[]}}""")]
    [InlineData("""{"type":"conversation.item.created","event_id":"e","previous_item_id":"item_1","item":{"id":"item_2","type":"message","content":[]}}""")]
    [InlineData("""{"type":"conversation.item.deleted","event_id":"e","item_id":"item_2"}""")]
    [InlineData("""{"type":"conversation.item.input_audio_transcription.delta","event_id":"e","item_id":"item_1","content_index":0,"delta":"Hey","obfuscation":"aLxx0"}""")]
    [InlineData("""{"type":"conversation.item.input_audio_transcription.segment","item_id":"item_1","id":"seg_1","text":"hello","speaker":"spk_1","start":0.0,"end":0.4}""")]
    [InlineData("""{"type":"input_audio_buffer.cleared","event_id":"e"}""")]
    [InlineData("""{"type":"input_audio_buffer.timeout_triggered","event_id":"e","audio_start_ms":13216,"audio_end_ms":19232,"item_id":"item_4"}""")]
    [InlineData("""{"type":"input_audio_buffer.dtmf_event_received","event":"9","received_at":1763605109}""")]
    [InlineData("""{"type":"response.content_part.added","response_id":"resp_1","item_id":"item_5","part":{"type":"audio","transcript":""}}""")]
    [InlineData("""{"type":"response.content_part.done","response_id":"resp_1","item_id":"item_5","part":{"type":"output_audio","transcript":"Hello ..."}}""")]
    [InlineData("""{"type":"response.output_text.delta","response_id":"resp_2","item_id":"item_6","delta":"Sure"}""")]
    [InlineData("""{"type":"response.function_call_arguments.delta","response_id":"resp_3","item_id":"item_7","call_id":"call_1","delta":"{\"a"}""")]
    [InlineData("""{"type":"rate_limits.updated","event_id":"e","rate_limits":[{"name":"requests","limit":1000,"remaining":999,"reset_seconds":60}]}""")]
    [InlineData("""{"type":"something.new.that.has.a.name.which.is.quite.a.lot.longer.than.any.name.of.an.event.that.was.ever.seen.before.and.still.is.no.reason.to.fail"}""")]
    public void Passes_over_what_no_call_depends_on(string json)
    {
        RealtimeReader.Read(Encoding.UTF8.GetBytes(json), new JsonStrings(), out var malformed).ShouldBeNull();
        malformed.ShouldBeFalse();
    }

    [Theory]
    [InlineData("")]
    [InlineData("nonsense")]
    [InlineData("[]")]
    [InlineData("{}")]
    [InlineData("""{"type":"error" """)]
    [InlineData("""{"type":"response.created"}""")]
    [InlineData("""{"type":"response.done","response":7}""")]
    [InlineData("""{"type":"input_audio_buffer.speech_started","audio_start_ms":5}""")]
    [InlineData("""{"type":"response.output_audio.delta","item_id":"i","delta":"not base64!"}""")]
    [InlineData("""{"type":"response.output_audio.delta","item_id":"i","delta":"AAAA"} x""")]
    [InlineData("""{"type":"response.output_audio.delta","delta":"AAAA"}""")]
    [InlineData("""{"type":"response.output_audio.delta","item_id":"i","delta":"AA""")]
    [InlineData("""{"type":"response.created","response":{"id":"\uD800"}}""")]
    public void Calls_garbage_garbage_and_throws_nothing(string json)
    {
        RealtimeReader.Read(Encoding.UTF8.GetBytes(json), new JsonStrings(), out var malformed).ShouldBeNull();
        malformed.ShouldBeTrue();
    }

    [Fact]
    public void Loses_no_word_beside_half_of_a_surrogate_pair()
    {
        Event("""{"type":"conversation.item.input_audio_transcription.completed","item_id":"i","transcript":"One \ud83d, \"two\"\t\\ud83d \ud83d\ude00 é\u00e9 \ude00\n"}""")
            .ShouldBeOfType<CallerTranscribed>().Text.ShouldBe("One \uFFFD, \"two\"\t\\ud83d 😀 éé \uFFFD\n");
        Event("""{"type":"response.output_audio_transcript.delta","item_id":"i","response_id":"r","delta":"half \ud83d"}""")
            .ShouldBe(new AgentTranscriptDelta("r", "i", "half \uFFFD", 0));
    }

    [Theory]
    [InlineData("""{"type":"input_audio_buffer.speech_started","audio_start_ms":null,"item_id":"i"}""", 0)]
    [InlineData("""{"type":"input_audio_buffer.speech_started","audio_start_ms":"soon","item_id":"i"}""", 0)]
    [InlineData("""{"type":"input_audio_buffer.speech_started","audio_start_ms":12.9,"item_id":"i"}""", 12)]
    public void Bears_numbers_of_another_kind(string json, long start) => Event(json).ShouldBe(new SpeechStarted("i", start));

    [Fact]
    public void Allocates_nothing_per_slice_of_speech()
    {
        var strings = new JsonStrings();
        var plain = Encoding.UTF8.GetBytes(
            $$"""{"type":"response.output_audio.delta","event_id":"event_1","response_id":"resp_1","item_id":"item_5","output_index":0,"content_index":0,"delta":"{{Convert.ToBase64String(new byte[4000])}}"}""");
        var escaped = """{"delta":"\/\/\/\/","item_id":"i","response_id":"r","content_index":0,"type":"response.output_audio.delta"}"""u8.ToArray();
        Run(100);

        var before = GC.GetAllocatedBytesForCurrentThread();
        Run(1000);

        (GC.GetAllocatedBytesForCurrentThread() - before).ShouldBe(0);

        void Run(int times)
        {
            for (var i = 0; i < times; i++)
            {
                if (RealtimeReader.Read(plain, strings, out _)?.Audio.Bytes != 4000 || RealtimeReader.Read(escaped, strings, out _)?.Audio.Bytes != 3)
                {
                    throw new InvalidOperationException("Good speech was refused.");
                }
            }
        }
    }

    private static ModelEvent? Event(string json)
    {
        var message = RealtimeReader.Read(Encoding.UTF8.GetBytes(json), new JsonStrings(), out var malformed);
        malformed.ShouldBeFalse();
        return message?.Event;
    }

    private static string Text(ReadOnlyMemory<byte> utf8) => Encoding.UTF8.GetString(utf8.Span);
}
