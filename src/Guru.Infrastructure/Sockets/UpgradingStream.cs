namespace Guru.Infrastructure.Sockets;

/// <summary>
/// A connection on which an HTTP client asks for an upgrade. The client is given no byte past the head of an answer, so that it has nothing left of what
/// follows: once taken over, this is the connection itself, without the client's layers and buffers between.
/// </summary>
internal sealed class UpgradingStream(Stream connection) : AsyncStream
{
    private const int HeadBytes = 1024;

    private byte[] _ahead = [];
    private int _start;
    private int _end;
    private bool _lineBegins;
    private bool _takenOver;

    /// <summary>After an upgrade: from here on the client reads nothing more, and its end is not the connection's.</summary>
    public void TakeOver() => _takenOver = true;

    /// <summary>Ends a connection that was taken over.</summary>
    public void Abort() => connection.Dispose();

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
        buffer.IsEmpty || (_takenOver && _start == _end)
            ? connection.ReadAsync(buffer, cancellationToken)
            : ReadAheadAsync(buffer, cancellationToken);

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) => connection.WriteAsync(buffer, cancellationToken);

    public override Task FlushAsync(CancellationToken cancellationToken) => connection.FlushAsync(cancellationToken);

    public override void Flush() => connection.Flush();

    protected override void Dispose(bool disposing)
    {
        if (disposing && !_takenOver)
        {
            connection.Dispose();
        }

        base.Dispose(disposing);
    }

    private async ValueTask<int> ReadAheadAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        if (_start == _end)
        {
            _ahead = _ahead.Length == 0 ? new byte[HeadBytes] : _ahead;
            (_start, _end) = (0, await connection.ReadAsync(_ahead, cancellationToken));
        }

        var ahead = _ahead.AsSpan(_start, Math.Min(_end - _start, buffer.Length));
        var taken = _takenOver ? ahead : ahead[..UpToEndOfHead(ahead)];
        taken.CopyTo(buffer.Span);
        _start += taken.Length;
        return taken.Length;
    }

    /// <summary>A head ends with an empty line. Lines end as HTTP's do, or as its readers let pass: without the carriage return.</summary>
    private int UpToEndOfHead(ReadOnlySpan<byte> bytes)
    {
        for (var i = 0; i < bytes.Length; i++)
        {
            if (bytes[i] == '\n' && _lineBegins)
            {
                _lineBegins = false;
                return i + 1;
            }

            _lineBegins = bytes[i] == '\n' || (_lineBegins && bytes[i] == '\r');
        }

        return bytes.Length;
    }
}
