using System.Collections.Immutable;
using System.Diagnostics;
using Guru.Domain.Callers;

namespace Guru.Domain.Calls;

/// <summary>A call as its events tell it. <see cref="Decide"/> is the truth table of what may happen next.</summary>
/// <param name="OpenTokens">Those that no stream has presented, with the number of the stream that each is for: 0 for the first.</param>
public sealed record Call(
    bool Started,
    CallEndReason? Ended,
    DateTimeOffset? EndedAt,
    CallerId? CallerId,
    string Address,
    string Agent,
    string? Language,
    DateTimeOffset? FirstConnectedAt,
    DateTimeOffset? ResumeRequestedAt,
    string? StreamSid,
    string? StreamTokenHash,
    int StreamsRequested,
    ImmutableDictionary<string, int> OpenTokens,
    ImmutableHashSet<string> Recorded,
    ImmutableHashSet<CallStatus> Statuses)
{
    /// <summary>Why Guru calls; null where it is called.</summary>
    public string? Purpose { get; init; }

    /// <summary>The caller was forgotten since.</summary>
    public bool Erased { get; init; }

    public static Call NotStarted { get; } =
        new(
            Started: false, Ended: null, EndedAt: null, CallerId: null, Address: "", Agent: "", Language: null, FirstConnectedAt: null,
            ResumeRequestedAt: null, StreamSid: null, StreamTokenHash: null, StreamsRequested: 0, OpenTokens: ImmutableDictionary<string, int>.Empty, Recorded: [], Statuses: []);

    /// <summary>Of the streams that were asked for, which carries the call: 0 for the first.</summary>
    public int StreamNumber { get; init; }

    /// <summary>Null until the call was summarised; it is once.</summary>
    public CallSummarized? Summary { get; init; }

    /// <summary>How long a call without a Media Stream waits for the next step before it has ended.</summary>
    public static readonly TimeSpan ResumeWindow = TimeSpan.FromSeconds(15);

    /// <summary>The event stream of a call.</summary>
    public static string StreamId(CallSid callSid) => $"call-{callSid}";

    public static Call Fold(IEnumerable<CallEvent> events) => events.Aggregate(NotStarted, Apply);

    public static Call Apply(Call call, CallEvent @event) => @event switch
    {
        CallStarted e => call with
        {
            Started = true,
            CallerId = e.CallerId,
            Address = e.Address,
            Language = e.Language,
            Purpose = e.Purpose,
            OpenTokens = e.StreamTokenHash is null ? call.OpenTokens : call.OpenTokens.SetItem(e.StreamTokenHash, 0),
        },
        AgentRouted e => call with { Agent = e.Agent },
        AgentHandedOff e => call with { Agent = e.To, Recorded = call.Recorded.Add(HandOffKey(e)) },
        CallLanguageDetermined e => call with { Language = e.Language, Recorded = call.Recorded.Add(LanguageKey(e)) },
        MediaStreamRequested e => call with
        {
            StreamsRequested = call.StreamsRequested + 1,
            ResumeRequestedAt = e.At,
            OpenTokens = call.OpenTokens.SetItem(e.StreamTokenHash, e.Attempt),
        },
        MediaStreamConnected e when call.IsOvertaken(e.StreamTokenHash) => call with { OpenTokens = call.OpenTokens.Remove(e.StreamTokenHash) },
        MediaStreamConnected e => call with
        {
            StreamSid = e.StreamSid,
            StreamTokenHash = e.StreamTokenHash,
            StreamNumber = call.OpenTokens.GetValueOrDefault(e.StreamTokenHash),
            FirstConnectedAt = call.FirstConnectedAt ?? e.At,
            ResumeRequestedAt = null,
            OpenTokens = call.OpenTokens.Remove(e.StreamTokenHash),
        },
        CallResumed => call,
        UtteranceTranscribed e => call with
        {
            Recorded = call.Recorded.Add(e.UtteranceId),
            Language = e.Speaker == Speaker.Caller ? call.Language ?? e.Language : call.Language, // One utterance proves little.
        },
        UsageRecorded e => call with { Recorded = call.Recorded.Add(UsageKey(e)) },
        VoiceModelReconnected e => call with { Recorded = call.Recorded.Add(ReconnectKey(e)) },
        RecordingStored e => call with { Recorded = call.Recorded.Add(RecordingKey(e)) },
        CallStatusChanged e => call with { CallerId = call.CallerId ?? e.CallerId, Statuses = call.Statuses.Add(e.Status) },
        CallEnded e => call with { Ended = e.Reason, EndedAt = e.At },
        CallSummarized e => call with { Summary = e },
        CallErased => call with { Erased = true },
        _ => throw new UnreachableException($"{@event.GetType().Name} has no Apply."),
    };

    /// <summary>The events a command causes; none when it has already happened.</summary>
    /// <exception cref="RuleException">The command is not possible in this state.</exception>
    public static IReadOnlyList<CallEvent> Decide(Call call, CallCommand command) => command switch
    {
        // Twilio may deliver a webhook twice, and a status before the webhook.
        StartCall when call.Started => [],
        StartCall c =>
        [
            new CallStarted(c.CallSid, c.CallerId, c.Address, c.Channel, c.Direction, c.Language, c.StreamTokenHash, c.At, c.Purpose),
            new AgentRouted(c.Agent, c.RoutedBecause, c.At),
            .. c.Refusal is { } refusal && call.Ended is null ? [new CallEnded(refusal, c.At)] : Array.Empty<CallEvent>(),
        ],

        RecordStatus c => Status(call, c.Change),
        _ when !call.Started => throw new RuleException($"{command.GetType().Name} needs a started call."),

        RequestMediaStream when call.Ended is not null => throw new RuleException("The call has ended."),
        RequestMediaStream c when call.StreamsRequested >= c.MostAttempts => throw new RuleException("The call was resumed too often."),
        RequestMediaStream c => [new MediaStreamRequested(c.StreamTokenHash, call.StreamsRequested + 1, c.At)],

        // Its record is written behind the audio, so that it may come after the end of the call that it carried.
        ConnectMediaStream c when call.StreamSid == c.StreamSid && call.StreamTokenHash == c.StreamTokenHash => [],
        ConnectMediaStream c when c.At >= call.EndedAt => throw new RuleException("The call has ended."),
        ConnectMediaStream c when !call.OpenTokens.ContainsKey(c.StreamTokenHash) => throw new RuleException("The stream's token is unknown or used."),

        // A node that died may tell of its stream when another has gone on with the call.
        ConnectMediaStream c when call.IsOvertaken(c.StreamTokenHash) => [new MediaStreamConnected(c.StreamSid, c.StreamTokenHash, c.Node, c.At) { Overtaken = true }],
        ConnectMediaStream c when call.StreamSid is null => [new MediaStreamConnected(c.StreamSid, c.StreamTokenHash, c.Node, c.At)],
        ConnectMediaStream c =>
        [
            new MediaStreamConnected(c.StreamSid, c.StreamTokenHash, c.Node, c.At),
            new CallResumed(c.StreamSid, GapMs(call, c.At), c.At),
        ],

        // Words that were on their way when the caller was forgotten.
        RecordUtterance or RecordHandOff or RecordLanguage or RecordCallSummary when call.Erased => [],

        // Transcription runs beside the conversation, so the last words may arrive after the hang-up.
        RecordUtterance c => call.Recorded.Contains(c.Utterance.UtteranceId) ? [] : [c.Utterance],
        RecordUsage c => call.Recorded.Contains(UsageKey(c.Usage)) ? [] : [c.Usage],
        RecordReconnect c => call.Recorded.Contains(ReconnectKey(c.Reconnect)) ? [] : [c.Reconnect],

        RecordRecording c => call.Recorded.Contains(RecordingKey(c.Recording)) ? [] : [c.Recording],
        RecordHandOff c => call.Recorded.Contains(HandOffKey(c.HandOff)) ? [] : [c.HandOff],
        RecordLanguage c => call.Recorded.Contains(LanguageKey(c.Language)) ? [] : [c.Language],

        EndCall when call.Ended is not null => [],
        EndCall { StreamSid: not null } c when c.StreamSid != call.StreamSid => [], // It goes on over another stream.
        EndCall { Reason: CallEndReason.StreamLost, StreamSid: not null } c when c.At - call.ResumeRequestedAt < ResumeWindow => [], // Another is on its way.
        EndCall c => [new CallEnded(c.Reason, c.At)],

        RecordCallSummary when call.Ended is null => throw new RuleException("The call goes on."),
        RecordCallSummary c => call.Summary is null ? [c.Summary] : [],
        _ => throw new UnreachableException($"{command.GetType().Name} has no Decide."),
    };

    /// <summary>In any order, duplicated, even before the webhook; the first final status stands.</summary>
    private static IReadOnlyList<CallEvent> Status(Call call, CallStatusChanged change)
    {
        if (call.Statuses.Contains(change.Status) || call.Statuses.Any(status => status.IsFinal()))
        {
            return [];
        }

        return change.Status.IsFinal() && call.Ended is null
            ? [change, new CallEnded(CallStatuses.ReasonFor(change.Status), change.At)]
            : [change];
    }

    /// <summary>By the order in which the tokens were given out, since the clocks of two nodes may differ.</summary>
    private bool IsOvertaken(string tokenHash) => OpenTokens.TryGetValue(tokenHash, out var number) && number < StreamNumber;

    private static long GapMs(Call call, DateTimeOffset at) =>
        call.ResumeRequestedAt is { } lost ? Math.Max(0, (long)(at - lost).TotalMilliseconds) : 0;

    /// <summary>By its moment, since a call may go to an agent, away, and back.</summary>
    private static string HandOffKey(AgentHandedOff handOff) => $"agent:{handOff.To}:{handOff.At.UtcTicks}";

    private static string LanguageKey(CallLanguageDetermined language) => $"language:{language.Language}:{language.At.UtcTicks}";

    private static string ReconnectKey(VoiceModelReconnected reconnect) => $"model:{reconnect.ModelSessionId}";

    private static string RecordingKey(RecordingStored recording) => $"recording:{recording.StreamSid}";

    private static string UsageKey(UsageRecorded usage) => $"usage:{usage.Kind}:{usage.UsageId}";
}
