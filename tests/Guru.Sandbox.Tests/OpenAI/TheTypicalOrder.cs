using System.Text.Json.Nodes;
using Guru.Sandbox.Audio;
using Guru.Sandbox.OpenAI;
using Shouldly;

namespace Guru.Sandbox.Tests.OpenAI;

/// <summary>The orders (a) to (e) of the vendor's protocol.</summary>
public sealed class TheTypicalOrder
{
    const string Greet = """{"type":"response.create","event_id":"r1","response":{"instructions":"Greet.","metadata":{"purpose":"greeting"}}}""";

    [Fact]
    public void A_session_begins_with_history_and_a_greeting()
    {
        var client = new VirtualClient();
        client.Types.ShouldBe(["session.created"]);
        client.Send($$"""{"type":"session.update","session":{{VirtualClient.Phone}}}""");
        client.Send("""{"type":"conversation.item.create","item":{"id":"hist_1","type":"message","role":"system","content":[{"type":"input_text","text":"They wrote about a bill."}]}}""");
        client.Send(Greet);
        client.Wait(10_000);

        client.Types.Distinct().ShouldBe(
        [
            "session.created", "session.updated", "conversation.item.added", "conversation.item.done", "response.created",
                "rate_limits.updated",
            "response.output_item.added", "response.content_part.added", "response.output_audio_transcript.delta",
                "response.output_audio.delta",
            "response.output_audio.done", "response.output_audio_transcript.done", "response.content_part.done",
                "response.output_item.done", "response.done",
        ]);
        client.Types.Count(type => type == "conversation.item.added").ShouldBe(2);
        ((string?)client.Of("conversation.item.added")[1]["previous_item_id"]).ShouldBe("hist_1");
        var done = client.One("response.done")["response"]!;
        ((string?)done["status"]).ShouldBe("completed");
        ((string?)done["metadata"]!["purpose"]).ShouldBe("greeting");
        ((string?)done["output"]![0]!["content"]![0]!["transcript"]).ShouldBe(SampleLibrary.Shipped["greeting-en"].Text);
    }

    [Fact]
    public void Speech_is_faster_than_real_time_in_pieces_that_are_no_frames()
    {
        var client = VirtualClient.OnThePhone();
        client.Send(Greet);
        client.Wait(10_000);

        var greeting = SampleLibrary.Shipped["greeting-en"];
        var sizes = client.Of("response.output_audio.delta").Select(e => Convert.FromBase64String((string)e["delta"]!).Length).ToList();
        sizes.Sum().ShouldBe(greeting.Audio.Length);
        sizes.Count(size => size % 160 != 0).ShouldBeGreaterThan(sizes.Count - 2);
        client.AudioOf((string)client.One("response.output_item.added")["item"]!["id"]!).ShouldBe(greeting.Audio);
        (client.TimeOf("response.done") - client.TimeOf("response.output_audio.delta"))
            .ShouldBeInRange(greeting.Duration / 10, greeting.Duration / 4);
        string.Concat(client.Of("response.output_audio_transcript.delta").Select(e => (string)e["delta"]!)).ShouldBe(greeting.Text);
    }

    [Fact]
    public void A_turn_of_the_caller_is_committed_and_answered()
    {
        var client = VirtualClient.OnThePhone();
        client.Quiet(1000);
        client.Say("bill-en");
        client.Quiet(1000);
        client.Wait(8000);

        client.Types.Where(type => !type.Contains("transcription", StringComparison.Ordinal)).Take(6).ShouldBe(
        [
            "input_audio_buffer.speech_started", "input_audio_buffer.speech_stopped", "input_audio_buffer.committed",
            "conversation.item.added", "conversation.item.done", "response.created",
        ]);
        var id = (string)client.One("input_audio_buffer.speech_started")["item_id"]!;
        ((string?)client.One("input_audio_buffer.committed")["item_id"]).ShouldBe(id);
        ((string?)client.Of("conversation.item.added")[0]["item"]!["id"]).ShouldBe(id);
        ((long)client.One("input_audio_buffer.speech_started")["audio_start_ms"]!).ShouldBeInRange(700, 800);
        ((long)client.One("input_audio_buffer.speech_stopped")["audio_end_ms"]!).ShouldBeInRange(7300, 7600);
        ((string?)client.One("conversation.item.input_audio_transcription.completed")["transcript"])
            .ShouldBe(SampleLibrary.Shipped["bill-en"].Text);
        ((string?)client.One("response.done")["response"]!["output"]![0]!["content"]![0]!["transcript"])
            .ShouldBe(SampleLibrary.Shipped["bill-answer-en"].Text);
    }

