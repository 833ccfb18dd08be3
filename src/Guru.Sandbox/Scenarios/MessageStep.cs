using System.Collections.Immutable;
using Guru.Sandbox.OpenAI;
using Guru.Sandbox.Twilio;

namespace Guru.Sandbox.Scenarios;

/// <summary>What happens next between a person and the WhatsApp number.</summary>
public abstract record MessageStep;

/// <summary>The person sends messages, one after the other without a pause.</summary>
public sealed record PersonWrites(ImmutableList<InboundMessage> Messages) : MessageStep;

/// <summary>The person waits for a message that they have not waited for before.</summary>
/// <param name="Part">A part of its text; null: any.</param>
public sealed record PersonWaits(string? Part, TimeSpan AtMost) : MessageStep;

/// <summary>The person calls, and the call is over.</summary>
/// <param name="Call">Null: the call of the scenario itself.</param>
public sealed record PersonCalls(ScenarioCall? Call) : MessageStep;

/// <summary>Nothing happens for a while.</summary>
public sealed record Pause(TimeSpan For) : MessageStep;

/// <summary>The sandbox's clock moves on at once: windows close, links expire.</summary>
public sealed record TimePasses(TimeSpan By) : MessageStep;

/// <summary>A further call of a conversation, with what must be on record for it.</summary>
public sealed record ScenarioCall(CallOptions Call, Expectations Expect);

/// <summary>What goes wrong around messages.</summary>
public sealed record MessageFaults
{
    public static MessageFaults None { get; } = new();

    public ImmutableList<RestFault> Rest { get; init; } = [];

    public ImmutableList<HttpFault> Text { get; init; } = [];

    public DeliveryPlan Delivery { get; init; } = DeliveryPlan.InOrder;

    /// <summary>The first messages that the application sends fail so, in order.</summary>
    public ImmutableList<int> FailedDeliveries { get; init; } = [];
}
