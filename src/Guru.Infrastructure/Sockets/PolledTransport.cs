using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.DependencyInjection;

namespace Guru.Infrastructure.Sockets;

/// <summary>Kestrel's transport over polled sockets, whose connections can be taken over after an upgrade.</summary>
public static class PolledTransport
{
    /// <summary>Where sockets can be polled; elsewhere Kestrel keeps its own transport, and WebSockets go through its streams.</summary>
    public static IWebHostBuilder UsePolledSockets(this IWebHostBuilder host) =>
        PolledStream.IsSupported
            ? host.ConfigureServices(services => services.AddSingleton<IConnectionListenerFactory, PolledListeners>())
            : host;

    private sealed class PolledListeners : IConnectionListenerFactory, IConnectionListenerFactorySelector
    {
        private const int Backlog = 512;

        public bool CanBind(EndPoint endpoint) => endpoint is IPEndPoint;

        public ValueTask<IConnectionListener> BindAsync(EndPoint endpoint, CancellationToken cancellationToken = default)
        {
            Socket? socket = null;
            try
            {
                socket = SocketTransportOptions.CreateDefaultBoundListenSocket(endpoint);
                socket.Listen(Backlog);
                return ValueTask.FromResult<IConnectionListener>(new PolledListener(socket));
            }
            catch (SocketException error)
            {
                socket?.Dispose();
                throw error.SocketErrorCode == SocketError.AddressAlreadyInUse ? new AddressInUseException(error.Message, error) : error;
            }
        }
    }

    private sealed class PolledListener(Socket socket) : IConnectionListener
    {
        /// <summary>What is short, such as descriptors or memory, may be there again a little later.</summary>
        private static readonly TimeSpan AfterShortage = TimeSpan.FromMilliseconds(50);

        public EndPoint EndPoint { get; } = socket.LocalEndPoint!;

        public async ValueTask<ConnectionContext?> AcceptAsync(CancellationToken cancellationToken = default)
        {
            while (true)
            {
                Socket? accepted = null;
                try
                {
                    accepted = await socket.AcceptAsync(cancellationToken);
                    accepted.NoDelay = true;
                    return new PolledConnection(accepted);
                }
                catch (Exception error) when (accepted is null && error is ObjectDisposedException or OperationCanceledException or SocketException { SocketErrorCode: SocketError.OperationAborted })
                {
                    return null;
                }
                catch (Exception error)
                {
                    accepted?.Dispose();
                    if (error is not SocketException { SocketErrorCode: SocketError.ConnectionAborted or SocketError.ConnectionReset })
                    {
                        await Task.Delay(AfterShortage, cancellationToken);
                    }
                }
            }
        }

        public ValueTask UnbindAsync(CancellationToken cancellationToken = default) => DisposeAsync();

        public ValueTask DisposeAsync()
        {
            socket.Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
