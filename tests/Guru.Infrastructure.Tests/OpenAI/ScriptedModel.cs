using System.Net.WebSockets;
using System.Text.Json.Nodes;
using Guru.Application.Voice;
using Guru.Domain.Calls;
using Guru.Infrastructure.OpenAI;
using Guru.Infrastructure.Tests.Sockets;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging.Abstractions;

namespace Guru.Infrastructure.Tests.OpenAI;

/// <summary>A model server that plays one script per socket, over real connections.</summary>
internal sealed class ScriptedModel : IAsyncDisposable
{
    private LoopbackServer _server = null!;
    private RealtimeDialer _dialer = null!;

    /// <summary>The address and the headers of the last dial.</summary>
    public (string Address, HeaderDictionary Headers) Upgrade { get; private set; }

    /// <summary>How the last script ended; faulted when one of its expectations was wrong.</summary>
    public TaskCompletionSource Script { get; private set; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public static Task<ScriptedModel> PlayAsync(Func<WebSocket, Task> script, OpenAIOptions? options = null)
    {
        var model = new ScriptedModel();
        return model.StartAsync(
            async context =>
            {
                // The request is gone when the test looks at it.
                model.Upgrade = (context.Request.Path + context.Request.QueryString.Value, new HeaderDictionary(context.Request.Headers.ToDictionary()));
                using var socket = await context.WebSockets.AcceptWebSocketAsync();
                try
                {
                    await script(socket);
                    model.Script.TrySetResult();
                }
                catch (Exception e)
                {
                    model.Script.TrySetException(e);
                }
            },
            options);
    }

    public static Task<ScriptedModel> RefuseAsync(int status, string body, string? retryAfter = null) => new ScriptedModel().StartAsync(
        async context =>
        {
            context.Response.StatusCode = status;
            context.Response.Headers.RetryAfter = retryAfter;
            await context.Response.WriteAsync(body);
        },
        options: null);

    public Task<IVoiceModel> DialAsync(CancellationToken cancellationToken = default) =>
        _dialer.DialAsync(WritingToTheModel.Configuration, "5afe", cancellationToken).WaitAsync(RawSockets.Patience, CancellationToken.None);

    public Task<IVoiceModel> AttendAsync() => _dialer.AttendAsync(CallSid.Parse("rtc_1"), CancellationToken.None).WaitAsync(RawSockets.Patience);

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
    }

    private async Task<ScriptedModel> StartAsync(RequestDelegate handle, OpenAIOptions? options)
    {
        _server = await LoopbackServer.StartAsync(handle);
        options = (options ?? new OpenAIOptions()) with { BaseUrl = new Uri(_server.Address, "v1"), ApiKey = "sk-invented" };
        _dialer = new RealtimeDialer(options, TimeProvider.System, NullLogger<RealtimeDialer>.Instance);
        return this;
    }
}

internal static class Scripts
{
    public const string Created = """
        {"type":"session.created","event_id":"event_1","session":{"type":"realtime","object":"realtime.session","id":"sess_1",
         "model":"gpt-realtime-2.1","output_modalities":["audio"],"instructions":"(server default)","tools":[],"tool_choice":"auto",
         "max_output_tokens":"inf","tracing":null,"prompt":null,"expires_at":1795359600,
         "audio":{"input":{"format":{"type":"audio/pcm","rate":24000},"transcription":null,"noise_reduction":null,
           "turn_detection":{"type":"server_vad","threshold":0.5,"prefix_padding_ms":300,"silence_duration_ms":200,"idle_timeout_ms":null,"create_response":true,"interrupt_response":true}},
          "output":{"format":{"type":"audio/pcm","rate":24000},"voice":"marin","speed":1}},"include":null}}
        """;

    public static string Updated(string input = """{"type":"audio/pcmu"}""", string output = """{"type":"audio/pcmu"}""") =>
        """{"type":"session.updated","event_id":"event_2","session":{"id":"sess_1","audio":{"input":{"format":IN},"output":{"format":OUT}}}}"""
            .Replace("IN", input, StringComparison.Ordinal).Replace("OUT", output, StringComparison.Ordinal);

    /// <summary>The opening as it should be; what the configuration was is given back.</summary>
    public static async Task<JsonNode> OpenAsync(this WebSocket socket)
    {
        await socket.SendTextAsync(Created);
        await socket.SendTextAsync("""{"type":"conversation.created","event_id":"event_3","conversation":{"id":"conv_1"}}""");
        var update = JsonNode.Parse((await socket.ReceiveTextAsync())!)!;
        await socket.SendTextAsync(Updated());
        return update;
    }

    /// <summary>Waits for the client's close frame and answers it.</summary>
    public static async Task UntilClosedAsync(this WebSocket socket)
    {
        while (await socket.ReceiveTextAsync() is not null)
        {
        }

        await socket.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, "", CancellationToken.None);
    }
}
