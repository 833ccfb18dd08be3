using System.Net;
using System.Net.Sockets;

namespace Guru.EndToEnd.Tests;

/// <summary>A loopback port in front of another. While it is shut, connections are reset and new ones refused, as in an outage.</summary>
internal sealed class TcpGate : IAsyncDisposable
{
    private readonly Lock _lock = new();
    private readonly List<Socket> _open = [];
    private readonly CancellationTokenSource _stopping = new();
    private readonly Func<Stream, Stream, CancellationToken, Task> _join;
    private TcpListener? _listener;

    /// <param name="join">What carries the bytes of a connection from one side to the other; unless it is told, they go as they come.</param>
    public TcpGate(int behind, Func<Stream, Stream, CancellationToken, Task>? join = null)
    {
        (Behind, _join) = (behind, join ?? CopyAsync);
        _listener = new TcpListener(IPAddress.Loopback, 0);
        _listener.Start();
        Port = ((IPEndPoint)_listener.LocalEndpoint).Port;
        _ = AcceptAsync(_listener);
    }

    public int Port { get; }

    /// <summary>The port that new connections are joined to; reset, where nobody listens.</summary>
    public int Behind { get; set; }

    public void Shut()
    {
        lock (_lock)
        {
            _listener?.Stop();
            _listener = null;
            _open.ForEach(socket => socket.Close(timeout: 0));
            _open.Clear();
        }
    }

    public void Open()
    {
        lock (_lock)
        {
            _listener = new TcpListener(IPAddress.Loopback, Port);
            _listener.Server.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, true);
            _listener.Start();
            _ = AcceptAsync(_listener);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        Shut();
        _stopping.Dispose();
    }

    private async Task AcceptAsync(TcpListener listener)
    {
        try
        {
            while (true)
            {
                var near = await listener.AcceptSocketAsync(_stopping.Token);
                _ = JoinAsync(near);
            }
        }
        catch (Exception error) when (error is SocketException or OperationCanceledException or ObjectDisposedException)
        {
            // Shut.
        }
    }

    private async Task JoinAsync(Socket near)
    {
        using var far = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        lock (_lock)
        {
            _open.AddRange([near, far]);
        }

        try
        {
            using var nearStream = new NetworkStream(near, ownsSocket: true);
            near.NoDelay = true;
            await far.ConnectAsync(IPAddress.Loopback, Behind, _stopping.Token);
            using var farStream = new NetworkStream(far, ownsSocket: true);
            await _join(nearStream, farStream, _stopping.Token);
        }
        catch (Exception error) when (error is SocketException or IOException or OperationCanceledException or ObjectDisposedException)
        {
            // Cut.
        }
    }

    private static Task CopyAsync(Stream near, Stream far, CancellationToken cancellationToken) =>
        Task.WhenAny(near.CopyToAsync(far, cancellationToken), far.CopyToAsync(near, cancellationToken));
}
