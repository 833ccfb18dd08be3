using System.Net.WebSockets;
using System.Text;
using System.Text.Json.Nodes;
using Guru.Sandbox.Audio;
using Guru.Sandbox.OpenAI;
using Shouldly;

namespace Guru.Sandbox.Tests.OpenAI;

public sealed class OnTheWire : IAsyncLifetime
{
    OpenAIStandIn _openai = null!;
    HttpClient _http = null!;

    public async Task InitializeAsync()
    {
        _openai = await OpenAIStandIn.StartAsync(new OpenAIStandInOptions { ApiKey = "sk-right" });
        _http = new HttpClient { DefaultRequestHeaders = { Authorization = new("Bearer", "sk-right") } };
    }

    public async Task DisposeAsync()
    {
        _http.Dispose();
        await _openai.DisposeAsync();
    }

    [Fact]
    public async Task A_session_is_spoken_to_over_the_socket()
    {
        using var socket = await ConnectAsync();
        socket.SubProtocol.ShouldBe("realtime");
        ((string?)(await ReadAsync(socket))!["type"]).ShouldBe("session.created");
        await SendAsync(socket, $$"""{"type":"session.update","session":{{VirtualClient.Phone}}}""");
        await SendAsync(socket, """{"type":"response.create","response":{"metadata":{"purpose":"goodbye"}}}""");
        List<string> types = [];
        while (types.LastOrDefault() != "response.done")
        {
            types.Add((string)(await ReadAsync(socket))!["type"]!);
        }

        types.ShouldContain("response.output_audio.delta");
        var session = (await _openai.Sessions.WaitAsync(s => s.Number == 1));
        session.Model.ShouldBe("gpt-realtime-2.1");
        await socket.CloseAsync(WebSocketCloseStatus.NormalClosure, null, CancellationToken.None);
        await session.Ended;
        session.Events.Entries.Where(e => e.FromClient).Select(e => e.Type).ShouldBe(["session.update", "response.create", "closed"]);
    }

    [Theory]
    [InlineData(401)]
    [InlineData(404)]
    [InlineData(429)]
    [InlineData(503)]
    public async Task An_upgrade_can_be_refused(int status)
    {
        _openai.FailNext(new RealtimeFaults { RefuseUpgrade = status });
        using var socket = Socket("sk-right");
        await Should.ThrowAsync<WebSocketException>(() => socket.ConnectAsync(Address("?model=m"), CancellationToken.None));
        ((int)socket.HttpStatusCode).ShouldBe(status);
        socket.HttpResponseHeaders!.ContainsKey("x-request-id").ShouldBeTrue();
    }

    [Fact]
    public async Task A_wrong_key_is_refused()
    {
        using var socket = Socket("sk-wrong");
        await Should.ThrowAsync<WebSocketException>(() => socket.ConnectAsync(Address("?model=m"), CancellationToken.None));
        ((int)socket.HttpStatusCode).ShouldBe(401);
    }

    [Theory]
    [InlineData("?model=m", true, "invalid_request_error.beta_api_shape_disabled")]
    [InlineData("", false, "invalid_request_error.missing_model")]
    public async Task The_beta_shape_and_a_missing_model_get_an_error_and_close_4000(string query, bool beta, string reason)
    {
        using var socket = Socket("sk-right");
        if (beta)
        {
            socket.Options.SetRequestHeader("OpenAI-Beta", "realtime=v1");
        }

        await socket.ConnectAsync(Address(query), CancellationToken.None);
        ((string?)(await ReadAsync(socket))!["type"]).ShouldBe("error");
        (await ReadAsync(socket)).ShouldBeNull();
        ((int)socket.CloseStatus!).ShouldBe(4000);
        socket.CloseStatusDescription.ShouldBe(reason);
    }

    [Fact]
    public async Task A_session_can_expire_or_break()
    {
        _openai.FailNext(
            new RealtimeFaults { ExpiresAfter = TimeSpan.FromMilliseconds(50) },
                new RealtimeFaults { ResetAfter = TimeSpan.FromMilliseconds(50), SplitFrames = true });
        using var expiring = await ConnectAsync();
        using var breaking = await ConnectAsync();
        await ReadAsync(expiring);
        ((string?)(await ReadAsync(expiring))!["error"]!["code"]).ShouldBe("session_expired");
        (await ReadAsync(expiring)).ShouldBeNull();
        ((int)expiring.CloseStatus!).ShouldBe(1001);
        ((string?)(await ReadAsync(breaking))!["type"]).ShouldBe("session.created");
        ((string?)(await ReadAsync(breaking))!["type"]).ShouldBe("conversation.created");
        await Should.ThrowAsync<WebSocketException>(() => ReadAsync(breaking));
    }

