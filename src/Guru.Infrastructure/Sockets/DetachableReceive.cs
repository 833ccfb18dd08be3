using System.Net.WebSockets;
using System.Runtime.CompilerServices;
using System.Threading.Tasks.Sources;

namespace Guru.Infrastructure.Sockets;

/// <summary>
/// One receive at a time on a WebSocket, whose waiter may leave and another come. A WebSocket's own cancellation would abort
/// the socket, and a task per receive to wait on instead would be garbage per message.
/// </summary>
internal sealed class DetachableReceive : IValueTaskSource<ValueWebSocketReceiveResult?>
{
    private readonly Lock _gate = new();
    private readonly WebSocket _socket;
    private readonly Action _onArrived;
    private ManualResetValueTaskSourceCore<ValueWebSocketReceiveResult?> _waiter;
    private ConfiguredValueTaskAwaitable<ValueWebSocketReceiveResult>.ConfiguredValueTaskAwaiter _arriving;
    private CancellationTokenRegistration _cancellation;
    private bool _underWay;
    private bool _waiting;
    private bool _arrived;
    private bool _abandoned;
    private ValueWebSocketReceiveResult? _result;

    public DetachableReceive(WebSocket socket)
    {
        _socket = socket;
        _onArrived = OnArrived;
    }

    /// <summary>A receive was begun whose result nobody has taken; it fills the buffer that was given then.</summary>
    public bool IsUnderWay
    {
        get
        {
            lock (_gate)
            {
                return _underWay;
            }
        }
    }

    /// <summary>The result of the receive under way, or of a new one; null when the connection is lost.</summary>
    public ValueTask<ValueWebSocketReceiveResult?> NextAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<ValueWebSocketReceiveResult?>(cancellationToken);
        }

        var begun = false;
        lock (_gate)
        {
            if (_abandoned)
            {
                return default;
            }

            if (_arrived)
            {
                _arrived = _underWay = false;
                return new ValueTask<ValueWebSocketReceiveResult?>(_result);
            }

            if (!_underWay)
            {
                if (!TryBegin(buffer))
                {
                    return default;
                }

                if (_arriving.IsCompleted)
                {
                    return new ValueTask<ValueWebSocketReceiveResult?>(Result(_arriving));
                }

                _underWay = begun = true;
            }

            _waiter.Reset();
            _waiter.RunContinuationsAsynchronously = false;
            _waiting = true;
        }

        var version = _waiter.Version;
        _cancellation = cancellationToken.UnsafeRegister(static (state, token) => ((DetachableReceive)state!).Leave(token), this);
        if (begun)
        {
            _arriving.UnsafeOnCompleted(_onArrived);
        }

        return new ValueTask<ValueWebSocketReceiveResult?>(this, version);
    }

    /// <summary>Ends the waiting for good, for a stream under the socket that does not end its reads when it is aborted.</summary>
    public void Abandon()
    {
        lock (_gate)
        {
            _abandoned = true;
            if (!TakeWaiter())
            {
                return;
            }
        }

        // The waiter must not go on inside the call that cancels or aborts.
        _waiter.RunContinuationsAsynchronously = true;
        _waiter.SetResult(null);
    }

    ValueWebSocketReceiveResult? IValueTaskSource<ValueWebSocketReceiveResult?>.GetResult(short token)
    {
        _cancellation.Dispose();
        return _waiter.GetResult(token);
    }

    ValueTaskSourceStatus IValueTaskSource<ValueWebSocketReceiveResult?>.GetStatus(short token) => _waiter.GetStatus(token);

    void IValueTaskSource<ValueWebSocketReceiveResult?>.OnCompleted(
        Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _waiter.OnCompleted(continuation, state, token, flags);

    private static ValueWebSocketReceiveResult? Result(
        ConfiguredValueTaskAwaitable<ValueWebSocketReceiveResult>.ConfiguredValueTaskAwaiter receive)
    {
        try
        {
            return receive.GetResult();
        }
        catch (Exception)
        {
            // Resets, aborts, protocol errors: whatever a broken connection throws, it is lost.
            return null;
        }
    }

    private bool TryBegin(Memory<byte> buffer)
    {
        try
        {
            // Never cancelled: that would abort the socket. The one result is taken once, by whoever waits when it comes.
#pragma warning disable CA2012
            _arriving = _socket.ReceiveAsync(buffer, CancellationToken.None).ConfigureAwait(false).GetAwaiter();
#pragma warning restore CA2012
            return true;
        }
        catch (Exception)
        {
            return false; // A disposed socket throws at once.
        }
    }

    private void OnArrived()
    {
        var result = Result(_arriving);
        lock (_gate)
        {
            if (!TakeWaiter())
            {
                _result = result;
                _arrived = true;
                return;
            }

            _underWay = false;
        }

        _waiter.SetResult(result);
    }

    private void Leave(CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            if (!TakeWaiter())
            {
                return;
            }
        }

        // The waiter must not go on inside the call that cancels or aborts.
        _waiter.RunContinuationsAsynchronously = true;
        _waiter.SetException(new OperationCanceledException(cancellationToken));
    }

    private bool TakeWaiter()
    {
        var waiting = _waiting;
        _waiting = false;
        return waiting;
    }
}
