using System.Text.Json.Serialization;
using Guru.Application.VoiceSessions;

namespace Guru.Application.Voice;

/// <summary>Opens sessions with a voice model. OpenAI's Realtime API is the one adapter today.</summary>
public interface IVoiceModelDialer
{
    /// <summary>Connects, configures the session, and returns once the model has confirmed G.711 mu-law both ways.</summary>
    /// <param name="safetyIdentifier">A keyed hash that tells callers apart for the model's operator.</param>
    /// <exception cref="VoiceModelException">No session could be had.</exception>
    Task<IVoiceModel> DialAsync(VoiceConfiguration configuration, string safetyIdentifier, CancellationToken cancellationToken);
}

/// <summary>One session with a voice model. Sends never wait: they are queued in order.</summary>
public interface IVoiceModel : IAsyncDisposable
{
    string SessionId { get; }

    /// <summary>When the model will close the session.</summary>
    DateTimeOffset ExpiresAt { get; }

    /// <summary>Reads what the model sends, until the socket closes. The last message is always a <see cref="ModelClosed"/>.</summary>
    Task ReadAsync(Receiver<ModelMessage> receive, CancellationToken cancellationToken);

    /// <summary>Queues audio of the caller.</summary>
    /// <param name="payload">G.711 mu-law at 8 kHz in base64; copied.</param>
    void AppendAudio(ReadOnlySpan<byte> payload);

    void Send(ModelCommand command);
}

/// <summary>Why no session could be had.</summary>
/// <param name="code">The model's error code, or the HTTP status of the refused upgrade.</param>
/// <param name="transient">Trying again may help; not for a wrong key, a missing model or an exhausted quota.</param>
public sealed class VoiceModelException(string code, bool transient, Exception? inner = null)
    : Exception($"The voice model refused the session: {code}.", inner)
{
    /// <summary>The call that was to be attended is over.</summary>
    public const string CallOver = "call_over";

    /// <summary>What the browser offers is not understood.</summary>
    public const string InvalidOffer = "invalid_offer";

    public string Code { get; } = code;

    public bool Transient { get; } = transient;

    /// <summary>Of HTTP, where that was the answer.</summary>
    public int? Status { get; init; }

    /// <summary>How long to wait, where it says so.</summary>
    public TimeSpan? RetryAfter { get; init; }
}

/// <summary>Either a slice of speech or an event; audio stays in the receive buffer, so that no frame allocates.</summary>
public readonly record struct ModelMessage(ModelEvent? Event, ModelAudio Audio);

/// <param name="ItemId">UTF-8, valid until the next message.</param>
/// <param name="ResponseId">UTF-8, valid until the next message.</param>
/// <param name="Payload">Base64 of G.711 mu-law, valid until the next message.</param>
/// <param name="Bytes">How many bytes of audio the payload holds.</param>
public readonly record struct ModelAudio(
    ReadOnlyMemory<byte> ResponseId,
    ReadOnlyMemory<byte> ItemId,
    int ContentIndex,
    ReadOnlyMemory<byte> Payload,
    int Bytes);

/// <summary>What a voice model tells. The order is that of reference "typical order"; nothing but it is relied on.</summary>
public abstract record ModelEvent;

/// <param name="AudioStartMs">Milliseconds of audio appended in this session.</param>
public sealed record SpeechStarted(string ItemId, long AudioStartMs) : ModelEvent;

public sealed record SpeechStopped(string ItemId, long AudioEndMs) : ModelEvent;

/// <summary>The caller's turn became an item of the conversation.</summary>
public sealed record TurnCommitted(string ItemId, string? PreviousItemId) : ModelEvent;

public sealed record CallerTranscribed(string ItemId, string Text, string? Language, ModelUsage? Usage) : ModelEvent;

public sealed record CallerTranscriptionFailed(string ItemId, string? Code) : ModelEvent;

/// <param name="Purpose">As given with <see cref="CreateResponse"/>; null for a response the model began by itself.</param>
public sealed record ResponseCreated(string ResponseId, string? Purpose) : ModelEvent;

/// <param name="Type">message, function_call and others.</param>
public sealed record OutputItemAdded(string ResponseId, string ItemId, string Type) : ModelEvent;

/// <param name="ContentIndex">Which part of the item; most have one.</param>
public sealed record AgentTranscriptDelta(string ResponseId, string ItemId, string Text, int ContentIndex = 0) : ModelEvent;