    [Fact]
    public async Task What_goes_wrong_for_the_next_caller_goes_wrong_for_nobody_who_dials_again()
    {
        using var known = Socket("sk-right", caller: "known");
        await known.ConnectAsync(Address("?model=m"), CancellationToken.None);
        _openai.FailNextCaller(new RealtimeFaults { RefuseUpgrade = 429 }, new RealtimeFaults { RefuseUpgrade = 503 });
        using var again = Socket("sk-right", caller: "known");
        await again.ConnectAsync(Address("?model=m"), CancellationToken.None);

        foreach (var status in (int[])[429, 503])
        {
            using var refused = Socket("sk-right", caller: "next");
            await Should.ThrowAsync<WebSocketException>(() => refused.ConnectAsync(Address("?model=m"), CancellationToken.None));
            ((int)refused.HttpStatusCode).ShouldBe(status);
        }

        using var taken = Socket("sk-right", caller: "next");
        await taken.ConnectAsync(Address("?model=m"), CancellationToken.None);
    }

    [Fact]
    public async Task A_session_that_is_mute_answers_no_ping_and_is_not_closed()
    {
        _openai.FailNext(new RealtimeFaults { MuteAtTurn = 1 });
        using var socket = Socket("sk-right");
        socket.Options.KeepAliveInterval = TimeSpan.FromMilliseconds(100);
        socket.Options.KeepAliveTimeout = TimeSpan.FromMilliseconds(200);
        await socket.ConnectAsync(Address("?model=m"), CancellationToken.None);
        var speech = Convert.ToBase64String(MuLaw.ToPcm24k(SampleLibrary.Shipped["bill-en"].Audio.AsSpan()));
        await SendAsync(socket, $$"""{"type":"input_audio_buffer.append","audio":"{{speech}}"}""");
        while ((string?)(await ReadAsync(socket))!["type"] != "input_audio_buffer.speech_started")
        {
            // It is said that the session is there.
        }

        await Should.ThrowAsync<Exception>(() => ReadAsync(socket)); // The client has given it up.
        var session = _openai.Sessions.Entries[^1];
        await session.Ended.WaitAsync(TimeSpan.FromSeconds(20));
        session.Events.Entries[^2].Type.ShouldBe("mute");
    }

    [Fact]
    public async Task Text_is_routed_by_schema_and_answered_by_rule()
    {
        var routed = await PostAsync("responses", """
            {"model":"gpt-6-luna","input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"¿Mi visa termina pronto?"}]}],
             "text":{"format":{"type":"json_schema","name":"route","strict":true,"schema":{"type":"object","additionalProperties":false,"required":["agent","confidence","language","reason"],
             "properties":{"agent":{"type":"string","enum":["healthcare","financial","legal","general"]},"confidence":{"type":"number"},"language":{"type":"string"},"reason":{"type":["string","null"]}}}}}}
            """);
        var text = (string)routed["output"]![1]!["content"]![0]!["text"]!;
        JsonNode.Parse(text)!.ToJsonString().ShouldContain("""{"agent":"legal","confidence":0.9,"language":"es",""");

        var replied = await PostAsync("responses", """{"model":"gpt-6-luna","input":"I got a bill"}""");
        ((string?)replied["output"]![1]!["content"]![0]!["text"]).ShouldBe(SampleLibrary.Shipped["bill-answer-en"].Text);
        var chat = await PostAsync("chat/completions", """{"model":"gpt-6-luna","messages":[{"role":"user","content":"I got a bill"}]}""");
        ((string?)chat["choices"]![0]!["message"]!["content"]).ShouldBe(SampleLibrary.Shipped["bill-answer-en"].Text);
        var decision = await PostAsync("decisions", """
            {"model":"gpt-6-luna","input":"my doctor","questions":[{"type":"choice","name":"agent","choices":[{"value":"legal"},{"value":"healthcare"}]}]}
            """);
        ((string?)decision["answers"]![0]!["choice"]).ShouldBe("healthcare");
    }

