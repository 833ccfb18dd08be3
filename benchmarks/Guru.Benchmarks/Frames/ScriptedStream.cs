using System.Diagnostics;
using System.Globalization;
using System.Text;
using Guru.Infrastructure.Sockets;

namespace Guru.Benchmarks.Frames;

/// <summary>A connection without a network: frames of some messages, then of one again and again, and it swallows what is written.</summary>
/// <param name="isServer">Its reader is a server, and takes masked frames.</param>
internal sealed class ScriptedStream(bool isServer, string[] opening, string message, string? counter, int times, string? closing) : Stream
{
    private readonly byte[][] _opening = [.. opening.Select(text => Frame(text, isServer))];
    private readonly byte[] _message = Frame(message, isServer);
    private readonly int _counterAt =
        counter is null ? -1 : Frame(message, isServer).Length - message.Length + message.IndexOf(counter, StringComparison.Ordinal) + counter.Length;
    private readonly TaskCompletionSource _closed = new();
    private int _next;
    private long _startedAt;
    private long _allocatedBefore;

    /// <summary>Before the repeated messages begin.</summary>
    public Task Wait { get; set; } = Task.CompletedTask;

    public TaskCompletionSource Done { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public int MessageBytes => _message.Length;

    public long Sent { get; private set; }

    public long SentBytes { get; private set; }

    public TimeSpan Took { get; private set; }

    public long Allocated { get; private set; }

    public WebSocketConnection Connection => new(this, isServer, () => _closed.TrySetResult());

    public override bool CanRead => true;

    public override bool CanWrite => true;

    public override bool CanSeek => false;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    public double NsPerMessage(int warm) => Took.TotalNanoseconds / (times - warm);

    public double BytesPerMessage(int warm) => (double)Allocated / (times - warm);

    public int Warm { get; init; } = 200_000;

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        var number = _next++;
        if (number < _opening.Length)
        {
            return new(Whole(_opening[number], buffer));
        }

        number -= _opening.Length;
        if (number == 0 && !Wait.IsCompleted)
        {
            _next--;
            return new(AfterAsync(buffer, cancellationToken));
        }

        if (number == Warm)
        {
            (_startedAt, _allocatedBefore) = (Stopwatch.GetTimestamp(), GC.GetAllocatedBytesForCurrentThread());
        }

        if (number < times)
        {
            if (_counterAt >= 0)
            {
                (number * 20L).TryFormat(_message.AsSpan(_counterAt, 9), out _, "D9", CultureInfo.InvariantCulture);
            }

            return new(Whole(_message, buffer));
        }

        if (number == times)
        {
            (Took, Allocated) = (Stopwatch.GetElapsedTime(_startedAt), GC.GetAllocatedBytesForCurrentThread() - _allocatedBefore);
            Done.TrySetResult();
            if (closing is not null)
            {
                return new(Whole(Frame(closing, isServer), buffer));
            }
        }

        return new(ClosedAsync());
    }

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        Sent++;
        SentBytes += buffer.Length;
        return default;
    }

    public override void Flush()
    {
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    /// <summary>The key is zero: taking off the mask is work all the same, and a message stays as it is written.</summary>
    private static byte[] Frame(string text, bool masked)
    {
        var message = Encoding.UTF8.GetBytes(text);
        var head = new byte[FrameHead.BytesFor(message.Length, masked)];
        FrameHead.Write(head, Opcode.Text, message.Length, masked, maskKey: 0);
        return [.. head, .. message];
    }

    private static int Whole(byte[] frame, Memory<byte> buffer)
    {
        frame.CopyTo(buffer);
        return frame.Length;
    }

    private async Task<int> AfterAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        await Wait.ConfigureAwait(false);
        return await ReadAsync(buffer, cancellationToken);
    }

    private async Task<int> ClosedAsync()
    {
        await _closed.Task.ConfigureAwait(false);
        return 0;
    }
}
