using System.Net.WebSockets;
using System.Text;
using System.Text.Json.Nodes;
using Guru.Sandbox.Hosting;
using Guru.Sandbox.Timing;
using Guru.Sandbox.Twilio;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace Guru.Sandbox.Tests.Twilio;

sealed record AppRequest(string Path, IReadOnlyDictionary<string, string> Headers, IReadOnlyDictionary<string, string> Form);

/// <summary>An application that answers Twilio with whatever a test says.</summary>
sealed class TinyApp : IAsyncDisposable
{
    public const string Token = "invented-token-for-tests";

    WebApplication? _app;

    public Dictionary<string, string> Twiml { get; } = new(StringComparer.Ordinal) { ["/voice"] = "<Response/>" };

    public string ContentType { get; set; } = "text/xml";

    public Func<TinySocket, Task> OnStream { get; set; } = _ => Task.CompletedTask;

    public int StreamStatus { get; set; } = 101;

    public byte[] Wav { get; set; } = [];

    public Journal<AppRequest> Requests { get; } = new();

    public Uri Url { get; private set; } = null!;

    public TwilioStandIn Line { get; private set; } = null!;

    public static async Task<TinyApp> StartAsync(Func<TwilioStandInOptions, TwilioStandInOptions>? with = null)
    {
        var app = new TinyApp();
        (app._app, app.Url) = await LoopbackHost.StartAsync(0, app.Map, CancellationToken.None);
        var options = new TwilioStandInOptions { AppUrl = app.Url, AuthToken = Token, VoicePath = "/voice", StatusPath = "/status",
            VerbSpeed = 1000 };
        app.Line = await TwilioStandIn.StartAsync(with?.Invoke(options) ?? options);
        return app;
    }

    public string Stream(string inner = "", string attributes = "") =>
        $"""<Response><Connect action="/after"><Stream url="ws://{Url.Authority}/stream" {attributes}>{inner}</Stream></Connect></Response>""";

    public async ValueTask DisposeAsync()
    {
        await Line.DisposeAsync();
        await _app!.DisposeAsync();
    }

    void Map(WebApplication app)
    {
        app.MapGet("/stream", StreamAsync);
        app.MapGet("/speech.wav", () => Results.Bytes(Wav, "audio/wav"));
        app.MapFallback(AnswerAsync);
    }

    async Task AnswerAsync(HttpContext context)
    {
        var form = context.Request.HasFormContentType ? await context.Request.ReadFormAsync() : null;
        Requests.Add(new AppRequest(
            context.Request.Path + context.Request.QueryString,
            context.Request.Headers.ToDictionary(h => h.Key, h => h.Value.ToString(), StringComparer.OrdinalIgnoreCase),
            form?.ToDictionary(f => f.Key, f => f.Value.ToString(), StringComparer.Ordinal) ?? []));
        var twiml = Twiml.GetValueOrDefault(context.Request.Path, "<Response/>");
        if (int.TryParse(twiml, out var status))
        {
            context.Response.StatusCode = status;
            return;
        }

        context.Response.ContentType = ContentType;
        await context.Response.WriteAsync(twiml);
    }

    async Task StreamAsync(HttpContext context)
    {
        Requests.Add(new AppRequest("/stream",
            context.Request.Headers.ToDictionary(h => h.Key, h => h.Value.ToString(), StringComparer.OrdinalIgnoreCase),
            new Dictionary<string, string>(StringComparer.Ordinal)));
        if (StreamStatus != 101)
        {
            context.Response.StatusCode = StreamStatus;
            return;
        }

        using var socket = await context.WebSockets.AcceptWebSocketAsync();
        await OnStream(new TinySocket(socket, context));
    }
}

sealed class TinySocket(WebSocket socket, HttpContext context)
{
    readonly byte[] _buffer = new byte[64 * 1024];

    public string StreamSid { get; private set; } = "";

    /// <summary>The next JSON message; null at the close or when the socket broke.</summary>
    public async Task<JsonNode?> ReadAsync()
    {
        try
        {
            var received = await socket.ReceiveAsync(_buffer, CancellationToken.None);
            if (received.MessageType == WebSocketMessageType.Close)
            {
                return null;
            }

            var json = JsonNode.Parse(_buffer.AsSpan(0, received.Count))!;
            StreamSid = (string?)json["streamSid"] ?? StreamSid;
            return json;
        }
        catch (WebSocketException)
        {
            return null;
        }
    }

    public async Task<JsonNode?> ReadUntilAsync(string @event)
    {
        while (await ReadAsync() is { } json)
        {
            if ((string?)json["event"] == @event)
            {
                return json;
            }
        }

        return null;
    }

    public Task SendAsync(string json) =>
        socket.SendAsync(Encoding.UTF8.GetBytes(json), WebSocketMessageType.Text, endOfMessage: true, CancellationToken.None);

    public Task SendAudioAsync(ReadOnlySpan<byte> audio) =>
        SendAsync($$$"""{"event":"media","streamSid":"{{{StreamSid}}}","media":{"payload":"{{{Convert.ToBase64String(audio)}}}"}}""");

    public Task SendMarkAsync(string name) =>
        SendAsync($$$"""{"event":"mark","streamSid":"{{{StreamSid}}}","mark":{"name":"{{{name}}}"}}""");

    public Task SendClearAsync() => SendAsync($$"""{"event":"clear","streamSid":"{{StreamSid}}"}""");

    public Task CloseAsync() => socket.CloseAsync(WebSocketCloseStatus.NormalClosure, null, CancellationToken.None);

    public void Break() => context.Abort();
}
