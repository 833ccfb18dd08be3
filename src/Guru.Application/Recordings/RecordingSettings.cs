using System.ComponentModel.DataAnnotations;

namespace Guru.Application.Recordings;

/// <summary>Section <c>Guru:Recording</c>.</summary>
public sealed class RecordingSettings
{
    /// <summary>Whether calls are recorded; callers are told so before the agent speaks.</summary>
    public bool Enabled { get; set; }

    /// <summary>The folder; nodes that share one can play each other's recordings. Null: <c>recordings</c> in GURU_DATA_DIR.</summary>
    public string? Path { get; set; }

    /// <summary>How long recordings are kept.</summary>
    [Range(1, 3650)]
    public int Days { get; set; } = 30;

    /// <summary>How large the folder may be; the oldest recordings go first. An hour has 0.06.</summary>
    [Range(0.01, 1_000_000)]
    public double MostGigabytes { get; set; } = 10;
}
