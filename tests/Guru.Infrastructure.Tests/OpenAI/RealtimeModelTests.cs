using System.Net.WebSockets;
using System.Text;
using System.Text.Json.Nodes;
using Guru.Application.Voice;
using Guru.Infrastructure.OpenAI;
using Guru.Infrastructure.Tests.Sockets;
using Microsoft.Extensions.Logging.Abstractions;
using Shouldly;

namespace Guru.Infrastructure.Tests.OpenAI;

public sealed class DiallingTheModel
{
    [Fact]
    public async Task Hands_out_a_session_once_mu_law_is_confirmed_both_ways()
    {
        JsonNode? update = null;
        await using var server = await ScriptedModel.PlayAsync(async socket =>
        {
            update = await socket.OpenAsync();
            await socket.UntilClosedAsync();
        });

        await using (var model = await server.DialAsync())
        {
            model.SessionId.ShouldBe("sess_1");
            model.ExpiresAt.ShouldBe(DateTimeOffset.FromUnixTimeSeconds(1795359600));
        }

        await server.Script.Task.WaitAsync(RawSockets.Patience);
        update!["type"]!.GetValue<string>().ShouldBe("session.update");
        update["session"]!["audio"]!["output"]!["format"]!["type"]!.GetValue<string>().ShouldBe("audio/pcmu");
        server.Upgrade.Address.ShouldBe("/v1/realtime?model=gpt-realtime-2.1");
        server.Upgrade.Headers["Authorization"].ToString().ShouldBe("Bearer sk-invented");
        server.Upgrade.Headers["OpenAI-Safety-Identifier"].ToString().ShouldBe("5afe");
        server.Upgrade.Headers.ContainsKey("OpenAI-Beta").ShouldBeFalse();
        server.Upgrade.Headers["Sec-WebSocket-Protocol"].ToString().ShouldBeEmpty();
    }

    [Theory]
    [InlineData("https://api.openai.com/v1", "wss://api.openai.com/v1/realtime?model=a%2Fb")]
    [InlineData("http://127.0.0.1:9999/v1/", "ws://127.0.0.1:9999/v1/realtime?model=a%2Fb")]
    [InlineData("https://eu.api.openai.com:8443/v1", "wss://eu.api.openai.com:8443/v1/realtime?model=a%2Fb")]
    public void Derives_the_address_from_the_rest_base(string baseUrl, string address) =>
        RealtimeDialer.Address(new Uri(baseUrl), "model", "a/b").AbsoluteUri.ShouldBe(address);

    [Theory]
    [InlineData("""{"type":"audio/pcm","rate":24000}""", """{"type":"audio/pcm","rate":24000}""")]
    [InlineData("""{"type":"audio/pcmu"}""", """{"type":"audio/pcm","rate":24000}""")]
    [InlineData("""{"type":"audio/pcm","rate":24000}""", """{"type":"audio/pcmu"}""")]
    [InlineData("null", "null")]
    public async Task Refuses_a_session_that_echoes_another_format(string input, string output)
    {
        await using var server = await ScriptedModel.PlayAsync(async socket =>
        {
            await socket.SendTextAsync(Scripts.Created);
            await socket.ReceiveTextAsync();
            await socket.SendTextAsync(Scripts.Updated(input, output));
            await socket.ReceiveTextAsync();
        });

        (await RefusalAsync(server)).ShouldBe(("wrong_audio_format", false));
    }

    [Fact]
    public async Task Accepts_a_format_that_is_echoed_with_its_rate()
    {
        await using var server = await ScriptedModel.PlayAsync(async socket =>
        {
            await socket.SendTextAsync(Scripts.Created.Replace("1795359600", "0", StringComparison.Ordinal));
            await socket.ReceiveTextAsync();
            await socket.SendTextAsync(Scripts.Updated("""{"type":"audio/pcmu","rate":8000}""", """{"type":"audio/pcmu","rate":8000}"""));
            await socket.UntilClosedAsync();
        });

        await using var model = await server.DialAsync();

        model.ExpiresAt.ShouldBe(TimeProvider.System.GetUtcNow() + TimeSpan.FromMinutes(60), TimeSpan.FromMinutes(1));
    }

