using System.ComponentModel;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Guru.Infrastructure.Sockets;

/// <summary>What a socket is ready for (epoll_ctl(2)). Each comes once when it becomes so, and not again while it stays so (<c>EPOLLET</c>).</summary>
[Flags]
internal enum Readiness : uint
{
    None = 0,
    Read = 0x1,
    Write = 0x4,
    Error = 0x8,

    /// <summary>Both directions are closed.</summary>
    Closed = 0x10,

    /// <summary>The other side has closed its direction; what it sent before can still be read.</summary>
    ReadClosed = 0x2000,
}

/// <summary>A kernel's list of sockets, and of what has become of them since it was last asked. It lives as long as the process. Linux only.</summary>
internal sealed class Epoll
{
    /// <summary>The calls' constants, the same on all processors .NET runs on.</summary>
    private const int Add = 1;
    private const int Remove = 2;
    private const int Change = 3;
    private const int CloseOnExec = 0x80000;
    private const uint EdgeTriggered = 1u << 31;
    private const int Interrupted = 4;

    private const int MostEvents = 256;
    private const int MostStride = 16;

    // The kernel's struct is packed on x64 only.
    private static readonly int Stride = RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 12 : MostStride;
    private static readonly int DataAt = Stride - sizeof(long);

    private readonly byte[] _events = new byte[MostEvents * MostStride];
    private readonly int _descriptor = epoll_create1(CloseOnExec);

    /// <exception cref="Win32Exception">The kernel has no room for it.</exception>
    public Epoll()
    {
        if (_descriptor < 0)
        {
            throw new Win32Exception();
        }
    }

    /// <param name="id">Comes back with what becomes of the socket.</param>
    /// <exception cref="Win32Exception">The kernel has no room for it.</exception>
    public void Watch(SafeSocketHandle socket, long id)
    {
        if (!TryControl(Add, socket, id))
        {
            throw new Win32Exception();
        }
    }

    /// <summary>What a watched socket is ready for now is told once more, after what there is to tell already.</summary>
    public void Again(SafeSocketHandle socket, long id) => TryControl(Change, socket, id);

    /// <summary>A socket that is closed is forgotten by itself, unless a process that is being started still has it.</summary>
    public void Forget(SafeSocketHandle socket) => _ = epoll_ctl(_descriptor, Remove, socket, in _events[0]);

    /// <summary>Waits until there is something to tell. For one thread.</summary>
    /// <returns>How many sockets it is about.</returns>
    public int Wait()
    {
        while (true)
        {
            var count = epoll_wait(_descriptor, ref _events[0], MostEvents, timeout: -1);
            if (count >= 0)
            {
                return count;
            }

            if (Marshal.GetLastPInvokeError() != Interrupted)
            {
                throw new Win32Exception();
            }
        }
    }

    /// <param name="number">Of those that were waited for.</param>
    public (long Id, Readiness Readiness) this[int number]
    {
        get
        {
            var told = _events.AsSpan(number * Stride, Stride);
            return (MemoryMarshal.Read<long>(told[DataAt..]), (Readiness)MemoryMarshal.Read<uint>(told));
        }
    }

    private bool TryControl(int operation, SafeSocketHandle socket, long id)
    {
        Span<byte> wanted = stackalloc byte[MostStride];
        MemoryMarshal.Write(wanted, (uint)(Readiness.Read | Readiness.Write | Readiness.ReadClosed) | EdgeTriggered);
        MemoryMarshal.Write(wanted[DataAt..], id);
        return epoll_ctl(_descriptor, operation, socket, in MemoryMarshal.GetReference(wanted)) == 0;
    }

    [DllImport("libc", SetLastError = true)]
    private static extern int epoll_create1(int flags);

    [DllImport("libc", SetLastError = true)]
    private static extern int epoll_ctl(int epoll, int operation, SafeSocketHandle socket, in byte wanted);

    [DllImport("libc", SetLastError = true)]
    private static extern int epoll_wait(int epoll, ref byte events, int most, int timeout);
}
