using System.Diagnostics;
using System.Globalization;
using System.Net.WebSockets;
using System.Text;

namespace Guru.Benchmarks.Frames;

/// <summary>A WebSocket without a network: some messages, then one again and again, and it swallows what is sent.</summary>
internal sealed class ScriptedSocket(string[] opening, string message, string? counter, int times, string? closing) : WebSocket
{
    private readonly byte[][] _opening = [.. opening.Select(Encoding.UTF8.GetBytes)];
    private readonly byte[] _message = Encoding.UTF8.GetBytes(message);
    private readonly int _counterAt = counter is null ? -1 : message.IndexOf(counter, StringComparison.Ordinal) + counter.Length;
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

    public override WebSocketCloseStatus? CloseStatus => null;

    public override string? CloseStatusDescription => null;

    public override string? SubProtocol => null;

    public override WebSocketState State => WebSocketState.Open;

    public double NsPerMessage(int warm) => Took.TotalNanoseconds / (times - warm);

    public double BytesPerMessage(int warm) => (double)Allocated / (times - warm);

    public int Warm { get; init; } = 200_000;

    public override ValueTask<ValueWebSocketReceiveResult> ReceiveAsync(Memory<byte> buffer, CancellationToken cancellationToken)
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
                return new(Whole(Encoding.UTF8.GetBytes(closing), buffer));
            }
        }

        return new(ClosedAsync());
    }

    public override ValueTask SendAsync(ReadOnlyMemory<byte> buffer, WebSocketMessageType messageType, bool endOfMessage, CancellationToken cancellationToken)
    {
        Sent++;
        SentBytes += buffer.Length;
        return default;
    }

    public override ValueTask SendAsync(ReadOnlyMemory<byte> buffer, WebSocketMessageType messageType, WebSocketMessageFlags messageFlags, CancellationToken cancellationToken) =>
        SendAsync(buffer, messageType, endOfMessage: true, cancellationToken);

    public override void Abort() => _closed.TrySetResult();

    public override Task CloseAsync(WebSocketCloseStatus closeStatus, string? statusDescription, CancellationToken cancellationToken) => Task.CompletedTask;

    public override Task CloseOutputAsync(WebSocketCloseStatus closeStatus, string? statusDescription, CancellationToken cancellationToken)
    {
        _closed.TrySetResult();
        return Task.CompletedTask;
    }

    public override void Dispose() => Abort();

    public override Task<WebSocketReceiveResult> ReceiveAsync(ArraySegment<byte> buffer, CancellationToken cancellationToken) => throw new NotSupportedException();

    public override Task SendAsync(ArraySegment<byte> buffer, WebSocketMessageType messageType, bool endOfMessage, CancellationToken cancellationToken) =>
        throw new NotSupportedException();

    private static ValueWebSocketReceiveResult Whole(byte[] message, Memory<byte> buffer)
    {
        message.CopyTo(buffer);
        return new ValueWebSocketReceiveResult(message.Length, WebSocketMessageType.Text, endOfMessage: true);
    }

    private async Task<ValueWebSocketReceiveResult> AfterAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        await Wait.ConfigureAwait(false);
        return await ReceiveAsync(buffer, cancellationToken);
    }

    private async Task<ValueWebSocketReceiveResult> ClosedAsync()
    {
        await _closed.Task.ConfigureAwait(false);
        return new ValueWebSocketReceiveResult(0, WebSocketMessageType.Close, endOfMessage: true);
    }
}
