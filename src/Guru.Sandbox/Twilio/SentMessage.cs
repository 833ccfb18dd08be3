using System.Collections.Immutable;

namespace Guru.Sandbox.Twilio;

/// <summary>A message that the application sent.</summary>
public sealed record SentMessage(
    string Sid, string To, string From, string Body, DateTimeOffset CreatedAt, IReadOnlyDictionary<string, string> Parameters)
{
    private volatile string _status = "queued";

    /// <summary>queued, sent, delivered, read, failed, undelivered: the furthest it came.</summary>
    public string Status
    {
        get => _status;
        internal set => _status = value;
    }

    public int? ErrorCode { get; internal set; }

    /// <summary>outbound-api, or outbound-reply when it was the answer to a webhook.</summary>
    public string Direction { get; internal init; } = "outbound-api";
}

/// <summary>A step of a message on its way to a person.</summary>
public sealed record DeliveryTold(SentMessage Message, string Status, int? ErrorCode);

/// <summary>How the delivery of messages goes, and is told.</summary>
public sealed record DeliveryPlan
{
    /// <summary>Every step is told once, in order.</summary>
    public static DeliveryPlan InOrder { get; } = new();

    /// <summary>Every step is told, in no order.</summary>
    public static DeliveryPlan Shuffled { get; } = new() { Callbacks = ["read", "queued", "delivered", "sent"] };

    /// <summary>Every step is told twice.</summary>
    public static DeliveryPlan Repeated { get; } = new()
    {
        Callbacks = ["queued", "queued", "sent", "sent", "delivered", "delivered", "read", "read"],
    };

    /// <summary>The person has blocked the sender: it stays sent for ever.</summary>
    public static DeliveryPlan Blocked { get; } = new() { Callbacks = ["queued", "sent"], Arrives = false };

    /// <summary>The status callbacks of a message that can be delivered, in the order in which they are posted.</summary>
    public ImmutableArray<string> Callbacks { get; init; } = ["queued", "sent", "delivered", "read"];

    /// <summary>The person gets it.</summary>
    public bool Arrives { get; init; } = true;

    /// <summary>The callbacks come before the answer to the request that sent the message.</summary>
    public bool BeforeAnswer { get; init; }

    /// <summary>failed or undelivered: the last status of what cannot be delivered.</summary>
    public string Refusal { get; init; } = "failed";
}
