using System.Collections.Immutable;

namespace Guru.Sandbox.Scenarios;

/// <summary>What must be on record, and must have been received, when a conversation is over.</summary>
public sealed record ConversationExpectations
{
    /// <summary>Every message that the person got, by a part of it, in order; null: not looked at.</summary>
    public ImmutableList<ExpectedReply>? Replies { get; init; }

    /// <summary>Every entry of the timeline, in order; null: not looked at.</summary>
    public ImmutableList<ExpectedMessage>? Timeline { get; init; }

    /// <summary>ISO 639-1; null: not looked at.</summary>
    public string? Language { get; init; }

    /// <summary>Null: not looked at.</summary>
    public string? Agent { get; init; }
}

/// <param name="Optional">It may be missing.</param>
public sealed record ExpectedReply(string Text, bool Optional = false);

/// <param name="Text">A part of it; null: not looked at.</param>
/// <param name="Agent">Null: not looked at.</param>
/// <param name="Optional">It may be missing.</param>
public sealed record ExpectedMessage(string Channel, string Speaker, string? Text, string? Agent = null, bool Optional = false);

/// <summary>Holds a recorded conversation against what a scenario expects, and against what holds for every conversation.</summary>
public static class ConversationCheck
{
    private static readonly string[] Channels = ["whatsapp", "voiceNote", "call", "webapp"];

    /// <param name="expected">Null: only what holds always.</param>
    /// <param name="record">As Guru has it.</param>
    /// <param name="facts">As the carrier saw it.</param>
    /// <param name="calls">The calls of the conversation as they are on record.</param>
    /// <returns>Everything that is not as it should be; nothing when all is.</returns>
    public static IReadOnlyList<string> Check(
        ConversationExpectations? expected, ConversationRecord record, MessageFacts facts, IReadOnlyList<CallRecord>? calls = null)
    {
        var mistakes = new List<string>();
        if (expected is not null)
        {
            CheckExpected(expected, record, facts, mistakes);
        }

        mistakes.AddRange(facts.Problems.Select(problem => $"Twilio logged {problem}"));
        CheckShape(record, mistakes);
        CheckNothingIsLost(record, facts, mistakes);
        foreach (var utterance in (calls ?? []).SelectMany(call => call.Utterances).Where(utterance => utterance.Heard.Length > 0))
        {
            if (!record.Messages.Any(message => message.Channel == "call" && message.Speaker == utterance.Speaker
                && (message.Text == utterance.Heard || message.Text == utterance.Said)))
            {
                mistakes.Add($"The timeline lacks what was said in the call: {utterance}.");
            }
        }

        return mistakes;
    }

    private static void CheckExpected(ConversationExpectations expected, ConversationRecord record, MessageFacts facts, List<string> mistakes)
    {
        if (expected.Replies is { } replies)
        {
            CheckInOrder("reply", replies, facts.Received, reply => reply.Optional, (reply, got) => Holds(got.Text, reply.Text), mistakes);
        }

        if (expected.Timeline is { } timeline)
        {
            CheckInOrder("entry of the timeline", timeline, record.Messages, wanted => wanted.Optional, Fits, mistakes);
        }

        if (expected.Language is { } language && record.Language != language)
        {
            mistakes.Add($"The language is {record.Language ?? "not known"}, and should be {language}.");
        }

        if (expected.Agent is { } agent && record.Agent != agent)
        {
            mistakes.Add($"The agent is {record.Agent ?? "not known"}, and should be {agent}.");
        }
    }

    private static void CheckInOrder<TWanted, TGot>(
        string what, IReadOnlyList<TWanted> wanted, IReadOnlyList<TGot> got, Func<TWanted, bool> isOptional, Func<TWanted, TGot, bool> fits,
        List<string> mistakes)
    {
        var at = 0;
        foreach (var next in wanted)
        {
            if (at < got.Count && fits(next, got[at]))
            {
                at++;
            }
            else if (!isOptional(next))
            {
                mistakes.Add(at < got.Count ? $"{Upper(what)} {at + 1} is {got[at]}, and should be {next}." : $"No {what} {at + 1} came: {next}.");
                at++;
            }
        }

        mistakes.AddRange(got.Skip(at).Select(extra => $"Nobody expected the {what} {extra}."));
    }

    private static void CheckShape(ConversationRecord record, List<string> mistakes)
    {
        foreach (var message in record.Messages)
        {
            if (!Channels.Contains(message.Channel) || message.Speaker is not ("caller" or "agent"))
            {
                mistakes.Add($"{message}: there is no such channel or speaker.");
            }

            if (message.Channel == "call" ? message.CallSid is null : message.Channel is "whatsapp" or "voiceNote" && message.MessageSid is null)
            {
                mistakes.Add($"{message} does not say which {(message.Channel == "call" ? "call" : "message")} it is from.");
            }
        }

        foreach (var (earlier, later) in record.Messages.Zip(record.Messages.Skip(1)))
        {
            if (later.At < earlier.At)
            {
                mistakes.Add($"{later} is earlier than {earlier}, and comes after it.");
            }
        }
    }

    private static void CheckNothingIsLost(ConversationRecord record, MessageFacts facts, List<string> mistakes)
    {
        foreach (var written in facts.Written)
        {
            var entries = record.Messages.Where(message => message.MessageSid == written.MessageSid && message.Speaker == "caller").ToList();
            if (entries is not [var entry])
            {
                mistakes.Add($"\"{written.Text}\" was written once, and is {entries.Count} times on the timeline.");
            }
            else if (entry.Channel != written.Channel || !Holds(entry.Text, written.Text.Trim()))
            {
                mistakes.Add($"{entry} should be {written.Channel} caller \"{written.Text}\".");
            }
        }

        // A long answer may be one entry and several messages.
        mistakes.AddRange(facts.Received
            .Where(got => !record.Messages.Any(message => message.Speaker == "agent" && message.Channel != "call" && Holds(message.Text, got.Text)))
            .Select(got => $"The person got {got}, and the timeline does not say so."));
    }

    private static bool Fits(ExpectedMessage wanted, RecordedMessage message) =>
        message.Channel == wanted.Channel && message.Speaker == wanted.Speaker && (wanted.Text is not { } text || Holds(message.Text, text))
        && (wanted.Agent is not { } agent || message.Agent == agent);

    private static bool Holds(string text, string part) => text.Contains(part, StringComparison.OrdinalIgnoreCase);

    private static string Upper(string what) => char.ToUpperInvariant(what[0]) + what[1..];
}
