namespace Guru.Application.VoiceSessions;

/// <summary>How the voice model is set up for a conversation; the same for phone calls and the webapp.</summary>
/// <param name="ReasoningEffort">Only sent to models that reason; null leaves it out.</param>
public sealed record VoiceConfiguration(
    string Agent,
    string Model,
    string Voice,
    string Instructions,
    Transcription Transcription,
    TurnDetection TurnDetection,
    IReadOnlyList<VoiceTool> Tools,
    int MaxOutputTokens,
    string? ReasoningEffort)
{
    /// <summary>For a session that no server attends: nobody would answer its tools, or put a context before it.</summary>
    public VoiceConfiguration Unattended(string? context) =>
        this with { Tools = [], Instructions = context is null ? Instructions : $"{Instructions}\n\n{context}" };
}

/// <param name="Languages">ISO 639-1 hints; empty leaves detection free.</param>
public sealed record Transcription(string Model, IReadOnlyList<string> Languages, string? Prompt);

/// <summary>Voice activity is detected by the model: it answers at the end of speech, and stops speaking when the caller begins.</summary>
public sealed record TurnDetection(double Threshold, int PrefixPaddingMs, int SilenceDurationMs);

/// <param name="Parameters">JSON schema of the arguments.</param>
public sealed record VoiceTool(string Name, string Description, string Parameters);
