using System.Net;
using System.Net.Sockets;
using Guru.Infrastructure.Sockets;
using Shouldly;

namespace Guru.Infrastructure.Tests.Sockets;

/// <summary>A polled stream, and the framework's socket at its other end.</summary>
public sealed class APolledStream : IAsyncLifetime
{
    private const int MoreThanFits = 16 * 1024 * 1024;

    private readonly Socket _listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
    private PolledStream _stream = null!;
    private Socket _other = null!;

    public async Task InitializeAsync()
    {
        _listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        _listener.Listen();
        (_stream, _other) = await ConnectAsync();
    }

    public async Task DisposeAsync()
    {
        await _stream.DisposeAsync();
        _other.Dispose();
        _listener.Dispose();
    }

    [Fact]
    public async Task Reads_what_has_come_and_waits_for_what_has_not()
    {
        var buffer = new byte[4];
        var waiting = _stream.ReadAsync(buffer);
        waiting.IsCompleted.ShouldBeFalse();
        await _other.SendAsync("abcdef"u8.ToArray());

        (await waiting.AsTask().WaitAsync(RawSockets.Patience)).ShouldBe(4);
        (await ReadAsync(buffer)).ShouldBe(2);
        buffer[..2].ShouldBe("ef"u8.ToArray());
        _stream.ReadAsync(buffer).AsTask().IsCompleted.ShouldBeFalse();
    }

    [Fact]
    public async Task Waits_without_a_buffer_until_there_is_something_to_read()
    {
        var waiting = _stream.ReadAsync(Memory<byte>.Empty);
        waiting.IsCompleted.ShouldBeFalse();
        await _other.SendAsync("a"u8.ToArray());

        (await waiting.AsTask().WaitAsync(RawSockets.Patience)).ShouldBe(0);
        (await ReadAsync(new byte[8])).ShouldBe(1);
    }

    [Fact]
    public async Task Has_all_that_was_sent_before_the_other_side_closed_and_then_the_end()
    {
        for (var round = 0; round < 200; round++)
        {
            var (stream, other) = await ConnectAsync();
            await using var both = stream;
            var first = stream.ReadAsync(new byte[64]);
            await other.SendAsync("almost"u8.ToArray());
            await other.SendAsync("over"u8.ToArray());
            other.Dispose();

            var read = await first.AsTask().WaitAsync(RawSockets.Patience);
            for (var more = 1; more > 0; read += more)
            {
                more = await stream.ReadAsync(new byte[64]).AsTask().WaitAsync(RawSockets.Patience);
            }

            read.ShouldBe("almostover".Length);
            (await stream.ReadAsync(new byte[64])).ShouldBe(0);
        }
    }

    [Fact]
    public async Task Writes_more_than_the_connection_takes_at_once_in_order()
    {
        var sent = new byte[MoreThanFits];
        new Random(1).NextBytes(sent);
        var writing = _stream.WriteAsync(sent).AsTask();
        writing.IsCompleted.ShouldBeFalse();

        (await ReceiveAsync(_other, sent.Length)).AsSpan().SequenceEqual(sent).ShouldBeTrue();
        await writing.WaitAsync(RawSockets.Patience);
    }

    [Fact]
    public async Task A_read_that_is_cancelled_has_taken_nothing()
    {
        using var cancellation = new CancellationTokenSource();
        var cancelled = _stream.ReadAsync(new byte[8], cancellation.Token).AsTask();
        await cancellation.CancelAsync();
        await Should.ThrowAsync<OperationCanceledException>(cancelled.WaitAsync(RawSockets.Patience));
        await _other.SendAsync("kept"u8.ToArray());

        (await ReadAsync(new byte[8])).ShouldBe(4);
        await Should.ThrowAsync<OperationCanceledException>(_stream.ReadAsync(new byte[8], cancellation.Token).AsTask());
    }

    [Fact]
    public async Task A_write_that_waits_can_be_cancelled()
    {
        using var cancellation = new CancellationTokenSource();
        var writing = _stream.WriteAsync(new byte[MoreThanFits], cancellation.Token).AsTask();
        await cancellation.CancelAsync();

        await Should.ThrowAsync<OperationCanceledException>(writing.WaitAsync(RawSockets.Patience));
    }

