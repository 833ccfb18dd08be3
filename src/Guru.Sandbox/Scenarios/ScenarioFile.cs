using System.Collections.Immutable;
using System.Globalization;
using Guru.Sandbox.Audio;
using Guru.Sandbox.OpenAI;
using Guru.Sandbox.Twilio;

namespace Guru.Sandbox.Scenarios;

/// <summary>A scenario that cannot be used, with everything that is wrong with it.</summary>
public sealed class ScenarioException(IReadOnlyList<string> mistakes)
    : Exception($"The scenario has {mistakes.Count} mistake(s):{Environment.NewLine}{string.Join(Environment.NewLine, mistakes)}")
{
    public IReadOnlyList<string> Mistakes => mistakes;
}

/// <summary>Scenarios as they are written: YAML, checked as a whole.</summary>
public static partial class ScenarioFile
{
    static readonly string[] EndReasons =
    [
        "callerHungUp", "agentEnded", "silence", "maxDuration", "modelUnavailable", "shuttingDown",
        "busy", "noAnswer", "failed", "canceled", "streamLost", "atCapacity",
    ];

    /// <summary>Where the shipped scenarios are.</summary>
    public static string Folder { get; } = Path.Combine(AppContext.BaseDirectory, "Scenarios");

    private static string ConversationFolder { get; } = Path.Combine(Folder, "Conversations");

    /// <summary>Calls alone.</summary>
    public static IReadOnlyList<Scenario> Shipped() => [.. Directory.GetFiles(Folder, "*.yaml").Order(StringComparer.Ordinal).Select(Load)];

    /// <summary>Messages with and without calls.</summary>
    public static IReadOnlyList<Scenario> Conversations() =>
        [.. Directory.GetFiles(ConversationFolder, "*.yaml").Order(StringComparer.Ordinal).Select(Load)];

    public static IReadOnlyList<Scenario> All() => [.. Shipped(), .. Conversations()];

    /// <param name="nameOrPath">The name of a shipped scenario or conversation, or a file.</param>
    public static Scenario Load(string nameOrPath)
    {
        string[] places = [nameOrPath, Path.Combine(Folder, $"{nameOrPath}.yaml"), Path.Combine(ConversationFolder, $"{nameOrPath}.yaml")];
        if (Array.Find(places, File.Exists) is not { } path)
        {
            throw new ScenarioException([$"{nameOrPath}: there is no such file, and no such scenario in {Folder}."]);
        }

        return Parse(File.ReadAllText(path), Path.GetFileNameWithoutExtension(path));
    }

    /// <exception cref="ScenarioException">Everything that is wrong with it.</exception>
    public static Scenario Parse(string yaml, string name)
    {
        var mistakes = new List<string>();
        if (new YamlReader($"{name}.yaml", mistakes).Read(yaml) is not { } file)
        {
            throw new ScenarioException(mistakes);
        }

        var call = Call(file) with { AtMost = TimeSpan.FromSeconds(file.Number("atMostSeconds") ?? 120) };
        var messages = Messages(file, call);
        var scenario = new Scenario
        {
            Name = name,
            Title = file.Required("title"),
            AtMost = call.AtMost,
            Guru = Settings(file),
            Brain = [.. file.Maps("brain").Select(Rule)],
            Model = Model(file),
            Transcriptions = [.. file.Maps("transcriptions").Select(Transcription)],
            FirstAudioAfter = file.Ms("firstAudioMs"),
            Speed = file.Number("speed"),
            Call = call,
            Messages = messages,
            MessageFaults = Faults(file),
            Expect = Expectations(file, placesCall: !file.Has("messages") || messages.Exists(step => step is PersonCalls { Call: null })),
        };
        file.Done();
        return mistakes.Count == 0 ? scenario : throw new ScenarioException(mistakes);
    }

    static ImmutableDictionary<string, string> Settings(YamlMap file)
    {
        var settings = file.Map("guru");
        return settings?.Keys.ToImmutableDictionary(key => key, key => settings.Text(key) ?? "") ?? ImmutableDictionary<string,
            string>.Empty;
    }

