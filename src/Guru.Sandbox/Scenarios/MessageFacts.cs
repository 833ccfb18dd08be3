using Guru.Sandbox.Audio;
using Guru.Sandbox.Twilio;

namespace Guru.Sandbox.Scenarios;

/// <summary>The same messages, as the carrier saw them.</summary>
/// <param name="Problems">What Twilio logged.</param>
public sealed record MessageFacts(IReadOnlyList<WrittenFact> Written, IReadOnlyList<ReceivedFact> Received, IReadOnlyList<string> Problems)
{
    public static MessageFacts None { get; } = new([], [], []);

    public static MessageFacts Of(TwilioMessaging messaging) => new(
        [.. messaging.Written.Entries.Select(written => new WrittenFact(
            written.MessageSid, written.Message.Kind == MessageKind.VoiceNote ? "voiceNote" : "whatsapp", TextOf(written.Message)))],
        [.. messaging.Received.Entries.Select(message => new ReceivedFact(message.Sid, message.Body))],
        [.. messaging.Problems.Entries.Select(problem => $"{problem.Code} {problem.Text}")]);

    private static string TextOf(InboundMessage message) => message is { Kind: MessageKind.VoiceNote, SampleId: { } sample }
        ? SampleLibrary.Shipped[sample].Text : InboundFields.BodyOf(message);
}

/// <param name="Text">Its words; those that were spoken in a voice note; empty for what has none.</param>
public sealed record WrittenFact(string MessageSid, string Channel, string Text);

public sealed record ReceivedFact(string MessageSid, string Text)
{
    public override string ToString() => $"\"{Text}\"";
}
