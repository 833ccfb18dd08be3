using System.Collections.Immutable;
using Guru.Domain.Callers;
using Guru.Domain.Calls;
using Guru.Domain.Conversations;
using Shouldly;

namespace Guru.Domain.Tests.Conversations;

/// <summary>A person in Ghana, whose clock is UTC, and a sender in Britain. Hours are counted from noon on a Monday.</summary>
public abstract class ConsentSpec
{
    internal static readonly CallerAddress Sender = CallerAddress.Parse("+447700900123");
    internal static readonly CallerId Caller = CallerId.Of(CallerAddress.Parse(Address), "a secret of the server"u8);

    internal const string Address = "+233201234567";

    internal static CallingRules Rules { get; } = new(
        new DateOnly(2026, 9, 1),
        PermissionLifetime: TimeSpan.FromDays(7),
        RequestLifetime: TimeSpan.FromDays(7),
        Requests: [new CallingLimit(1, TimeSpan.FromDays(1)), new CallingLimit(2, TimeSpan.FromDays(7))],
        Calls: [new CallingLimit(5, TimeSpan.FromDays(1))],
        PauseAfterUnanswered: 2,
        RevokedAfterUnanswered: 4,
        new WakingHours(TimeSpan.FromHours(9), TimeSpan.FromHours(20)),
        ExcludedSenders: ["US"],
        UnavailableCallees: ["CU"],
        UnavailablePrefixes: ["7978"],
        [
            Country("GH", ["233"], "Africa/Accra"), Country("GB", ["44"], "Europe/London"), Country("DE", ["49"], "Europe/Berlin"),
            Country("US", ["1"], "America/New_York", "America/Los_Angeles", "Pacific/Honolulu"), Country("JM", ["1658", "1876"], "America/Jamaica"),
            Country("CU", ["53"], "America/Havana"), Country("RU", ["7"], "Europe/Moscow"),
        ]);

    internal static CallingRules AnyHour { get; } = Rules with { Waking = new WakingHours(TimeSpan.Zero, TimeSpan.FromDays(1)) };

    internal static DateTimeOffset At(double hours) => new DateTimeOffset(2026, 3, 2, 12, 0, 0, TimeSpan.Zero).AddHours(hours);

    internal static CallPermissionRequested Asked(double at, string id = "ask") => new(id, Caller, Address, "HX1", Variables: null, At(at));

    internal static CallPermissionGranted Granted(double at, string id = "SM1") => new(id, Caller, Address, GrantSource.Answer, "ask", At(at + (7 * 24)), At(at));

    internal static CallPermissionDeclined Declined(double at) => new("SM2", Caller, Address, "ask", At(at));

    internal static OutboundCallRequested Wanted(string id, double at, double latest = 1000, double? earliest = null) =>
        new(id, Caller, Address, Agent: null, "your appointment", earliest is { } hours ? At(hours) : null, At(latest), At(at));

    internal static OutboundCallAllowed Allowed(string id, double at) => new(id, Caller, "SM1", Rules.AsOf, At(at));

    internal static OutboundCallPlaced Placed(string id, double at) => new(id, Caller, SidOf(id), "SM1", At(at));

    internal static OutboundCallEnded Ended(string id, CallStatus outcome, double at, int? error = null) => new(id, Caller, SidOf(id), outcome, error, At(at));

    /// <summary>A call that was placed, and how it ended.</summary>
    internal static ConversationEvent[] Called(string id, double at, CallStatus outcome) =>
        [Wanted(id, at), Allowed(id, at), Placed(id, at), Ended(id, outcome, at)];

    internal static MessageReceived Wrote(double at, string address = Address) =>
        new($"SM{at}", Caller, address, ProfileName: null, MessageKind.Text, "hello", MediaUrl: null, MediaType: null, At(at));

    internal static CallSid SidOf(string id) => CallSid.Parse($"CA{id.Aggregate(17UL, (hash, letter) => (hash * 31) + letter):x32}");

    internal static ConversationStory Given(params ConversationEvent[] events) => new(Conversation.Fold(events));

    internal static CallRefusalReason[] Refusals(CallVerdict verdict) => [.. verdict.Refusals.Select(refusal => refusal.Reason)];

    private static CallingCountry Country(string code, ImmutableArray<string> prefixes, params string[] zones) =>
        new(code, prefixes, [.. zones.Select(TimeZoneInfo.FindSystemTimeZoneById)]);
}

internal sealed class ConversationStory(Conversation before)
{
    private readonly List<ConversationEvent> _caused = [];

    public Conversation Conversation { get; private set; } = before;

    public CallRefusedException? Refusal { get; private set; }

    public ConversationStory When(params ConversationCommand[] commands)
    {
        foreach (var command in commands)
        {
            try
            {
                var events = Conversation.Decide(Conversation, command);
                Conversation = events.Aggregate(Conversation, Conversation.Apply);
                _caused.AddRange(events);
            }
            catch (CallRefusedException refused)
            {
                Refusal = refused;
            }
        }

        return this;
    }

    public ConversationStory Then(params ConversationEvent[] events)
    {
        Refusal.ShouldBeNull();
        _caused.Count.ShouldBe(events.Length);
        for (var index = 0; index < events.Length; index++)
        {
            Same(_caused[index]).ShouldBe(Same(events[index]));
        }

        return this;
    }

    public void ThenNothing() => Then();

    /// <summary>Lists in events compare by what is in them.</summary>
    private static object Same(ConversationEvent @event) =>
        @event is OutboundCallRefused refused ? (refused with { Reasons = [] }, string.Join(' ', refused.Reasons)) : @event;
}