    [Fact]
    public async Task Reading_and_writing_both_end_when_the_other_side_resets_the_connection()
    {
        var reading = _stream.ReadAsync(new byte[8]).AsTask();
        var writing = _stream.WriteAsync(new byte[MoreThanFits]).AsTask();
        _other.LingerState = new LingerOption(enable: true, seconds: 0);
        _other.Dispose();

        await Should.ThrowAsync<IOException>(reading.WaitAsync(RawSockets.Patience));
        await Should.ThrowAsync<IOException>(writing.WaitAsync(RawSockets.Patience));
        await Should.ThrowAsync<IOException>(_stream.WriteAsync("more"u8.ToArray()).AsTask());
    }

    [Fact]
    public async Task Reading_and_writing_both_end_when_it_is_aborted_or_disposed_of()
    {
        await EndsAsync(_stream, ending => ending.Abort());
        await Should.ThrowAsync<SocketException>(ReceiveAsync(_other, MoreThanFits).WaitAsync(RawSockets.Patience));

        var (stream, other) = await ConnectAsync();
        using var open = other;
        await EndsAsync(stream, ending => ending.Dispose());
        stream.Dispose();
        stream.Abort();
    }

    [Fact]
    public async Task Refuses_a_second_reader_and_a_second_writer()
    {
        var reading = _stream.ReadAsync(new byte[8]);
        var writing = _stream.WriteAsync(new byte[MoreThanFits]);

        Should.Throw<InvalidOperationException>(() => _stream.ReadAsync(new byte[8]).AsTask());
        Should.Throw<InvalidOperationException>(() => _stream.WriteAsync(new byte[8]).AsTask());

        await _other.SendAsync("one"u8.ToArray());
        (await reading).ShouldBe(3);
        await ReceiveAsync(_other, MoreThanFits);
        await writing;
    }

    [Fact]
    public async Task Reads_again_what_was_read_before_anything_else()
    {
        await _other.SendAsync("later"u8.ToArray());
        _stream.Unread("first"u8.ToArray());
        var buffer = new byte[3];

        (await ReadAsync(buffer)).ShouldBe(3);
        (await ReadAsync(buffer)).ShouldBe(2);
        buffer[..2].ShouldBe("st"u8.ToArray());
        (await ReadAsync(buffer)).ShouldBe(3);
        buffer.ShouldBe("lat"u8.ToArray());
    }

    [Fact]
    public async Task Connects_by_name_to_whichever_address_listens()
    {
        var connecting = PolledStream.ConnectAsync(new DnsEndPoint("localhost", ((IPEndPoint)_listener.LocalEndPoint!).Port), CancellationToken.None);
        using var other = await _listener.AcceptAsync();
        await using var stream = await connecting;
        await stream.WriteAsync("hello"u8.ToArray());

        (await ReceiveAsync(other, 5)).ShouldBe("hello"u8.ToArray());
    }

    [Fact]
    public async Task Says_why_it_cannot_connect()
    {
        _listener.Dispose();
        var nobody = ((IPEndPoint)_other.LocalEndPoint!).Port;

        var error = await Should.ThrowAsync<SocketException>(PolledStream.ConnectAsync(new DnsEndPoint("127.0.0.1", nobody), CancellationToken.None).AsTask());

        error.SocketErrorCode.ShouldBe(SocketError.ConnectionRefused);
    }

    [Fact]
    public async Task Gives_up_connecting_when_it_is_cancelled()
    {
        // A queue of connections that nobody accepts: the kernel lets the next one wait.
        using var full = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        full.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        full.Listen(0);
        var address = new DnsEndPoint("127.0.0.1", ((IPEndPoint)full.LocalEndPoint!).Port);
        await using var queued = await PolledStream.ConnectAsync(address, CancellationToken.None);

        using var cancellation = new CancellationTokenSource();
        var waiting = PolledStream.ConnectAsync(address, cancellation.Token).AsTask();
        await cancellation.CancelAsync();

        await Should.ThrowAsync<OperationCanceledException>(waiting.WaitAsync(RawSockets.Patience));
    }

    [Fact]
    public async Task Has_its_turn_beside_others_that_send_without_a_pause()
    {
        const int Much = 4 * 1024 * 1024;
        _stream.GoesOnInline = true;
        var draining = MostInARowAsync(Much); // It waits, and goes on where it is polled.
        await SendAsync(_other, new byte[Much], new Random(5));

        (await draining.WaitAsync(RawSockets.Patience)).ShouldBeInRange(1, 4);
    }