    [Fact]
    public void Speech_cancels_a_response_that_is_still_generated_and_late_audio_follows()
    {
        var client = VirtualClient.OnThePhone(new RealtimeSessionOptions { Speed = 1.5 });
        client.Say("bill-en");
        client.Quiet(2000);
        client.Forget();
        client.Say("itemized-en");

        var types = client.Types.ToList();
        var started = types.IndexOf("input_audio_buffer.speech_started");
        types[started..types.IndexOf("response.done")].Count(type => type == "response.output_audio.delta").ShouldBe(2);
        types[^6..].ShouldBe(
        [
            "response.output_audio.done", "response.output_audio_transcript.done", "response.content_part.done",
                "response.output_item.done",
            "conversation.item.done", "response.done",
        ]);
        var done = client.One("response.done")["response"]!;
        ((string?)done["status"]).ShouldBe("cancelled");
        ((string?)done["status_details"]!["reason"]).ShouldBe("turn_detected");
        ((string?)client.One("response.output_item.done")["item"]!["status"]).ShouldBe("incomplete");
        client.Of("input_audio_buffer.speech_stopped").ShouldBeEmpty();
    }

    [Fact]
    public void Speech_after_generation_has_finished_cancels_nothing_and_the_item_can_still_be_cut()
    {
        var client = VirtualClient.OnThePhone();
        client.Say("bill-en");
        client.Quiet(6000);
        var item = (string)client.Of("response.output_item.done")[0]["item"]!["id"]!;
        ((string?)client.One("response.done")["response"]!["status"]).ShouldBe("completed");
        client.Forget();

        client.Say("itemized-en");
        client.Send($$"""{"type":"conversation.item.truncate","event_id":"t1","item_id":"{{item}}","content_index":0,"audio_end_ms":5000}""");
        client.Quiet(700);
        client.Wait(5000);

        client.Types.Where(type => type is "error" or "conversation.item.truncated").ShouldBe(["conversation.item.truncated"]);
        client.Session.Truncations.ShouldHaveSingleItem()
            .ShouldBe(new Truncation(item, 5000, Accepted: true, client.Session.Truncations[0].At));
        ((string?)client.One("response.done")["response"]!["status"]).ShouldBe("completed");
    }

    [Fact]
    public void A_tool_is_called_after_the_words_and_its_output_is_answered_once_asked()
    {
        var brain = Brain.Shipped.With([new BrainRule(["Goodbye"], "goodbye", new ToolUse("end_call", """{"reason":"done"}"""))]);
        var client = VirtualClient.OnThePhone(new RealtimeSessionOptions { Replies = brain.Reply });
        client.Say("thanks-en");
        client.Quiet(700);
        client.Wait(3000);

        var types = client.Types.SkipWhile(type => type != "response.output_item.done").Where(type => type != "rate_limits.updated")
            .ToList();
        types.ShouldBe(
        [
            "response.output_item.done", "conversation.item.done", "response.output_item.added", "conversation.item.added",
            "response.function_call_arguments.delta", "response.function_call_arguments.delta", "response.function_call_arguments.done",
            "response.output_item.done", "conversation.item.done", "response.done",
        ]);
        var call = client.One("response.function_call_arguments.done");
        ((string?)call["name"]).ShouldBe("end_call");
        ((string?)call["arguments"]).ShouldBe("""{"reason":"done"}""");
        client.One("response.done")["response"]!["output"]!.AsArray().Count.ShouldBe(2);

        client.Forget();
        client.Send($$$"""{"type":"conversation.item.create","item":{"type":"function_call_output","call_id":"{{{call["call_id"]}}}","output":"{}"}}""");
        client.Send("""{"type":"response.create"}""");
        client.Wait(3000);
        client.Of("error").ShouldBeEmpty();
        client.One("response.done")["response"]!["output"]!.AsArray().ShouldBeEmpty();
    }

