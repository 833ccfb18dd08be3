using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Net.WebSockets;
using System.Reflection;
using System.Runtime.InteropServices;
using System.Text;
using Guru.Infrastructure.Sockets;
using Shouldly;

namespace Guru.Infrastructure.Tests.Sockets;

public sealed class ReadingASocket : IAsyncLifetime
{
    private SocketPair<WebSocketConnection, ClientWebSocket> _pair = null!;
    private JsonSocket _socket = null!;

    public async Task InitializeAsync()
    {
        _pair = await SocketPair.OurServerAsync();
        _socket = new JsonSocket(_pair.ServerEnd, new JsonSocketOptions { MaxMessageBytes = 100_000 }, TimeProvider.System);
    }

    public async Task DisposeAsync()
    {
        await _socket.DisposeAsync();
        await _pair.DisposeAsync();
    }

    [Fact]
    public async Task Joins_the_fragments_of_a_message_even_when_a_letter_is_cut_in_two()
    {
        var bytes = "\"Ünïcodé ☎\""u8.ToArray();
        for (var i = 0; i < bytes.Length; i++)
        {
            await _pair.ClientEnd.SendAsync(bytes.AsMemory(i, 1), WebSocketMessageType.Text, i == bytes.Length - 1, CancellationToken.None);
        }

        (await ReadTextAsync()).ShouldBe("\"Ünïcodé ☎\"");
    }

    [Fact]
    public async Task Grows_for_a_large_message_and_reads_small_ones_after_it()
    {
        var large = new string('x', 90_000);
        await _pair.ClientEnd.SendTextAsync(large);
        await _pair.ClientEnd.SendTextAsync("small");
        await _pair.ClientEnd.SendTextAsync("");
        await _pair.ClientEnd.SendTextAsync("last");

        (await ReadTextAsync()).ShouldBe(large);
        (await ReadTextAsync()).ShouldBe("small");
        (await ReadTextAsync()).ShouldBe("");
        (await ReadTextAsync()).ShouldBe("last");
    }

    [Fact]
    public async Task Reads_a_message_of_exactly_the_bound()
    {
        await _pair.ClientEnd.SendTextAsync(new string('x', 100_000));

        (await ReadTextAsync()).Length.ShouldBe(100_000);
    }

    [Fact]
    public async Task Closes_with_1009_when_a_message_is_beyond_the_bound()
    {
        await _pair.ClientEnd.SendTextAsync(new string('x', 100_001));

        (await ReadAsync()).Kind.ShouldBe(SocketMessageKind.End);
        _socket.Ending.ShouldBe(new SocketEnding(SocketEndReason.MessageTooBig));
        (await _pair.ClientEnd.ReceiveTextAsync()).ShouldBeNull();
        _pair.ClientEnd.CloseStatus.ShouldBe(WebSocketCloseStatus.MessageTooBig);
    }

    [Fact]
    public async Task Reports_binary_messages_as_such()
    {
        await _pair.ClientEnd.SendAsync(new byte[9000], WebSocketMessageType.Binary, endOfMessage: true, CancellationToken.None);
        await _pair.ClientEnd.SendTextAsync("text");

        (await ReadAsync()).ShouldBe(SocketMessage.Binary);
        (await ReadTextAsync()).ShouldBe("text");
    }

    [Fact]
    public async Task Ends_at_the_close_frame_and_tells_its_code_and_reason_ever_after()
    {
        await _pair.ClientEnd.SendTextAsync("last words");
        var closing = _pair.ClientEnd.CloseAsync((WebSocketCloseStatus)4000, "model_not_found", CancellationToken.None);

        (await ReadTextAsync()).ShouldBe("last words");
        (await ReadAsync()).Kind.ShouldBe(SocketMessageKind.End);
        (await ReadAsync()).Kind.ShouldBe(SocketMessageKind.End);
        _socket.Ending.ShouldBe(new SocketEnding(SocketEndReason.PeerClosed, 4000, "model_not_found"));
        await closing.WaitAsync(RawSockets.Patience); // Its close frame was answered.
    }

