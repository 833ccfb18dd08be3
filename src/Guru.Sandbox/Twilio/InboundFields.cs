using System.Globalization;
using System.Text.Json;

namespace Guru.Sandbox.Twilio;

/// <summary>The form that Twilio posts for a message: the fields that apply to its kind, and no others.</summary>
static class InboundFields
{
    public const string CallPermission = "VOICE_CALL_REQUEST";

    public static Dictionary<string, string> Of(InboundMessage message, string messageSid, Uri? media, TwilioStandInOptions options)
    {
        var waId = message.WaId ?? (message.From.StartsWith("whatsapp:+", StringComparison.Ordinal) ? message.From["whatsapp:+".Length..] : null);
        var fields = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["SmsMessageSid"] = messageSid,
            ["NumMedia"] = media is null ? "0" : "1",
            ["ProfileName"] = message.ProfileName,
            ["MessageType"] = TypeOf(message),
            ["SmsSid"] = messageSid,
            ["SmsStatus"] = "received",
            ["Body"] = BodyOf(message),
            ["To"] = options.WhatsAppNumber,
            ["NumSegments"] = "1",
            ["ReferralNumMedia"] = "0",
            ["MessageSid"] = messageSid,
            ["AccountSid"] = options.AccountSid,
            ["From"] = message.From,
            ["ApiVersion"] = "2010-04-01",
            ["ChannelMetadata"] = JsonSerializer.Serialize(new
            {
                type = "whatsapp",
                data = new { context = waId is null ? new { message.ProfileName } : (object)new { message.ProfileName, WaId = waId } },
            }),
        };
        if (waId is not null)
        {
            fields["WaId"] = waId;
        }

        if ((message.ExternalUserId ?? (waId is null ? message.From : null)) is { } externalId)
        {
            fields["ExternalUserId"] = externalId;
        }

        if (media is not null)
        {
            fields["MediaUrl0"] = media.AbsoluteUri;
            fields["MediaContentType0"] = ContentTypeOf(message);
        }

        AddByKind(fields, message);
        if (message.Forwarded)
        {
            fields["Forwarded"] = "true";
        }

        if (message.InReplyTo is { } original)
        {
            fields["OriginalRepliedMessageSid"] = original;
            fields["OriginalRepliedMessageSender"] = options.WhatsAppNumber;
        }

        foreach (var (name, value) in message.ExtraParameters)
        {
            fields[name] = value;
        }

        return fields;
    }

    public static string ContentTypeOf(InboundMessage message) => message.MediaContentType ?? message.Kind switch
    {
        MessageKind.VoiceNote => "audio/ogg",
        MessageKind.Image => "image/jpeg",
        _ => "application/pdf",
    };

    /// <summary>What the person wrote, or what stands for it.</summary>
    public static string BodyOf(InboundMessage message) => message.Kind switch
    {
        MessageKind.Text => message.Body,
        MessageKind.Image or MessageKind.Document => message.Caption,
        MessageKind.ButtonReply => message.ButtonText,
        _ => "",
    };

    private static string TypeOf(InboundMessage message) => message.Kind switch
    {
        MessageKind.VoiceNote => "audio",
        MessageKind.Image => "image",
        MessageKind.Document => "document",
        MessageKind.Location => "location",
        MessageKind.ButtonReply => message.ButtonText == CallPermission ? "interactive" : "button",
        _ => "text",
    };

    private static void AddByKind(Dictionary<string, string> fields, InboundMessage message)
    {
        switch (message.Kind)
        {
            case MessageKind.Location:
                fields["Latitude"] = message.Latitude.ToString(CultureInfo.InvariantCulture);
                fields["Longitude"] = message.Longitude.ToString(CultureInfo.InvariantCulture);
                AddIf(fields, "Label", message.Label);
                AddIf(fields, "Address", message.Address);
                break;
            case MessageKind.ButtonReply:
                fields["ButtonText"] = message.ButtonText;
                fields["ButtonPayload"] = message.ButtonPayload;
                break;
            default:
                break;
        }
    }

    private static void AddIf(Dictionary<string, string> fields, string name, string? value)
    {
        if (value is not null)
        {
            fields[name] = value;
        }
    }
}
