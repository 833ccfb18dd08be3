using System.Net;
using System.Net.WebSockets;
using System.Text;
using Guru.Infrastructure.Sockets;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Guru.Infrastructure.Tests.Sockets;

/// <summary>A real server on a free port of the loopback interface.</summary>
internal sealed class LoopbackServer : IAsyncDisposable
{
    private readonly WebApplication _app;

    private LoopbackServer(WebApplication app) => _app = app;

    /// <summary>http, and where a WebSocket is wanted the same with ws.</summary>
    public Uri Address => new(_app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First());

    public static async Task<LoopbackServer> StartAsync(RequestDelegate handle)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0)).UsePolledSockets();
        var app = builder.Build();
        app.UseWebSockets();
        app.Run(handle);
        await app.StartAsync();
        return new LoopbackServer(app);
    }

    public async ValueTask DisposeAsync()
    {
        // What a test left open is cut off.
        using var now = new CancellationTokenSource(TimeSpan.FromMilliseconds(50));
        await _app.StopAsync(now.Token);
        await _app.DisposeAsync();
    }
}

/// <summary>A WebSocket over a real connection; at least one of its ends is Guru's own.</summary>
internal sealed class SocketPair<TServer, TClient> : IAsyncDisposable
{
    private readonly LoopbackServer _server;
    private readonly TaskCompletionSource _done;
    private readonly Action _drop;

    private SocketPair(LoopbackServer server, TaskCompletionSource done, TServer serverEnd, TClient clientEnd, Action drop)
    {
        _server = server;
        _done = done;
        _drop = drop;
        ServerEnd = serverEnd;
        ClientEnd = clientEnd;
    }

    public TServer ServerEnd { get; }

    public TClient ClientEnd { get; }

    public static async Task<SocketPair<TServer, TClient>> ConnectAsync(Func<HttpContext, Task<TServer>> accept, Func<Uri, Task<TClient>> connect, Action<TClient> drop)
    {
        var accepted = new TaskCompletionSource<TServer>(TaskCreationOptions.RunContinuationsAsynchronously);
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var server = await LoopbackServer.StartAsync(async context =>
        {
            accepted.SetResult(await accept(context));
            await done.Task;
        });

        var client = await connect(new UriBuilder(server.Address) { Scheme = "ws" }.Uri);
        return new SocketPair<TServer, TClient>(server, done, await accepted.Task, client, () => drop(client));
    }

    public async ValueTask DisposeAsync()
    {
        _drop();
        _done.TrySetResult();
        await _server.DisposeAsync();
    }
}

/// <summary>Which end is Guru's, and which the framework's.</summary>
internal static class SocketPair
{
    public static Task<SocketPair<WebSocketConnection, ClientWebSocket>> OurServerAsync() =>
        SocketPair<WebSocketConnection, ClientWebSocket>.ConnectAsync(WebSocketConnection.AcceptAsync, FrameworkClientAsync, client => client.Dispose());

    public static Task<SocketPair<WebSocket, WebSocketConnection>> OurClientAsync() =>
        SocketPair<WebSocket, WebSocketConnection>.ConnectAsync(context => context.WebSockets.AcceptWebSocketAsync(), OurClientAsync, client => client.Abort());

    public static Task<SocketPair<WebSocketConnection, WebSocketConnection>> OursAsync() =>
        SocketPair<WebSocketConnection, WebSocketConnection>.ConnectAsync(WebSocketConnection.AcceptAsync, OurClientAsync, client => client.Abort());

    private static async Task<ClientWebSocket> FrameworkClientAsync(Uri address)
    {
        var client = new ClientWebSocket();
        await client.ConnectAsync(address, CancellationToken.None);
        return client;
    }

    private static async Task<WebSocketConnection> OurClientAsync(Uri address)
    {
        using var request = WebSocketDial.Request(address);
        return await WebSocketDial.DialAsync(request, RawSockets.Patience, (answer, _) => throw new WebSocketException($"{answer.StatusCode}"), CancellationToken.None);
    }
}

internal static class RawSockets
{
    /// <summary>How long a test waits for what must happen before it fails.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    public static Task SendTextAsync(this WebSocket socket, string text) =>
        socket.SendAsync(Encoding.UTF8.GetBytes(text), WebSocketMessageType.Text, endOfMessage: true, CancellationToken.None);

    /// <summary>The next whole text, or null when the other side closes.</summary>
    public static async Task<string?> ReceiveTextAsync(this WebSocket socket)
    {
        using var patience = new CancellationTokenSource(Patience);
        using var text = new MemoryStream();
        var buffer = new byte[16 * 1024];
        while (true)
        {
            var received = await socket.ReceiveAsync(buffer.AsMemory(), patience.Token);
            if (received.MessageType == WebSocketMessageType.Close)
            {
                return null;
            }

            text.Write(buffer, 0, received.Count);
            if (received.EndOfMessage)
            {
                return Encoding.UTF8.GetString(text.ToArray());
            }
        }
    }
}
