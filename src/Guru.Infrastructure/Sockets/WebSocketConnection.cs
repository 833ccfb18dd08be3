using System.Net;
using System.Net.WebSockets;
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
        return new WebSocketConnection(TransportStream.Of(context, upgraded), IsServer: true, lifetime.Abort);
    }

    /// <summary>A client's handshake, to be answered with 101.</summary>
    public static HttpRequestMessage Request(Uri address)
    {
        var request = new HttpRequestMessage(HttpMethod.Get, address) { Version = HttpVersion.Version11, VersionPolicy = HttpVersionPolicy.RequestVersionExact };
        request.Headers.TryAddWithoutValidation("Connection", "Upgrade");
        request.Headers.TryAddWithoutValidation("Upgrade", "websocket");
        request.Headers.TryAddWithoutValidation("Sec-WebSocket-Version", "13");
        request.Headers.TryAddWithoutValidation("Sec-WebSocket-Key", Convert.ToBase64String(RandomNumberGenerator.GetBytes(16)));
        return request;
    }

    /// <param name="response">The answer to such a request, of status 101; owned from here on.</param>
    /// <exception cref="WebSocketException">It does not fit the request.</exception>
    public static async Task<WebSocketConnection> OfAsync(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        var key = response.RequestMessage!.Headers.GetValues("Sec-WebSocket-Key").Single();
        if (!Says("Upgrade", "websocket") || !Says("Connection", "Upgrade") || !Says("Sec-WebSocket-Accept", Accept(key), StringComparison.Ordinal)
            || response.Headers.Contains("Sec-WebSocket-Extensions"))
        {
            response.Dispose();
            throw new WebSocketException(WebSocketError.HeaderError);
        }

        return new WebSocketConnection(await response.Content.ReadAsStreamAsync(cancellationToken), IsServer: false, response.Dispose);

        bool Says(string header, string value, StringComparison comparison = StringComparison.OrdinalIgnoreCase) =>
            response.Headers.TryGetValues(header, out var values) && values.Any(said => string.Equals(said, value, comparison));
    }

    // SHA-1 is what the protocol prescribes here; it protects nothing.
#pragma warning disable CA5350
    private static string Accept(string key) => Convert.ToBase64String(SHA1.HashData(Encoding.ASCII.GetBytes(key + AcceptSuffix)));
#pragma warning restore CA5350
}
