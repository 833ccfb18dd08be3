using System.ComponentModel.DataAnnotations;
using Guru.Domain.Agents;

namespace Guru.Application.VoiceSessions;

/// <summary>The voice model's settings; section <c>Guru:Voice</c>, model and voice also from OPENAI_REALTIME_MODEL and OPENAI_VOICE.</summary>
public sealed class VoiceSettings
{
    [Required]
    public string Model { get; set; } = "gpt-realtime-2.1";

    /// <summary>A voice of the Realtime API; the voices of the speech API alone make noise.</summary>
    [Required, AllowedValues("alloy", "ash", "ballad", "coral", "echo", "sage", "shimmer", "verse", "marin", "cedar")]
    public string Voice { get; set; } = "marin";

    [Required]
    public string TranscriptionModel { get; set; } = "gpt-transcribe";

    [AllowedValues("minimal", "low", "medium", "high", "xhigh")]
    public string ReasoningEffort { get; set; } = "low";

    /// <summary>How sure the voice detection must be, 0 to 1; higher for noisy lines.</summary>
    [Range(0.0, 1.0)]
    public double VadThreshold { get; set; } = 0.5;

    /// <summary>Audio kept before detected speech.</summary>
    [Range(0, 2000)]
    public int PrefixPaddingMs { get; set; } = 300;

    /// <summary>Silence that ends a turn.</summary>
    [Range(100, 5000)]
    public int SilenceDurationMs { get; set; } = 500;

    /// <summary>The longest answer: 20 tokens are a second of speech.</summary>
    [Range(100, 32_000)]
    public int MaxOutputTokens { get; set; } = 4096;

    /// <summary>The one configuration of a conversation with an agent, for phone and webapp.</summary>
    /// <param name="now">Models have no clock.</param>
    public VoiceConfiguration For(AgentCatalog agents, string? agentName, string? language, DateTimeOffset now)
    {
        var agent = agents[agentName];
        var instructions = $"{agents.House}\n\n{agents.Spoken}\n\n{agent.Prompt}\n\n{Clock.Now(now)}";
        return new VoiceConfiguration(
            agent.Name,
            Model,
            agent.Voice ?? Voice,
            language is null ? instructions : $"{instructions} The caller's language is {language} (ISO 639-1).",
            new Transcription(TranscriptionModel, language is null ? [] : [language], Prompt: null),
            new TurnDetection(VadThreshold, PrefixPaddingMs, SilenceDurationMs),
            VoiceTools.Of(agents, agent),
            MaxOutputTokens,
            ReasoningEffort);
    }
}
