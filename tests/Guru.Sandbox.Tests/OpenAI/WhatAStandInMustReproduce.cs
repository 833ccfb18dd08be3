using Guru.Sandbox.Audio;
using Guru.Sandbox.OpenAI;
using Shouldly;

namespace Guru.Sandbox.Tests.OpenAI;

public sealed class WhatAStandInMustReproduce
{
    const string Greet = """{"type":"response.create","response":{"metadata":{"purpose":"greeting"}}}""";

    [Fact]
    public void The_first_frame_is_the_session_with_pcm_defaults()
    {
        var session = new VirtualClient().One("session.created")["session"]!;
        ((string?)session["audio"]!["input"]!["format"]!["type"]).ShouldBe("audio/pcm");
        ((int)session["audio"]!["output"]!["format"]!["rate"]!).ShouldBe(24000);
        ((int)session["audio"]!["input"]!["turn_detection"]!["silence_duration_ms"]!).ShouldBe(200);
        ((long)session["expires_at"]!).ShouldBe(new DateTimeOffset(2026, 11, 22, 13, 0, 0, TimeSpan.Zero).ToUnixTimeSeconds());
    }

    [Fact]
    public void An_update_changes_only_what_it_names_and_is_echoed_whole()
    {
        var client = VirtualClient.OnThePhone();
        client.Send("""{"type":"session.update","session":{"type":"realtime","audio":{"input":{"transcription":null}}}}""");

        var session = client.One("session.updated")["session"]!;
        ((string?)session["instructions"]).ShouldBe("You are kind.");
        ((string?)session["audio"]!["input"]!["format"]!["type"]).ShouldBe("audio/pcmu");
        session["audio"]!["input"]!["transcription"].ShouldBeNull();
        ((int)session["audio"]!["input"]!["turn_detection"]!["silence_duration_ms"]!).ShouldBe(500);
    }

    [Theory]
    [InlineData("""{"instructions":"x"}""", "missing_required_parameter", "session.type")]
    [InlineData("""{"type":"realtime","modalities":["audio"]}""", "unknown_parameter", "session.modalities")]
    [InlineData("""{"type":"realtime","input_audio_format":"g711_ulaw"}""", "unknown_parameter", "session.input_audio_format")]
    [InlineData("""{"type":"realtime","audio":{"input":{"vad":1}}}""", "unknown_parameter", "session.audio.input.vad")]
    [InlineData("""{"type":"realtime","audio":{"output":{"format":{"type":"g711_ulaw"}}}}""", "invalid_value", "session.audio.output.format.type")]
    [InlineData("""{"type":"realtime","audio":{"output":{"voice":"nova"}}}""", "invalid_value", "session.audio.output.voice")]
    [InlineData("""{"type":"realtime","output_modalities":["audio","text"]}""", "invalid_value", "session.output_modalities")]
    [InlineData("""{"type":"realtime","audio":{"input":{"turn_detection":{"type":"server_vad","idle_timeout_ms":1000}}}}""", "invalid_value", "session.audio.input.turn_detection.idle_timeout_ms")]
    [InlineData("""{"type":"transcription"}""", "invalid_value", "session.type")]
    public void A_wrong_update_is_refused_by_its_event_id_and_changes_nothing(string session, string code, string param)
    {
        var client = VirtualClient.OnThePhone();
        var before = client.Session.Configuration.Json.ToJsonString();
        client.Send($$"""{"type":"session.update","event_id":"cfg-7","session":{{session}}}""");

        client.Types.ShouldBe(["error"]);
        var error = client.One("error")["error"]!;
        ((string?)error["event_id"]).ShouldBe("cfg-7");
        ((string?)error["code"]).ShouldBe(code);
        ((string?)error["param"]).ShouldBe(param);
        client.Session.Configuration.Json.ToJsonString().ShouldBe(before);
    }

    [Fact]
    public void Who_did_not_ask_for_mu_law_hears_24_kHz_and_is_not_understood()
    {
        var client = new VirtualClient();
        client.Send(Greet);
        client.Wait(10_000);
        client.Of("response.output_audio.delta").Sum(e => Convert.FromBase64String((string)e["delta"]!).Length)
            .ShouldBe(SampleLibrary.Shipped["greeting-en"].Audio.Length * 6);

        client.Say("bill-en");
        client.Session.AppendedBytes.ShouldBeLessThan(SampleLibrary.Shipped["bill-en"].Audio.Length / 5);
    }