    [Fact]
    public async Task Ends_without_an_exception_when_the_connection_breaks()
    {
        var read = ReadAsync();
        _pair.ClientEnd.Abort();

        (await read).Kind.ShouldBe(SocketMessageKind.End);
        _socket.Ending.ShouldBe(new SocketEnding(SocketEndReason.Lost));
    }

    [Fact]
    public async Task Is_lost_when_the_other_end_says_nothing_and_answers_no_ping()
    {
        var ending = new TaskCompletionSource<SocketEnding?>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var server = await LoopbackServer.StartAsync(async context =>
        {
            var keepAlive = new JsonSocketOptions { KeepAliveInterval = TimeSpan.FromMilliseconds(50), KeepAliveTimeout = TimeSpan.FromMilliseconds(100) };
            await using var socket = new JsonSocket(await WebSocketConnection.AcceptAsync(context), keepAlive, TimeProvider.System);
            await socket.ReceiveAsync(CancellationToken.None);
            ending.SetResult(socket.Ending);
        });

        // A WebSocket client would answer pings by itself.
        using var mute = new TcpClient();
        await mute.ConnectAsync(IPAddress.Loopback, server.Address.Port);
        await mute.GetStream().WriteAsync(
            "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"u8.ToArray());

        (await ending.Task.WaitAsync(RawSockets.Patience)).ShouldBe(new SocketEnding(SocketEndReason.Silent));
    }

    [Fact]
    public async Task Answers_a_ping_with_what_it_held_and_a_broken_frame_with_1002()
    {
        await using var pair = await SocketPair.OursAsync();
        await using var socket = new JsonSocket(pair.ServerEnd, new JsonSocketOptions(), TimeProvider.System);
        var wire = pair.ClientEnd.Stream;
        var answer = new byte[4];

        var read = socket.ReceiveAsync(CancellationToken.None).AsTask();
        await wire.WriteAsync((byte[])[0x89, 0x82, 0, 0, 0, 0, (byte)'h', (byte)'i']);
        await wire.ReadExactlyAsync(answer).AsTask().WaitAsync(RawSockets.Patience);
        answer.ShouldBe([0x8A, 2, (byte)'h', (byte)'i']);

        await wire.WriteAsync((byte[])[0x81, 0]); // A client masks.
        await wire.ReadExactlyAsync(answer).AsTask().WaitAsync(RawSockets.Patience);
        answer.ShouldBe([0x88, 2, 1002 >> 8, 1002 & 0xFF]);
        (await read.WaitAsync(RawSockets.Patience)).Kind.ShouldBe(SocketMessageKind.End);
        socket.Ending.ShouldBe(new SocketEnding(SocketEndReason.Lost));
        pair.ClientEnd.Abort(); // It need not be waited for.
    }

    [Theory]
    [InlineData(new byte[] { 0x03 })]
    [InlineData(new byte[] { 0x03, 0xE7 })]
    [InlineData(new byte[] { 0x03, 0xEE })]
    [InlineData(new byte[] { 0x03, 0xE8, 0xC3 })]
    public async Task Takes_a_close_frame_with_a_code_or_reason_that_there_cannot_be_for_a_broken_connection(byte[] content)
    {
        await using var pair = await SocketPair.OursAsync();
        await using var socket = new JsonSocket(pair.ServerEnd, new JsonSocketOptions(), TimeProvider.System);

        await pair.ClientEnd.Stream.WriteAsync((byte[])[0x88, (byte)(0x80 | content.Length), 0, 0, 0, 0, .. content]);

        (await socket.ReceiveAsync(CancellationToken.None).AsTask().WaitAsync(RawSockets.Patience)).Kind.ShouldBe(SocketMessageKind.End);
        socket.Ending.ShouldBe(new SocketEnding(SocketEndReason.Lost));
        pair.ClientEnd.Abort();
    }

    [Fact]
    public async Task Is_not_hurt_by_a_cancelled_wait_which_loses_no_message()
    {
        using var cancel = new CancellationTokenSource();
        var read = _socket.ReceiveAsync(cancel.Token).AsTask();
        await cancel.CancelAsync();
        await Should.ThrowAsync<OperationCanceledException>(read);

        await _pair.ClientEnd.SendTextAsync("first");
        await _pair.ClientEnd.SendTextAsync("second");

        (await ReadTextAsync()).ShouldBe("first");
        (await ReadTextAsync()).ShouldBe("second");
        _socket.Ending.ShouldBeNull();
    }

