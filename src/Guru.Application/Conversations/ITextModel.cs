using Guru.Domain.Calls;

namespace Guru.Application.Conversations;

/// <summary>Writes and reads: replies, routing, summaries, voice notes. OpenAI is the one adapter.</summary>
public interface ITextModel
{
    /// <summary>One answer to one input. Nothing is stored at the model's side.</summary>
    /// <exception cref="TextModelException">There is no usable answer.</exception>
    Task<TextAnswer> AnswerAsync(TextRequest request, CancellationToken cancellationToken);

    /// <summary>Writes down a voice note, in whatever language it is.</summary>
    /// <param name="contentType">Such as audio/ogg.</param>
    /// <exception cref="TextModelException">There is no usable answer.</exception>
    Task<TranscribedNote> TranscribeAsync(ReadOnlyMemory<byte> audio, string contentType, CancellationToken cancellationToken);
}

/// <param name="Purpose">reply, route, summary or digest: names the cache of the instructions, and the metric.</param>
/// <param name="Schema">Strict JSON schema of the answer; null for plain text.</param>
/// <param name="SafetyIdentifier">A keyed hash that tells callers apart for the model's operator.</param>
public sealed record TextRequest(
    string Purpose, string Instructions, IReadOnlyList<TextTurn> Input, string? Schema, int MaxOutputTokens, string SafetyIdentifier)
{
    public override string ToString() => $"{nameof(TextRequest)} {Purpose}";
}

public sealed record TextTurn(Speaker Speaker, string Text)
{
    public override string ToString() => $"{nameof(TextTurn)} {Speaker}";
}

public sealed record TextAnswer(string Text, string Model, int InputTokens, int CachedTokens, int OutputTokens)
{
    public override string ToString() => $"{nameof(TextAnswer)} {Model}";
}

/// <param name="Language">ISO 639-1; null where it was not recognised.</param>
public sealed record TranscribedNote(string Text, string? Language, string Model, double? Seconds, int InputTokens, int OutputTokens)
{
    public override string ToString() => $"{nameof(TranscribedNote)} {Language}";
}

/// <summary>Why the model gave no usable answer.</summary>
/// <param name="code">The model's error code; refused, cut_off or timeout for our own findings.</param>
/// <param name="transient">Trying again may help; not for an exhausted quota or a wrong key.</param>
/// <inheritdoc/>
public sealed class TextModelException(string code, bool transient, TimeSpan? retryAfter = null, Exception? inner = null)
    : OutsideException(code, transient, retryAfter, inner);