/// <inheritdoc cref="AgentTranscriptDelta"/>
public sealed record AgentTranscriptDone(string ResponseId, string ItemId, string Text, int ContentIndex = 0) : ModelEvent;

/// <summary>No more audio of this part of the item will come.</summary>
/// <inheritdoc cref="AgentTranscriptDelta"/>
public sealed record AgentAudioDone(string ResponseId, string ItemId, int ContentIndex = 0) : ModelEvent;

public sealed record ToolCalled(string ResponseId, string ItemId, string ToolCallId, string Name, string Arguments) : ModelEvent;

/// <param name="Status">completed, cancelled, incomplete or failed.</param>
/// <param name="ErrorCode">Of a failed response.</param>
/// <param name="RetryAfter">How long to wait before it is asked for again, where the error says so.</param>
/// <param name="Lasting">Nothing else that is asked would be answered either: the key, the model or the money is at fault.</param>
public sealed record ResponseDone(
    string ResponseId, string? Purpose, string Status, string? Reason, string? ErrorCode, ModelUsage? Usage, TimeSpan? RetryAfter = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)] bool Lasting = false) : ModelEvent;

/// <inheritdoc cref="ResponseDone"/>
public sealed record ModelErrored(
    string? Code, string? ClientEventId, TimeSpan? RetryAfter = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)] bool Lasting = false) : ModelEvent;

/// <summary>The model's own side begins to play a response to the caller: of calls whose audio goes past Guru, like the next five.</summary>
public sealed record PlaybackStarted(string ResponseId) : ModelEvent;

/// <summary>The caller has heard all of it.</summary>
public sealed record PlaybackStopped(string ResponseId) : ModelEvent;

/// <summary>The caller spoke, and what was left of it was dropped.</summary>
public sealed record PlaybackCleared(string ResponseId) : ModelEvent;

/// <summary>So much of an item was heard.</summary>
public sealed record ItemTruncated(string ItemId, long AudioEndMs) : ModelEvent;

/// <summary>An item of the conversation is final, a caller's transcript apart.</summary>
public sealed record ItemDone(string ItemId, string? PreviousItemId) : ModelEvent;

/// <summary>An item that was asked for.</summary>
/// <param name="Role">user, assistant or system.</param>
/// <param name="Text">Null where it has no transcript, or none yet.</param>
public sealed record ItemRetrieved(string ItemId, string Role, string? Text) : ModelEvent;

/// <summary>The socket is closed.</summary>
/// <param name="Code">The close code, or null after an abrupt loss.</param>
public sealed record ModelClosed(int? Code, string? Reason) : ModelEvent
{
    /// <summary>The reason where nobody said one: it answered no ping, so that what was sent to it last may never have reached it.</summary>
    public const string Silent = "silent";
}

/// <param name="Seconds">For models priced by time.</param>
public sealed record ModelUsage(
    int InputText, int InputAudio, int CachedText, int CachedAudio, int OutputText, int OutputAudio, double? Seconds = null);

/// <summary>What a voice model is told.</summary>
public abstract record ModelCommand;

/// <summary>Puts a text before the model that nobody said.</summary>
public sealed record AddSystemItem(string Text) : ModelCommand;

/// <summary>Makes the session another agent's, or another language's.</summary>
/// <param name="IsFresh">The model has not spoken in this session: only then can the voice change.</param>
public sealed record Configure(VoiceConfiguration Configuration, bool IsFresh) : ModelCommand;

/// <param name="Purpose">Comes back with the response.</param>
/// <param name="Instructions">In place of the session's; null keeps them.</param>
/// <param name="ToolsAllowed">False: this response must be speech alone.</param>
public sealed record CreateResponse(string Purpose, string? Instructions, bool ToolsAllowed = true) : ModelCommand;

public sealed record TruncateItem(string ItemId, int ContentIndex, long AudioEndMs) : ModelCommand;

/// <param name="Output">JSON.</param>
public sealed record AnswerTool(string ToolCallId, string Output) : ModelCommand;

public sealed record CancelResponse(string ResponseId) : ModelCommand;

/// <summary>Asks for an item again; <see cref="ItemRetrieved"/> answers.</summary>
public sealed record RetrieveItem(string ItemId) : ModelCommand;

/// <summary>Makes a turn of what the caller has said so far, without waiting for the end of speech.</summary>
public sealed record CommitTurn : ModelCommand;