    [Theory]
    [InlineData("invalid_request_error", "unknown_parameter", false)]
    [InlineData("invalid_request_error", "invalid_value", false)]
    [InlineData("server_error", "server_error", true)]
    [InlineData("requests", "rate_limit_exceeded", true)]
    [InlineData("requests", "insufficient_quota", false)]
    [InlineData("insufficient_quota", "credit_balance_exhausted", false)]
    [InlineData("insufficient_quota", "a_code_of_next_year", false)]
    [InlineData("invalid_request_error", "session_expired", true)]
    public async Task Is_refused_by_an_error_about_the_configuration(string type, string code, bool transient)
    {
        await using var server = await ScriptedModel.PlayAsync(async socket =>
        {
            await socket.SendTextAsync(Scripts.Created);
            var update = JsonNode.Parse((await socket.ReceiveTextAsync())!)!;
            await socket.SendTextAsync(
                $$$"""{"type":"error","error":{"type":"{{{type}}}","code":"{{{code}}}","event_id":"{{{update["event_id"]}}}"}}""");
            await socket.ReceiveTextAsync();
        });

        (await RefusalAsync(server)).ShouldBe((code, transient));
    }

    [Theory]
    [InlineData(401, """{"error":{"code":"invalid_api_key"}}""", "invalid_api_key", false)]
    [InlineData(401, "", "401", false)]
    [InlineData(403, "<html>", "403", false)]
    [InlineData(404, """{"error":{"type":"invalid_request_error","code":"model_not_found"}}""", "model_not_found", false)]
    [InlineData(429, """{"error":{"type":"insufficient_quota","code":"insufficient_quota"}}""", "insufficient_quota", false)]
    [InlineData(429, """{"error":{"type":"insufficient_quota","code":"credit_balance_exhausted"}}""", "credit_balance_exhausted", false)]
    [InlineData(429, """{"error":{"type":"insufficient_quota","code":"organization_spend_limit_exceeded"}}""", "organization_spend_limit_exceeded", false)]
    [InlineData(429, """{"error":{"type":"insufficient_quota","code":"a_code_of_next_year"}}""", "a_code_of_next_year", false)]
    [InlineData(429, """{"error":{"type":"insufficient_quota"}}""", "insufficient_quota", false)]
    [InlineData(429, """{"error":{"code":"project_spend_limit_exceeded"}}""", "project_spend_limit_exceeded", false)]
    [InlineData(429, """{"error":{"code":"organization_usage_limit_exceeded"}}""", "organization_usage_limit_exceeded", false)]
    [InlineData(429, """{"error":{"type":"requests","code":"rate_limit_exceeded"}}""", "rate_limit_exceeded", true)]
    [InlineData(429, """{"error":{"type":"invalid_request_error","code":"rate_limit_exceeded"}}""", "rate_limit_exceeded", true)]
    [InlineData(429, "", "429", true)]
    [InlineData(500, "", "500", true)]
    [InlineData(503, "[]", "503", true)]
    public async Task Is_refused_by_the_status_of_the_upgrade(int status, string body, string code, bool transient)
    {
        await using var server = await ScriptedModel.RefuseAsync(status, body);

        (await RefusalAsync(server)).ShouldBe((code, transient));
    }

    [Fact]
    public async Task Is_refused_for_as_long_as_the_upgrades_answer_says()
    {
        await using var server = await ScriptedModel.RefuseAsync(429, "", retryAfter: "7");

        (await Should.ThrowAsync<VoiceModelException>(server.DialAsync())).RetryAfter.ShouldBe(TimeSpan.FromSeconds(7));
    }

