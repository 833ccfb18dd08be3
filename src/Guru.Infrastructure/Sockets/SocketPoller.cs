using System.Collections.Concurrent;
using System.Net.Sockets;

namespace Guru.Infrastructure.Sockets;

/// <summary>
/// A thread that waits for sockets and has read and written what can be, where it stands: a frame of audio goes from one socket to another without
/// changing threads. There is one for each core, for the whole process.
/// </summary>
internal sealed class SocketPoller
{
    private static readonly Lazy<SocketPoller[]> All = new(() => [.. Enumerable.Range(0, Environment.ProcessorCount).Select(number => new SocketPoller(number))]);
    private static int _next;

    private readonly Epoll _epoll = new();
    private readonly ConcurrentDictionary<long, PolledStream> _streams = new();
    private long _lastId;

    private SocketPoller(int number) => new Thread(Run) { IsBackground = true, Name = $"Guru sockets {number}" }.UnsafeStart();

    /// <summary>They take turns.</summary>
    public static SocketPoller Next() => All.Value[(uint)Interlocked.Increment(ref _next) % (uint)All.Value.Length];

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
                    stream.OnReady(readiness);
                }
            }
        }
    }
}
