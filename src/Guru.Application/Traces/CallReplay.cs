using System.Globalization;
using System.Text;
using System.Text.Json;
using Guru.Application.Voice;

namespace Guru.Application.Traces;

/// <param name="Inputs">What the session was told, frames, slices and receipts included.</param>
/// <param name="Length">From the first input to the last.</param>
/// <param name="IsCut">The trace was too large, and holds the beginning alone.</param>
/// <param name="Difference">The first; null where everything was decided as it was.</param>
/// <param name="Today">The trace as today's rules write it, from the same inputs.</param>
public sealed record ReplayOutcome(int Inputs, int Decisions, TimeSpan Length, bool IsCut, TraceDifference? Difference, string Today);

/// <param name="Input">The number of the input after which it shows, from 1.</param>
/// <param name="At">Since the call's first stream.</param>
/// <param name="What">The input.</param>
/// <param name="Expected">What was decided then.</param>
/// <param name="Got">What is decided now.</param>
public sealed record TraceDifference(int Input, TimeSpan At, string What, string Expected, string Got);

/// <summary>It is no trace, or one that this version cannot read.</summary>
public sealed class TraceException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>
/// Runs what a call's session was told through today's <see cref="CallSession"/>, which is traced like the one before: the two traces have to be
/// the same, line by line.
/// </summary>
public sealed class CallReplay
{
    private readonly CallSession _session;
    private readonly CallTrace _trace;
    private TimeSpan _now;
    private long _timestampMs;
    private long _callMs;
    private byte[] _item = [];
    private byte[] _response = [];

    private CallReplay(CallSessionStart start, CallRules rules)
    {
        _trace = new CallTrace(start, rules, int.MaxValue);
        _session = new CallSession(start, rules, _trace);
    }

    /// <exception cref="TraceException">It cannot be read.</exception>
    public static ReplayOutcome Run(string trace)
    {
        var then = TraceText.Unfold(trace);
        if (then is not [var version, var start, var rules, ..] || !version.StartsWith("trace ", StringComparison.Ordinal))
        {
            throw new TraceException("This is not the trace of a call.");
        }

        if (version != $"trace {CallTrace.Version}")
        {
            throw new TraceException($"The trace was written by another version of Guru ({version}; this one reads trace {CallTrace.Version}).");
        }

        try
        {
            var isCut = then[^1] == "cut";
            var told = then.Skip(3).SkipLast(isCut ? 1 : 0).ToList();
            return Json<CallSessionStart>(start, "start ") is { Agents.Agents.Count: > 0, Voice: not null, Agent: not null, SoFar: not null } began
                ? new CallReplay(began, Json<CallRules>(rules, "rules ")).Run(told, isCut)
                : throw new TraceException("The trace does not say how the call began.");
        }
        catch (Exception error) when (error is JsonException or FormatException or IndexOutOfRangeException or OverflowException or NotSupportedException)
        {
            throw new TraceException($"The trace cannot be read: {error.Message}", error);
        }
    }

    private ReplayOutcome Run(List<string> then, bool isCut)
    {
        string? failure = null;
        var inputs = new List<(int Line, TimeSpan At)>();
        for (var line = 0; line < then.Count && failure is null; line++)
        {
            if (IsInput(then[line]))
            {
                var input = Parse(then[line]);
                inputs.Add((line, _now));
                try
                {
                    input();
                    _session.TakeDecisions();
                }
                catch (Exception error)
                {
                    failure = $"fails with {error.GetType().Name}: {error.Message}";
                }
            }
        }

        var today = TraceText.Fold(_trace.Close().Span);
        var now = TraceText.Unfold(today).Skip(3).ToList();
        if (failure is not null)
        {
            now.Add(failure);
        }

        if (isCut && now.Count > then.Count)
        {
            now.RemoveRange(then.Count, now.Count - then.Count);
        }

        return new ReplayOutcome(
            inputs.Count,
            then.Count(line => line.StartsWith("d ", StringComparison.Ordinal)),
            inputs.Count == 0 ? TimeSpan.Zero : inputs[^1].At - inputs[0].At,
            isCut,
            FirstDifference(then, now, inputs),
            isCut ? $"{today}cut\n" : today);
    }

