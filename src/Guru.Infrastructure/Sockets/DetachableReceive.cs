using System.Runtime.CompilerServices;
using System.Threading.Tasks.Sources;

namespace Guru.Infrastructure.Sockets;

/// <summary>
/// One receive at a time on a connection, whose waiter may leave and another come. A connection's own cancellation may drop what
/// arrives, or the connection; a task per receive to wait on instead would be garbage per message.
/// </summary>
internal sealed class DetachableReceive : IValueTaskSource<int?>
{
    private readonly Lock _gate = new();
    private readonly Stream _stream;
    private readonly Action _onArrived;
    private ManualResetValueTaskSourceCore<int?> _waiter;
    private ConfiguredValueTaskAwaitable<int>.ConfiguredValueTaskAwaiter _arriving;
    private bool _underWay;
    private bool _waiting;
    private bool _arrived;
    private bool _abandoned;
    private int? _result;

    public DetachableReceive(Stream stream)
    {
        _stream = stream;
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

    /// <summary>From here on, cancelling ends the waiting that goes with the same token; to be disposed when it is over.</summary>
    public CancellationTokenRegistration LeaveOn(CancellationToken cancellationToken) =>
        cancellationToken.UnsafeRegister(static (state, token) => ((DetachableReceive)state!).Leave(token), this);

    /// <summary>How many bytes the receive under way, or a new one, brought; 0 at the connection's end, null when it is lost.</summary>
    public ValueTask<int?> NextAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<int?>(cancellationToken);
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
                return new ValueTask<int?>(_result);
            }

            if (!_underWay)
            {
                if (!TryBegin(buffer))
                {
                    return default;
                }

                if (_arriving.IsCompleted)
                {
                    return new ValueTask<int?>(Result(_arriving));
                }

                _underWay = begun = true;
            }

            _waiter.Reset();
            _waiter.RunContinuationsAsynchronously = false;
            _waiting = true;
        }

        var version = _waiter.Version;
        if (begun)
        {
            _arriving.UnsafeOnCompleted(_onArrived);
        }

        if (cancellationToken.IsCancellationRequested)
        {
            Leave(cancellationToken); // It was cancelled before there was a waiter to leave.
        }

        return new ValueTask<int?>(this, version);
    }

    /// <summary>Ends the waiting for good, for a stream that does not end its reads when it is aborted.</summary>
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

    int? IValueTaskSource<int?>.GetResult(short token) => _waiter.GetResult(token);

    ValueTaskSourceStatus IValueTaskSource<int?>.GetStatus(short token) => _waiter.GetStatus(token);

    void IValueTaskSource<int?>.OnCompleted(
        Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _waiter.OnCompleted(continuation, state, token, flags);

    private static int? Result(
        ConfiguredValueTaskAwaitable<int>.ConfiguredValueTaskAwaiter receive)
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
            // Never cancelled: see above. The one result is taken once, by whoever waits when it comes.
#pragma warning disable CA2012
            _arriving = _stream.ReadAsync(buffer, CancellationToken.None).ConfigureAwait(false).GetAwaiter();
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