    [Fact]
    public void A_silent_caller_is_asked_after_the_answer_has_played_and_the_timeout_has_passed()
    {
        var client = VirtualClient.OnThePhone();
        client.Send("""{"type":"session.update","session":{"type":"realtime","audio":{"input":{"turn_detection":{"type":"server_vad","idle_timeout_ms":5000}}}}}""");
        client.Send(Greet);
        client.Quiet(15_000);

        var greeting = SampleLibrary.Shipped["greeting-en"].Duration;
        client.TimeOf("input_audio_buffer.timeout_triggered").ShouldBe(TimeSpan.FromMilliseconds(250 + 5000) + greeting);
        var types = client.Types.SkipWhile(type => type != "input_audio_buffer.timeout_triggered").Take(5);
        types.ShouldBe(
        [
            "input_audio_buffer.timeout_triggered", "input_audio_buffer.committed", "conversation.item.added", "conversation.item.done",
                "response.created",
        ]);
        var timeout = client.One("input_audio_buffer.timeout_triggered");
        ((long)timeout["audio_end_ms"]! - (long)timeout["audio_start_ms"]!).ShouldBe(5000);
    }

    [Theory]
    [InlineData("""audio_end_ms":1000.5""", "invalid_type")]
    [InlineData("""audio_end_ms":-1""", "integer_below_min_value")]
    [InlineData("""audio_end_ms":999999""", "invalid_value")]
    public void A_truncate_must_be_an_integer_within_the_audio(string end, string code)
    {
        var (client, item) = Spoken();
        client.Send($$"""{"type":"conversation.item.truncate","event_id":"t","item_id":"{{item}}","content_index":0,"{{end}}}""");
        ((string?)client.One("error")["error"]!["code"]).ShouldBe(code);
        ((string?)client.One("error")["error"]!["event_id"]).ShouldBe("t");
        client.Of("conversation.item.truncated").ShouldBeEmpty();
    }

    [Fact]
    public void A_truncate_beyond_the_audio_says_how_long_it_is()
    {
        var (client, item) = Spoken();
        client.Send(Truncate(item, 60_000));
        var ms = SampleLibrary.Shipped["greeting-en"].Audio.Length / 8;
        ((string?)client.One("error")["error"]!["message"]).ShouldBe($"Audio content of {ms} ms is already shorter than 60000 ms");
    }

    [Fact]
    public void A_truncate_drops_the_transcript_and_cannot_be_taken_back()
    {
        var (client, item) = Spoken();
        client.Send(Truncate(item, 1000));
        client.Send(Truncate(item, 1000));
        client.Send(Truncate(item, 1001));
        client.Send($$"""{"type":"conversation.item.retrieve","item_id":"{{item}}"}""");

        client.Types.ShouldBe(["conversation.item.truncated", "conversation.item.truncated", "error", "conversation.item.retrieved"]);
        client.One("conversation.item.retrieved")["item"]!["content"]![0]!["transcript"].ShouldBeNull();
    }

    [Fact]
    public void Only_what_the_agent_said_can_be_truncated()
    {
        var client = VirtualClient.OnThePhone();
        client.Send("""{"type":"conversation.item.create","item":{"id":"hist_1","type":"message","role":"assistant","content":[{"type":"output_text","text":"hello"}]}}""");
        client.Forget();
        client.Send(Truncate("hist_1", 0));
        client.Send(Truncate("nobody", 0));
        client.Of("error").Select(e => (string?)e["error"]!["code"]).ShouldBe(["invalid_value", "item_truncate_invalid_item_id"]);
    }

    [Fact]
    public void A_second_response_is_refused_while_one_is_active_unless_it_stands_aside()
    {
        var client = VirtualClient.OnThePhone();
        client.Send(Greet);
        client.Send("""{"type":"response.create","event_id":"r2"}""");
        client.Send("""{"type":"response.create","response":{"conversation":"none","output_modalities":["text"],"metadata":{"purpose":"summary"},"input":[]}}""");
        client.Wait(5000);

        var error = client.One("error")["error"]!;
        ((string?)error["code"]).ShouldBe("conversation_already_has_active_response");
        ((string?)error["event_id"]).ShouldBe("r2");
        client.Of("response.done").Count.ShouldBe(2);
        client.Session.Items.Count.ShouldBe(1);
        client.One("response.output_text.done")["text"].ShouldNotBeNull();
    }