    private static TraceDifference? FirstDifference(List<string> then, List<string> now, List<(int Line, TimeSpan At)> inputs)
    {
        var first = 0;
        while (first < Math.Max(then.Count, now.Count) && AreSame(then, now, first))
        {
            first++;
        }

        if (first == Math.Max(then.Count, now.Count))
        {
            return null;
        }

        var (expected, got) = (then.ElementAtOrDefault(first), now.ElementAtOrDefault(first));
        var bothInputs = expected is not null && got is not null && IsInput(expected) && IsInput(got); // Such as a frame that is placed elsewhere.
        var last = inputs.FindLastIndex(input => input.Line < first || (input.Line == first && bothInputs));
        return new TraceDifference(
            last + 1,
            last < 0 ? TimeSpan.Zero : inputs[last].At,
            last < 0 ? "the beginning" : then[inputs[last].Line],
            InWords(expected, bothInputs),
            InWords(got, bothInputs));
    }

    private static string InWords(string? line, bool isInput) => line switch
    {
        null => "nothing more",
        _ when IsInput(line) => isInput ? line : "nothing more",
        _ when line.StartsWith("d ", StringComparison.Ordinal) => $"decides {line[2..]}",
        _ when line.StartsWith("w ", StringComparison.Ordinal) => $"waits until {line[2..]} ms",
        _ => line,
    };

    private static bool AreSame(List<string> then, List<string> now, int line) =>
        line < then.Count && line < now.Count && (then[line] == now[line] || InTodaysShape(then[line]) == now[line]);

    /// <summary>A member that has been added since, and has its default, is no difference.</summary>
    private static string InTodaysShape(string line)
    {
        var json = line.IndexOf('{', StringComparison.Ordinal);
        try
        {
            return (line[0], json) switch
            {
                ('d', > 0) => line[..json] + JsonSerializer.Serialize(JsonSerializer.Deserialize<CallDecision>(line.AsSpan(json), TraceJson.Options), TraceJson.Options),
                ('i', > 0) => line[..json] + JsonSerializer.Serialize(JsonSerializer.Deserialize<CallInput>(line.AsSpan(json), TraceJson.Options), TraceJson.Options),
                _ => line,
            };
        }
        catch (Exception error) when (error is JsonException or NotSupportedException)
        {
            return line;
        }
    }

    private static bool IsInput(string line) => line.Length > 1 && line[1] == ' ' && line[0] is 'f' or 'a' or 's' or 'm' or 'i';

    /// <returns>What is to be done to tell the session of it.</returns>
    private Action Parse(string line)
    {
        var words = line.Split(' ');
        _now += words[0] == "a" ? TimeSpan.Zero : Milliseconds(words[1]);
        var now = _now;
        switch (words[0])
        {
            case "f":
                var (frame, timestampMs, callMs) = ((int)Number(words[2]), words[3] == "-" ? -1 : _timestampMs + Number(words[3]), _callMs + Number(words[4]));
                _timestampMs = Math.Max(_timestampMs, timestampMs) + AudioLength.ToMs(frame);
                _callMs = callMs + AudioLength.ToMs(frame);
                return () =>
                {
                    var placed = _session.PlaceFrame(frame, timestampMs, now);
                    if (words[^1] == ".")
                    {
                        _session.Appended(frame, placed.CallMs); // Where today's rules place it, or the session would have two opinions.
                    }
                };
            case "a":
                return () => _session.Appended((int)Number(words[1]), Number(words[2]));
            case "s":
                (_item, _response) = (Id(words[2], _item), Id(words[3], _response));
                var audio = new ModelAudio(_response, _item, (int)Number(words[4]), default, (int)Number(words[5]));
                return () => _session.OnModelAudio(audio, now);
            case "m":
                return () => _session.OnMark(new PlaybackMark((int)Number(words[2]), Number(words[3])), now);
            default:
                var told = Json<CallInput>(line, $"i {words[1]} ");
                return () => _session.Handle(told, now);
        }
    }

    private static byte[] Id(string word, byte[] before) => word == "=" ? before : Encoding.UTF8.GetBytes(Uri.UnescapeDataString(word));

    private static long Number(string word) => long.Parse(word, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);

    private static TimeSpan Milliseconds(string word) =>
        TimeSpan.FromTicks((long)(decimal.Parse(word, NumberStyles.Number, CultureInfo.InvariantCulture) * TimeSpan.TicksPerMillisecond));

    private static T Json<T>(string line, string before) =>
        line.StartsWith(before, StringComparison.Ordinal) && JsonSerializer.Deserialize<T>(line.AsSpan(before.Length), TraceJson.Options) is { } read
            ? read
            : throw new TraceException($"The trace has no {before.Trim()} where it should.");
}
