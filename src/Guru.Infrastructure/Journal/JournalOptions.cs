using System.ComponentModel.DataAnnotations;

namespace Guru.Infrastructure.Journal;

/// <summary>Section <c>Guru:Journal</c>.</summary>
public sealed class JournalOptions
{
    /// <summary>How much of what is not stored yet goes to the disk; what is more is in memory alone.</summary>
    [Range(1L << 16, 1L << 40)]
    public long MaxBytes { get; set; } = 256 << 20;

    /// <summary>A file of this size is not written to any more, so that it can go as soon as its facts are stored.</summary>
    [Range(1L << 12, 1L << 30)]
    public long SegmentBytes { get; set; } = 1 << 20;

    /// <summary>How many messages wait for the database at most; what is more is refused.</summary>
    [Range(0, 1_000_000)]
    public int MostMessages { get; set; } = 10_000;
}