    static CallOptions Call(YamlMap file)
    {
        var line = file.Map("line");
        var webhooks = file.Map("webhooks");
        var options = new CallOptions
        {
            From = file.Text("from") ?? "whatsapp:+233201234567",
            Script = [.. file.Maps("caller").Select(Turn).OfType<CallerTurn>()],
            Line = new LineFaults
            {
                MalformedJson = line?.Flag("malformedJson") ?? false,
                WrongBase64 = line?.Flag("wrongBase64") ?? false,
                BinaryFrames = line?.Flag("binaryFrames") ?? false,
                ForeignFrames = line?.Flag("foreignFrames") ?? false,
                UnknownEvents = line?.Flag("unknownEvents") ?? false,
                SecondStream = line?.Flag("secondStream") ?? false,
                EscapedSlashes = line?.Flag("escapedSlashes") ?? false,
                Jitter = line?.Ms("jitterMs") ?? TimeSpan.Zero,
            },
            Webhooks = new WebhookFaults
            {
                DuplicateWebhook = webhooks?.Flag("duplicateWebhook") ?? false,
                DuplicateStatus = webhooks?.Flag("duplicateStatus") ?? false,
                DuplicateAction = webhooks?.Flag("duplicateAction") ?? false,
                EarlyStatus = webhooks?.Flag("earlyStatus") ?? false,
                ShuffledStatus = webhooks?.Flag("shuffledStatus") ?? false,
                Seed = webhooks?.Integer("seed"),
            },
        };
        line?.Done();
        webhooks?.Done();
        return options;
    }

    static CallerTurn? Turn(YamlMap turn)
    {
        var when = turn.Map("when");
        var trigger = when is null ? null : Trigger(when);
        when?.Done();
        CallerAction?[] actions =
        [
            turn.Text("say") is { } sample ? Say(turn, sample) : null,
            turn.Ms("sendNothingMs") is { } gap ? new SendNothing(gap) : null,
            turn.Text("press") is { } digit ? new Press(digit is [var only] ? only : '#') : null,
            turn.Flag("hangUp") == true ? new HangUp() : null,
            turn.Flag("loseStream") == true ? new LoseStream() : null,
        ];
        turn.Done();
        if (actions.OfType<CallerAction>().ToList() is [var action])
        {
            return new CallerTurn(trigger, action);
        }

        turn.Mistake("A turn of the caller does one thing: say, sendNothingMs, press, hangUp or loseStream.");
        return null;
    }

    static Say? Say(YamlMap turn, string sample)
    {
        var (from, to) = (turn.Ms("fromMs"), turn.Ms("toMs"));
        if (SampleLibrary.Shipped.Find(sample) is { Speaker: "caller" })
        {
            return new Say(sample, from ?? TimeSpan.Zero, to);
        }

        turn.Mistake($"'{sample}' is no line of a caller. There are: {CallerLines()}.");
        return new Say(sample);
    }

    static CallerTrigger? Trigger(YamlMap when)
    {
        var wait = when.Ms("afterMs");
        CallerTrigger?[] triggers =
        [
            Agent(when, "agentSpeaking") is { } speaking ? new AgentSpeaking(wait ?? TimeSpan.Zero, speaking.Number) : null,
            Agent(when, "agentFinished") is { } finished ? new AgentFinished(wait ?? TimeSpan.Zero, finished.Number) : null,
            when.Ms("atMs") is { } time ? new At(time) : null,
            when.Ms("silenceMs") is { } silence ? new NobodySpeaking(silence) : null,
        ];
        switch (triggers.OfType<CallerTrigger>().ToList())
        {
            case []:
                return new After(wait ?? TimeSpan.Zero);
            case [var one]:
                return one;
            default:
                when.Mistake("A turn has one trigger: agentSpeaking, agentFinished, atMs, silenceMs, or afterMs alone.");
                return null;
        }
    }

    /// <summary>A turn of the agent by its number, or "next": the first one since the caller's last action began.</summary>
    static (int? Number, bool Given)? Agent(YamlMap when, string key)
    {
        if (!when.Has(key))
        {
            return null;
        }

        return (when.Text(key) == "next" ? null : when.Integer(key), true);
    }

    static BrainRule Rule(YamlMap rule)
    {
        var (say, call) = (rule.Text("say"), rule.Text("call"));
        if (say is not null && SampleLibrary.Shipped.Find($"{say}-en") is null)
        {
            rule.Mistake($"The agent has no line '{say}'.");
        }

        var read = new BrainRule(rule.Texts("words"), say, call is null ? null : new ToolUse(call, rule.Text("arguments") ?? "{}"), rule.Text("by"));
        rule.Text("arguments");
        rule.Done();
        return read;
    }

