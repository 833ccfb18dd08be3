using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;
using Guru.Application.Voice;
using Guru.Application.VoiceSessions;
using Guru.Domain.Calls;

namespace Guru.Infrastructure.OpenAI;

/// <summary>
/// Commands to the voice model as bytes, in the shape of the GA API. Nulls are written where they switch something off: a member
/// that is left out keeps the vendor's default.
/// </summary>
public static class RealtimeWriter
{
    // Relaxed, since the default would write every letter beyond ASCII as an escape; nothing here becomes HTML.
    private static readonly JsonWriterOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>An append is this, the payload in base64, and <see cref="AppendSuffix"/>.</summary>
    public static ReadOnlySpan<byte> AppendPrefix => "{\"type\":\"input_audio_buffer.append\",\"audio\":\""u8;

    public static ReadOnlySpan<byte> AppendSuffix => "\"}"u8;

    /// <param name="eventId">Comes back with an error that this causes.</param>
    public static void WriteSessionUpdate(IBufferWriter<byte> output, VoiceConfiguration configuration, string eventId)
    {
        using var json = Begin(output, "session.update", eventId);
        json.WriteStartObject("session"u8);
        WriteSession(json, configuration, CallChannel.Whatsapp);
        json.WriteEndObject();
        json.WriteEndObject();
    }

    /// <summary>The configuration of a browser's session, as a JSON object: WebRTC agrees on the audio's format, and no URL names the model.</summary>
    public static byte[] BrowserSession(VoiceConfiguration configuration)
    {
        var output = new ArrayBufferWriter<byte>(4096);
        using (var json = new Utf8JsonWriter(output, Options))
        {
            json.WriteStartObject();
            json.WriteString("model"u8, configuration.Model);
            WriteSession(json, configuration, CallChannel.Webapp);
            json.WriteEndObject();
        }

        return output.WrittenSpan.ToArray();
    }

    /// <summary>The one shape of a configuration: what differs between the channels is the audio's format.</summary>
    private static void WriteSession(Utf8JsonWriter json, VoiceConfiguration configuration, CallChannel channel)
    {
        json.WriteString("type"u8, "realtime"u8);
        json.WriteString("instructions"u8, configuration.Instructions);
        json.WriteStartArray("output_modalities"u8);
        json.WriteStringValue("audio"u8);
        json.WriteEndArray();
        if (configuration.ReasoningEffort is { } effort && configuration.Model.StartsWith("gpt-realtime-2", StringComparison.Ordinal))
        {
            json.WriteStartObject("reasoning"u8);
            json.WriteString("effort"u8, effort);
            json.WriteEndObject();
        }

        json.WriteStartObject("audio"u8);
        WriteInput(json, configuration, channel);
        json.WriteStartObject("output"u8);
        WriteFormat(json, channel);
        json.WriteString("voice"u8, configuration.Voice);
        json.WriteNumber("speed"u8, 1);
        json.WriteEndObject();
        json.WriteEndObject();

        WriteTools(json, configuration);
        json.WriteString("tool_choice"u8, "auto"u8);
        json.WriteNumber("max_output_tokens"u8, configuration.MaxOutputTokens);

        // Drops of old turns are rarer this way, and each costs the cached prefix.
        json.WriteStartObject("truncation"u8);
        json.WriteString("type"u8, "retention_ratio"u8);
        json.WriteNumber("retention_ratio"u8, 0.8);
        json.WriteEndObject();
        json.WriteNull("tracing"u8);
    }

    /// <param name="eventId">Comes back with an error that this causes.</param>
    /// <param name="channel">Of the call whose session it is for.</param>
    public static void WriteCommand(IBufferWriter<byte> output, ModelCommand command, string eventId, CallChannel channel = CallChannel.Whatsapp)
    {
        switch (command)
        {
            case AddSystemItem c:
                WriteSystemItem(output, c, eventId);
                break;
            case Configure { IsFresh: true } c when channel == CallChannel.Whatsapp:
                WriteSessionUpdate(output, c.Configuration, eventId);
                break;
            case Configure c:
                WriteChange(output, c.Configuration, eventId, channel);
                break;
            case AnswerTool c:
                WriteToolAnswer(output, c, eventId);
                break;
            case CreateResponse c:
                WriteResponse(output, c, eventId);
                break;
            case TruncateItem c:
                WriteTruncate(output, c, eventId);
                break;
            case CancelResponse c:
                WriteCancel(output, c, eventId);
                break;
            case RetrieveItem c:
                using (var json = Begin(output, "conversation.item.retrieve", eventId))
                {
                    json.WriteString("item_id"u8, c.ItemId);
                    json.WriteEndObject();
                }

                break;
            case CommitTurn:
                using (var json = Begin(output, "input_audio_buffer.commit", eventId))
                {
                    json.WriteEndObject();
                }

                break;
            default:
                throw new ArgumentException($"{command.GetType().Name} has no shape on the wire.", nameof(command));
        }
    }

    /// <summary>A word for a command, to tell in logs and event ids which one an error is about.</summary>
    public static string KindOf(ModelCommand command) => command switch
    {
        AddSystemItem => "system",
        Configure => "configure",
        AnswerTool => "tool",
        CreateResponse => "response",
        TruncateItem => "truncate",
        CancelResponse => "cancel",
        CommitTurn => "commit",
        RetrieveItem => "retrieve",
        _ => "command",
    };

