namespace Guru.Application.Voice;

/// <summary>
/// The caller's side of a call: one Media Stream, after its start. Sends never wait: they are queued in order behind the
/// one being written, and a line whose queue outgrows its bound is lost.
/// </summary>
public interface ICallerLine : IAsyncDisposable
{
    string StreamSid { get; }

    /// <summary>Reads what the carrier sends, until its stop or the loss of the socket.</summary>
    Task ReadAsync(Receiver<LineMessage> receive, CancellationToken cancellationToken);

    /// <summary>Queues audio for playing.</summary>
    /// <param name="payload">G.711 mu-law at 8 kHz in base64, not empty; copied.</param>
    /// <param name="more">Another send follows at once, and may go over the wire together with this one.</param>
    void SendMedia(ReadOnlySpan<byte> payload, bool more = false);

    /// <summary>Asks for a receipt when everything sent before has been played.</summary>
    /// <param name="more">As for audio.</param>
    void SendMark(PlaybackMark mark, bool more = false);

    /// <summary>Drops what is queued for playing; pending marks come back at once.</summary>
    void SendClear();

    /// <summary>Writes what is queued, then closes the stream, so that the carrier asks what is next.</summary>
    Task CloseAsync(CancellationToken cancellationToken);
}

/// <summary>A line that shows its caller what is going on. Told under the bridge's lock: it must be quick, and must not fail.</summary>
internal interface ICallWatcher
{
    void OnModelEvent(ModelEvent @event);

    void OnFact(Domain.Calls.CallCommand fact);
}

/// <summary>A point in what was sent to the caller since the last clear.</summary>
/// <param name="Generation">How many clears came before it.</param>
/// <param name="Position">Bytes of audio sent before it in this generation; 8 are a millisecond.</param>
public readonly record struct PlaybackMark(int Generation, long Position);

public enum LineMessageKind
{
    Media,
    Mark,
    Dtmf,

    /// <summary>The carrier says that the stream is over. Nothing follows.</summary>
    Stop,
}

/// <param name="Payload">Media: valid base64, as sent by the carrier.</param>
/// <param name="Bytes">Media: how many bytes of audio the payload holds.</param>
/// <param name="TimestampMs">Media: milliseconds since the stream's start, or -1 where the carrier did not say.</param>
public readonly record struct LineMessage(
    LineMessageKind Kind,
    ReadOnlyMemory<byte> Payload = default,
    int Bytes = 0,
    long TimestampMs = -1,
    PlaybackMark Mark = default,
    char Digit = default);