    [Fact]
    public async Task Can_be_read_to_the_end_once_it_has_ended_its_own_sending()
    {
        await _other.SendAsync("before"u8.ToArray());
        _stream.EndSending();

        await Should.ThrowAsync<EndOfStreamException>(ReceiveAsync(_other, 1));
        await Should.ThrowAsync<IOException>(_stream.WriteAsync("after"u8.ToArray()).AsTask());
        await _other.SendAsync("after"u8.ToArray());
        var read = 0;
        while (read < "beforeafter".Length)
        {
            read += await ReadAsync(new byte[64]);
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task Carries_every_byte_both_ways_however_reads_and_writes_and_cancellations_fall(int seed)
    {
        const int Bytes = 4 * 1024 * 1024;
        var random = new Random(seed);
        var (there, back) = (new byte[Bytes], new byte[Bytes]);
        random.NextBytes(there);
        random.NextBytes(back);
        _stream.GoesOnInline = seed % 2 == 0;

        var received = ReceiveAsync(_other, Bytes);
        var answering = SendAsync(_other, back, new Random(seed + 100));
        var writing = WriteAsync(there, new Random(seed + 200));
        var read = await ReadAllAsync(Bytes, new Random(seed + 300)).WaitAsync(RawSockets.Patience);

        read.AsSpan().SequenceEqual(back).ShouldBeTrue();
        (await received.WaitAsync(RawSockets.Patience)).AsSpan().SequenceEqual(there).ShouldBeTrue();
        await Task.WhenAll(answering, writing).WaitAsync(RawSockets.Patience);
    }

    private static async Task EndsAsync(PolledStream stream, Action<PolledStream> end)
    {
        var reading = stream.ReadAsync(new byte[8]).AsTask();
        var writing = stream.WriteAsync(new byte[MoreThanFits]).AsTask();
        end(stream);

        await Should.ThrowAsync<IOException>(reading.WaitAsync(RawSockets.Patience));
        await Should.ThrowAsync<IOException>(writing.WaitAsync(RawSockets.Patience));
        await Should.ThrowAsync<IOException>(stream.ReadAsync(new byte[8]).AsTask());
        await Should.ThrowAsync<IOException>(stream.WriteAsync(new byte[8]).AsTask());
    }

    private async Task<byte[]> ReadAllAsync(int length, Random random)
    {
        var all = new byte[length];
        for (var read = 0; read < length;)
        {
            using var cancellation = new CancellationTokenSource();
            var reading = _stream.ReadAsync(all.AsMemory(read, Math.Min(length - read, random.Next(1, 20_000))), cancellation.Token);
            if (random.Next(4) == 0)
            {
                await cancellation.CancelAsync();
            }

            try
            {
                read += await reading;
            }
            catch (OperationCanceledException)
            {
                // It took nothing.
            }
        }

        return all;
    }

    private async Task WriteAsync(byte[] bytes, Random random)
    {
        for (var written = 0; written < bytes.Length;)
        {
            var part = Math.Min(bytes.Length - written, random.Next(1, 300_000));
            await _stream.WriteAsync(bytes.AsMemory(written, part));
            written += part;
        }
    }

    private static async Task SendAsync(Socket socket, byte[] bytes, Random random)
    {
        for (var sent = 0; sent < bytes.Length;)
        {
            sent += await socket.SendAsync(bytes.AsMemory(sent, Math.Min(bytes.Length - sent, random.Next(1, 20_000))));
        }
    }

    /// <returns>How many reads in a row were over at once on the poller's thread, which looks at no other socket meanwhile.</returns>
    private async Task<int> MostInARowAsync(int bytes)
    {
        var (most, inARow) = (0, 0);
        for (var little = new byte[64]; bytes > 0;)
        {
            var read = _stream.ReadAsync(little);
            inARow = read.IsCompleted && Thread.CurrentThread.Name == "Guru sockets" ? inARow + 1 : 0;
            most = Math.Max(most, inARow);
            bytes -= await read.ConfigureAwait(false); // Where it is polled, and not where the test runs.
        }

        return most;
    }

    private static async Task<byte[]> ReceiveAsync(Socket socket, int length)
    {
        var all = new byte[length];
        for (var received = 0; received < length;)
        {
            var more = await socket.ReceiveAsync(all.AsMemory(received)).AsTask().WaitAsync(RawSockets.Patience);
            received += more > 0 ? more : throw new EndOfStreamException();
        }

        return all;
    }

    private async Task<(PolledStream Stream, Socket Other)> ConnectAsync()
    {
        var connecting = PolledStream.ConnectAsync(new DnsEndPoint("127.0.0.1", ((IPEndPoint)_listener.LocalEndPoint!).Port), CancellationToken.None);
        var other = await _listener.AcceptAsync();
        return (await connecting, other);
    }

    private Task<int> ReadAsync(byte[] buffer) => _stream.ReadAsync(buffer).AsTask().WaitAsync(RawSockets.Patience);
}
