using System.Text.Json;
using Guru.Application.Conversations;

namespace Guru.Application.Calling;

/// <summary>What a person answered to a request for permission to call.</summary>
/// <param name="Permanent">Only where the carrier says so: it documents no such field, and may hand on WhatsApp's.</param>
internal sealed record PermissionAnswer(bool Accepted, bool Permanent)
{
    private const string Button = "VOICE_CALL_REQUEST";
    private const int MostCharacters = 20_000;

    /// <returns>Null for any other message.</returns>
    public static PermissionAnswer? Read(ReceiveWhatsAppMessage message)
    {
        if (!string.Equals(message.ButtonText, Button, StringComparison.OrdinalIgnoreCase))
        {
            return null;
        }

        return message.ButtonPayload?.ToUpperInvariant() switch
        {
            "ACCEPTED" => new PermissionAnswer(Accepted: true, IsPermanent(message.ChannelMetadata)),
            "REJECTED" => new PermissionAnswer(Accepted: false, Permanent: false),
            _ => null,
        };
    }

    private static bool IsPermanent(string? metadata)
    {
        if (metadata is not { Length: > 0 and <= MostCharacters })
        {
            return false;
        }

        try
        {
            using var json = JsonDocument.Parse(metadata);
            return Says(json.RootElement);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return false; // Broken, or with half a surrogate pair.
        }
    }

    private static bool Says(JsonElement element) =>
        element.ValueKind == JsonValueKind.Object
        && element.EnumerateObject().Any(member => (member.NameEquals("is_permanent") && member.Value.ValueKind == JsonValueKind.True) || Says(member.Value));
}
