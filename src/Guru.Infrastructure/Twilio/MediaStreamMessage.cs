using Guru.Application.Voice;

namespace Guru.Infrastructure.Twilio;

internal enum MediaStreamEvent
{
    /// <summary>Not to be acted on: <see cref="MediaStreamMessage.Fault"/> tells why.</summary>
    Faulty,

    /// <summary>An event, or a mark, that is not ours to know.</summary>
    Unknown,

    Connected,
    Start,
    Media,
    Mark,
    Dtmf,
    Stop,
}

/// <summary>One message of the carrier.</summary>
/// <param name="StreamSid">UTF-8; empty where there was none.</param>
/// <param name="Payload">Media: valid base64. Like the StreamSid a slice of the message, or of the strings given to the reader.</param>
/// <param name="Fault">One of <see cref="MediaStreamFault"/>.</param>
internal readonly record struct MediaStreamMessage(
    MediaStreamEvent Event,
    ReadOnlyMemory<byte> StreamSid = default,
    ReadOnlyMemory<byte> Payload = default,
    int Bytes = 0,
    long TimestampMs = -1,
    PlaybackMark Mark = default,
    char Digit = default,
    MediaStreamStart? Start = null,
    string? Fault = null);

/// <summary>Why a message was ignored; the values are tags of a counter.</summary>
internal static class MediaStreamFault
{
    public const string Json = "json";
    public const string Base64 = "base64";
    public const string Binary = "binary";
    public const string Track = "track";
    public const string Digit = "digit";
    public const string OtherStream = "otherStream";
    public const string Order = "order";
    public const string UnknownEvent = "unknownEvent";
}

/// <summary>What the carrier tells when a stream starts.</summary>
/// <param name="CallSid">As the carrier states it.</param>
/// <param name="Token">As our TwiML gave it to the stream; null where it did not come back.</param>
/// <param name="Encoding">Null where the carrier did not say, like the rate and the channels.</param>
public sealed record MediaStreamStart(
    string StreamSid,
    string CallSid,
    string? Token,
    string? Encoding,
    int? SampleRate,
    int? Channels)
{
    /// <summary>G.711 mu-law at 8 kHz, mono. What was not said is taken to be so: there is no other format today.</summary>
    public bool IsMuLaw =>
        (Encoding is null || string.Equals(Encoding, "audio/x-mulaw", StringComparison.OrdinalIgnoreCase))
        && SampleRate is null or 8000
        && Channels is null or 1;

    /// <summary>A token does not belong in a log.</summary>
    public override string ToString() => $"{nameof(MediaStreamStart)} {{ {CallSid}, {StreamSid} }}";
}
