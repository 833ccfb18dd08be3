using System.Net;
using System.Net.WebSockets;
using System.Security.Cryptography;

namespace Guru.Infrastructure.Sockets;

/// <summary>A client's side of the WebSocket handshake, by way of the framework's HTTP client, which knows proxies, TLS and refusals.</summary>
internal static class WebSocketDial
{
    /// <summary>A request for a WebSocket. Extensions and subprotocols are not asked for.</summary>
    public static HttpRequestMessage Request(Uri address)
    {
        var request = new HttpRequestMessage(HttpMethod.Get, address) { Version = HttpVersion.Version11, VersionPolicy = HttpVersionPolicy.RequestVersionExact };
        request.Headers.TryAddWithoutValidation("Connection", "Upgrade");
        request.Headers.TryAddWithoutValidation("Upgrade", "websocket");
        request.Headers.TryAddWithoutValidation("Sec-WebSocket-Version", "13");
        request.Headers.TryAddWithoutValidation("Sec-WebSocket-Key", Convert.ToBase64String(RandomNumberGenerator.GetBytes(16)));
        return request;
    }

    /// <param name="request">As made above.</param>
    /// <param name="refusal">What to throw for an answer other than 101.</param>
    /// <exception cref="WebSocketException">The answer does not fit the request.</exception>
    /// <exception cref="HttpRequestException">There is no connection, or no answer.</exception>
    public static async Task<WebSocketConnection> DialAsync(
        HttpRequestMessage request, TimeSpan connectTimeout, Func<HttpResponseMessage, CancellationToken, Task<Exception>> refusal, CancellationToken cancellationToken)
    {
        // One handler for one connection, which outlives it once it carries a WebSocket.
        PolledStream? socket = null;
        UpgradingStream? connection = null;
        using var http = new HttpMessageInvoker(new SocketsHttpHandler
        {
            UseCookies = false,
            AllowAutoRedirect = false,
            ConnectTimeout = connectTimeout,
            ConnectCallback = PolledStream.IsSupported ? async (context, token) => socket = await PolledStream.ConnectAsync(context.DnsEndPoint, token) : null,
            PlaintextStreamFilter = (context, _) => ValueTask.FromResult<Stream>(connection = new UpgradingStream(context.PlaintextStream)),
        });
        using var response = await http.SendAsync(request, cancellationToken);
        if (response.StatusCode != HttpStatusCode.SwitchingProtocols)
        {
            throw await refusal(response, cancellationToken);
        }

        if (!Fits(response, request))
        {
            throw new WebSocketException(WebSocketError.HeaderError);
        }

        socket?.GoesOnInline = true;
        connection!.TakeOver();
        return new WebSocketConnection(connection, IsServer: false, connection.Abort);
    }

    /// <summary>RFC 6455, section 4.1.</summary>
    private static bool Fits(HttpResponseMessage response, HttpRequestMessage request)
    {
        var key = request.Headers.GetValues("Sec-WebSocket-Key").Single();
        return Says("Upgrade", "websocket") && Says("Connection", "Upgrade") && Says("Sec-WebSocket-Accept", WebSocketConnection.Accept(key), StringComparison.Ordinal)
            && !response.Headers.Contains("Sec-WebSocket-Extensions");

        bool Says(string header, string value, StringComparison comparison = StringComparison.OrdinalIgnoreCase) =>
            response.Headers.TryGetValues(header, out var values) && values.Any(said => string.Equals(said, value, comparison));
    }
}
