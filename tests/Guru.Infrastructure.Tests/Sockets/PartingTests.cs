using System.Net;
using System.Net.Sockets;
using System.Net.WebSockets;
using System.Text;
using Guru.Application.Tests;
using Guru.Infrastructure.Sockets;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http.Features;
using Shouldly;

namespace Guru.Infrastructure.Tests.Sockets;

public sealed class AKeepAlive
{
    private static readonly JsonSocketOptions Options = new() { KeepAliveInterval = TimeSpan.FromSeconds(20), KeepAliveTimeout = TimeSpan.FromSeconds(10) };

    private readonly ManualTime _time = new();

    [Fact]
    public async Task Does_not_give_up_a_side_whose_answers_nobody_reads()
    {
        await using var pair = await SocketPair.OurServerAsync();
        await using var socket = new JsonSocket(pair.ServerEnd, Options, _time);

        for (var times = 0; times < 10; times++)
        {
            _time.Jump(Options.KeepAliveInterval);
        }

        socket.Ending.ShouldBeNull();
        await pair.ClientEnd.SendTextAsync("still here");
        (await socket.ReceiveAsync(CancellationToken.None).AsTask().WaitAsync(RawSockets.Patience)).Kind.ShouldBe(SocketMessageKind.Text);
    }

    [Fact]
    public async Task Asks_once_more_where_the_process_stood_still_since_the_answer_may_be_there_to_be_read()
    {
        await using var pair = await SocketPair.OurServerAsync();
        await using var socket = new JsonSocket(pair.ServerEnd, Options, _time);
        var read = socket.ReceiveAsync(CancellationToken.None).AsTask();

        _time.Jump(Options.KeepAliveInterval);
        _time.Jump(Options.KeepAliveTimeout + TimeSpan.FromSeconds(1));
        socket.Ending.ShouldBeNull();
        _time.Jump(Options.KeepAliveTimeout + TimeSpan.FromSeconds(1));

        (await read.WaitAsync(RawSockets.Patience)).Kind.ShouldBe(SocketMessageKind.End);
        socket.Ending.ShouldBe(new SocketEnding(SocketEndReason.Silent));
    }

    [Fact]
    public async Task Throws_nothing_on_the_timers_thread_when_the_connection_is_going_already()
    {
        await using var pair = await SocketPair.OurServerAsync();
        var going = pair.ServerEnd with { Abort = () => throw new ObjectDisposedException("the connection") };
        await using var socket = new JsonSocket(going, Options, _time);
        var read = socket.ReceiveAsync(CancellationToken.None).AsTask();

        _time.Jump(Options.KeepAliveInterval);
        _time.Jump(Options.KeepAliveTimeout);

        (await read.WaitAsync(RawSockets.Patience)).Kind.ShouldBe(SocketMessageKind.End);
        socket.Ending.ShouldBe(new SocketEnding(SocketEndReason.Silent));
    }
}

public sealed class PartingFromASocket
{
    [Fact]
    public async Task Writes_the_answer_to_a_close_before_the_socket_goes()
    {
        await using var pair = await SocketPair.OurServerAsync();
        await using var socket = new JsonSocket(
            pair.ServerEnd, new JsonSocketOptions { MaxQueuedBytes = Backlog.Bound, CloseTimeout = RawSockets.Patience }, TimeProvider.System);
        Backlog.Of(socket);
        await pair.ClientEnd.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, "bye", CancellationToken.None);
        (await socket.ReceiveAsync(CancellationToken.None).AsTask().WaitAsync(RawSockets.Patience)).Kind.ShouldBe(SocketMessageKind.End);
        socket.Ending!.Reason.ShouldBe(SocketEndReason.PeerClosed);

        var closing = socket.CloseAsync(WebSocketCloseStatus.NormalClosure, "", CancellationToken.None);
        closing.IsCompleted.ShouldBeFalse();
        var letGo = LetGoAsync();
        await Backlog.ReadAsync(pair.ClientEnd);

        pair.ClientEnd.CloseStatus.ShouldBe(WebSocketCloseStatus.NormalClosure);
        await letGo.WaitAsync(RawSockets.Patience);

