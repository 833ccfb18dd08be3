using System.Diagnostics;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Guru.Benchmarks.Calls;

/// <summary>
/// One thread, one epoll, and sockets that never block: what makes the load must cost less than what is measured. Linux only.
/// </summary>
internal sealed partial class EventLoop : IDisposable
{
    private const int MostEvents = 512;
    private const int Readable = 1;
    private const int Add = 1;

    // The kernel's struct is packed on x64 only.
    private static readonly int Stride = RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 12 : 16;
    private static readonly int DataAt = Stride - sizeof(long);

    private readonly int _epoll = epoll_create1(0);
    private readonly byte[] _events = new byte[MostEvents * 16];
    private readonly Dictionary<int, Endpoint> _endpoints = [];

    public static long NowUs => Stopwatch.GetTimestamp() / (Stopwatch.Frequency / 1_000_000);

    public void Watch(Endpoint endpoint)
    {
        Span<byte> @event = stackalloc byte[16];
        MemoryMarshal.Write(@event, Readable);
        MemoryMarshal.Write(@event[DataAt..], (long)endpoint.Descriptor);
        _endpoints[endpoint.Descriptor] = endpoint;
        if (epoll_ctl(_epoll, Add, endpoint.Descriptor, ref MemoryMarshal.GetReference(@event)) != 0)
        {
            throw new IOException($"epoll_ctl: {Marshal.GetLastPInvokeError()}");
        }
    }

    public void Forget(Endpoint endpoint) => _endpoints.Remove(endpoint.Descriptor);

    /// <summary>Waits for whatever can be read, and has it read.</summary>
    public void Poll(long us)
    {
        var limit = new Timespec(us / 1_000_000, us % 1_000_000 * 1_000);
        var count = epoll_pwait2(_epoll, ref _events[0], MostEvents, in limit, 0);
        for (var number = 0; number < count; number++)
        {
            var descriptor = (int)MemoryMarshal.Read<long>(_events.AsSpan((number * Stride) + DataAt));
            if (_endpoints.TryGetValue(descriptor, out var endpoint))
            {
                endpoint.OnReadable();
            }
        }
    }

    public void Dispose()
    {
        foreach (var endpoint in _endpoints.Values.ToList())
        {
            endpoint.Dispose();
        }

        _ = close(_epoll);
    }

    [DllImport("libc", SetLastError = true)]
    private static extern int epoll_create1(int flags);

    [DllImport("libc", SetLastError = true)]
    private static extern int epoll_ctl(int epoll, int operation, int descriptor, ref byte @event);

    [DllImport("libc", SetLastError = true)]
    private static extern int epoll_pwait2(int epoll, ref byte events, int most, in Timespec limit, nint mask);

    [DllImport("libc")]
    private static extern int close(int descriptor);

    private readonly record struct Timespec(long Seconds, long Nanoseconds);
}

/// <summary>A socket of the loop, with what came of its next message.</summary>
internal abstract class Endpoint : IDisposable
{
    private const int DontWait = 0x40;
    private const int NoSignal = 0x4000;

    private readonly Socket _socket;
    private byte[] _buffer = new byte[4096];
    private int _length;

    protected Endpoint(EventLoop loop, Socket socket)
    {
        (Loop, _socket) = (loop, socket);
        _socket.Blocking = false;
        if (socket.ProtocolType == ProtocolType.Tcp && socket.RemoteEndPoint is not null)
        {
            _socket.NoDelay = true;
        }

        Descriptor = (int)socket.Handle;
        loop.Watch(this);
    }

    public int Descriptor { get; }

    public bool IsOpen { get; private set; } = true;

    protected EventLoop Loop { get; }

    protected Socket Socket => _socket;

    public virtual void OnReadable()
    {
        if (_length == _buffer.Length)
        {
            Array.Resize(ref _buffer, _buffer.Length * 2);
        }

        var received = recv(Descriptor, ref _buffer[_length], _buffer.Length - _length, DontWait);
        if (received <= 0)
        {
            if (received == 0 || Marshal.GetLastPInvokeError() != 11)
            {
                Dispose();
                OnClosed();
            }

            return;
        }

        _length += (int)received;
        var taken = 0;
        while (taken < _length && Take(_buffer.AsSpan(taken, _length - taken)) is > 0 and var some)
        {
            taken += some;
        }

        _buffer.AsSpan(taken, _length - taken).CopyTo(_buffer);
        _length -= taken;
    }

    public void Dispose()
    {
        if (IsOpen)
        {
            IsOpen = false;
            Loop.Forget(this);
            _socket.Dispose();
        }
    }

    /// <summary>Sends at once; the other side has stopped reading for long where that cannot be.</summary>
    public void Send(ReadOnlySpan<byte> bytes)
    {
        if (IsOpen && send(Descriptor, in MemoryMarshal.GetReference(bytes), bytes.Length, DontWait | NoSignal) != bytes.Length)
        {
            Dispose();
            OnClosed();
        }
    }

    /// <summary>Takes a whole message off the front.</summary>
    /// <returns>How many bytes it had; 0 when more must come first.</returns>
    protected abstract int Take(Span<byte> received);

    protected virtual void OnClosed()
    {
    }

    [DllImport("libc", SetLastError = true)]
    private static extern nint recv(int descriptor, ref byte buffer, nint length, int flags);

    [DllImport("libc", SetLastError = true)]
    private static extern nint send(int descriptor, in byte bytes, nint length, int flags);
}
