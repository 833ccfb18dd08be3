using System.Text.Json;
using Guru.Domain.Calls;

namespace Guru.Application.Calls;

/// <summary>The calls as analysts see them.</summary>
public interface ICallQueries
{
    /// <param name="cursor">The <c>next</c> of the page before, in the same order.</param>
    /// <exception cref="FormatException">The cursor is not one of ours, or of another order.</exception>
    Task<Page<CallSummary>> ListAsync(CallFilter filter, CallOrder order, int limit, string? cursor, CancellationToken cancellationToken);

    Task<CallSummary?> FindAsync(CallSid callSid, CancellationToken cancellationToken);

    /// <summary>With what it used and cost, and which agents were chosen.</summary>
    Task<CallDetail?> DetailAsync(CallSid callSid, CancellationToken cancellationToken);

    /// <summary>What was said, ordered by when it began.</summary>
    Task<Transcript?> TranscriptAsync(CallSid callSid, CancellationToken cancellationToken);

    /// <summary>The call's events in order, with personal data readable; null where there are none.</summary>
    Task<Page<EventView>?> EventsAsync(CallSid callSid, EventFilter filter, int limit, string? cursor, CancellationToken cancellationToken);
}

/// <param name="Agent">The last one that took the call.</param>
/// <param name="DurationSeconds">From the first Media Stream (or the start, without one) to the end.</param>
/// <param name="Agents">Those that took the call, in order.</param>
/// <param name="Node">The Guru process that held the last Media Stream.</param>
/// <param name="Turns">How many utterances are on record, of both sides.</param>
/// <param name="BargeIns">How often the caller cut the agent off.</param>
/// <param name="CallerTalkMs">How long the caller spoke.</param>
/// <param name="AgentTalkMs">How much of the agent's speech the caller heard.</param>
/// <param name="LatencyP50Ms">Of the answers that were not interrupted: from the end of the caller's speech to the first audio sent.</param>
/// <param name="Cost">US dollars, by the table of prices.</param>
/// <param name="CostIsComplete">False where the table has no price for a model that was used.</param>
/// <param name="PhoneNumberMasked">The caller's number or business-scoped id, but for a few signs.</param>
public record CallSummary(
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
    int? DurationSeconds,
    IReadOnlyList<string> Agents,
    string? Node,
    int Turns,
    int BargeIns,
    bool Interrupted,
    long CallerTalkMs,
    long AgentTalkMs,
    double? LatencyP50Ms,
    double? LatencyP95Ms,
    decimal Cost,
    bool CostIsComplete,
    string? PhoneNumberMasked)
{
    public override string ToString() => $"{nameof(CallSummary)} {CallSid}";
}

/// <summary>A call with its figures in full. The cost is that of its turns, of what belongs to no turn, and of the carrier.</summary>
public sealed record CallDetail : CallSummary
{
    public CallDetail(CallSummary call)
        : base(call)
    {
    }

    public required CallTokens Tokens { get; init; }

    public required CallCosts Costs { get; init; }

    public required IReadOnlyList<AgentChoice> Routing { get; init; }

    /// <summary>Null where the call was not recorded.</summary>
    public required CallRecordingSummary? Recording { get; init; }
}

/// <param name="DurationMs">From 0 on the call's clock to the end of the last part.</param>
/// <param name="Bytes">As they are stored.</param>
public sealed record CallRecordingSummary(long DurationMs, long Bytes);

/// <summary>What the model's responses used. Cached tokens are part of the input tokens.</summary>
/// <param name="TranscriptionSeconds">How long the audio was that was transcribed.</param>
public sealed record CallTokens(
    long InputText, long InputAudio, long CachedText, long CachedAudio, long OutputText, long OutputAudio, decimal TranscriptionSeconds);

/// <summary>US dollars, by what they were paid for; the first four make up <paramref name="Turns"/> and <paramref name="OfNoTurn"/>.</summary>
/// <param name="Cached">Text and audio that the model had read before.</param>
/// <param name="Carrier">Null until the carrier has said how long it bills.</param>
/// <param name="Turns">The sum over the transcript.</param>
/// <param name="OfNoTurn">Responses that made no utterance, such as those cut off before they were heard.</param>
/// <param name="PricesDated">When the table of prices was last looked over.</param>
public sealed record CallCosts(
    decimal Text, decimal Audio, decimal Cached, decimal Transcription, decimal? Carrier, decimal Turns, decimal OfNoTurn, DateOnly PricesDated);

/// <param name="Confidence">0 to 1; null in a call.</param>
/// <param name="Alternatives">The agents that could have been chosen.</param>
public sealed record AgentChoice(
    DateTimeOffset At,
    string? CallSid,
    string? MessageSid,
    string Agent,
    string Reason,
    double? Confidence,
    IReadOnlyList<string> Alternatives,
    string? PromptVersion)
{
    public override string ToString() => $"{nameof(AgentChoice)} {Agent}";
}

public sealed record Transcript(string CallSid, CallStatus Status, IReadOnlyList<TranscriptLine> Utterances);

/// <param name="Cost">US dollars: of the caller's turns what transcribing them cost, of the agent's what the response cost; null where it is not known.</param>
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
    long? FirstHeardMs,
    decimal? Cost = null);

/// <param name="Type">The event's name, such as CallStarted.</param>
public sealed record EventView(long Sequence, string StreamId, long Version, string Type, DateTimeOffset At, JsonElement Data);
