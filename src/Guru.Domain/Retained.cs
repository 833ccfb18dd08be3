namespace Guru.Domain;

/// <summary>What is kept for a time of its own.</summary>
public enum Retained
{
    /// <summary>What was said in calls, and what was made of it.</summary>
    Transcripts,

    /// <summary>What was written, and what voice notes said.</summary>
    Messages,

    /// <summary>The sound of calls.</summary>
    Recordings,
}
