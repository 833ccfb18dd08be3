using System.Buffers;
using Guru.Application.Voice;
using Guru.Application.VoiceSessions;
using Guru.Infrastructure.OpenAI;
using Guru.Infrastructure.Sockets;
using Guru.Sandbox.OpenAI;

namespace Guru.Rehearsal;

/// <summary>
/// A session with the sandbox's model in virtual time: Guru's reader and writer on one side, the sandbox's protocol core on the
/// other, and no socket between them.
/// </summary>
internal sealed class VirtualModel
{
    private readonly RealtimeSession _core;
    private readonly JsonStrings _strings = new();
    private readonly HashSet<string> _toolCalls = new(StringComparer.Ordinal);
    private readonly ArrayBufferWriter<byte> _output = new();
    private readonly TimeSpan _startedAt;
    private int _commands;

    public VirtualModel(RealtimeSessionOptions options, VoiceConfiguration configuration, TimeSpan now)
    {
        (_core, _startedAt) = (new RealtimeSession(options), now);
        ExpiresAt = now + (options.Faults.ExpiresAfter ?? TimeSpan.FromMinutes(60));
        _core.Start(TimeSpan.Zero);
        RealtimeWriter.WriteSessionUpdate(_output, configuration, "configure-1");
        Receive(now);
    }

    public string SessionId => _core.Id;

    public TimeSpan ExpiresAt { get; }

    /// <summary>The session confirmed its configuration; until then nothing else it says matters.</summary>
    public bool IsReady { get; private set; }

    /// <summary>It closed before it was ready.</summary>
    public ModelClosed? Refused { get; private set; }

    public TimeSpan? NextDue => _core.NextDue + _startedAt;

    public IReadOnlyList<Truncation> Truncations => _core.Truncations;

    public void Append(ReadOnlySpan<byte> payload, TimeSpan now)
    {
        _output.Write(RealtimeWriter.AppendPrefix);
        _output.Write(payload);
        _output.Write(RealtimeWriter.AppendSuffix);
        Receive(now);
    }

    public void Send(ModelCommand command, TimeSpan now)
    {
        RealtimeWriter.WriteCommand(_output, command, $"{RealtimeWriter.KindOf(command)}-{++_commands}");
        Receive(now);
    }

    /// <summary>What the model has said by now; the audio of a message is valid until the next.</summary>
    public bool TryRead(TimeSpan now, out ModelMessage message)
    {
        _core.Advance(now - _startedAt);
        while (_core.TryTake(out var said))
        {
            if (said.Kind is ServerMessageKind.Close or ServerMessageKind.Reset or ServerMessageKind.Mute)
            {
                var closed = new ModelClosed(said.Kind == ServerMessageKind.Close ? said.CloseCode : null, said.CloseReason);
                Refused = IsReady ? null : closed;
                message = new ModelMessage(closed, default);
                return true;
            }

            IsReady |= said.Type == "session.updated";
            if (RealtimeReader.Read(said.Utf8, _strings, out _) is { } read && !(read.Event is ToolCalled call && !_toolCalls.Add(call.ToolCallId)))
            {
                message = read;
                return true;
            }
        }

        message = default;
        return false;
    }

    private void Receive(TimeSpan now)
    {
        _core.Receive(_output.WrittenMemory, now - _startedAt);
        _output.ResetWrittenCount();
    }
}
