using System.Buffers.Binary;
using System.Text;
using System.Threading.Channels;

namespace Guru.EndToEnd.Tests;

/// <summary>At which step of an append the disk turns out to be full.</summary>
internal enum FullAt
{
    Nothing,

    /// <summary>Before anything of it is written.</summary>
    Write,

    /// <summary>When all of it is written.</summary>
    Commit,
}

/// <summary>
/// A double on the wire between Guru and a PostgreSQL, as if the disk behind that were full: appends end with SQLSTATE 53100, all else goes on. It knows
/// as much of protocol 3.0 as tells the messages apart, and takes nothing away. To refuse, it puts a Parse of what is no SQL before the message that is to
/// fail, and gives the server's complaint of that other words: so it is the server that skips the rest of the batch, rolls back, knows which statements are
/// prepared, and tells the state of the transaction.
/// </summary>
internal sealed class FullDisk
{
    private const int EncryptionRequests = 1234 << 16 | 5679; // For TLS; that for GSS is the next.
    private const string NoSql = "the_disk_is_full";

    private static readonly byte[] NoStatement = Message('P', $"{NoSql}\0{NoSql}\0\0\0");

    private static readonly byte[] NoSpace = Message(
        'E', "SERROR\0VERROR\0C53100\0Mcould not extend file \"base/5/16400\": No space left on device\0HCheck free disk space.\0Fmd.c\0L494\0Rmdextend\0\0");

    private readonly Channel<(FullAt Step, string Append)> _refused = Channel.CreateUnbounded<(FullAt, string)>();

    public FullAt At { get; set; }

    /// <summary>Waits until an append to a stream has been refused at a step. As only one of a stream is under way, those before it are stored.</summary>
    public async Task RefusedAsync(FullAt step, string streamId)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        while (await _refused.Reader.ReadAsync(patience.Token) is var refused
            && (refused.Step != step || !refused.Append.Contains(streamId, StringComparison.Ordinal)))
        {
            // Another's.
        }
    }

    /// <summary>Carries the messages of a connection; for a <see cref="TcpGate"/>.</summary>
    public async Task JoinAsync(Stream near, Stream far, CancellationToken cancellationToken)
    {
        await GreetAsync(near, far, cancellationToken);
        var session = new Session(this);
        await Task.WhenAny(
            CarryAsync(near, far, session.Ask, cancellationToken),
            CarryAsync(far, near, session.Answer, cancellationToken));
    }

    /// <summary>What comes first has no type: wishes for encryption, which are not met, and who it is.</summary>
    private static async Task GreetAsync(Stream near, Stream far, CancellationToken cancellationToken)
    {
        while (true)
        {
            var first = await ReadAsync(near, before: 0, cancellationToken);
            if (BinaryPrimitives.ReadInt32BigEndian(first.AsSpan(sizeof(int))) is not (EncryptionRequests or EncryptionRequests + 1))
            {
                await far.WriteAsync(first, cancellationToken);
                return;
            }

            await near.WriteAsync("N"u8.ToArray(), cancellationToken);
        }
    }

    /// <param name="pass">What to send for a message.</param>
    private static async Task CarryAsync(Stream from, Stream to, Func<byte[], IReadOnlyList<byte[]>> pass, CancellationToken cancellationToken)
    {
        while (true)
        {
            foreach (var message in pass(await ReadAsync(from, before: 1, cancellationToken)))
            {
                await to.WriteAsync(message, cancellationToken);
            }
        }
    }

    /// <param name="before">How many bytes are before the length, which counts itself and what is behind it.</param>
    private static async Task<byte[]> ReadAsync(Stream from, int before, CancellationToken cancellationToken)
    {
        var head = new byte[before + sizeof(int)];
        await from.ReadExactlyAsync(head, cancellationToken);
        var message = new byte[before + BinaryPrimitives.ReadInt32BigEndian(head.AsSpan(before))];
        head.CopyTo(message, 0);
        await from.ReadExactlyAsync(message.AsMemory(head.Length), cancellationToken);
        return message;
    }

    private static byte[] Message(char type, string body)
    {
        var message = new byte[1 + sizeof(int) + Encoding.ASCII.GetByteCount(body)];
        message[0] = (byte)type;
        BinaryPrimitives.WriteInt32BigEndian(message.AsSpan(1), message.Length - 1);
        Encoding.ASCII.GetBytes(body, message.AsSpan(1 + sizeof(int)));
        return message;
    }

    /// <summary>A connection; one batch of it is under way at a time.</summary>
    private sealed class Session(FullDisk disk)
    {
        private readonly HashSet<string> _appending = new(StringComparer.Ordinal);

        /// <summary>The parameters of what is executed next, and of the last in this batch; null where it is no append.</summary>
        private string? _next, _last;

        private (FullAt Step, string Append) _refusing;

        /// <summary>From Guru.</summary>
        public IReadOnlyList<byte[]> Ask(byte[] message)
        {
            switch ((char)message[0])
            {
                case 'P' when Texts(message) is [var statement, var sql, ..]: // Parse
                    _ = sql.Contains("guru.append_", StringComparison.Ordinal) ? _appending.Add(statement) : _appending.Remove(statement);
                    break;
                case 'B' when Texts(message) is [_, var statement, ..]: // Bind
                    _next = _appending.Contains(statement) ? Encoding.Latin1.GetString(message) : null;
                    _last = _next ?? _last;
                    break;
                case 'E' when disk.At == FullAt.Write && _next is { } append: // Execute
                    _refusing = (FullAt.Write, append);
                    return [NoStatement, message];
                case 'S': // Sync
                    var written = _last;
                    (_next, _last) = (null, null);
                    if (disk.At == FullAt.Commit && written is not null)
                    {
                        _refusing = (FullAt.Commit, written);
                        return [NoStatement, message];
                    }

                    break;
            }

            return [message];
        }

        /// <summary>From the server.</summary>
        public IReadOnlyList<byte[]> Answer(byte[] message)
        {
            if (message[0] != 'E' || !Encoding.ASCII.GetString(message).Contains(NoSql, StringComparison.Ordinal)) // ErrorResponse
            {
                return [message];
            }

            disk._refused.Writer.TryWrite(_refusing);
            return [NoSpace];
        }

        private static string[] Texts(byte[] message) => Encoding.UTF8.GetString(message.AsSpan(1 + sizeof(int))).Split('\0', 3);
    }
}