    [Fact]
    public async Task Refuses_a_second_reader()
    {
        var first = ReadAsync();

        await Should.ThrowAsync<InvalidOperationException>(ReadAsync());

        await _pair.ClientEnd.SendTextAsync("still here");
        (await first).Kind.ShouldBe(SocketMessageKind.Text);
    }

    [Fact]
    public async Task Ends_when_the_socket_is_disposed_under_it_twice()
    {
        var read = ReadAsync();

        await _socket.DisposeAsync();
        await _socket.DisposeAsync();

        (await read).Kind.ShouldBe(SocketMessageKind.End);
        (await ReadAsync()).Kind.ShouldBe(SocketMessageKind.End);
        _socket.Ending.ShouldBe(new SocketEnding(SocketEndReason.Disposed));
    }

    private Task<SocketMessage> ReadAsync() => _socket.ReceiveAsync(CancellationToken.None).AsTask().WaitAsync(RawSockets.Patience);

    private async Task<string> ReadTextAsync()
    {
        var message = await ReadAsync();
        message.Kind.ShouldBe(SocketMessageKind.Text);
        return Encoding.UTF8.GetString(message.Text.Span);
    }
}

public sealed class SendingOnASocket : IAsyncLifetime
{
    private SocketPair<WebSocketConnection, ClientWebSocket> _pair = null!;
    private JsonSocket _socket = null!;

    public async Task InitializeAsync()
    {
        _pair = await SocketPair.OurServerAsync();
        _socket = new JsonSocket(_pair.ServerEnd, new JsonSocketOptions { MaxQueuedBytes = 200_000 }, TimeProvider.System);
    }

    public async Task DisposeAsync()
    {
        await _socket.DisposeAsync();
        await _pair.DisposeAsync();
    }

    [Fact]
    public async Task Makes_one_message_of_an_envelope_and_its_payload()
    {
        _socket.Send("{\"a\":\""u8, "payload"u8, "\"}"u8);
        _socket.Send("{}"u8);

        (await _pair.ClientEnd.ReceiveTextAsync()).ShouldBe("{\"a\":\"payload\"}");
        (await _pair.ClientEnd.ReceiveTextAsync()).ShouldBe("{}");
    }

    [Fact]
    public async Task Sends_what_comes_together_in_one_write()
    {
        var stream = new CountedWrites();
        await using var socket = new JsonSocket(new WebSocketConnection(stream, IsServer: true, () => { }), new JsonSocketOptions(), TimeProvider.System);

        socket.Send("one"u8, default, default, more: true);
        socket.Send("two"u8, default, default, more: true);
        stream.Writes.ShouldBeEmpty();
        socket.Send("three"u8);

        stream.Writes.ShouldBe(["\u0081\u0003one\u0081\u0003two\u0081\u0005three"]);
    }

    [Fact]
    public async Task Keeps_messages_whole_and_each_senders_in_order()
    {
        const int senders = 8, each = 500;
        var sending = Enumerable.Range(0, senders).Select(sender => Task.Run(() =>
        {
            for (var i = 0; i < each; i++)
            {
                _socket.Send(Encoding.UTF8.GetBytes($"{sender}:{i}"));
            }
        })).ToArray();

        var next = new int[senders];
        for (var i = 0; i < senders * each; i++)
        {
            var parts = (await _pair.ClientEnd.ReceiveTextAsync())!.Split(':');
            int.Parse(parts[1], null).ShouldBe(next[int.Parse(parts[0], null)]++);
        }

        await Task.WhenAll(sending);
    }

    [Fact]
    public async Task Gives_up_a_peer_that_does_not_read_once_the_queue_is_beyond_its_bound()
    {
        var message = new byte[50_000];
        message.AsSpan().Fill((byte)'x');
        for (var i = 0; i < 10_000 && _socket.Ending is null; i++)
        {
            _socket.Send(message); // The system's own buffers take some megabytes first.
        }

        _socket.Ending.ShouldBe(new SocketEnding(SocketEndReason.TooFarBehind));
        (await _socket.ReceiveAsync(CancellationToken.None).AsTask().WaitAsync(RawSockets.Patience)).Kind.ShouldBe(SocketMessageKind.End);
        _socket.Send(message); // Dropped.
    }

