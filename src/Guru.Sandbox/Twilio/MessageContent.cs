using Guru.Sandbox.Audio;

namespace Guru.Sandbox.Twilio;

/// <summary>The bytes of a message that is more than words.</summary>
static class MessageContent
{
    /// <summary>One white pixel.</summary>
    private static readonly byte[] Jpeg = Convert.FromBase64String(
        "/9j/4AAQSkZJRgABAQEASABIAAD/2wBDAP//////////////////////////////////////////////////////////////////////////////////////"
        + "wgALCAABAAEBAREA/8QAFBABAAAAAAAAAAAAAAAAAAAAAP/aAAgBAQABPxA=");

    private static readonly byte[] Pdf =
        [.. "%PDF-1.1\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj 2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"u8];

    /// <returns>Null for a message of words alone.</returns>
    public static ReadOnlyMemory<byte>? Of(InboundMessage message) => message.Kind switch
    {
        MessageKind.VoiceNote => message.Media ?? VoiceNote(message.SampleId),
        MessageKind.Image => message.Media ?? Jpeg,
        MessageKind.Document => message.Media ?? Pdf,

        // A bare null would become no bytes, which is a medium too.
        _ => (ReadOnlyMemory<byte>?)null,
    };

    private static ReadOnlyMemory<byte> VoiceNote(string? sampleId)
    {
        var sample = SampleLibrary.Shipped[sampleId ?? throw new ArgumentException("A voice note needs a SampleId, or Media.", nameof(sampleId))];
        return sample.VoiceNote.IsEmpty
            ? throw new ArgumentException($"'{sampleId}' is said by the agent: people send voice notes of their own lines.", nameof(sampleId))
            : sample.VoiceNote.AsMemory();
    }
}
