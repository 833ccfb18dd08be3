using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Threading.Tasks.Sources;

namespace Guru.Infrastructure.Sockets;

/// <summary>
/// One direction of a polled socket, with one operation at a time: carried out at once where the socket may be ready, and otherwise as soon as it is.
/// Nothing is asked of a socket that is waited for, so that an operation that is cancelled has taken nothing.
/// </summary>
/// <param name="sends">Or receives.</param>
/// <param name="ready">Whether it is worth trying before the poller has said so.</param>
/// <param name="again">Has the poller look at the socket once more when it has looked at the others, whether anything becomes of it or not.</param>
internal sealed class PolledOperation(SafeSocketHandle socket, bool sends, bool ready, Action again) : IValueTaskSource<int>, IValueTaskSource
{
    private const int NotReady = -1;

    /// <summary>So many receives go on at once one after the other; then it is the others' turn, however much there is.</summary>
    private const int MostInARow = 4;

    /// <summary>errno.h, the same on all processors .NET runs on.</summary>
    private const int Interrupted = 4;
    private const int Again = 11;

    private const int DontWait = 0x40;
    private const int NoSignal = 0x4000;

    private readonly Lock _gate = new();
    private ManualResetValueTaskSourceCore<int> _waiter;
    private CancellationTokenRegistration _cancelling;
    private CancellationToken _cancellation;
    private Memory<byte> _buffer;
    private Exception? _failure;
    private bool _ready = ready; // It has become so since the kernel was last asked for something.
    private bool _ended; // Whatever is asked for from here on ends at once, well or not.
    private bool _waiting;
    private bool _underWay;
    private int _inARow;

    /// <summary>Whether what waits goes on on the poller's thread, which must neither be blocked nor kept for long.</summary>
    public bool GoesOnInline { get; set; }

