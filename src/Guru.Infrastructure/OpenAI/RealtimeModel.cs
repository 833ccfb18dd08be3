using System.Buffers;
using System.Net.WebSockets;
using Guru.Application.Voice;
using Guru.Domain.Calls;
using Guru.Infrastructure.Sockets;

namespace Guru.Infrastructure.OpenAI;

/// <summary>One session of OpenAI's Realtime API, after its configuration was confirmed. Speech is read and appended without allocating.</summary>
internal sealed class RealtimeModel : IVoiceModel
{
    private readonly JsonSocket _socket;
    private readonly JsonStrings _strings = new();
    private readonly HashSet<string> _toolCalls = new(StringComparer.Ordinal);
    private readonly Lock _gate = new();
    private readonly ArrayBufferWriter<byte> _command = new();
    private readonly CallChannel _channel;
    private int _commands;
    private int _disposed;

    internal RealtimeModel(JsonSocket socket, string sessionId, DateTimeOffset expiresAt, CallChannel channel = CallChannel.Whatsapp)
    {
        (_socket, _channel) = (socket, channel);
        SessionId = sessionId;
        ExpiresAt = expiresAt;
    }

    public string SessionId { get; }

    public DateTimeOffset ExpiresAt { get; }

    public Task ReadAsync(Receiver<ModelMessage> receive, CancellationToken cancellationToken) =>
        _socket.ReadAsync((in SocketMessage received) => Take(received, receive), cancellationToken);

    public void AppendAudio(ReadOnlySpan<byte> payload) => _socket.Send(RealtimeWriter.AppendPrefix, payload, RealtimeWriter.AppendSuffix);

    /// <remarks>The command's event id, which an error refers to, is its kind and a number: <c>truncate-7</c>.</remarks>
    public void Send(ModelCommand command)
    {
        lock (_gate)
        {
            _command.ResetWrittenCount();
            RealtimeWriter.WriteCommand(_command, command, $"{RealtimeWriter.KindOf(command)}-{++_commands}", _channel);
            _socket.Send(_command.WrittenSpan);
        }
    }

    /// <summary>Closes the session politely within its time limit: a session left open is billed.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) == 0)
        {
            await _socket.CloseAsync(WebSocketCloseStatus.NormalClosure, "", CancellationToken.None);
            await _socket.DisposeAsync();
        }
    }

    private bool Take(in SocketMessage received, Receiver<ModelMessage> receive)
    {
        if (received.Kind != SocketMessageKind.End)
        {
            return Message(received) is not { } message || receive(message);
        }

        var reason = _socket.Ending is { Reason: SocketEndReason.Silent } ? ModelClosed.Silent : _socket.Ending?.CloseReason;
        receive(new ModelMessage(new ModelClosed(_socket.Ending?.CloseCode, reason), default));
        return false;
    }

    private ModelMessage? Message(in SocketMessage received)
    {
        if (received.Kind == SocketMessageKind.Binary)
        {
            WireMetrics.ModelMalformed.Add(1);
            return null;
        }

        var message = RealtimeReader.Read(received.Text, _strings, out var malformed);
        if (malformed)
        {
            WireMetrics.ModelMalformed.Add(1);
        }

        // Two events describe each tool call: its arguments, and the item that holds them.
        return message?.Event is ToolCalled call && !_toolCalls.Add(call.ToolCallId) ? null : message;
    }
}
