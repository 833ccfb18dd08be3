using System.Text.Json;
using Guru.Application.Voice;
using Guru.Infrastructure.Sockets;

namespace Guru.Infrastructure.OpenAI;

/// <summary>
/// Bytes of the voice model to messages. A slice of speech is read without allocating and without regard to the order of members;
/// everything else becomes a record. Unknown types are passed over: new ones appear over time.
/// </summary>
public static class RealtimeReader
{
    /// <param name="message">One whole message; audio points into it.</param>
    /// <param name="strings">Keeps what had to be unescaped, until the next call.</param>
    /// <param name="malformed">It is not passed over but broken: no JSON, or a known type without what it must have.</param>
    /// <returns>Null when there is nothing to act on.</returns>
    public static ModelMessage? Read(ReadOnlyMemory<byte> message, JsonStrings strings, out bool malformed)
    {
        malformed = false;
        try
        {
            var head = new Head();
            var reader = new MessageReader(message, strings);
            if (!reader.Enter())
            {
                malformed = true;
                return null;
            }

            if (head.ReadAudio(ref reader))
            {
                malformed = !Base64Audio.TryMeasure(head.Delta.Span, out var bytes) || head.ItemId.IsEmpty || !reader.AtEnd();
                return malformed || bytes == 0
                    ? null
                    : new ModelMessage(Event: null, new ModelAudio(head.ResponseId, head.ItemId, head.ContentIndex, head.Delta, bytes));
            }

            if (!RealtimeEvents.IsKnown(head.Type.Span))
            {
                malformed = head.Type.IsEmpty;
                return null;
            }

            using var document = JsonDocument.Parse(message);
            return RealtimeEvents.Read(document.RootElement) is { } read ? new ModelMessage(read, default) : null;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            malformed = true;
            return null;
        }
    }

    /// <summary>The members of a slice of speech, which is nearly everything that comes.</summary>
    private struct Head
    {
        public ReadOnlyMemory<byte> Type;
        public ReadOnlyMemory<byte> ResponseId;
        public ReadOnlyMemory<byte> ItemId;
        public ReadOnlyMemory<byte> Delta;
        public int ContentIndex;

        /// <summary>Reads until it is known that this is something else.</summary>
        public bool ReadAudio(ref MessageReader reader)
        {
            while (reader.Next())
            {
                if (reader.Is("type"u8))
                {
                    Type = reader.Text();
                    if (!IsAudio)
                    {
                        return false;
                    }
                }
                else if (reader.Is("response_id"u8)) { ResponseId = reader.Text(); }
                else if (reader.Is("item_id"u8)) { ItemId = reader.Text(); }
                else if (reader.Is("delta"u8)) { Delta = reader.Text(); }
                else if (reader.Is("content_index"u8)) { ContentIndex = Index(reader.Text().Span); }
                else { reader.Skip(); }
            }

            return IsAudio;
        }

        private readonly bool IsAudio => Type.Span.SequenceEqual("response.output_audio.delta"u8);

        private static int Index(ReadOnlySpan<byte> text) =>
            int.TryParse(text, System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out var index) ? index : 0;
    }
}
