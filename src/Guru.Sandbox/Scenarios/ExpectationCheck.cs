
namespace Guru.Sandbox.Scenarios;

/// <summary>Holds a recorded call against what a scenario expects, and against what holds for every call.</summary>
public static class ExpectationCheck
{
    /// <returns>Everything that is not as it should be; nothing when all is.</returns>
    public static IReadOnlyList<string> Check(Expectations expected, CallRecord record, WireFacts? wire = null)
    {
        var mistakes = new List<string>();
        if (record.EndReason != expected.EndReason)
        {
            mistakes.Add($"The call ended by {record.EndReason ?? "nothing yet"}, not by {expected.EndReason}.");
        }

        CheckUtterances(expected.Utterances, record.Utterances, mistakes);
        CheckEvents(expected, record, mistakes);
        CheckWhatHoldsAlways(record, mistakes);
        if (wire is not null)
        {
            CheckWire(expected, record, wire, mistakes);
        }

        return mistakes;
    }

    static void CheckUtterances(IReadOnlyList<ExpectedUtterance> expected, IReadOnlyList<RecordedUtterance> recorded, List<string> mistakes)
    {
        var at = 0;
        foreach (var wanted in expected)
        {
            if (at < recorded.Count && Differences(wanted, recorded[at]) is not { Count: > 0 })
            {
                at++;
            }
            else if (!wanted.Optional)
            {
                mistakes.Add(at < recorded.Count
                    ? $"Utterance {at + 1} is {recorded[at]}: {string.Join("; ", Differences(wanted, recorded[at]))}."
                    : $"Utterance {at + 1} is missing: {wanted.Speaker} \"{wanted.Said}\".");
                at++;
            }
        }

        foreach (var extra in recorded.Skip(at))
        {
            mistakes.Add($"Nobody expected the utterance {extra}.");
        }
    }

    static List<string> Differences(ExpectedUtterance wanted, RecordedUtterance utterance)
    {
        var differences = new List<string>();
        if (utterance.Speaker != wanted.Speaker)
        {
            differences.Add($"expected was the {wanted.Speaker}");
        }

        if (wanted.Said is { } said && !Holds(utterance.Said, said))
        {
            differences.Add($"expected was \"{said}\"");
        }

        if (wanted.Heard is { } heard && !Holds(utterance.Heard, heard))
        {
            differences.Add($"heard should be \"{heard}\", and is \"{utterance.Heard}\"");
        }

        if (wanted.Interrupted is { } interrupted && utterance.Interrupted != interrupted)
        {
            differences.Add(interrupted ? "it should have been cut off" : "it should not have been cut off");
        }

        if (wanted.Agent is { } agent && utterance.Agent != agent)
        {
            differences.Add($"the agent is {utterance.Agent ?? "not known"}, and should be {agent}");
        }

        return differences;
    }

    static bool Holds(string text, string part) => part.Length == 0 ? text.Length == 0
        : text.Contains(part, StringComparison.OrdinalIgnoreCase);

    static void CheckEvents(Expectations expected, CallRecord record, List<string> mistakes)
    {
        foreach (var (type, wanted) in expected.Events)
        {
            var count = record.EventTypes.Count(recorded => recorded == type);
            if (!wanted.Holds(count))
            {
                mistakes.Add($"There are {count} events {type}, and should be {wanted}.");
            }
        }
    }

    static void CheckWhatHoldsAlways(CallRecord record, List<string> mistakes)
    {
        if (record.EventTypes.Count(type => type == "CallEnded") != 1)
        {
            mistakes.Add($"A call ends once; this one has {record.EventTypes.Count(type => type == "CallEnded")} events CallEnded.");
        }

        foreach (var utterance in record.Utterances)
        {
            if (utterance.EndMs < utterance.StartMs)
            {
                mistakes.Add($"{utterance} ends before it starts: {utterance.StartMs} to {utterance.EndMs} ms.");
            }

            if (utterance.Speaker == "caller" && utterance.Heard != utterance.Said)
            {
                mistakes.Add($"{utterance}: what a caller said was heard as \"{utterance.Heard}\".");
            }

            if (utterance.Heard.Length > utterance.Said.Length)
            {
                mistakes.Add($"{utterance}: more was heard than said: \"{utterance.Heard}\".");
            }
        }

        foreach (var (earlier, later) in record.Utterances.Zip(record.Utterances.Skip(1)))
        {
            if (later.StartMs < earlier.StartMs)
            {
                mistakes.Add($"{later} began before {earlier}, and comes after it.");
            }
        }
    }

    static void CheckWire(Expectations expected, CallRecord record, WireFacts wire, List<string> mistakes)
    {
        foreach (var refused in wire.Truncations.Where(truncation => !truncation.Accepted))
        {
            mistakes.Add($"The model refused to cut {refused.ItemId} at {refused.AudioEndMs} ms.");
        }

        if (expected.Truncations is { } wanted && !wanted.Holds(wire.Truncations.Count))
        {
            mistakes.Add($"The model was told {wire.Truncations.Count} times what was heard, and should have been {wanted}.");
        }

        if (expected.Sentences is { } sentences
            && (sentences.Count != wire.Sentences.Count || sentences.Zip(wire.Sentences).Any(pair => !Holds(pair.Second, pair.First))))
        {
            mistakes.Add($"The carrier said {Quoted(wire.Sentences)}, and should have said {Quoted(sentences)}.");
        }

        // Lines of the agent that reached the line, in order, against the agent's recorded utterances.
        var spoken = record.Utterances.Where(utterance => utterance.Speaker == "agent").ToList();
        var from = 0;
        foreach (var line in wire.Heard.Where(line => line.PlayedBytes > 0))
        {
            // The part of a line that was said before its session broke is an utterance of its own.
            var index = spoken.FindIndex(from, utterance => utterance.Said.Length > 0
                && line.Sample.Text.StartsWith(utterance.Said, StringComparison.Ordinal));
            if (index < 0)
            {
                mistakes.Add($"The caller heard \"{line.Sample.Text}\", and no utterance says so.");
                continue;
            }

            from = index + 1;
            var claimed = TimeSpan.FromMilliseconds(spoken[index].HeardMs ?? (spoken[index].EndMs - spoken[index].StartMs));
            var off = (claimed - line.Heard).Duration();
            if (line.Cut && off > expected.HeardWithin)
            {
                mistakes.Add($"{spoken[index]}: recorded as heard for {claimed.TotalMilliseconds:F0} ms, and played for {line.Heard.TotalMilliseconds:F0} ms.");
            }
        }
    }

    static string Quoted(IEnumerable<string> texts) => $"[{string.Join(", ", texts.Select(text => $"\"{text}\""))}]";
}