    [Fact]
    public void A_session_expires_with_an_error_and_a_close()
    {
        var client = VirtualClient.OnThePhone(
            new RealtimeSessionOptions { Faults = new RealtimeFaults { ExpiresAfter = TimeSpan.FromSeconds(30) } });
        client.Wait(60_000);

        ((string?)client.One("error")["error"]!["code"]).ShouldBe("session_expired");
        client.End.ShouldNotBeNull().ShouldSatisfyAllConditions(
            end => end.CloseCode.ShouldBe(1001), end => end.At.ShouldBe(TimeSpan.FromSeconds(30)),
                end => end.CloseReason!.ShouldContain("maximum duration"));
        client.Session.Closed.ShouldBeTrue();
    }

    [Theory]
    [InlineData("server_error")]
    [InlineData("rate_limit_exceeded")]
    [InlineData("insufficient_quota")]
    public void A_failed_response_says_nothing_and_why(string code)
    {
        var client = VirtualClient.OnThePhone(new RealtimeSessionOptions
        {
            Faults = new RealtimeFaults { FailResponses = RealtimeFaults.None.FailResponses.Add(1, code) },
        });
        client.Send(Greet);
        client.Wait(1000);
        client.Of("response.output_audio.delta").ShouldBeEmpty();
        var done = client.One("response.done")["response"]!;
        ((string?)done["status"]).ShouldBe("failed");
        ((string?)done["status_details"]!["error"]!["code"]).ShouldBe(code);
        done["usage"].ShouldBeNull();

        client.Send(Greet);
        client.Wait(10_000);
        ((string?)client.Of("response.done")[1]["response"]!["status"]).ShouldBe("completed");
    }

    [Fact]
    public void A_session_may_be_closed_at_once()
    {
        var client = new VirtualClient(new RealtimeSessionOptions { Faults = new RealtimeFaults { CloseAtOnce = 3000 } });
        client.Types.ShouldBe(["error"]);
        client.End.ShouldNotBeNull().ShouldSatisfyAllConditions(
            end => end.CloseCode.ShouldBe(3000), end => end.CloseReason.ShouldBe("invalid_request_error.invalid_api_key"));
    }

    [Fact]
    public void A_session_may_break_in_the_middle_of_an_answer()
    {
        var client = VirtualClient.OnThePhone(new RealtimeSessionOptions { Faults = new RealtimeFaults { ResetAtDelta = 3 } });
        client.Send(Greet);
        client.Wait(10_000);
        client.Of("response.output_audio.delta").Count.ShouldBe(2);
        client.End.ShouldNotBeNull().Kind.ShouldBe(ServerMessageKind.Reset);
        client.Of("response.done").ShouldBeEmpty();
    }

    [Fact]
    public void A_session_may_be_closed_with_a_code_in_the_middle_of_an_answer()
    {
        var client = VirtualClient.OnThePhone(new RealtimeSessionOptions { Faults = new RealtimeFaults { CloseAtDelta = 3, CloseCode = 1001 } });
        client.Send(Greet);
        client.Wait(10_000);
        client.Of("response.output_audio.delta").Count.ShouldBe(2);
        client.End.ShouldNotBeNull().CloseCode.ShouldBe(1001);
        client.Of("response.done").ShouldBeEmpty();
    }

