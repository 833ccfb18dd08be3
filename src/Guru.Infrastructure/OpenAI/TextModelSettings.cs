using System.ComponentModel.DataAnnotations;

namespace Guru.Infrastructure.OpenAI;

/// <summary>The models that write and read; section <c>Guru:Text</c>.</summary>
public sealed record TextModelSettings
{
    /// <summary>Routes, replies and summarises.</summary>
    [Required]
    public string Model { get; init; } = "gpt-6-luna";

    /// <summary>Writes down voice notes.</summary>
    [Required]
    public string TranscriptionModel { get; init; } = "gpt-transcribe";

    /// <summary>How long the model thinks before it writes; the caller waits meanwhile.</summary>
    [AllowedValues("none", "minimal", "low", "medium", "high", "xhigh")]
    public string ReasoningEffort { get; init; } = "none";

    /// <summary>How long connecting may take.</summary>
    [Range(0.1, 60)]
    public double ConnectTimeoutSeconds { get; init; } = 5;

    /// <summary>How long an answer may take.</summary>
    [Range(0.1, 600)]
    public double TimeoutSeconds { get; init; } = 45;

    /// <summary>How long the writing down of a voice note may take, with its upload.</summary>
    [Range(0.1, 600)]
    public double TranscriptionTimeoutSeconds { get; init; } = 90;
}