    [Fact]
    public void A_cancel_ends_what_is_active_and_is_refused_when_nothing_is()
    {
        var client = VirtualClient.OnThePhone();
        client.Send("""{"type":"response.cancel","event_id":"c1"}""");
        ((string?)client.One("error")["error"]!["code"]).ShouldBe("response_cancel_not_active");

        client.Send(Greet);
        client.Wait(500);
        client.Send("""{"type":"response.cancel"}""");
        ((string?)client.One("response.done")["response"]!["status_details"]!["reason"]).ShouldBe("client_cancelled");
        client.Of("error").Count.ShouldBe(1);
    }

    [Theory]
    [InlineData("""{"type":"session.dance","event_id":"x"}""", "invalid_value")]
    [InlineData("""{"type":"output_audio_buffer.clear"}""", "invalid_value")]
    [InlineData("""{"event":"media"}""", "invalid_event")]
    [InlineData("not json", "invalid_event")]
    [InlineData("""{"type":"input_audio_buffer.append","audio":"***"}""", "invalid_value")]
    [InlineData("""{"type":"input_audio_buffer.append"}""", "invalid_value")]
    [InlineData("""{"type":"input_audio_buffer.commit"}""", "input_audio_buffer_commit_empty")]
    [InlineData("""{"type":"conversation.item.retrieve","item_id":"x"}""", "item_retrieve_invalid_item_id")]
    [InlineData("""{"type":"conversation.item.delete","item_id":"x"}""", "item_delete_invalid_item_id")]
    [InlineData("""{"type":"conversation.item.create","item":{"type":"message","role":"assistant","content":[{"type":"text","text":"beta"}]}}""", "invalid_value")]
    [InlineData("""{"type":"conversation.item.create","previous_item_id":"x","item":{"type":"message","role":"user","content":[]}}""", "item_create_invalid_previous_item_id")]
    [InlineData("""{"type":"response.create","response":{"modalities":["audio"]}}""", "unknown_parameter")]
    public void A_wrong_event_is_answered_with_an_error_and_the_session_stays(string json, string code)
    {
        var client = VirtualClient.OnThePhone();
        client.Send(json);
        ((string?)client.One("error")["error"]!["code"]).ShouldBe(code);
        client.Forget();
        client.Send(Greet);
        client.Wait(5000);
        client.One("response.done");
    }

    [Fact]
    public void Items_go_where_they_are_put_and_keep_the_ids_they_are_given()
    {
        var client = VirtualClient.OnThePhone();
        foreach (var (id, previous) in (ReadOnlySpan<(string, string?)>)[("one", null), ("three", null), ("two", "one"), ("zero", "root")])
        {
            var after = previous is null ? "" : $"\"previous_item_id\":\"{previous}\",";
            client.Send($$$"""{"type":"conversation.item.create",{{{after}}}"item":{"id":"{{{id}}}","type":"message","role":"user","content":[{"type":"input_text","text":"x"}]}}""");
        }

        client.Session.Items.Select(item => item.Id).ShouldBe(["zero", "one", "two", "three"]);
        client.Of("conversation.item.added").Select(e => (string?)e["previous_item_id"]).ShouldBe([null, "one", "one", null]);
        client.Send("""{"type":"conversation.item.delete","item_id":"two"}""");
        client.One("conversation.item.deleted");
    }

    [Fact]
    public void A_turn_can_be_committed_in_the_middle_of_speech()
    {
        var client = VirtualClient.OnThePhone();
        client.Quiet(500);
        client.Speak(SampleLibrary.Shipped["bill-en"].Audio.AsSpan()[..24_000]);
        client.Send("""{"type":"input_audio_buffer.commit"}""");

        ((string?)client.One("input_audio_buffer.committed")["item_id"])
            .ShouldBe((string?)client.One("input_audio_buffer.speech_started")["item_id"]);
        client.Of("response.created").ShouldBeEmpty();
        client.Wait(3000);
        SampleLibrary.Shipped["bill-en"].Text.ShouldStartWith(
            (string)client.One("conversation.item.input_audio_transcription.completed")["transcript"]!);
    }