    [Fact]
    public async Task Closing_writes_what_is_queued_and_waits_for_the_answer()
    {
        _socket.Send("one"u8);
        _socket.Send("two"u8);
        var closing = _socket.CloseAsync(WebSocketCloseStatus.NormalClosure, "bye", CancellationToken.None);
        _socket.Send("too late"u8);

        (await _pair.ClientEnd.ReceiveTextAsync()).ShouldBe("one");
        (await _pair.ClientEnd.ReceiveTextAsync()).ShouldBe("two");
        (await _pair.ClientEnd.ReceiveTextAsync()).ShouldBeNull();
        _pair.ClientEnd.CloseStatusDescription.ShouldBe("bye");
        closing.IsCompleted.ShouldBeFalse();

        await _pair.ClientEnd.SendTextAsync("never read");
        await _pair.ClientEnd.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, "bye yourself", CancellationToken.None);
        await closing.WaitAsync(RawSockets.Patience);
        _socket.Ending.ShouldBe(new SocketEnding(SocketEndReason.PeerClosed, 1000, "bye yourself"));
    }

    [Fact]
    public async Task Closing_leaves_the_close_frame_to_a_reader_that_waits()
    {
        var read = _socket.ReceiveAsync(CancellationToken.None).AsTask();
        var closing = _socket.CloseAsync(WebSocketCloseStatus.NormalClosure, "", CancellationToken.None);

        (await _pair.ClientEnd.ReceiveTextAsync()).ShouldBeNull();
        await _pair.ClientEnd.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, "", CancellationToken.None);

        (await read.WaitAsync(RawSockets.Patience)).Kind.ShouldBe(SocketMessageKind.End);
        await closing.WaitAsync(RawSockets.Patience);
        _socket.Ending!.Reason.ShouldBe(SocketEndReason.PeerClosed);
    }

    [Fact]
    public async Task Closing_takes_over_from_a_reader_that_was_cancelled()
    {
        using var cancel = new CancellationTokenSource();
        var read = _socket.ReceiveAsync(cancel.Token).AsTask();
        var closing = _socket.CloseAsync(WebSocketCloseStatus.NormalClosure, "", CancellationToken.None);
        await cancel.CancelAsync();
        await Should.ThrowAsync<OperationCanceledException>(read);

        (await _pair.ClientEnd.ReceiveTextAsync()).ShouldBeNull();
        await _pair.ClientEnd.SendTextAsync("never read");
        await _pair.ClientEnd.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, "", CancellationToken.None);

        await closing.WaitAsync(RawSockets.Patience);
        _socket.Ending!.Reason.ShouldBe(SocketEndReason.PeerClosed);
    }

    [Fact]
    public async Task Closing_does_not_wait_longer_than_it_is_told_to()
    {
        using var enough = new CancellationTokenSource();
        var closing = _socket.CloseAsync(WebSocketCloseStatus.NormalClosure, "", enough.Token);
        (await _pair.ClientEnd.ReceiveTextAsync()).ShouldBeNull(); // And does not answer.

        await enough.CancelAsync();

        await closing.WaitAsync(RawSockets.Patience);
        _socket.Ending.ShouldBe(new SocketEnding(SocketEndReason.CloseTimedOut));
    }

    [Fact]
    public async Task Closing_has_a_time_limit_of_its_own()
    {
        await using var pair = await SocketPair.OurServerAsync();
        await using var socket = new JsonSocket(
            pair.ServerEnd, new JsonSocketOptions { CloseTimeout = TimeSpan.FromMilliseconds(20) }, TimeProvider.System);

        await socket.CloseAsync(WebSocketCloseStatus.NormalClosure, "", CancellationToken.None).WaitAsync(RawSockets.Patience);

        socket.Ending.ShouldBe(new SocketEnding(SocketEndReason.CloseTimedOut));
    }

    [Fact]
    public async Task Ends_the_socket_when_the_connection_is_gone_and_throws_nothing()
    {
        _pair.ClientEnd.Abort();
        (await _socket.ReceiveAsync(CancellationToken.None).AsTask().WaitAsync(RawSockets.Patience)).Kind.ShouldBe(SocketMessageKind.End);

        _socket.Send("nobody hears"u8);
        await _socket.CloseAsync(WebSocketCloseStatus.NormalClosure, "", CancellationToken.None).WaitAsync(RawSockets.Patience);

        _socket.Ending.ShouldBe(new SocketEnding(SocketEndReason.Lost));
    }
}

