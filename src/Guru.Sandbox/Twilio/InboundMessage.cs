using System.Collections.Immutable;

namespace Guru.Sandbox.Twilio;

public enum MessageKind
{
    Text,
    VoiceNote,
    Image,
    Document,
    Location,

    /// <summary>A tap on a button of a message that the application sent, consent to calls included.</summary>
    ButtonReply,
}

/// <summary>What a person sends to the WhatsApp number.</summary>
public sealed record InboundMessage
{
    /// <summary>whatsapp:+digits, or whatsapp:CC.id for a person whose number is not known.</summary>
    public string From { get; init; } = "whatsapp:+233201234567";

    public MessageKind Kind { get; init; }

    /// <summary>The words of a text, at most 1600 characters.</summary>
    public string Body { get; init; } = "";

    /// <summary>The line of a caller that a voice note holds.</summary>
    public string? SampleId { get; init; }

    /// <summary>The words under an image or a document.</summary>
    public string Caption { get; init; } = "";

    /// <summary>The medium itself, in place of the one that the kind brings along.</summary>
    public ReadOnlyMemory<byte>? Media { get; init; }

    /// <summary>Of the medium; null: what WhatsApp sends for the kind.</summary>
    public string? MediaContentType { get; init; }

    public string ButtonText { get; init; } = "";

    public string ButtonPayload { get; init; } = "";

    public double Latitude { get; init; }

    public double Longitude { get; init; }

    public string? Label { get; init; }

    public string? Address { get; init; }

    /// <summary>The business-scoped id of the person; by itself it is that of the sender whose number is not known.</summary>
    public string? ExternalUserId { get; init; }

    public string ProfileName { get; init; } = "Ama";

    /// <summary>Null: the digits of the number.</summary>
    public string? WaId { get; init; }

    /// <summary>The message that is answered.</summary>
    public string? InReplyTo { get; init; }

    public bool Forwarded { get; init; }

    public string? MessageSid { get; init; }

    /// <summary>How often the webhook is delivered, under one MessageSid.</summary>
    public int Deliveries { get; init; } = 1;

    /// <summary>The deliveries begin together; else each begins when the one before was answered.</summary>
    public bool DeliveriesAtOnce { get; init; }

    /// <summary>Added to the webhook, or in place of what it would say.</summary>
    public ImmutableDictionary<string, string> ExtraParameters { get; init; } = ImmutableDictionary<string, string>.Empty;

    /// <summary>A text.</summary>
    public static InboundMessage Text(string body) => new() { Body = body };

    /// <summary>A voice note of a shipped line.</summary>
    public static InboundMessage VoiceNote(string sampleId) => new() { Kind = MessageKind.VoiceNote, SampleId = sampleId };

    /// <summary>The answer to a request for consent to calls.</summary>
    public static InboundMessage CallPermission(bool accepted) => new()
    {
        Kind = MessageKind.ButtonReply,
        ButtonText = InboundFields.CallPermission,
        ButtonPayload = accepted ? "ACCEPTED" : "REJECTED",
    };
}