    static ImmutableDictionary<int, RealtimeFaults> Model(YamlMap file)
    {
        var sessions = ImmutableDictionary.CreateBuilder<int, RealtimeFaults>();
        foreach (var given in file.Maps("model"))
        {
            var number = given.Text("session") switch { "others" => 0, _ => given.Integer("session") ?? -1 };
            if (number < 0 || sessions.ContainsKey(number))
            {
                given.Mistake("Each entry of 'model' names another session: its number from 1, or others.");
                number = -1 - sessions.Count;
            }

            sessions[number] = new RealtimeFaults
            {
                RefuseUpgrade = given.Integer("refuseUpgrade"),
                CloseAtOnce = given.Integer("closeAtOnce"),
                CloseReason = given.Text("closeReason") ?? "invalid_api_key",
                ExpiresAfter = given.Ms("expiresAfterMs"),
                ResetAfter = given.Ms("resetAfterMs"),
                ResetAtDelta = given.Integer("resetAtDelta"),
                CloseAtDelta = given.Integer("closeAtDelta"),
                CloseCode = given.Integer("closeCode") ?? RealtimeFaults.None.CloseCode,
                MuteAtDelta = given.Integer("muteAtDelta"),
                MuteAtTurn = given.Integer("muteAtTurn"),
                MuteAfterResponse = given.Integer("muteAfterResponse"),
                StallAtDelta = given.Integer("stallAtDelta"),
                SlowFromResponse = given.Integer("slowFromResponse"),
                FailResponses = Failures(given),
                SilentFromResponse = given.Integer("silentFromResponse"),
                FirstAudioAfter = given.Ms("firstAudioMs"),
                SessionUpdatedAfter = given.Ms("sessionUpdatedMs") ?? TimeSpan.Zero,
                EchoFormat = given.Text("echoFormat"),
                UnknownEvents = given.Flag("unknownEvents") ?? false,
                Garbage = given.Flag("garbage") ?? false,
                HugeDeltas = given.Flag("hugeDeltas") ?? false,
                SplitFrames = given.Flag("splitFrames") ?? false,
                TranscriptionFails = given.Flag("transcriptionFails") ?? false,
            };
            given.Done();
        }

        return sessions.ToImmutable();
    }

    static ImmutableDictionary<int, string> Failures(YamlMap given)
    {
        var failures = given.Map("failResponses");
        var read = ImmutableDictionary.CreateBuilder<int, string>();
        foreach (var key in failures?.Keys ?? [])
        {
            if (int.TryParse(key, CultureInfo.InvariantCulture, out var number))
            {
                read[number] = failures!.Text(key) ?? "server_error";
            }
            else
            {
                failures!.Mistake($"'{key}' is no number of a response.");
            }
        }

        return read.ToImmutable();
    }

    static TranscriptionStyle Transcription(YamlMap style)
    {
        var read = new TranscriptionStyle(style.Ms("afterMs") ?? TimeSpan.FromMilliseconds(400), style.Flag("fails") ?? false,
            style.Flag("bySeconds") ?? false);
        style.Done();
        return read;
    }

    static Expectations Expectations(YamlMap file, bool placesCall)
    {
        if (file.Map("expect") is not { } expect)
        {
            file.Mistake("'expect' is missing: a scenario says what must be on record at the end.");
            return new Expectations { EndReason = "" };
        }

        var reason = placesCall ? expect.Required("endReason") : expect.Text("endReason") ?? "";
        if (!placesCall && (expect.Has("endReason") || expect.Has("utterances")))
        {
            expect.Mistake("No call is placed: neither endReason nor utterances can be expected.");
        }

        if (reason.Length > 0 && !EndReasons.Contains(reason))
        {
            expect.Mistake($"'{reason}' is no end of a call. There are: {string.Join(", ", EndReasons)}.");
        }

        var events = expect.Map("events");
        var read = new Expectations
        {
            EndReason = reason,
            Utterances = [.. expect.Maps("utterances").Select(Utterance)],
            Events = events?.Keys.ToImmutableDictionary(key => key, key => Count(events, key)!.Value) ?? ImmutableDictionary<string,
                CountRange>.Empty,
            Truncations = expect.Has("truncations") ? Count(expect, "truncations") : null,
            Sentences = expect.Has("sentences") ? [.. expect.Texts("sentences")] : null,
            Conversation = Conversation(expect),
            HeardWithin = expect.Ms("heardWithinMs") ?? TimeSpan.FromMilliseconds(250),
        };
        expect.Done();
        return read;
    }

    static ExpectedUtterance Utterance(YamlMap utterance)
    {
        var speaker = utterance.Required("speaker");
        if (speaker is not ("caller" or "agent" or ""))
        {
            utterance.Mistake($"'{speaker}' speaks in no call: the speaker is caller or agent.");
        }

        var read = new ExpectedUtterance(
            speaker, utterance.Text("said"), utterance.Text("heard"), utterance.Flag("interrupted"), utterance.Flag("optional") ?? false,
            utterance.Text("agent"));
        utterance.Done();
        return read;
    }

    /// <summary>2, "1+" or "1-3".</summary>
    static CountRange? Count(YamlMap map, string key)
    {
        var text = map.Text(key) ?? "";
        var parts = text.TrimEnd('+').Split('-');
        if (parts.Length <= 2
            && Array.TrueForAll(parts, part => int.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out _)))
        {
            var min = int.Parse(parts[0], CultureInfo.InvariantCulture);
            return new CountRange(min, text.EndsWith('+') ? int.MaxValue : int.Parse(parts[^1], CultureInfo.InvariantCulture));
        }

        map.Mistake($"'{text}' is no count: 2, 1+ or 1-3.");
        return default(CountRange);
    }
}
