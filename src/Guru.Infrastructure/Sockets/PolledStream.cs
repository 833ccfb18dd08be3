using System.Net;
using System.Net.Sockets;

namespace Guru.Infrastructure.Sockets;

/// <summary>
/// A connection whose socket a <see cref="SocketPoller"/> waits for, instead of the framework's engine. For one reader and one writer at a time; Linux only.
/// </summary>
/// <remarks>Why: docs/decisions/0009-sockets-polled-by-ourselves.md.</remarks>
internal sealed class PolledStream : AsyncStream
{
    private readonly Socket _socket;
    private readonly SocketPoller _poller = SocketPoller.Next();
    private readonly PolledOperation _receiving;
    private readonly PolledOperation _sending;
    private readonly Action? _onClosed;
    private readonly long _id;
    private ReadOnlyMemory<byte> _unread;
    private bool _disposed;

    /// <param name="socket">Connected, or about to be. Owned from here on, and the framework has not been asked for anything asynchronous on it.</param>
    /// <param name="connected">Or about to be.</param>
    /// <param name="onClosed">Called, perhaps more than once, on the poller's thread when the other side has closed the connection.</param>
    private PolledStream(Socket socket, bool connected, Action? onClosed)
    {
        _socket = socket;
        _onClosed = onClosed;
        _receiving = new PolledOperation(socket.SafeHandle, sends: false, ready: false, Again);
        _sending = new PolledOperation(socket.SafeHandle, sends: true, ready: connected, Again);
        socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.OutOfBandInline, optionValue: true); // A receive stops short of what is urgent otherwise.
        _id = _poller.Watch(this, socket.SafeHandle);
    }

    /// <summary>Whether this machine's sockets can be polled.</summary>
    public static bool IsSupported => OperatingSystem.IsLinux();

    /// <summary>Whether whoever reads or writes goes on on the poller's thread, which must neither be blocked nor kept for long.</summary>
    public bool GoesOnInline
    {
        get => _receiving.GoesOnInline;
        set => _receiving.GoesOnInline = _sending.GoesOnInline = value;
    }

    /// <param name="connected">Owned from here on; the framework has not been asked for anything asynchronous on it.</param>
    /// <param name="onClosed">Called, perhaps more than once, on the poller's thread when the other side has closed the connection. It must neither throw nor block.</param>
    public static PolledStream Of(Socket connected, Action? onClosed = null)
    {
        try
        {
            return new PolledStream(connected, connected: true, onClosed);
        }
        catch
        {
            connected.Dispose();
            throw;
        }
    }

    /// <summary>Connects to the first of a name's addresses that answers.</summary>
    /// <exception cref="SocketException">There is no such name, or none of them answers.</exception>
    public static async ValueTask<PolledStream> ConnectAsync(DnsEndPoint address, CancellationToken cancellationToken)
    {
        var addresses = await Dns.GetHostAddressesAsync(address.Host, address.AddressFamily, cancellationToken);
        SocketException? failure = null;
        foreach (var candidate in addresses)
        {
            try
            {
                return await ConnectAsync(new IPEndPoint(candidate, address.Port), cancellationToken);
            }
            catch (SocketException error)
            {
                failure = error;
            }
        }

        throw failure ?? new SocketException((int)SocketError.HostNotFound);
    }

    /// <summary>Drops the connection with a reset, so that the other side does not take what came for all there was. What is under way ends.</summary>
    /// <param name="reason">What is under way ends with, and whatever is begun later.</param>
    public void Abort(Exception? reason = null)
    {
        try
        {
            _socket.LingerState = new LingerOption(enable: true, seconds: 0);
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException)
        {
            // It is gone already.
        }

        End(reason ?? new IOException("The connection was aborted on this side."));
    }

    /// <summary>Nothing more is sent, and the other side is told; what it has sent can be read to the end.</summary>
    public void EndSending()
    {
        _sending.Fail(new IOException("The connection was closed."));
        try
        {
            _socket.Shutdown(SocketShutdown.Send);
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException)
        {
            // It is gone already.
        }
    }

    /// <summary>
    /// Ends the connection so that the other side gets all that was sent to it: one that is closed with something unread is reset. What the other side still
    /// sends is read past, up to the limits.
    /// </summary>
    public async ValueTask LingerAsync(int mostBytes, TimeSpan limit)
    {
        EndSending();
        try
        {
            if (_socket.Available > 0)
            {
                using var patience = new CancellationTokenSource(limit);
                var past = new byte[8 * 1024];
                while (mostBytes > 0 && await _receiving.ReceiveAsync(past, patience.Token) is > 0 and var bytes)
                {
                    mostBytes -= bytes;
                }
            }
        }
        catch (Exception error) when (error is IOException or SocketException or ObjectDisposedException or OperationCanceledException or InvalidOperationException)
        {
            // It is lost, or took too long, or its reader was left reading.
        }

        Dispose();
    }

    /// <summary>Bytes that were read and are to be read again, before anything else.</summary>
    public void Unread(ReadOnlyMemory<byte> bytes) => _unread = bytes;

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (_unread.IsEmpty)
        {
            return _receiving.ReceiveAsync(buffer, cancellationToken);
        }

        var again = _unread[..Math.Min(_unread.Length, buffer.Length)];
        again.CopyTo(buffer);
        _unread = _unread[again.Length..];
        return ValueTask.FromResult(again.Length);
    }

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) =>
        buffer.IsEmpty ? ValueTask.CompletedTask : _sending.SendAsync(buffer, cancellationToken);

    /// <summary>By the poller.</summary>
    public void OnReady(Readiness readiness)
    {
        var closed = Has(Readiness.Error | Readiness.Closed);
        var readClosed = closed || Has(Readiness.ReadClosed);
        if (readClosed || Has(Readiness.Read))
        {
            _receiving.OnReady(ended: readClosed); // First, since the kernel tells only once why a connection is lost.
        }

        if (closed || Has(Readiness.Write))
        {
            _sending.OnReady(ended: closed);
        }

        if (readClosed)
        {
            _onClosed?.Invoke();
        }

        bool Has(Readiness any) => (readiness & any) != Readiness.None;
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            End(new IOException("The connection was closed on this side."));
        }

        base.Dispose(disposing);
    }

    private void End(Exception reason)
    {
        if (!Interlocked.Exchange(ref _disposed, value: true))
        {
            _receiving.Fail(reason);
            _sending.Fail(reason);
            _poller.Forget(_id, _socket.SafeHandle);
            _socket.Dispose();
        }
    }

    private void Again() => _poller.Again(_id, _socket.SafeHandle);

    private static async ValueTask<PolledStream> ConnectAsync(IPEndPoint address, CancellationToken cancellationToken)
    {
        var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true, Blocking = false };
        PolledStream? stream = null;
        try
        {
            Begin(socket, address);
            stream = new PolledStream(socket, connected: false, onClosed: null);
            await stream._sending.SendAsync(ReadOnlyMemory<byte>.Empty, cancellationToken);
            var error = (int)socket.GetSocketOption(SocketOptionLevel.Socket, SocketOptionName.Error)!;
            if (error != (int)SocketError.Success)
            {
                throw new SocketException(error);
            }

            return stream;
        }
        catch
        {
            stream?.Dispose();
            socket.Dispose();
            throw;
        }
    }

    private static void Begin(Socket socket, IPEndPoint address)
    {
        try
        {
            socket.Connect(address);
        }
        catch (SocketException error) when (error.SocketErrorCode == SocketError.WouldBlock)
        {
            // It is on its way.
        }
    }
}