        async Task LetGoAsync()
        {
            await closing;
            await socket.DisposeAsync();
        }
    }

    [Fact]
    public async Task May_begin_twice_at_once_and_both_wait_for_the_answer()
    {
        await using var pair = await SocketPair.OurServerAsync();
        await using var socket = new JsonSocket(pair.ServerEnd, new JsonSocketOptions { CloseTimeout = RawSockets.Patience }, TimeProvider.System);

        var closings = Enumerable.Range(0, 2).Select(_ => socket.CloseAsync(WebSocketCloseStatus.NormalClosure, "", CancellationToken.None)).ToArray();
        (await pair.ClientEnd.ReceiveTextAsync()).ShouldBeNull();
        closings.ShouldAllBe(closing => !closing.IsCompleted);
        await pair.ClientEnd.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, "", CancellationToken.None);

        await Task.WhenAll(closings).WaitAsync(RawSockets.Patience / 2);
        socket.Ending!.Reason.ShouldBe(SocketEndReason.PeerClosed);
    }

    [Theory]
    [InlineData(new byte[] { 0x82, 0xFF, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0, 0 }, 1009)]
    [InlineData(new byte[] { 0x81, 0 }, 1002)]
    public async Task Lets_the_other_side_know_what_it_did_wrong_though_the_socket_is_let_go_at_once(byte[] wrong, int code)
    {
        await using var pair = await SocketPair.OursAsync();
        await using var socket = new JsonSocket(
            pair.ServerEnd, new JsonSocketOptions { MaxMessageBytes = 1000, CloseTimeout = RawSockets.Patience }, TimeProvider.System);
        var wire = pair.ClientEnd.Stream;
        var sending = wire.WriteAsync((byte[])[.. wrong, .. new byte[4 * 1024 * 1024]]).AsTask();
        (await socket.ReceiveAsync(CancellationToken.None).AsTask().WaitAsync(RawSockets.Patience)).Kind.ShouldBe(SocketMessageKind.End);

        var letGo = socket.DisposeAsync().AsTask();
        await sending.WaitAsync(RawSockets.Patience);
        var answer = new byte[4];
        await wire.ReadExactlyAsync(answer).AsTask().WaitAsync(RawSockets.Patience);

        answer[0].ShouldBe((byte)0x88);
        ((answer[2] << 8) | answer[3]).ShouldBe(code);
        pair.ClientEnd.Abort();
        await letGo.WaitAsync(RawSockets.Patience / 2);
    }

    [Fact]
    public async Task Does_not_wait_longer_than_a_close_may_take_for_a_side_that_stays()
    {
        await using var pair = await SocketPair.OursAsync();
        await using var socket = new JsonSocket(pair.ServerEnd, new JsonSocketOptions { CloseTimeout = TimeSpan.FromMilliseconds(20) }, TimeProvider.System);
        await pair.ClientEnd.Stream.WriteAsync((byte[])[0x81, 0]);
        (await socket.ReceiveAsync(CancellationToken.None).AsTask().WaitAsync(RawSockets.Patience)).Kind.ShouldBe(SocketMessageKind.End);

        await socket.DisposeAsync().AsTask().WaitAsync(RawSockets.Patience);

        socket.Ending.ShouldBe(new SocketEnding(SocketEndReason.Lost));
    }
}

public sealed class AClientInAHurry
{
    [Fact]
    public async Task Gets_the_answer_to_its_handshake_before_that_to_a_frame_it_sent_behind_it()
    {
        var answered = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var server = await LoopbackServer.StartAsync(async context =>
        {
            if (context.Request.Path == "/long")
            {
                // More than the system takes from the server before the client reads, so that the server's next answer has to wait.
                context.Features.GetRequiredFeature<IConnectionSocketFeature>().Socket.SendBufferSize = 1;
                await context.Response.Body.WriteAsync(new byte[40_000]);
                return;
            }

            await using var socket = new JsonSocket(await WebSocketConnection.AcceptAsync(context), new JsonSocketOptions(), TimeProvider.System);
            await socket.ReceiveAsync(CancellationToken.None);
            answered.SetResult(); // The ping came before.
            await socket.CloseAsync(WebSocketCloseStatus.NormalClosure, "", CancellationToken.None);
        });
        using var client = new Socket(SocketType.Stream, ProtocolType.Tcp) { ReceiveBufferSize = 1 };
        await client.ConnectAsync(IPAddress.Loopback, server.Address.Port);

        await client.SendAsync((byte[])
        [
            .. "GET /long HTTP/1.1\r\nHost: localhost\r\n\r\n"u8,
            .. "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"u8,
            .. (byte[])[0x89, 0x82, 0, 0, 0, 0, (byte)'h', (byte)'i', 0x81, 0x80, 0, 0, 0, 0],
        ]);
        await answered.Task.WaitAsync(RawSockets.Patience);

        const string pong = "\u008A\u0002hi";
        var read = new StringBuilder();
        var buffer = new byte[4096];
        while (!read.ToString().Contains(pong, StringComparison.Ordinal))
        {
            var bytes = await client.ReceiveAsync(buffer).WaitAsync(RawSockets.Patience);
            bytes.ShouldBePositive();
            read.Append(Encoding.Latin1.GetString(buffer, 0, bytes));
        }

        read.ToString().ShouldContain("HTTP/1.1 101");
        read.ToString().Split("HTTP/1.1 101")[1].Split("\r\n\r\n")[1].ShouldStartWith(pong);
    }
}

/// <summary>More than the system's own buffers take, so that what comes behind it waits until the other side reads.</summary>
internal static class Backlog
{
    public const int Bound = 64 * 1024 * 1024;

    private const int Messages = 24;

    public static void Of(JsonSocket socket)
    {
        var message = new byte[1024 * 1024];
        for (var i = 0; i < Messages; i++)
        {
            socket.Send(message);
        }
    }

    /// <summary>Reads it all, to the close frame behind it.</summary>
    public static async Task ReadAsync(WebSocket socket)
    {
        for (var i = 0; i < Messages; i++)
        {
            (await socket.ReceiveTextAsync()).ShouldNotBeNull();
        }

        (await socket.ReceiveTextAsync()).ShouldBeNull();
    }
}