internal sealed class CountedWrites : MemoryStream
{
    public List<string> Writes { get; } = [];

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        Writes.Add(Encoding.Latin1.GetString(buffer.Span));
        return default;
    }
}

public sealed class ASocketUnderAnyInterleaving
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public async Task Ends_once_and_throws_nothing_but_what_was_cancelled(int seed)
    {
        for (var round = 0; round < 10; round++)
        {
            var random = new Random((seed * 1000) + round);
            await using var pair = await SocketPair.OursAsync();
            await using var a = new JsonSocket(pair.ServerEnd, new JsonSocketOptions { CloseTimeout = TimeSpan.FromSeconds(1) }, TimeProvider.System);
            await using var b = new JsonSocket(pair.ClientEnd, new JsonSocketOptions { CloseTimeout = TimeSpan.FromSeconds(1) }, TimeProvider.System);
            using var leave = new CancellationTokenSource();
            var end = random.Next(3);
            var (aMessages, bMessages) = (random.Next(300), random.Next(300));

            var readingA = ReadToEndAsync(a, leave.Token);
            var readingB = ReadToEndAsync(b, CancellationToken.None);
            var doing = new[]
            {
                Task.Run(() => Send(a, aMessages)),
                Task.Run(() => Send(b, bMessages)),
                Task.Run(leave.Cancel),
                Task.Run(() => end switch
                {
                    0 => a.CloseAsync(WebSocketCloseStatus.NormalClosure, "", CancellationToken.None),
                    1 => Task.WhenAll(
                        a.CloseAsync(WebSocketCloseStatus.NormalClosure, "", CancellationToken.None),
                        b.CloseAsync(WebSocketCloseStatus.NormalClosure, "", CancellationToken.None)),
                    _ => a.DisposeAsync().AsTask(),
                }),
            };

            await Task.WhenAll([.. doing, readingA, readingB]).WaitAsync(RawSockets.Patience);
            a.Ending.ShouldNotBeNull();
            b.Ending.ShouldNotBeNull();
        }
    }

    private static void Send(JsonSocket socket, int messages)
    {
        for (var i = 0; i < messages; i++)
        {
            socket.Send("{\"audio\":\""u8, "////////////////"u8, "\"}"u8);
        }
    }

    private static async Task ReadToEndAsync(JsonSocket socket, CancellationToken cancellationToken)
    {
        try
        {
            SocketMessage message;
            do
            {
                message = await socket.ReceiveAsync(cancellationToken);
                if (message.Kind == SocketMessageKind.Text)
                {
                    Encoding.UTF8.GetString(message.Text.Span).ShouldBe("{\"audio\":\"////////////////\"}");
                }
            }
            while (message.Kind != SocketMessageKind.End);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // It was asked to leave.
        }
    }
}

[CollectionDefinition(nameof(MeasuredAlone), DisableParallelization = true)]
public sealed class MeasuredAlone;

[Collection(nameof(MeasuredAlone))]
public sealed class ASocketInSteadyState
{
    [Fact]
    public async Task Allocates_nothing_per_message_received()
    {
        await using var pair = await SocketPair.OurClientAsync();
        await using var socket = new JsonSocket(pair.ClientEnd, new JsonSocketOptions(), TimeProvider.System);
        var message = new byte[300];
        using var owner = new CancellationTokenSource();

        using var received = new SemaphoreSlim(0);
        var reading = socket.ReadAsync(
            (in SocketMessage _) =>
            {
                received.Release();
                return true;
            },
            owner.Token);

        var perMessage = await Allocations.PerMessageAsync(async messages =>
        {
            for (var i = 0; i < messages; i++)
            {
                // One at a time, so that every read has to wait.
                await pair.ServerEnd.SendAsync(message.AsMemory(), WebSocketMessageType.Text, endOfMessage: true, CancellationToken.None);
                received.Wait();
            }
        });

        await owner.CancelAsync();
        await Should.ThrowAsync<OperationCanceledException>(reading);
        perMessage.ShouldBeLessThan(Allocations.Noise);
    }

