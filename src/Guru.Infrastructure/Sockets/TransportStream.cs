using System.IO.Pipelines;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http;

namespace Guru.Infrastructure.Sockets;

/// <summary>
/// A server's connection after an upgrade, without the layers of HTTP between. Reads come from the server's pipe; writes go to the socket, or, where it is
/// encrypted, through the server's stream.
/// </summary>
internal sealed class TransportStream(PipeReader input, Stream output) : Stream
{
    public override bool CanRead => true;

    public override bool CanWrite => true;

    public override bool CanSeek => false;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    /// <param name="upgraded">What the server gave for the upgrade; used where it does not show its connection.</param>
    /// <remarks>
    /// Once the other side has sent something, it has read the answer to the upgrade, so that nothing of the server's is left to be written. One that did not
    /// wait for that answer, as it must, is written to by way of the server: what the server has not written yet goes first.
    /// </remarks>
    public static Stream Of(HttpContext context, Stream upgraded)
    {
        if (context.Features.Get<IConnectionTransportFeature>()?.Transport is not { } transport)
        {
            return upgraded;
        }

        var socket = context.Features.Get<ITlsHandshakeFeature>() is null && !HasSent(transport.Input) ? context.Features.Get<IConnectionSocketFeature>()?.Socket : null;
        return new TransportStream(transport.Input, socket is null ? upgraded : new NetworkStream(socket, ownsSocket: false));
    }

    private static bool HasSent(PipeReader input)
    {
        if (!input.TryRead(out var result))
        {
            return false;
        }

        input.AdvanceTo(result.Buffer.Start);
        return !result.Buffer.IsEmpty;
    }

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
        input.TryRead(out var result) && !IsWoken(result) ? ValueTask.FromResult(Take(result, buffer.Span)) : WaitAsync(buffer, cancellationToken);

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) => output.WriteAsync(buffer, cancellationToken);

    public override void Flush()
    {
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<int> WaitAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        while (true)
        {
            var result = await input.ReadAsync(cancellationToken).ConfigureAwait(false);
            if (!IsWoken(result))
            {
                return Take(result, buffer.Span);
            }
        }
    }

    /// <summary>A server that stops wakes its readers, so that no further request is read. This connection has none to come, and goes on until it is ended.</summary>
    private bool IsWoken(ReadResult result)
    {
        if (!result.IsCanceled || result.IsCompleted || !result.Buffer.IsEmpty)
        {
            return false;
        }

        input.AdvanceTo(result.Buffer.Start);
        return true;
    }

    private int Take(ReadResult result, Span<byte> buffer)
    {
        var taken = 0;
        foreach (var segment in result.Buffer)
        {
            var part = segment.Span[..Math.Min(segment.Length, buffer.Length - taken)];
            part.CopyTo(buffer[taken..]);
            taken += part.Length;
        }

        input.AdvanceTo(result.Buffer.GetPosition(taken));
        return taken;
    }
}
