using System.ComponentModel.DataAnnotations;

namespace Guru.Infrastructure.Sockets;

internal enum SocketMessageKind
{
    Text,

    /// <summary>Nothing here speaks binary; its content is not kept.</summary>
    Binary,

    /// <summary>No message will follow; <see cref="JsonSocket.Ending"/> tells why.</summary>
    End,
}

/// <param name="Text">UTF-8, in the receive buffer until the next message is asked for.</param>
internal readonly record struct SocketMessage(SocketMessageKind Kind, ReadOnlyMemory<byte> Text)
{
    public static SocketMessage Binary { get; } = new(SocketMessageKind.Binary, default);

    public static SocketMessage End { get; } = new(SocketMessageKind.End, default);
}

public enum SocketEndReason
{
    /// <summary>The other side sent a close frame, by itself or in answer to ours.</summary>
    PeerClosed,

    /// <summary>The connection broke, or the protocol was broken on it.</summary>
    Lost,

    /// <summary>The other side sent nothing for so long that it was pinged, and did not answer that either.</summary>
    Silent,

    /// <summary>A message outgrew its bound.</summary>
    MessageTooBig,

    /// <summary>The other side read so slowly that the queue outgrew its bound.</summary>
    TooFarBehind,

    /// <summary>Our close frame was not answered in time.</summary>
    CloseTimedOut,

    /// <summary>Given up by its owner.</summary>
    Disposed,
}

/// <param name="CloseCode">Of the other side's close frame.</param>
public sealed record SocketEnding(SocketEndReason Reason, int? CloseCode = null, string? CloseReason = null);

internal sealed record JsonSocketOptions
{
    /// <summary>The longest message that is read; beyond it the socket is closed with 1009.</summary>
    [Range(1, 64 * 1024 * 1024)]
    public int MaxMessageBytes { get; init; } = 1024 * 1024;

    /// <summary>How much may wait to be written; beyond it the socket is aborted.</summary>
    [Range(1, 64 * 1024 * 1024)]
    public int MaxQueuedBytes { get; init; } = 4 * 1024 * 1024;

    /// <summary>How long a close may take, with the writing of what is queued.</summary>
    public TimeSpan CloseTimeout { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>How long the other side may be silent before it is pinged; zero for ever.</summary>
    public TimeSpan KeepAliveInterval { get; init; }

    /// <summary>How long it may go on to be silent before the connection is taken for lost.</summary>
    public TimeSpan KeepAliveTimeout { get; init; }
}
