using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Guru.Infrastructure.Sockets;

/// <summary>A connection after its WebSocket handshake (RFC 6455, section 4): from here on both sides speak in frames.</summary>
/// <param name="IsServer">Its own frames go unmasked, and the other side's must be masked (section 5.1).</param>
/// <param name="Abort">Drops the connection; reads and writes under way end.</param>
public sealed record WebSocketConnection(Stream Stream, bool IsServer, Action Abort)
{
    private const string AcceptSuffix = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

    /// <summary>Answers the handshake of a request that the WebSocket middleware found to be one. No extension and no subprotocol is agreed on.</summary>
    public static async Task<WebSocketConnection> AcceptAsync(HttpContext context)
    {
        var headers = context.Response.Headers;
        headers.Connection = "Upgrade";
        headers.Upgrade = "websocket";
        headers.SecWebSocketAccept = Accept(context.Request.Headers.SecWebSocketKey.ToString());
        var upgraded = await context.Features.GetRequiredFeature<IHttpUpgradeFeature>().UpgradeAsync();

        // The context is gone once the request has been answered, and a write may fail later than that.
        var lifetime = context.Features.GetRequiredFeature<IHttpRequestLifetimeFeature>();
        return new WebSocketConnection(context.Features.Get<PolledConnection>()?.TakeOver() ?? upgraded, IsServer: true, lifetime.Abort);
    }

    // SHA-1 is what the protocol prescribes here; it protects nothing.
#pragma warning disable CA5350
    internal static string Accept(string key) => Convert.ToBase64String(SHA1.HashData(Encoding.ASCII.GetBytes(key + AcceptSuffix)));
#pragma warning restore CA5350
}
