using Guru.Domain.Callers;

namespace Guru.Domain.Calls;

/// <summary>What happened in a call. The stream is <c>call-{CallSid}</c>; the names are part of the contract.</summary>
/// <param name="At">When it happened, UTC.</param>
public abstract record CallEvent(DateTimeOffset At);

/// <param name="CallerId">Whose call it is.</param>
/// <param name="Address">The caller's address without <c>whatsapp:</c>.</param>
/// <param name="Language">ISO 639-1, where the caller's language is known.</param>
/// <param name="StreamTokenHash">SHA-256 of the one-time token that the Media Stream must present, lowercase hexadecimal.</param>
/// <param name="Purpose">Why Guru calls; null where it is called.</param>
public sealed record CallStarted(
    CallSid CallSid,
    CallerId CallerId,
    [property: PersonalData(PersonalDataKind.Contact)] string Address,
    CallChannel Channel,
    CallDirection Direction,
    string? Language,
    string? StreamTokenHash,
    DateTimeOffset At,
    [property: PersonalData(PersonalDataKind.Transcript)] string? Purpose = null) : CallEvent(At);

/// <summary>Which agent takes the call, and why.</summary>
public sealed record AgentRouted(
    string Agent,
    [property: PersonalData(PersonalDataKind.Transcript)] string Reason,
    DateTimeOffset At) : CallEvent(At);

/// <summary>Another agent goes on with the call.</summary>
/// <param name="Reason">As the agent gave it that handed over.</param>
public sealed record AgentHandedOff(
    string From,
    string To,
    [property: PersonalData(PersonalDataKind.Transcript)] string Reason,
    DateTimeOffset At) : CallEvent(At);

/// <summary>The caller asked for a language, or turned out to speak it.</summary>
/// <param name="Language">ISO 639-1.</param>
/// <param name="Evidence">request or call.</param>
public sealed record CallLanguageDetermined(string Language, string Evidence, DateTimeOffset At) : CallEvent(At);

/// <summary>TwiML was answered that asks for a new Media Stream after one was lost.</summary>
/// <param name="Attempt">1 for the first stream after the one asked for by <see cref="CallStarted"/>.</param>
public sealed record MediaStreamRequested(string StreamTokenHash, int Attempt, DateTimeOffset At) : CallEvent(At);

/// <summary>A Media Stream presented its token and carries the call from here on, unless it was overtaken.</summary>
/// <param name="Node">The name of the Guru process that holds the socket.</param>
public sealed record MediaStreamConnected(string StreamSid, string StreamTokenHash, string Node, DateTimeOffset At) : CallEvent(At)
{
    /// <summary>A later stream has the call by the time this one is on record.</summary>
    public bool Overtaken { get; init; }
}

/// <summary>The call goes on over a new Media Stream.</summary>
/// <param name="GapMs">How long the caller had no stream, in milliseconds.</param>
public sealed record CallResumed(string StreamSid, long GapMs, DateTimeOffset At) : CallEvent(At);

/// <summary>A turn, in words.</summary>
/// <param name="UtteranceId">Model session id and item id, since item ids may repeat after a reconnect.</param>
/// <param name="Agent">Which agent spoke, or was spoken to.</param>
/// <param name="Said">What was spoken or meant to be spoken.</param>
/// <param name="Heard">What reached the other's ear: the caller's own words; the agent's up to where it was cut, estimated by time at a word boundary.</param>
/// <param name="Interrupted">The caller cut it off.</param>
/// <param name="StartMs">Milliseconds since the call's first <see cref="MediaStreamConnected"/>.</param>
/// <param name="EndMs">As <paramref name="StartMs"/>; for the agent, the end of what was heard; for the caller, of speech, without the silence that tells of it.</param>
/// <param name="SaidMs">Length of the audio that was meant to be heard.</param>
/// <param name="HeardMs">Length of the audio that was heard.</param>
/// <param name="Language">ISO 639-1, where the transcription told it.</param>
/// <param name="FirstAudioMs">Agent only: from the end of the caller's speech to the first audio sent to the carrier.</param>
/// <param name="FirstHeardMs">Agent only: from the end of the caller's speech to the first mark acknowledged by the carrier.</param>
/// <param name="ResponseId">Agent only: the response it was a part of, as in the <see cref="UsageRecorded.UsageId"/> that tells what it used.</param>
public sealed record UtteranceTranscribed(
    string UtteranceId,
    Speaker Speaker,
    string Agent,
    [property: PersonalData(PersonalDataKind.Transcript)] string Said,
    [property: PersonalData(PersonalDataKind.Transcript)] string Heard,
    bool Interrupted,
    TranscriptionOutcome Transcription,
    long StartMs,
    long EndMs,
    long SaidMs,
    long HeardMs,
    string? Language,
    long? FirstAudioMs,
    long? FirstHeardMs,
    DateTimeOffset At,
    string? ResponseId = null) : CallEvent(At);

