using System.Text.Json;
using Guru.Domain.Calls;

namespace Guru.Application.Calls;

/// <summary>The calls as analysts see them.</summary>
public interface ICallQueries
{
    /// <summary>Newest first.</summary>
    /// <param name="cursor">The <c>next</c> of the page before.</param>
    /// <exception cref="FormatException">The cursor is not one of ours.</exception>
    Task<Page<CallSummary>> ListAsync(int limit, string? cursor, CancellationToken cancellationToken);

    Task<CallSummary?> FindAsync(CallSid callSid, CancellationToken cancellationToken);

    /// <summary>What was said, ordered by when it began.</summary>
    Task<Transcript?> TranscriptAsync(CallSid callSid, CancellationToken cancellationToken);

    /// <summary>The call's events in order, with personal data readable.</summary>
    Task<Page<EventView>?> EventsAsync(CallSid callSid, int limit, string? cursor, CancellationToken cancellationToken);
}

public sealed record Page<T>(IReadOnlyList<T> Items, string? Next);

public sealed record CallSummary(
    string CallSid,
    string? CallerId,
    CallChannel Channel,
    CallDirection Direction,
    string? Agent,
    string? Language,
    CallStatus Status,
    CallEndReason? EndReason,
    DateTimeOffset StartedAt,
    DateTimeOffset? EndedAt,
    int? DurationSeconds);

public sealed record Transcript(string CallSid, CallStatus Status, IReadOnlyList<TranscriptLine> Utterances);

public sealed record TranscriptLine(
    string Id,
    Speaker Speaker,
    string? Agent,
    string Said,
    string Heard,
    bool Interrupted,
    TranscriptionOutcome Transcription,
    long StartMs,
    long EndMs,
    long SaidMs,
    long HeardMs,
    string? Language,
    long? FirstAudioMs,
    long? FirstHeardMs);

/// <param name="Type">The event's name, such as CallStarted.</param>
public sealed record EventView(long Sequence, string StreamId, long Version, string Type, DateTimeOffset At, JsonElement Data);