    [Theory]
    [InlineData(3000, "invalid_request_error.invalid_api_key", "invalid_api_key", false)]
    [InlineData(4000, "invalid_request_error.model_not_found", "model_not_found", false)]
    [InlineData(4000, "", "closed_4000", false)]
    [InlineData(1013, "insufficient_quota.credit_balance_exhausted", "credit_balance_exhausted", false)]
    [InlineData(1011, "keepalive ping timeout", "closed_1011", true)]
    [InlineData(1001, "", "closed_1001", true)]
    public async Task Is_refused_by_a_close_after_an_accepted_upgrade(int closeCode, string reason, string code, bool transient)
    {
        await using var server = await ScriptedModel.PlayAsync(socket =>
            socket.CloseOutputAsync((WebSocketCloseStatus)closeCode, reason, CancellationToken.None));

        (await RefusalAsync(server)).ShouldBe((code, transient));
    }

    [Fact]
    public async Task Is_refused_by_an_error_before_the_close_of_an_accepted_upgrade()
    {
        await using var server = await ScriptedModel.PlayAsync(async socket =>
        {
            await socket.SendTextAsync("""{"type":"error","error":{"type":"invalid_request_error","code":"beta_api_shape_disabled"}}""");
            await socket.CloseOutputAsync((WebSocketCloseStatus)4000, "invalid_request_error.beta_api_shape_disabled", CancellationToken.None);
        });

        (await RefusalAsync(server)).ShouldBe(("beta_api_shape_disabled", false));
    }

    [Fact]
    public async Task May_be_tried_again_after_an_abrupt_loss()
    {
        await using var server = await ScriptedModel.PlayAsync(async socket =>
        {
            await socket.SendTextAsync(Scripts.Created);
            await socket.ReceiveTextAsync();
            socket.Abort();
        });

        (await RefusalAsync(server)).ShouldBe(("connection_lost", true));
    }

    [Fact]
    public async Task May_be_tried_again_when_nobody_answers()
    {
        var gone = await LoopbackServer.StartAsync(_ => Task.CompletedTask);
        var address = gone.Address;
        await gone.DisposeAsync();
        var dialer = new RealtimeDialer(
            new OpenAIOptions { BaseUrl = address, ApiKey = "k" }, TimeProvider.System, NullLogger<RealtimeDialer>.Instance);

        var refused = await Should.ThrowAsync<VoiceModelException>(dialer.DialAsync(WritingToTheModel.Configuration, "5afe", CancellationToken.None));

        (refused.Code, refused.Transient).ShouldBe(("unreachable", true));
    }

    [Fact]
    public async Task May_be_tried_again_when_the_configuration_is_not_confirmed_in_time()
    {
        await using var server = await ScriptedModel.PlayAsync(
            async socket =>
            {
                await socket.SendTextAsync(Scripts.Created);
                await socket.UntilClosedAsync();
            },
            new OpenAIOptions { ConfigureTimeoutSeconds = 0.05 });

        (await RefusalAsync(server)).ShouldBe(("timeout", true));
    }

    [Fact]
    public async Task Can_be_called_off()
    {
        using var cancel = new CancellationTokenSource();
        await using var server = await ScriptedModel.PlayAsync(async socket =>
        {
            await socket.SendTextAsync(Scripts.Created);
            await socket.ReceiveTextAsync();
            await cancel.CancelAsync();
            await socket.ReceiveTextAsync();
        });

        await Should.ThrowAsync<OperationCanceledException>(server.DialAsync(cancel.Token));
    }

    [Fact]
    public void Shows_no_key() => new OpenAIOptions { ApiKey = "sk-secret" }.ToString().ShouldNotContain("sk-secret");

    private static async Task<(string Code, bool Transient)> RefusalAsync(ScriptedModel server)
    {
        var refused = await Should.ThrowAsync<VoiceModelException>(server.DialAsync());
        return (refused.Code, refused.Transient);
    }
}