    [Fact]
    public async Task Allocates_nothing_per_message_sent()
    {
        await using var pair = await SocketPair.OurServerAsync();
        await using var socket = new JsonSocket(pair.ServerEnd, new JsonSocketOptions(), TimeProvider.System);
        var payload = new byte[216];
        var buffer = new byte[1024];

        var perMessage = await Allocations.PerMessageAsync(async messages =>
        {
            for (var i = 0; i < messages; i++)
            {
                socket.Send("{\"payload\":\""u8, payload, "\"}"u8);
                await pair.ClientEnd.ReceiveAsync(buffer.AsMemory(), CancellationToken.None);
            }
        });

        perMessage.ShouldBeLessThan(Allocations.Noise);
    }
}

internal static class Allocations
{
    private const int Warm = 1000;
    private const int Messages = 3000;
    private const int Rounds = 20;

    /// <summary>
    /// Bytes per message: less than the smallest object where the code is optimized; the runtime's pools of asynchronous methods are
    /// kept per core, and miss now and then. Otherwise each asynchronous method is an object by the compiler's choice.
    /// </summary>
    public static double Noise { get; } =
        typeof(JsonSocket).Assembly.GetCustomAttribute<DebuggableAttribute>() is { IsJITOptimizerDisabled: true } ? 512 : 24;

    /// <summary>The best of a few rounds, each of the whole process: a message passes through several threads, and the runtime has its own needs.</summary>
    public static async Task<double> PerMessageAsync(Func<int, Task> run)
    {
        using var together = new OnOneCore();
        await run(Warm);
        var best = double.MaxValue;
        for (var round = 0; round < Rounds && best >= Noise; round++)
        {
            var started = Stopwatch.GetTimestamp();
            var before = GC.GetTotalAllocatedBytes(precise: true);
            await run(Messages);
            var measured = GC.GetTotalAllocatedBytes(precise: true) - before;
            var others = await OthersAsync(Stopwatch.GetElapsedTime(started));
            best = Math.Min(best, Math.Max(0, measured - others) / (double)Messages);
        }

        Console.WriteLine($"{best:0.0} bytes per message");
        return best;
    }

    /// <summary>What the rest of the process allocates in the same time: servers of other tests are still about.</summary>
    private static async Task<long> OthersAsync(TimeSpan time)
    {
        var before = GC.GetTotalAllocatedBytes(precise: true);
        for (var started = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(started) < time;)
        {
            await Task.Yield();
        }

        return GC.GetTotalAllocatedBytes(precise: true) - before;
    }
}

/// <summary>
/// Every thread of this process on one core, while it lasts. The runtime pools the objects of asynchronous methods for each core: where a
/// message's threads sit on two of them for good, one side takes from a pool that only the other fills.
/// </summary>
internal sealed class OnOneCore : IDisposable
{
    private readonly byte[] _before = new byte[128];

    public OnOneCore()
    {
        if (!OperatingSystem.IsLinux())
        {
            return;
        }

        _ = GetAffinity(0, _before.Length, _before);
        var first = Array.FindIndex(_before, cores => cores != 0);
        var one = new byte[_before.Length];
        one[first] = (byte)(_before[first] & -_before[first]);
        SetForAll(one);
    }

    public void Dispose()
    {
        if (OperatingSystem.IsLinux())
        {
            SetForAll(_before);
        }
    }

    private static void SetForAll(byte[] cores)
    {
        foreach (var thread in Directory.EnumerateDirectories("/proc/self/task"))
        {
            _ = SetAffinity(int.Parse(Path.GetFileName(thread), CultureInfo.InvariantCulture), cores.Length, cores); // One that has just ended refuses.
        }
    }

    [DllImport("libc", EntryPoint = "sched_getaffinity")]
    private static extern int GetAffinity(int thread, nint length, [Out] byte[] cores);

    [DllImport("libc", EntryPoint = "sched_setaffinity")]
    private static extern int SetAffinity(int thread, nint length, byte[] cores);
}
