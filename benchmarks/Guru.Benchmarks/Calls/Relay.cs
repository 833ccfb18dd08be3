using System.Net;
using System.Net.Sockets;
using System.Net.WebSockets;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;

namespace Guru.Benchmarks.Calls;

/// <summary>
/// The floor: the least that a bridge in C# does. Plain sockets, a handshake of its own, the framework's WebSocket on them, and the payload of each frame
/// spliced into the other side's envelope. It keeps no record, takes no turns, checks no signature, and knows nothing of what was heard.
/// </summary>
internal static class Relay
{
    private const int BufferBytes = 8 * 1024;

    public static async Task RunAsync(int port, int modelPort)
    {
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, port));
        listener.Listen(1024);
        while (true)
        {
            var socket = await listener.AcceptAsync();
            socket.NoDelay = true;
            _ = Task.Run(() => ServeAsync(socket, modelPort));
        }
    }

    private static async Task ServeAsync(Socket socket, int modelPort)
    {
        await using var stream = new NetworkStream(socket, ownsSocket: true);
        try
        {
            while (true)
            {
                var head = await ReadHeadAsync(stream);
                if (Header(head, "Sec-WebSocket-Key") is { } key)
                {
                    await stream.WriteAsync(Encoding.ASCII.GetBytes(
                        $"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {WebSocketWire.Accept(key)}\r\n\r\n"));
                    await CarryAsync(WebSocket.CreateFromStream(stream, isServer: true, subProtocol: null, Timeout.InfiniteTimeSpan), modelPort);
                    return;
                }

                var twiml = head.StartsWith("GET", StringComparison.Ordinal) ? "" : "<Response><Connect><Stream><Parameter name=\"token\" value=\"none\"/></Stream></Connect></Response>";
                await stream.ReadExactlyAsync(new byte[int.Parse(Header(head, "Content-Length") ?? "0", System.Globalization.CultureInfo.InvariantCulture)]);
                await stream.WriteAsync(Encoding.ASCII.GetBytes($"HTTP/1.1 200 OK\r\nContent-Length: {twiml.Length}\r\n\r\n{twiml}"));
            }
        }
        catch (Exception error) when (error is IOException or WebSocketException or SocketException)
        {
            // The other side is gone.
        }
    }

    private static async Task CarryAsync(WebSocket caller, int modelPort)
    {
        var model = await DialAsync(modelPort);
        var buffer = new byte[BufferBytes];
        string? streamSid = null;
        while (streamSid is null)
        {
            var length = await ReceiveAsync(caller, buffer);
            streamSid = JsonDocument.Parse(buffer.AsMemory(0, length)).RootElement.TryGetProperty("streamSid", out var sid) ? sid.GetString() : null;
        }

        await Task.WhenAll(
            PumpAsync(caller, model, buffer, "{\"type\":\"input_audio_buffer.append\",\"audio\":\""u8.ToArray(), "\"}"u8.ToArray(), "payload"u8.ToArray()),
            PumpAsync(
                model, caller, new byte[BufferBytes], Encoding.UTF8.GetBytes($$$"""{"event":"media","streamSid":"{{{streamSid}}}","media":{"payload":""" + "\""), "\"}}"u8.ToArray(),
                "delta"u8.ToArray()));
    }

    private static async Task<WebSocket> DialAsync(int port)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(new IPEndPoint(IPAddress.Loopback, port));
        var stream = new NetworkStream(socket, ownsSocket: true);
        await stream.WriteAsync("GET /v1/realtime HTTP/1.1\r\nHost: model\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEA==\r\nSec-WebSocket-Version: 13\r\n\r\n"u8.ToArray());
        await ReadHeadAsync(stream);
        var model = WebSocket.CreateFromStream(stream, isServer: false, subProtocol: null, Timeout.InfiniteTimeSpan);
        foreach (var json in (string[])["{\"type\":\"session.update\",\"session\":{\"type\":\"realtime\"}}", "{\"type\":\"response.create\"}"])
        {
            await model.SendAsync(Encoding.ASCII.GetBytes(json), WebSocketMessageType.Text, endOfMessage: true, CancellationToken.None);
        }

        return model;
    }

    /// <summary>From one side to the other, one frame at a time; what is not audio is read and dropped.</summary>
    private static async Task PumpAsync(WebSocket from, WebSocket to, byte[] buffer, byte[] prefix, byte[] suffix, byte[] member)
    {
        var output = new byte[BufferBytes];
        prefix.CopyTo(output, 0);
        while (true)
        {
            var length = await ReceiveAsync(from, buffer);
            if (length < 0)
            {
                await to.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, "", CancellationToken.None);
                return;
            }

            if (TryFind(buffer.AsSpan(0, length), member, out var payload))
            {
                buffer.AsSpan(payload).CopyTo(output.AsSpan(prefix.Length));
                var end = prefix.Length + payload.End.Value - payload.Start.Value;
                suffix.CopyTo(output, end);
                await to.SendAsync(output.AsMemory(0, end + suffix.Length), WebSocketMessageType.Text, endOfMessage: true, CancellationToken.None);
            }
        }
    }

    private static bool TryFind(ReadOnlySpan<byte> message, ReadOnlySpan<byte> member, out Range payload)
    {
        var isAudio = false;
        payload = default;
        var found = false;
        var reader = new Utf8JsonReader(message);
        while (reader.Read())
        {
            if (reader.TokenType != JsonTokenType.PropertyName)
            {
                continue;
            }

            if (reader.ValueTextEquals("type"u8) || reader.ValueTextEquals("event"u8))
            {
                reader.Read();
                isAudio = reader.ValueTextEquals("media"u8) || reader.ValueTextEquals("response.output_audio.delta"u8);
                if (!isAudio)
                {
                    return false;
                }
            }
            else if (reader.ValueTextEquals(member))
            {
                reader.Read();
                payload = ((int)reader.TokenStartIndex + 1)..((int)reader.TokenStartIndex + 1 + reader.ValueSpan.Length);
                found = true;
            }
        }

        return isAudio && found;
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private static async ValueTask<int> ReceiveAsync(WebSocket socket, byte[] buffer)
    {
        var length = 0;
        while (true)
        {
            var received = await socket.ReceiveAsync(buffer.AsMemory(length), CancellationToken.None);
            length += received.Count;
            if (received.MessageType == WebSocketMessageType.Close)
            {
                return -1;
            }

            if (received.EndOfMessage)
            {
                return length;
            }
        }
    }

    private static async Task<string> ReadHeadAsync(NetworkStream stream)
    {
        var head = new StringBuilder();
        var one = new byte[1];
        while (!head.ToString().EndsWith("\r\n\r\n", StringComparison.Ordinal))
        {
            await stream.ReadExactlyAsync(one);
            head.Append((char)one[0]);
        }

        return head.ToString();
    }

    private static string? Header(string head, string name) =>
        head.Split("\r\n").FirstOrDefault(line => line.StartsWith(name + ":", StringComparison.OrdinalIgnoreCase))?[(name.Length + 1)..].Trim();
}
