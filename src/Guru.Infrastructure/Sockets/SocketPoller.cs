using System.Collections.Concurrent;
using System.Net.Sockets;

namespace Guru.Infrastructure.Sockets;

/// <summary>
/// A thread that waits for sockets and has read and written what can be, where it stands: a frame of audio goes from one socket to another without
/// changing threads. There is one for each core, for the whole process.
/// </summary>
internal sealed class SocketPoller
{
    private static readonly SocketPoller?[] All = new SocketPoller?[Environment.ProcessorCount];
    private static readonly Lock Starting = new();
    private static int _next;

    private readonly Epoll _epoll = new();
    private readonly ConcurrentDictionary<long, PolledStream> _streams = new();
    private long _lastId;

    private SocketPoller() => new Thread(Run) { IsBackground = true, Name = "Guru sockets" }.UnsafeStart();

    /// <summary>They take turns.</summary>
    /// <exception cref="System.ComponentModel.Win32Exception">The kernel has no room for another.</exception>
    public static SocketPoller Next()
    {
        ref var poller = ref All[(uint)Interlocked.Increment(ref _next) % (uint)All.Length];
        if (Volatile.Read(ref poller) is { } there)
        {
            return there;
        }

        lock (Starting)
        {
            return poller ??= new SocketPoller();
        }
    }

    /// <summary>From here on the stream is told what its socket is ready for, beginning with what it is ready for now.</summary>
    /// <returns>What to forget it by.</returns>
    public long Watch(PolledStream stream, SafeSocketHandle socket)
    {
        var id = Interlocked.Increment(ref _lastId);
        _streams[id] = stream;
        try
        {
            _epoll.Watch(socket, id);
            return id;
        }
        catch
        {
            _streams.TryRemove(id, out _);
            throw;
        }
    }

    /// <summary>The stream is told once more what its socket is ready for, after the others.</summary>
    public void Again(long id, SafeSocketHandle socket) => _epoll.Again(socket, id);

    public void Forget(long id, SafeSocketHandle socket)
    {
        if (_streams.TryRemove(id, out _))
        {
            _epoll.Forget(socket);
        }
    }

    private void Run()
    {
        while (true)
        {
            var count = _epoll.Wait();
            for (var number = 0; number < count; number++)
            {
                var (id, readiness) = _epoll[number];
                if (_streams.TryGetValue(id, out var stream))
                {
                    Tell(stream, readiness);
                }
            }
        }
    }

    /// <summary>What one stream's reader does wrong ends that stream, and neither the others nor the process.</summary>
    private static void Tell(PolledStream stream, Readiness readiness)
    {
        try
        {
            stream.OnReady(readiness);
        }
        catch (Exception error)
        {
            stream.Abort(error);
        }
    }
}