    [Fact]
    public void A_session_may_fall_mute_in_the_middle_of_an_answer_or_where_the_caller_begins()
    {
        var answering = VirtualClient.OnThePhone(new RealtimeSessionOptions { Faults = new RealtimeFaults { MuteAtDelta = 3 } });
        answering.Send(Greet);
        answering.Wait(10_000);
        answering.Of("response.output_audio.delta").Count.ShouldBe(2);
        answering.End.ShouldNotBeNull().Kind.ShouldBe(ServerMessageKind.Mute);

        var done = VirtualClient.OnThePhone(new RealtimeSessionOptions { Faults = new RealtimeFaults { MuteAfterResponse = 1 } });
        done.Send(Greet);
        done.Wait(10_000);
        done.Of("response.done").Count.ShouldBe(1);
        done.End.ShouldNotBeNull().Kind.ShouldBe(ServerMessageKind.Mute);

        var listening = VirtualClient.OnThePhone(new RealtimeSessionOptions { Faults = new RealtimeFaults { MuteAtTurn = 1 } });
        listening.Say("bill-en");
        listening.Quiet(5_000);
        listening.Of("input_audio_buffer.speech_started").Count.ShouldBe(1);
        listening.Of("input_audio_buffer.speech_stopped").ShouldBeEmpty();
        listening.End.ShouldNotBeNull().Kind.ShouldBe(ServerMessageKind.Mute);
    }

    [Fact]
    public void A_response_may_stall_and_can_be_cancelled_then()
    {
        var client = VirtualClient.OnThePhone(new RealtimeSessionOptions { Faults = new RealtimeFaults { StallAtDelta = 3 } });
        client.Send(Greet);
        client.Wait(10_000);
        client.Of("response.output_audio.delta").Count.ShouldBe(2);
        client.Of("response.done").ShouldBeEmpty();

        client.Send("""{"type":"response.cancel"}""");
        client.Send(Greet);
        client.Wait(10_000);
        client.Of("response.done").Select(done => (string?)done["response"]!["status"]).ShouldBe(["cancelled", "completed"]);
    }

    [Fact]
    public void A_response_may_come_slower_than_it_plays()
    {
        var client = VirtualClient.OnThePhone(new RealtimeSessionOptions { Faults = new RealtimeFaults { SlowFromResponse = 1 } });
        var plays = (int)SampleLibrary.Shipped["greeting-en"].Duration.TotalMilliseconds;
        client.Send(Greet);
        client.Wait(plays);
        client.Of("response.done").ShouldBeEmpty();

        client.Wait(plays);
        client.Of("response.done").Count.ShouldBe(1);
    }

    [Fact]
    public void Ten_minutes_of_talk_take_no_time_and_cost_what_was_said()
    {
        var client = VirtualClient.OnThePhone();
        for (var turn = 0; turn < 20; turn++)
        {
            client.Say("bill-en");
            client.Quiet(24_000);
        }

        var usages = client.Of("response.done").Select(done => done["response"]!["usage"]!).ToList();
        usages.Count.ShouldBe(20);
        client.Now.ShouldBeGreaterThan(TimeSpan.FromMinutes(10));
        Spoken(usages[0]).ShouldBe((int)(SampleLibrary.Shipped["bill-answer-en"].Duration.TotalMilliseconds / 50));
        ((int)usages[0]["input_token_details"]!["audio_tokens"]!).ShouldBeInRange(60, 72);
        ((int)usages[19]["input_token_details"]!["cached_tokens"]!)
            .ShouldBeGreaterThan((int)usages[1]["input_token_details"]!["cached_tokens"]!);
        usages.ShouldAllBe(usage => (int)usage["input_token_details"]!["cached_tokens"]! <= (int)usage["input_tokens"]!);

        static int Spoken(JsonNode usage) => (int)usage["output_token_details"]!["audio_tokens"]!;
    }
}
