using System.Globalization;
using System.Text.Json.Nodes;

namespace Guru.Sandbox.Scenarios;

/// <summary>A conversation as Guru recorded it, wherever that was read.</summary>
public sealed record ConversationRecord(IReadOnlyList<RecordedMessage> Messages, string? Language, string? Agent)
{
    public static ConversationRecord Empty { get; } = new([], Language: null, Agent: null);

    /// <param name="conversation">An item of GET /api/conversations.</param>
    /// <param name="messages">The items of all pages of its messages.</param>
    public static ConversationRecord Read(JsonNode conversation, IEnumerable<JsonNode> messages) => new(
        [.. messages.Select(RecordedMessage.Read)], (string?)conversation["language"], (string?)conversation["agent"]);
}

/// <summary>One entry of the timeline.</summary>
/// <param name="Channel">whatsapp, voiceNote, call, webapp.</param>
/// <param name="Speaker">caller or agent.</param>
public sealed record RecordedMessage(
    DateTimeOffset At, string Channel, string Speaker, string Text, string? Agent = null, string? CallSid = null, string? MessageSid = null)
{
    public static RecordedMessage Read(JsonNode message) => new(
        DateTimeOffset.Parse((string)message["at"]!, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal),
        (string)message["channel"]!, (string)message["speaker"]!, (string?)message["text"] ?? "", (string?)message["agent"],
        (string?)message["callSid"], (string?)message["messageSid"]);

    public override string ToString() => $"{Channel} {Speaker} \"{Text}\"";
}