    [Fact]
    public async Task A_voice_note_is_transcribed_when_it_is_a_sample()
    {
        using var form = new MultipartFormDataContent
        {
            { new StringContent("gpt-transcribe"), "model" },
            { new ByteArrayContent(await File.ReadAllBytesAsync(Path.Combine(AppContext.BaseDirectory, "Samples", "bill-es.wav"))), "file",
                "voice.wav" },
        };
        using var response = await _http.PostAsync(new Uri($"{_openai.BaseUrl}/audio/transcriptions"), form);
        var json = JsonNode.Parse(await response.Content.ReadAsStringAsync())!;
        ((string?)json["text"]).ShouldBe(SampleLibrary.Shipped["bill-es"].Text);
        ((string?)json["languages"]![0]!["code"]).ShouldBe("es");
    }

    [Fact]
    public async Task A_browser_secret_opens_a_session()
    {
        var secret = await PostAsync("realtime/client_secrets",
            """{"session":{"type":"realtime","model":"gpt-realtime-2.1","instructions":"Hi."}}""");
        ((string)secret["value"]!).ShouldMatch("^ek_[0-9a-f]{32}$");
        ((string?)secret["session"]!["instructions"]).ShouldBe("Hi.");
        using var socket = Socket((string)secret["value"]!);
        await socket.ConnectAsync(Address("?model=gpt-realtime-2.1"), CancellationToken.None);
        socket.State.ShouldBe(WebSocketState.Open);
    }

    [Fact]
    public async Task Errors_limits_and_models_have_their_shapes()
    {
        _openai.Http.FailNext(new HttpFault("/v1/responses", 429, "rate_limit_exceeded", TimeSpan.FromSeconds(2)));
        using var limited = await _http.PostAsync(new Uri($"{_openai.BaseUrl}/responses"), Json("""{"model":"m","input":"x"}"""));
        ((int)limited.StatusCode).ShouldBe(429);
        limited.Headers.RetryAfter!.Delta.ShouldBe(TimeSpan.FromSeconds(2));
        limited.Headers.Contains("x-request-id").ShouldBeTrue();

        using var anonymous = new HttpClient();
        ((int)(await anonymous.GetAsync(new Uri($"{_openai.BaseUrl}/models"))).StatusCode).ShouldBe(401);
        (await _http.GetStringAsync(new Uri($"{_openai.BaseUrl}/models"))).ShouldContain("\"shutdown_date\":\"2027-01-20\"");
        using var wrong = await _http.PostAsync(new Uri($"{_openai.BaseUrl}/responses"), Json("{}"));
        ((int)wrong.StatusCode).ShouldBe(400);
    }

    Uri Address(string query) => new($"ws://{_openai.BaseUrl.Authority}/v1/realtime{query}");

    async Task<ClientWebSocket> ConnectAsync()
    {
        var socket = Socket("sk-right");
        socket.Options.AddSubProtocol("realtime");
        await socket.ConnectAsync(Address("?model=gpt-realtime-2.1"), CancellationToken.None);
        return socket;
    }

    static ClientWebSocket Socket(string key, string? caller = null)
    {
        var socket = new ClientWebSocket();
        socket.Options.CollectHttpResponseDetails = true;
        socket.Options.SetRequestHeader("Authorization", $"Bearer {key}");
        if (caller is not null)
        {
            socket.Options.SetRequestHeader("OpenAI-Safety-Identifier", caller);
        }

        return socket;
    }

    static Task SendAsync(ClientWebSocket socket, string json) =>
        socket.SendAsync(Encoding.UTF8.GetBytes(json), WebSocketMessageType.Text, endOfMessage: true, CancellationToken.None);

    static async Task<JsonNode?> ReadAsync(ClientWebSocket socket)
    {
        using var message = new MemoryStream();
        var buffer = new byte[32 * 1024];
        while (true)
        {
            var received = await socket.ReceiveAsync(buffer, CancellationToken.None);
            if (received.MessageType == WebSocketMessageType.Close)
            {
                return null;
            }

            message.Write(buffer, 0, received.Count);
            if (received.EndOfMessage)
            {
                return JsonNode.Parse(message.ToArray());
            }
        }
    }

    async Task<JsonNode> PostAsync(string path, string json)
    {
        using var response = await _http.PostAsync(new Uri($"{_openai.BaseUrl}/{path}"), Json(json));
        response.IsSuccessStatusCode.ShouldBeTrue();
        return JsonNode.Parse(await response.Content.ReadAsStringAsync())!;
    }

    static StringContent Json(string json) => new(json, Encoding.UTF8, "application/json");
}