public sealed class ASessionWithTheModel
{
    [Fact]
    public async Task Yields_speech_and_events_in_order_and_the_close_last()
    {
        await using var server = await ScriptedModel.PlayAsync(async socket =>
        {
            await socket.OpenAsync();
            await socket.SendTextAsync("""{"type":"response.created","response":{"id":"resp_1","metadata":{"purpose":"greeting"}}}""");
            await socket.SendTextAsync(Speech("//8A"));
            await socket.SendAsync(new byte[9], WebSocketMessageType.Binary, endOfMessage: true, CancellationToken.None);
            await socket.SendTextAsync("not json");
            await socket.SendTextAsync("""{"type":"something.new"}""");
            await socket.SendTextAsync("""{"type":"response.output_audio.done","response_id":"resp_1","item_id":"item_5"}""");
            await socket.CloseOutputAsync(WebSocketCloseStatus.EndpointUnavailable, "session hit its maximum duration", CancellationToken.None);
        });
        await using var model = await server.DialAsync();

        (await ReadAllAsync(model)).ShouldBe(
        [
            new ResponseCreated("resp_1", "greeting").ToString(),
            "resp_1 item_5 //8A 3",
            new AgentAudioDone("resp_1", "item_5").ToString(),
            new ModelClosed(1001, "session hit its maximum duration").ToString(),
        ]);
    }

    [Fact]
    public async Task That_is_attended_tells_an_item_again_with_all_its_sound()
    {
        var threeMinutes = new string('A', 3 * 60 * 64_000); // PCM at 24 kHz, in base64.
        await using var server = await ScriptedModel.PlayAsync(async socket =>
        {
            await socket.SendTextAsync(
                $$$"""{"type":"conversation.item.retrieved","item":{"id":"i1","role":"assistant","content":[{"type":"output_audio","audio":"{{{threeMinutes}}}","transcript":"Hello."}]}}""");
            await socket.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, "", CancellationToken.None);
        });
        await using var model = await server.AttendAsync();

