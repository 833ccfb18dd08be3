using System.Buffers;
using System.Globalization;
using System.IO.Pipelines;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;

namespace Guru.Infrastructure.Sockets;

/// <summary>A connection of Kestrel's over a polled socket. It is read as far as the server asks for, and no further.</summary>
internal sealed class PolledConnection : DefaultConnectionContext, IDuplexPipe
{
    private static readonly StreamPipeReaderOptions Reading = new(MemoryPool<byte>.Shared, leaveOpen: true, useZeroByteReads: true);
    private static readonly StreamPipeWriterOptions Writing = new(MemoryPool<byte>.Shared, leaveOpen: true);
    private static long _lastId;

    /// <summary>What of a request that was refused is read past, so that its client gets the answer.</summary>
    private const int MostPast = 1024 * 1024;
    private static readonly TimeSpan PastWithin = TimeSpan.FromSeconds(1);

    private readonly CancellationTokenSource _closed = new();
    private readonly PolledStream _stream;
    private bool _takenOver;
    private bool _isClosed;

    /// <param name="accepted">Owned from here on.</param>
    public PolledConnection(Socket accepted)
        : base($"{Interlocked.Increment(ref _lastId).ToString("x", CultureInfo.InvariantCulture)}")
    {
        (LocalEndPoint, RemoteEndPoint) = (accepted.LocalEndPoint, accepted.RemoteEndPoint);
        ConnectionClosed = _closed.Token;
        Transport = this;
        _stream = PolledStream.Of(accepted, Close);
        Input = PipeReader.Create(_stream, Reading);
        Output = PipeWriter.Create(new Answers(_stream, Close), Writing);
        Features.Set(this);
    }

    public PipeReader Input { get; }

    public PipeWriter Output { get; }

    /// <summary>
    /// After an upgrade: the connection itself, without the server's pipes. The answer to the upgrade has been sent; what came after the request is read first.
    /// Whoever reads or writes goes on on the poller's thread.
    /// </summary>
    public PolledStream TakeOver()
    {
        if (Input.TryRead(out var read))
        {
            _stream.Unread(read.Buffer.ToArray());
            Input.AdvanceTo(read.Buffer.End);
        }

        _takenOver = true;
        _stream.GoesOnInline = true;
        return _stream;
    }

    /// <param name="abortReason">Null where the other side has closed the connection: what it sent before can still be read.</param>
    public override void Abort(ConnectionAbortedException? abortReason)
    {
        if (abortReason is null)
        {
            _stream.EndSending();
        }
        else
        {
            _stream.Abort(abortReason);
        }

        Close();
    }

    public override async ValueTask DisposeAsync()
    {
        await _stream.LingerAsync(_takenOver ? 0 : MostPast, PastWithin);

        // The server has flushed what it had to say, and nobody is there any more to wait for one who does not read.
        var over = new ConnectionAbortedException();
        await Input.CompleteAsync(over);
        await Output.CompleteAsync(over);
        await base.DisposeAsync();
    }

    /// <summary>On the poller's thread, where nobody else's code may run. Who has taken the connection over sees its end by itself, and reads up to it.</summary>
    private void Close()
    {
        if (!Volatile.Read(ref _takenOver) && !Interlocked.Exchange(ref _isClosed, value: true))
        {
            ThreadPool.UnsafeQueueUserWorkItem(static closed => Cancel(closed), _closed, preferLocal: false);
        }
    }

    private static void Cancel(CancellationTokenSource closed)
    {
        try
        {
            closed.Cancel();
        }
        catch (AggregateException)
        {
            // What was to be done when the connection closes failed, and this thread is nobody's who could be told.
        }
    }

    /// <summary>
    /// The server's way out. It takes an answer that cannot be sent for its own fault and logs it as one: it is told that the connection is closed instead.
    /// </summary>
    private sealed class Answers(PolledStream connection, Action onLost) : AsyncStream
    {
        public override bool CanRead => false;

        public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            try
            {
                await connection.WriteAsync(buffer, cancellationToken);
            }
            catch (IOException)
            {
                onLost();
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                connection.Abort(); // A part may have been sent, and would be sent again.
                onLost();
                throw;
            }
        }
    }
}