    /// <summary>Only what may change in a session that has spoken. The formats are told again, so that no merge can lose them; the voice is not.</summary>
    private static void WriteChange(IBufferWriter<byte> output, VoiceConfiguration configuration, string eventId, CallChannel channel)
    {
        using var json = Begin(output, "session.update", eventId);
        json.WriteStartObject("session"u8);
        json.WriteString("type"u8, "realtime"u8);
        json.WriteString("instructions"u8, configuration.Instructions);
        json.WriteStartObject("audio"u8);
        WriteInput(json, configuration, channel);
        json.WriteStartObject("output"u8);
        WriteFormat(json, channel);
        json.WriteEndObject();
        json.WriteEndObject();
        WriteTools(json, configuration);
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void WriteTools(Utf8JsonWriter json, VoiceConfiguration configuration)
    {
        json.WriteStartArray("tools"u8);
        foreach (var tool in configuration.Tools)
        {
            json.WriteStartObject();
            json.WriteString("type"u8, "function"u8);
            json.WriteString("name"u8, tool.Name);
            json.WriteString("description"u8, tool.Description);
            json.WritePropertyName("parameters"u8);
            json.WriteRawValue(tool.Parameters);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void WriteInput(Utf8JsonWriter json, VoiceConfiguration configuration, CallChannel channel)
    {
        json.WriteStartObject("input"u8);
        WriteFormat(json, channel);
        json.WriteNull("noise_reduction"u8);
        WriteTranscription(json, configuration.Transcription);
        json.WriteStartObject("turn_detection"u8);
        json.WriteString("type"u8, "server_vad"u8);
        json.WriteNumber("threshold"u8, configuration.TurnDetection.Threshold);
        json.WriteNumber("prefix_padding_ms"u8, configuration.TurnDetection.PrefixPaddingMs);
        json.WriteNumber("silence_duration_ms"u8, configuration.TurnDetection.SilenceDurationMs);
        json.WriteNull("idle_timeout_ms"u8);
        json.WriteBoolean("create_response"u8, true);
        json.WriteBoolean("interrupt_response"u8, true);
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void WriteTranscription(Utf8JsonWriter json, Transcription transcription)
    {
        json.WriteStartObject("transcription"u8);
        json.WriteString("model"u8, transcription.Model);

        // The newer models take several languages; the others one, or none.
        if (transcription.Languages.Count > 0
            && (transcription.Model.StartsWith("gpt-transcribe", StringComparison.Ordinal)
                || transcription.Model.StartsWith("gpt-live-transcribe", StringComparison.Ordinal)))
        {
            json.WriteStartArray("languages"u8);
            foreach (var language in transcription.Languages)
            {
                json.WriteStringValue(language);
            }

            json.WriteEndArray();
        }
        else if (transcription.Languages.Count == 1)
        {
            json.WriteString("language"u8, transcription.Languages[0]);
        }

        if (transcription.Prompt is not null)
        {
            json.WriteString("prompt"u8, transcription.Prompt);
        }

        json.WriteEndObject();
    }

    private static void WriteFormat(Utf8JsonWriter json, CallChannel channel)
    {
        if (channel == CallChannel.Webapp)
        {
            return;
        }

        json.WriteStartObject("format"u8);
        json.WriteString("type"u8, "audio/pcmu"u8);
        json.WriteEndObject();
    }

    private static void WriteSystemItem(IBufferWriter<byte> output, AddSystemItem command, string eventId)
    {
        using var json = Begin(output, "conversation.item.create", eventId);
        json.WriteStartObject("item"u8);
        json.WriteString("type"u8, "message"u8);
        json.WriteString("role"u8, "system"u8);
        json.WriteStartArray("content"u8);
        json.WriteStartObject();
        json.WriteString("type"u8, "input_text"u8);
        json.WriteString("text"u8, command.Text);
        json.WriteEndObject();
        json.WriteEndArray();
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void WriteToolAnswer(IBufferWriter<byte> output, AnswerTool command, string eventId)
    {
        using var json = Begin(output, "conversation.item.create", eventId);
        json.WriteStartObject("item"u8);
        json.WriteString("type"u8, "function_call_output"u8);
        json.WriteString("call_id"u8, command.ToolCallId);
        json.WriteString("output"u8, command.Output);
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void WriteResponse(IBufferWriter<byte> output, CreateResponse command, string eventId)
    {
        using var json = Begin(output, "response.create", eventId);
        json.WriteStartObject("response"u8);
        if (command.Instructions is not null)
        {
            json.WriteString("instructions"u8, command.Instructions);
        }

        json.WriteStartObject("metadata"u8);
        json.WriteString("purpose"u8, command.Purpose);
        json.WriteEndObject();
        if (!command.ToolsAllowed)
        {
            json.WriteStartArray("tools"u8);
            json.WriteEndArray();
            json.WriteString("tool_choice"u8, "none"u8);
        }

        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void WriteTruncate(IBufferWriter<byte> output, TruncateItem command, string eventId)
    {
        using var json = Begin(output, "conversation.item.truncate", eventId);
        json.WriteString("item_id"u8, command.ItemId);
        json.WriteNumber("content_index"u8, command.ContentIndex);
        json.WriteNumber("audio_end_ms"u8, command.AudioEndMs);
        json.WriteEndObject();
    }

    private static void WriteCancel(IBufferWriter<byte> output, CancelResponse command, string eventId)
    {
        using var json = Begin(output, "response.cancel", eventId);
        json.WriteString("response_id"u8, command.ResponseId);
        json.WriteEndObject();
    }

    private static Utf8JsonWriter Begin(IBufferWriter<byte> output, string type, string eventId)
    {
        var json = new Utf8JsonWriter(output, Options);
        json.WriteStartObject();
        json.WriteString("type"u8, type);
        json.WriteString("event_id"u8, eventId);
        return json;
    }
}
