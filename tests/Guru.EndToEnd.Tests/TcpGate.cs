using System.Net;
using System.Net.Sockets;

namespace Guru.EndToEnd.Tests;

/// <summary>A loopback port in front of another. While it is shut, connections are reset and new ones refused, as in an outage.</summary>
internal sealed class TcpGate : IAsyncDisposable
{
    private readonly Lock _lock = new();
    private readonly List<Socket> _open = [];
    private readonly CancellationTokenSource _stopping = new();
    private TcpListener? _listener;

    public TcpGate(int behind)
    {
        Behind = behind;
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
            await far.ConnectAsync(IPAddress.Loopback, Behind, _stopping.Token);
            using var farStream = new NetworkStream(far, ownsSocket: true);
            await Task.WhenAny(nearStream.CopyToAsync(farStream, _stopping.Token), farStream.CopyToAsync(nearStream, _stopping.Token));
        }
        catch (Exception error) when (error is SocketException or IOException or OperationCanceledException or ObjectDisposedException)
        {
            // Cut.
        }
    }
}
