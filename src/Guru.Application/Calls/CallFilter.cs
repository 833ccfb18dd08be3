using Guru.Application.Transcripts;
using Guru.Domain.Callers;
using Guru.Domain.Calls;

namespace Guru.Application.Calls;

/// <summary>Which calls are meant: those for which every condition that is given holds. Of several values one has to hold.</summary>
public sealed record CallFilter
{
    public static CallFilter All { get; } = new();

    public TimeRange StartedAt { get; init; }

    /// <summary>A call that goes on is not found by it.</summary>
    public TimeRange EndedAt { get; init; }

    public CallSid? CallSid { get; init; }

    public IReadOnlyList<CallChannel> Channels { get; init; } = [];

    public IReadOnlyList<CallDirection> Directions { get; init; } = [];

    public IReadOnlyList<CallStatus> Statuses { get; init; } = [];

    /// <summary>The agent that the call has, or had at its end; null finds calls without one.</summary>
    public IReadOnlyList<string?> Agents { get; init; } = [];

    /// <summary>An agent that took part.</summary>
    public IReadOnlyList<string> AgentsInvolved { get; init; } = [];

    /// <summary>ISO 639-1; null finds calls whose language is not known.</summary>
    public IReadOnlyList<string?> Languages { get; init; } = [];

    /// <summary>Null finds calls that have not ended.</summary>
    public IReadOnlyList<CallEndReason?> EndReasons { get; init; } = [];

    public NumberRange DurationSeconds { get; init; }

    public NumberRange LatencyP50Ms { get; init; }

    public NumberRange LatencyP95Ms { get; init; }

    public NumberRange Cost { get; init; }

    public NumberRange Turns { get; init; }

    public NumberRange BargeIns { get; init; }

    public bool? Interrupted { get; init; }

    /// <summary>All ids of one caller.</summary>
    public IReadOnlyList<CallerId>? CallerIds { get; init; }

    /// <summary>Something was said in the call that this finds.</summary>
    public TextQuery? Text { get; init; }
}

/// <summary>Which events of a call are meant. What is empty or not given leaves all of them.</summary>
public sealed record EventFilter
{
    public static EventFilter All { get; } = new();

    /// <summary>Names such as CallStarted, one of which has to fit.</summary>
    public IReadOnlyList<string> Types { get; init; } = [];

    /// <summary>When it happened.</summary>
    public TimeRange At { get; init; }
}

/// <param name="From">Inclusive.</param>
/// <param name="To">Exclusive.</param>
public readonly record struct TimeRange(DateTimeOffset? From, DateTimeOffset? To);

/// <summary>Both ends are included.</summary>
public readonly record struct NumberRange(decimal? Min, decimal? Max);

public enum CallSort
{
    StartedAt,
    DurationSeconds,
    Turns,
    BargeIns,
    LatencyP50Ms,
    LatencyP95Ms,
    Cost,
}

/// <summary>Calls that are equal in it go by their SID.</summary>
public readonly record struct CallOrder(CallSort By, bool Descending)
{
    public static CallOrder NewestFirst { get; } = new(CallSort.StartedAt, Descending: true);
}
