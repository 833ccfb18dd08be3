using System.ComponentModel.DataAnnotations;
using Guru.Domain;

namespace Guru.Application.Privacy;

/// <summary>How long what people said and wrote is kept; section <c>Guru:Retention</c>. Null: until they are erased.</summary>
public sealed class RetentionRules
{
    private const int MostDays = 36_500;

    /// <summary>What was said in calls, and what was made of it.</summary>
    [Range(1, MostDays)]
    public int? TranscriptDays { get; set; }

    /// <summary>What was written, and what voice notes said.</summary>
    [Range(1, MostDays)]
    public int? MessageDays { get; set; }

    /// <summary>The sound of calls.</summary>
    [Range(1, MostDays)]
    public int? RecordingDays { get; set; }

    public int? DaysOf(Retained kind) => kind switch
    {
        Retained.Transcripts => TranscriptDays,
        Retained.Messages => MessageDays,
        _ => RecordingDays,
    };
}

/// <summary>What is over at a moment: everything before. Keys are of whole months, and a month is over when its last day is.</summary>
public sealed record RetentionLimits(DateOnly? Transcripts, DateOnly? Messages, DateOnly? Recordings)
{
    public bool IsNone => this is { Transcripts: null, Messages: null, Recordings: null };

    public static RetentionLimits Of(RetentionRules rules, DateTimeOffset now)
    {
        DateOnly? Before(Retained kind) => rules.DaysOf(kind) is { } days && DateOnly.FromDateTime(now.UtcDateTime).AddDays(-days) is var day
            ? new DateOnly(day.Year, day.Month, 1)
            : null;
        return new(Before(Retained.Transcripts), Before(Retained.Messages), Before(Retained.Recordings));
    }

    public DateOnly? Before(Retained kind) => kind switch
    {
        Retained.Transcripts => Transcripts,
        Retained.Messages => Messages,
        _ => Recordings,
    };
}