    /// <summary>Receives something; without a buffer, only waits until that could begin.</summary>
    /// <returns>How many bytes, 0 at the end.</returns>
    /// <exception cref="IOException">The connection is lost.</exception>
    /// <exception cref="InvalidOperationException">Another is under way.</exception>
    public ValueTask<int> ReceiveAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        Begin(buffer, cancellationToken);
        var version = _waiter.Version;
        return IsOver(out var bytes) ? ValueTask.FromResult(bytes) : new ValueTask<int>(this, version);
    }

    /// <summary>Sends everything; with nothing to send, only waits until that could begin.</summary>
    /// <exception cref="IOException">The connection is lost.</exception>
    /// <exception cref="InvalidOperationException">Another is under way.</exception>
    public ValueTask SendAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        Begin(MemoryMarshal.AsMemory(bytes), cancellationToken);
        var version = _waiter.Version;
        return IsOver(out _) ? ValueTask.CompletedTask : new ValueTask(this, version);
    }

    /// <summary>By the poller, when it has become ready.</summary>
    /// <param name="ended">It is going to stay so.</param>
    public void OnReady(bool ended)
    {
        int bytes;
        Exception? failure = null;
        try
        {
            Step step;
            lock (_gate)
            {
                _ready = true;
                _ended |= ended;
                if (!TakeWaiter())
                {
                    return;
                }

                _inARow = 0;
                step = Next();
            }

            if (!TryFinish(step, out bytes))
            {
                return;
            }
        }
        catch (Exception error)
        {
            (bytes, failure) = (0, error);
        }

        _waiter.RunContinuationsAsynchronously = !GoesOnInline;
        if (failure is null)
        {
            _waiter.SetResult(bytes);
        }
        else
        {
            _waiter.SetException(failure);
        }
    }

    /// <summary>Ends what is under way, and whatever is begun later.</summary>
    public void Fail(Exception failure)
    {
        lock (_gate)
        {
            _failure ??= failure;
            if (!TakeWaiter())
            {
                return;
            }
        }

        EndWaiting(failure);
    }

    int IValueTaskSource<int>.GetResult(short token)
    {
        End();
        return _waiter.GetResult(token);
    }

    void IValueTaskSource.GetResult(short token)
    {
        End();
        _waiter.GetResult(token);
    }

    public ValueTaskSourceStatus GetStatus(short token) => _waiter.GetStatus(token);

    public void OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _waiter.OnCompleted(continuation, state, token, flags);

    private void Begin(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        if (Interlocked.Exchange(ref _underWay, value: true))
        {
            throw new InvalidOperationException($"A polled socket {(sends ? "sends" : "receives")} one thing at a time.");
        }

        (_buffer, _cancellation) = (buffer, cancellationToken);
        _waiter.Reset();
    }

    /// <summary>Nothing is under way any more. The registration is let go here, where it has been made for certain.</summary>
    private void End()
    {
        _cancelling.Unregister();
        (_buffer, _cancelling) = (default, default);
        Volatile.Write(ref _underWay, value: false);
    }

    /// <summary>Tries at once.</summary>
    /// <returns>False where the waiter is told, now or later, how it ended.</returns>
    private bool IsOver(out int bytes)
    {
        try
        {
            Step step;
            bool isOthersTurn;
            lock (_gate)
            {
                isOthersTurn = !sends && GoesOnInline && _ready && ++_inARow > MostInARow;
                _ready &= !isOthersTurn;
                step = Next();
            }

            if (isOthersTurn)
            {
                again();
            }

            if (TryFinish(step, out bytes))
            {
                End();
                return true;
            }

            if (_cancellation.CanBeCanceled)
            {
                _cancelling = _cancellation.UnsafeRegister(static (operation, token) => ((PolledOperation)operation!).Cancel(token), this);
            }
        }
        catch (Exception error)
        {
            bytes = 0;
            _waiter.SetException(error);
        }

        return false;
    }

    /// <summary>Goes on until everything is sent, something is received, or the socket is waited for.</summary>
    private bool TryFinish(Step step, out int bytes)
    {
        bytes = 0;
        while (step == Step.Transfer)
        {
            bytes = Transfer(_buffer.Span);
            var all = bytes == _buffer.Length;
            if (bytes != NotReady && (all || !sends))
            {
                if (all || bytes == 0)
                {
                    SetReady(); // There may be more, or room for more; and the end does not pass.
                }

                return true;
            }

            _buffer = _buffer[Math.Max(bytes, 0)..];
            lock (_gate)
            {
                _ready |= bytes != NotReady;
                step = Next();
            }
        }

        return step == Step.Over;
    }

    /// <summary>Within the lock.</summary>
    private Step Next()
    {
        if (_failure is not null)
        {
            throw _failure;
        }

        if (!_ready)
        {
            _cancellation.ThrowIfCancellationRequested();
            _waiting = true;
            return Step.Wait;
        }

        if (_buffer.IsEmpty)
        {
            return Step.Over;
        }

        // Taken back before the kernel is asked, so that what it tells meanwhile counts. Fewer bytes than there was room for were all there were.
        _ready = _ended;
        return Step.Transfer;
    }

    private void SetReady()
    {
        lock (_gate)
        {
            _ready = true;
        }
    }

    private int Transfer(Span<byte> buffer)
    {
        while (true)
        {
            nint bytes;
            try
            {
                bytes = sends
                    ? send(socket, in MemoryMarshal.GetReference(buffer), buffer.Length, DontWait | NoSignal)
                    : recv(socket, ref MemoryMarshal.GetReference(buffer), buffer.Length, DontWait);
            }
            catch (ObjectDisposedException error)
            {
                throw new IOException("The socket was closed.", error);
            }

            if (bytes >= 0)
            {
                return (int)bytes;
            }

            switch (Marshal.GetLastPInvokeError())
            {
                case Again:
                    return NotReady;
                case not Interrupted and var error:
                    throw new IOException(Marshal.GetPInvokeErrorMessage(error));
            }
        }
    }

    private void Cancel(CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            if (_cancellation != cancellationToken || !TakeWaiter())
            {
                return;
            }
        }

        EndWaiting(new OperationCanceledException(cancellationToken));
    }

    /// <summary>What waits must not go on inside the call that cancels or disposes.</summary>
    private void EndWaiting(Exception error)
    {
        _waiter.RunContinuationsAsynchronously = true;
        _waiter.SetException(error);
    }

    private bool TakeWaiter()
    {
        var waiting = _waiting;
        _waiting = false;
        return waiting;
    }

    [DllImport("libc", SetLastError = true)]
    private static extern nint recv(SafeSocketHandle socket, ref byte buffer, nint length, int flags);

    [DllImport("libc", SetLastError = true)]
    private static extern nint send(SafeSocketHandle socket, in byte bytes, nint length, int flags);

    private enum Step
    {
        Wait,
        Transfer,
        Over,
    }
}
