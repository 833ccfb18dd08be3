using Guru.Application.Calls;
using Guru.Application.Conversations;
using Guru.Domain.Callers;

namespace Guru.Application.Analytics;

/// <summary>Figures over many calls. Every one of them is defined in docs/analysts.md.</summary>
public interface IAnalyticsQueries
{
    /// <param name="asOf">As the figures were at that moment, worked out from the events stored until then; null for now.</param>
    Task<Summary> SummaryAsync(CallFilter filter, DateTimeOffset? asOf, CancellationToken cancellationToken);

    /// <summary>By what the calls have in common, the largest group first; hours in order.</summary>
    /// <inheritdoc cref="SummaryAsync"/>
    Task<Breakdown> BreakdownAsync(CallFilter filter, BreakdownBy by, string timeZone, DateTimeOffset? asOf, CancellationToken cancellationToken);

    /// <summary>Stretch by stretch from the first to the last call, or over the whole range that is asked for; empty stretches included.</summary>
    /// <exception cref="TimeZoneUnknownException">The database does not know the time zone.</exception>
    Task<TimeSeries> TimeSeriesAsync(CallFilter filter, Interval interval, string timeZone, CancellationToken cancellationToken);

    Task<LatencyReport> LatencyAsync(CallFilter filter, CancellationToken cancellationToken);

    /// <summary>The caller's sessions, newest first: runs of activity with no gap of an hour or more.</summary>
    /// <param name="callerIds">All their ids.</param>
    Task<IReadOnlyList<ConversationSession>> SessionsAsync(IReadOnlyList<CallerId> callerIds, CancellationToken cancellationToken);

    /// <summary>Which agents were chosen for the caller's messages and calls, and why; oldest first.</summary>
    /// <param name="callerIds">All their ids.</param>
    Task<IReadOnlyList<AgentChoice>> RoutingAsync(IReadOnlyList<CallerId> callerIds, CancellationToken cancellationToken);
}

/// <summary>No such time zone.</summary>
public sealed class TimeZoneUnknownException(string name) : Exception($"There is no time zone {name}.");

/// <summary>There would be more stretches than are answered at once.</summary>
public sealed class TooManyIntervalsException(int most) : Exception($"There would be more than {most} intervals: take a longer interval or a shorter range.");

public enum BreakdownBy
{
    Agent,
    Language,
    EndReason,
    Status,
    Channel,
    Direction,

    /// <summary>Of the day, 0 to 23.</summary>
    Hour,
}

public enum Interval
{
    Hour,
    Day,
    Week,
    Month,
}

/// <summary>What any set of calls comes to.</summary>
/// <param name="Calls">That began.</param>
/// <param name="Active">That have not ended.</param>
/// <param name="Connected">That had a Media Stream.</param>
/// <param name="Callers">Different callers.</param>
/// <param name="DurationSeconds">Of all that have ended, together.</param>
/// <param name="Interrupted">Calls with a barge-in.</param>
/// <param name="LatencyP50Ms">Of all answers in these calls that were not interrupted, interpolated.</param>
/// <param name="Cost">US dollars.</param>
/// <param name="Unpriced">Uses of models that the table of prices lacks.</param>
public sealed record Figures(
    long Calls,
    long Active,
    long Connected,
    long Callers,
    long DurationSeconds,
    long CallerTalkMs,
    long AgentTalkMs,
    long Turns,
    long BargeIns,
    long Interrupted,
    double? LatencyP50Ms,
    double? LatencyP95Ms,
    decimal Cost,
    decimal CostText,
    decimal CostAudio,
    decimal CostCached,
    decimal CostTranscription,
    decimal CostCarrier,
    long Unpriced);

/// <summary>How far figures may be from what the calls themselves would give, in percent; zero: not at all. Everything else is exact always.</summary>
/// <param name="LatencyPercent">Each latency, at the most.</param>
/// <param name="CallersPercent">The number of callers: the standard error.</param>
public sealed record Precision(double LatencyPercent, double CallersPercent)
{
    public static Precision Exact { get; } = new(0, 0);

    public static Precision OfRollups { get; } = new(100 * LatencyHistogram.Error, 100 * CallerSketch.Error);
}

/// <param name="AsOf">The moment of the figures.</param>
public sealed record Summary(DateTimeOffset AsOf, DateOnly PricesDated, Precision Precision, Figures Figures);

/// <param name="Key">Null where the calls have none.</param>
public sealed record BreakdownItem(string? Key, Figures Figures);

public sealed record Breakdown(
    DateTimeOffset AsOf, DateOnly PricesDated, Precision Precision, BreakdownBy By, string TimeZone, IReadOnlyList<BreakdownItem> Items);

/// <param name="From">The beginning of the stretch.</param>
public sealed record TimeSeriesItem(DateTimeOffset From, Figures Figures);

public sealed record TimeSeries(DateOnly PricesDated, Precision Precision, Interval Interval, string TimeZone, IReadOnlyList<TimeSeriesItem> Items);

/// <param name="Count">How many were measured; without any the others are null.</param>
public sealed record LatencyFigures(
    long Count, double? MeanMs, double? MinMs, double? P50Ms, double? P90Ms, double? P95Ms, double? P99Ms, double? MaxMs);

/// <param name="Answers">Not interrupted: to the first audio sent to the carrier.</param>
/// <param name="AnswersHeard">The same answers: to the first mark that the carrier acknowledged.</param>
/// <param name="Interrupted">Answers that the caller cut off: to the first audio sent.</param>
/// <param name="Greetings">From the first Media Stream to the first words of the agent, where nobody had spoken yet.</param>
public sealed record LatencyReport(
    string Definition, Precision Precision, LatencyFigures Answers, LatencyFigures AnswersHeard, LatencyFigures Interrupted, LatencyFigures Greetings);

/// <param name="FromCaller">Messages and utterances of the caller.</param>
/// <param name="FromAgent">Messages and utterances of the agents.</param>
public sealed record ConversationSession(
    DateTimeOffset StartedAt, DateTimeOffset EndedAt, long FromCaller, long FromAgent, long Calls, IReadOnlyList<TimelineChannel> Channels);
