using Guru.Application.Calls;
using Guru.Domain.Callers;
using Guru.Domain.Calls;

namespace Guru.Application.Conversations;

/// <summary>Conversations as analysts see them, and as the agents remember them.</summary>
public interface IConversationQueries
{
    /// <summary>The conversations with the newest activity first.</summary>
    /// <exception cref="FormatException">The cursor is not one of ours.</exception>
    Task<Page<ConversationSummary>> ListAsync(ConversationFilter filter, int limit, string? cursor, CancellationToken cancellationToken);

    Task<ConversationSummary?> FindAsync(CallerId callerId, CancellationToken cancellationToken);

    /// <summary>In whose conversation a message of ours was sent; null where it is not known, or not yet.</summary>
    Task<CallerId?> CallerOfMessageAsync(string messageSid, CancellationToken cancellationToken);

    /// <summary>Everything written, spoken and heard with a caller, oldest first.</summary>
    /// <param name="callerIds">All their ids.</param>
    /// <exception cref="FormatException">The cursor is not one of ours.</exception>
    Task<Page<TimelineEntry>> TimelineAsync(IReadOnlyList<CallerId> callerIds, TimelineFilter filter, int limit, string? cursor, CancellationToken cancellationToken);

    /// <summary>What an agent should know: the newest entries in order, and what came before in short.</summary>
    /// <param name="most">How many entries at the most.</param>
    Task<Memory> RememberAsync(CallerId callerId, int most, CancellationToken cancellationToken);

    /// <summary>The oldest entries that are in no summary yet, in order, and the summary so far.</summary>
    /// <param name="most">How many entries at the most.</param>
    Task<Memory> UnsummarizedAsync(CallerId callerId, int most, CancellationToken cancellationToken);
}

/// <summary>Which conversations are meant. What is empty or null leaves all of them; within a list one of its values has to fit.</summary>
public sealed record ConversationFilter
{
    public static ConversationFilter All { get; } = new();

    public CallerId? CallerId { get; init; }

    /// <summary>The agent who has the conversation; null stands for none.</summary>
    public IReadOnlyList<string?> Agents { get; init; } = [];

    /// <summary>ISO 639-1; null stands for one that is not known.</summary>
    public IReadOnlyList<string?> Languages { get; init; } = [];

    public TimeRange LastActivityAt { get; init; }
}

/// <summary>Which entries of a timeline are meant. What is empty or null leaves all of them; within a list one of its values has to fit.</summary>
public sealed record TimelineFilter
{
    public static TimelineFilter All { get; } = new();

    public IReadOnlyList<TimelineChannel> Channels { get; init; } = [];

    public Speaker? Speaker { get; init; }

    /// <summary>Null stands for none.</summary>
    public IReadOnlyList<string?> Agents { get; init; } = [];

    public CallSid? CallSid { get; init; }

    public string? MessageSid { get; init; }

    public TimeRange At { get; init; }
}

/// <param name="PhoneNumberMasked">The caller's number or business-scoped id, but for a few signs.</param>
public sealed record ConversationSummary(string CallerId, string? Language, string? Agent, DateTimeOffset LastActivityAt, string? PhoneNumberMasked);

/// <summary>Where an entry of the timeline comes from.</summary>
public enum TimelineChannel
{
    Whatsapp,
    VoiceNote,
    Call,
    Webapp,
}

/// <param name="Text">As it was heard, for what was spoken in a call.</param>
/// <param name="Delivery">Of our own messages: failed and undelivered ones say so.</param>
public sealed record TimelineEntry(
    DateTimeOffset At,
    TimelineChannel Channel,
    Speaker Speaker,
    string Text,
    string? Agent,
    string? CallSid,
    string? MessageSid,
    string? Delivery)
{
    /// <summary>
    /// Of a caller's message: why there is no reply to it, as a code. Of one of ours that has no words: what was not sent and why, such as
    /// callSummary windowClosed.
    /// </summary>
    public string? Failure { get; init; }

    public override string ToString() => $"{nameof(TimelineEntry)} {Channel} {Speaker}";
}

/// <param name="Agent">Who took the conversation last.</param>
/// <param name="Language">ISO 639-1, where it is known.</param>
/// <param name="Summary">Of what came before <paramref name="SummarizedUpTo"/>.</param>
/// <param name="Entries">Oldest first.</param>
public sealed record Memory(
    string? Agent, string? Language, string? Summary, DateTimeOffset? SummarizedUpTo, IReadOnlyList<TimelineEntry> Entries)
{
    public static Memory None { get; } = new(Agent: null, Language: null, Summary: null, SummarizedUpTo: null, []);

    public override string ToString() => $"{nameof(Memory)} of {Entries.Count} entries";
}
