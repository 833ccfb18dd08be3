using Guru.Application.Calls;
using Guru.Domain.Callers;
using Guru.Domain.Calls;

namespace Guru.Application.Transcripts;

/// <summary>The words of all calls, as analysts search them.</summary>
public interface ITranscriptQueries
{
    /// <summary>How many of the newest hits are put in order of rank.</summary>
    const int MostHits = 1_000;

    /// <summary>The best hits first, among the newest; what is recorded after the first page was read is not in those that follow.</summary>
    /// <exception cref="FormatException">The cursor is not one of ours.</exception>
    Task<SearchPage> SearchAsync(TranscriptSearch search, int limit, string? cursor, CancellationToken cancellationToken);
}

/// <summary>What is searched, and where.</summary>
public sealed record TranscriptSearch(TextQuery Query)
{
    /// <summary>Only in what was said and did not reach the other's ear.</summary>
    public bool Unheard { get; init; }

    public Speaker? Speaker { get; init; }

    public string? Agent { get; init; }

    /// <summary>ISO 639-1, of the utterance or of its call.</summary>
    public string? Language { get; init; }

    public bool? Interrupted { get; init; }

    /// <summary>All ids of one caller.</summary>
    public IReadOnlyList<CallerId>? CallerIds { get; init; }

    public CallSid? CallSid { get; init; }

    /// <summary>When it was recorded.</summary>
    public TimeRange At { get; init; }
}

/// <param name="Truncated">There are more hits than the newest that were put in order.</param>
public sealed record SearchPage(IReadOnlyList<SearchHit> Items, string? Next, bool Truncated);

/// <param name="Language">In which it was searched; null where it is not known.</param>
/// <param name="Snippet">HTML: the words around the hit, escaped, with each hit in a mark element.</param>
/// <param name="Rank">The higher the better; comparable within one search only.</param>
public sealed record SearchHit(
    string CallSid,
    string? CallerId,
    string UtteranceId,
    Speaker Speaker,
    string? Agent,
    string? Language,
    DateTimeOffset At,
    long StartMs,
    string Said,
    string Heard,
    bool Interrupted,
    string Snippet,
    double Rank)
{
    public override string ToString() => $"{nameof(SearchHit)} {CallSid} {UtteranceId}";
}