/// <summary>The model's socket was replaced in mid call.</summary>
/// <param name="Reason">dropped, expiring, expired, error or handOff.</param>
/// <param name="GapMs">How long no model listened; the caller's audio of that time was kept and delivered.</param>
public sealed record VoiceModelReconnected(string Reason, int Attempts, long GapMs, string ModelSessionId, DateTimeOffset At) : CallEvent(At);

/// <summary>What one response, or one transcription, used. Cached tokens are part of the input tokens.</summary>
/// <param name="UsageId">The response's id, or the transcribed item's; with the model session's id before it.</param>
/// <param name="Kind">response or transcription.</param>
/// <param name="Seconds">For models priced by time.</param>
public sealed record UsageRecorded(
    string UsageId,
    string Kind,
    string Model,
    string Agent,
    TokenUsage Tokens,
    double? Seconds,
    DateTimeOffset At) : CallEvent(At)
{
    public const string Response = "response";
    public const string Transcription = "transcription";
}

public sealed record TokenUsage(
    int InputText,
    int InputAudio,
    int CachedText,
    int CachedAudio,
    int OutputText,
    int OutputAudio);

/// <summary>The carrier's word on the call; may arrive in any order, even before the webhook.</summary>
/// <param name="CallerId">Whose call it is, so that a call known by its status alone has an owner.</param>
/// <param name="DurationSeconds">As billed by the carrier; with a final status only.</param>
public sealed record CallStatusChanged(
    CallStatus Status,
    CallSid CallSid,
    CallerId? CallerId,
    CallDirection Direction,
    int? DurationSeconds,
    int? ErrorCode,
    DateTimeOffset At) : CallEvent(At);

public sealed record CallEnded(CallEndReason Reason, DateTimeOffset At) : CallEvent(At);

/// <summary>The sound of a Media Stream is stored.</summary>
/// <param name="StartMs">As of an utterance.</param>
/// <param name="Bytes">As they are stored.</param>
/// <param name="Node">The name of the Guru process that stored it.</param>
public sealed record RecordingStored(string StreamSid, long StartMs, long DurationMs, long Bytes, string Node, DateTimeOffset At) : CallEvent(At);

/// <summary>The caller is forgotten: what was said in the call is gone, and its figures are nobody's any more.</summary>
public sealed record CallErased(DateTimeOffset At) : CallEvent(At);

/// <summary>What a call came to, by what was said and heard in it. The lists hold one thing on each line.</summary>
/// <param name="Language">ISO 639-1 of the texts, where the caller's language was known.</param>
/// <param name="Agreed">What somebody said they would do next.</param>
/// <param name="Documents">To bring, send or ask for.</param>
public sealed record CallSummarized(
    string? Language,
    [property: PersonalData(PersonalDataKind.Transcript)] string Summary,
    [property: PersonalData(PersonalDataKind.Transcript)] string Agreed,
    [property: PersonalData(PersonalDataKind.Transcript)] string Addresses,
    [property: PersonalData(PersonalDataKind.Transcript)] string PhoneNumbers,
    [property: PersonalData(PersonalDataKind.Transcript)] string Deadlines,
    [property: PersonalData(PersonalDataKind.Transcript)] string Documents,
    DateTimeOffset At) : CallEvent(At);