        (await ReadAllAsync(model)).ShouldBe([new ItemRetrieved("i1", "assistant", "Hello.").ToString(), new ModelClosed(1000, "").ToString()]);
        server.Upgrade.Address.ShouldBe("/v1/realtime?call_id=rtc_1");
    }

    [Fact]
    public async Task Ends_with_a_close_without_a_code_after_an_abrupt_loss()
    {
        await using var server = await ScriptedModel.PlayAsync(async socket =>
        {
            await socket.OpenAsync();
            await socket.SendTextAsync(Speech("//8A"));
            (await socket.ReceiveTextAsync()).ShouldBe("""{"type":"input_audio_buffer.append","audio":"AAAA"}""");
            socket.Abort();
        });
        await using var model = await server.DialAsync();
        var read = new List<ModelEvent?>();

        await model.ReadAsync(
            (in ModelMessage message) =>
            {
                // Read before the server is made to break off: a reset throws away what was not read yet.
                model.AppendAudio("AAAA"u8);
                read.Add(message.Event);
                return true;
            },
            CancellationToken.None).WaitAsync(RawSockets.Patience);

        read.ShouldBe([null, new ModelClosed(Code: null, Reason: null)]);
        await server.Script.Task.WaitAsync(RawSockets.Patience);
        model.AppendAudio("AAAA"u8); // Dropped.
    }

    [Fact]
    public async Task Reads_large_and_fragmented_messages()
    {
        var payload = Convert.ToBase64String(new byte[48_000]);
        await using var server = await ScriptedModel.PlayAsync(async socket =>
        {
            await socket.OpenAsync();
            await socket.SendTextAsync(Speech(payload));
            var bytes = Encoding.UTF8.GetBytes(Speech(payload));
            for (var at = 0; at < bytes.Length; at += 7001)
            {
                var part = bytes.AsMemory(at, Math.Min(7001, bytes.Length - at));
                await socket.SendAsync(part, WebSocketMessageType.Text, at + part.Length == bytes.Length, CancellationToken.None);
            }

            await socket.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, "", CancellationToken.None);
        });
        await using var model = await server.DialAsync();

        (await ReadAllAsync(model)).ShouldBe(
            [$"resp_1 item_5 {payload} 48000", $"resp_1 item_5 {payload} 48000", new ModelClosed(1000, "").ToString()]);
    }

    [Fact]
    public async Task Yields_a_tool_call_once_though_two_events_describe_it()
    {
        await using var server = await ScriptedModel.PlayAsync(async socket =>
        {
            await socket.OpenAsync();
            await socket.SendTextAsync("""{"type":"response.function_call_arguments.done","response_id":"r","item_id":"i1","call_id":"c1","name":"end","arguments":"{}"}""");
            await socket.SendTextAsync("""{"type":"response.output_item.done","response_id":"r","item":{"id":"i1","type":"function_call","call_id":"c1","name":"end","arguments":"{}"}}""");
            await socket.SendTextAsync("""{"type":"response.function_call_arguments.done","response_id":"r","item_id":"i2","call_id":"c2","arguments":"{}"}""");
            await socket.SendTextAsync("""{"type":"response.output_item.done","response_id":"r","item":{"id":"i2","type":"function_call","call_id":"c2","name":"end","arguments":"{}"}}""");
            await socket.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, "", CancellationToken.None);
        });
        await using var model = await server.DialAsync();

        (await ReadAllAsync(model)).ShouldBe(
        [
            new ToolCalled("r", "i1", "c1", "end", "{}").ToString(),
            new ToolCalled("r", "i2", "c2", "end", "{}").ToString(),
            new ModelClosed(1000, "").ToString(),
        ]);
    }

    [Fact]
    public async Task Sends_audio_and_commands_in_order_each_command_with_an_id_of_its_own()
    {
        var received = new List<string>();
        await using var server = await ScriptedModel.PlayAsync(async socket =>
        {
            await socket.OpenAsync();
            while (await socket.ReceiveTextAsync() is { } text)
            {
                received.Add(text);
            }

            await socket.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, "", CancellationToken.None);
        });
        await using (var model = await server.DialAsync())
        {
            model.AppendAudio("//8A"u8);
            model.Send(new TruncateItem("item_5", 0, 1340));
            model.Send(new CreateResponse("greeting", Instructions: null));
            model.AppendAudio("AAAA"u8);
        }

        await server.Script.Task.WaitAsync(RawSockets.Patience);
        received.ShouldBe(
        [
            """{"type":"input_audio_buffer.append","audio":"//8A"}""",
            """{"type":"conversation.item.truncate","event_id":"truncate-1","item_id":"item_5","content_index":0,"audio_end_ms":1340}""",
            """{"type":"response.create","event_id":"response-2","response":{"metadata":{"purpose":"greeting"}}}""",
            """{"type":"input_audio_buffer.append","audio":"AAAA"}""",
        ]);
    }

    [Fact]
    public async Task Ends_its_reading_when_it_is_disposed()
    {
        await using var server = await ScriptedModel.PlayAsync(async socket =>
        {
            await socket.OpenAsync();
            await socket.UntilClosedAsync();
        });
        var model = await server.DialAsync();
        var reading = ReadAllAsync(model);

        await model.DisposeAsync();
        await model.DisposeAsync();

        (await reading).ShouldBe([new ModelClosed(1000, "").ToString()]);
    }

    private static string Speech(string payload) =>
        $$"""{"type":"response.output_audio.delta","event_id":"e","response_id":"resp_1","item_id":"item_5","output_index":0,"content_index":0,"delta":"{{payload}}"}""";

    private static async Task<List<string>> ReadAllAsync(IVoiceModel model)
    {
        var all = new List<string>();
        using var patience = new CancellationTokenSource(RawSockets.Patience);
        await model.ReadAsync(
            (in ModelMessage message) =>
            {
                all.Add(message.Event?.ToString()
                    ?? $"{Text(message.Audio.ResponseId)} {Text(message.Audio.ItemId)} {Text(message.Audio.Payload)} {message.Audio.Bytes}");
                return true;
            },
            patience.Token);

        return all;
    }

    private static string Text(ReadOnlyMemory<byte> utf8) => Encoding.UTF8.GetString(utf8.Span);
}
