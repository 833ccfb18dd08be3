using System.Net;
using System.Net.Sockets;
using System.Net.WebSockets;
using System.Text;
using Guru.Infrastructure.Sockets;
using Shouldly;

namespace Guru.Infrastructure.Tests.Sockets;

/// <summary>The answer to a handshake, byte by byte from a server that is not HTTP's.</summary>
public sealed class WebSocketDialTests
{
    private const string Crlf = "\r\n";

    private static readonly byte[] Greeting = [0x81, 5, .. "hello"u8];

    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(100_000)]
    public async Task Frames_that_come_with_the_answer_to_the_handshake_are_read_however_the_network_cuts_them(int bytesAtOnce)
    {
        var many = Enumerable.Repeat(Greeting, 1_000).SelectMany(frame => frame).ToArray();
        await using var socket = await DialAsync(request => [.. Upgraded(request), .. many], bytesAtOnce);

        for (var i = 0; i < 1_000; i++)
        {
            var message = await socket.ReceiveAsync(CancellationToken.None);
            Encoding.UTF8.GetString(message.Text.Span).ShouldBe("hello");
        }
    }

    [Fact]
    public async Task A_head_whose_lines_end_without_a_carriage_return_ends_where_it_ends()
    {
        await using var socket = await DialAsync(
            request => [.. Encoding.ASCII.GetBytes(Encoding.ASCII.GetString(Upgraded(request)).Replace(Crlf, "\n", StringComparison.Ordinal)), .. Greeting], 100_000);

        Encoding.UTF8.GetString((await socket.ReceiveAsync(CancellationToken.None)).Text.Span).ShouldBe("hello");
    }

    [Fact]
    public async Task An_interim_answer_before_the_upgrade_is_passed_over()
    {
        await using var socket = await DialAsync(request => [.. "HTTP/1.1 103 Early Hints\r\n\r\n"u8, .. Upgraded(request), .. Greeting], 100_000);

        Encoding.UTF8.GetString((await socket.ReceiveAsync(CancellationToken.None)).Text.Span).ShouldBe("hello");
    }

    [Theory]
    [InlineData("Sec-WebSocket-Accept: dGhlIHNhbXBsZSBub25jZQ==")]
    [InlineData("Sec-WebSocket-Extensions: permessage-deflate")]
    public async Task An_answer_that_does_not_fit_the_request_is_refused_and_its_connection_ended(string header)
    {
        using var server = new RawServer(request =>
        {
            var answer = Encoding.ASCII.GetString(Upgraded(request));
            var named = header.Split(':')[0];
            var lines = answer.Split(Crlf).Where(line => line.Length > 0 && !line.StartsWith(named, StringComparison.Ordinal)).Append(header);
            return [.. Encoding.ASCII.GetBytes(string.Join(Crlf, lines) + Crlf + Crlf)];
        });

        using var request = WebSocketDial.Request(server.Address);
        await Should.ThrowAsync<WebSocketException>(() => DialAsync(request));
        await server.Ended.WaitAsync(RawSockets.Patience);
    }

    [Fact]
    public async Task Aborting_ends_the_connection()
    {
        using var server = new RawServer(Upgraded);
        using var request = WebSocketDial.Request(server.Address);
        var connection = await DialAsync(request);
        server.Ended.IsCompleted.ShouldBeFalse();

        connection.Abort();

        await server.Ended.WaitAsync(RawSockets.Patience);
    }

    private static async Task<JsonSocket> DialAsync(Func<string, byte[]> answer, int bytesAtOnce)
    {
        using var server = new RawServer(answer, bytesAtOnce);
        using var request = WebSocketDial.Request(server.Address);
        return new JsonSocket(await DialAsync(request), new JsonSocketOptions(), TimeProvider.System);
    }

    private static Task<WebSocketConnection> DialAsync(HttpRequestMessage request) =>
        WebSocketDial.DialAsync(request, RawSockets.Patience, (answer, _) => throw new InvalidOperationException($"{answer.StatusCode}"), CancellationToken.None);

    private static byte[] Upgraded(string request)
    {
        const string Key = "Sec-WebSocket-Key: ";
        var key = request.Split(Crlf).Single(line => line.StartsWith(Key, StringComparison.OrdinalIgnoreCase))[Key.Length..];
        return Encoding.ASCII.GetBytes(
            $"HTTP/1.1 101 Switching Protocols{Crlf}Upgrade: websocket{Crlf}Connection: Upgrade{Crlf}Sec-WebSocket-Accept: {WebSocketConnection.Accept(key)}{Crlf}{Crlf}");
    }

    /// <summary>One connection: what is sent up to an empty line is answered, then it is read until it ends.</summary>
    private sealed class RawServer : IDisposable
    {
        private readonly TcpListener _listener = new(IPAddress.Loopback, 0);

        public RawServer(Func<string, byte[]> answer, int bytesAtOnce = 100_000)
        {
            _listener.Start();
            Ended = ServeAsync(answer, bytesAtOnce);
        }

        public Uri Address => new($"ws://{_listener.LocalEndpoint}/");

        /// <summary>The client has let go of the connection.</summary>
        public Task Ended { get; }

        public void Dispose() => _listener.Dispose();

        private async Task ServeAsync(Func<string, byte[]> answer, int bytesAtOnce)
        {
            using var connection = await _listener.AcceptSocketAsync();
            connection.NoDelay = true;
            var bytes = new byte[4096];
            var request = "";
            while (!request.EndsWith(Crlf + Crlf, StringComparison.Ordinal))
            {
                request += Encoding.ASCII.GetString(bytes, 0, await connection.ReceiveAsync(bytes));
            }

            foreach (var part in answer(request).Chunk(bytesAtOnce))
            {
                await connection.SendAsync(part);
            }

            try
            {
                while (await connection.ReceiveAsync(bytes) > 0)
                {
                }
            }
            catch (SocketException)
            {
                // Reset: ended as well.
            }
        }
    }
}