    [Fact]
    public void Transcription_comes_before_or_after_the_answer_or_fails_with_usage_of_both_kinds()
    {
        var client = VirtualClient.OnThePhone(new RealtimeSessionOptions
        {
            Transcriptions = [new(Ms(5)), new(Ms(9000), BySeconds: true), new(Ms(100), Fails: true)],
        });
        foreach (var sample in (string[])["yes-en", "visa-en", "itemized-en"])
        {
            client.Say(sample);
            client.Quiet(12_000);
        }

        var order = client.Types.Where(type => type is "response.output_audio.delta" or "response.done"
            || type.EndsWith("transcription.completed", StringComparison.Ordinal) || type.EndsWith("failed", StringComparison.Ordinal))
            .ToList();
        order[0].ShouldBe("conversation.item.input_audio_transcription.completed");
        order.IndexOf("response.done").ShouldBeLessThan(order.LastIndexOf("conversation.item.input_audio_transcription.completed"));
        client.One("conversation.item.input_audio_transcription.failed")["error"]!["code"]!.ToString().ShouldBe("audio_unintelligible");
        var usages = client.Of("conversation.item.input_audio_transcription.completed").Select(e => e["usage"]!).ToList();
        ((string?)usages[0]["type"]).ShouldBe("tokens");
        ((string?)usages[1]["type"]).ShouldBe("duration");
        (((double)usages[1]["seconds"]!) % 1).ShouldNotBe(0);
        ((string?)client.Of("conversation.item.input_audio_transcription.completed")[1]["languages"]![0]!["code"]).ShouldBe("en");
    }

    [Fact]
    public void The_voice_is_fixed_once_it_was_heard()
    {
        var (client, _) = Spoken();
        client.Send("""{"type":"session.update","session":{"type":"realtime","audio":{"output":{"voice":"cedar"}}}}""");
        ((string?)client.One("error")["error"]!["code"]).ShouldBe("cannot_update_voice");
    }

    [Fact]
    public void Without_interruptions_the_answer_goes_on_while_the_caller_speaks()
    {
        var client = VirtualClient.OnThePhone();
        client.Send("""{"type":"session.update","session":{"type":"realtime","audio":{"input":{"turn_detection":{"type":"server_vad","interrupt_response":false}}}}}""");
        client.Send(Greet);
        client.Say("yes-en");
        client.Quiet(600);
        client.Wait(5000);
        ((string?)client.Of("response.done")[0]["response"]!["status"]).ShouldBe("completed");
    }

    [Fact]
    public void Huge_unknown_and_unreadable_messages_can_be_had()
    {
        var client = VirtualClient.OnThePhone(
            new RealtimeSessionOptions { Faults = new RealtimeFaults { HugeDeltas = true, UnknownEvents = true, Garbage = true } });
        client.Send("""{"type":"response.create"}""");
        client.Wait(10_000);
        client.Of("session.mood.updated").ShouldNotBeEmpty();
        client.End.ShouldNotBeNull().Kind.ShouldBe(ServerMessageKind.Garbage);
    }

    [Fact]
    public void The_wrong_format_can_be_echoed()
    {
        var client = new VirtualClient(
            new RealtimeSessionOptions { Faults = new RealtimeFaults { EchoFormat = "audio/pcma", SessionUpdatedAfter = Ms(700) } });
        client.Send($$"""{"type":"session.update","session":{{VirtualClient.Phone}}}""");
        client.Wait(699);
        client.Of("session.updated").ShouldBeEmpty();
        client.Wait(1);
        ((string?)client.One("session.updated")["session"]!["audio"]!["output"]!["format"]!["type"]).ShouldBe("audio/pcma");
    }

    static (VirtualClient Client, string Item) Spoken()
    {
        var client = VirtualClient.OnThePhone();
        client.Send(Greet);
        client.Wait(5000);
        var item = (string)client.One("response.output_item.added")["item"]!["id"]!;
        client.Forget();
        return (client, item);
    }

    static string Truncate(string item, int ms) =>
        $$"""{"type":"conversation.item.truncate","item_id":"{{item}}","content_index":0,"audio_end_ms":{{ms}}}""";

    static TimeSpan Ms(double ms) => TimeSpan.FromMilliseconds(ms);
}
