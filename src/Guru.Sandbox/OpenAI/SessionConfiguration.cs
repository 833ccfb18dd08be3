using System.Collections.Frozen;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Guru.Sandbox.OpenAI;

/// <summary>What is wrong with a client's event.</summary>
public sealed record ProtocolError(string Code, string Message, string? Param = null);

/// <summary>The session object: the server's defaults, with every session.update merged into them.</summary>
public sealed class SessionConfiguration
{
    static readonly FrozenSet<string> Known = new[]
    {
        "type", "model", "instructions", "output_modalities", "reasoning", "reasoning.effort", "tools", "tool_choice",
            "parallel_tool_calls",
        "max_output_tokens", "truncation", "include", "tracing", "prompt", "audio",
        "audio.input", "audio.input.format", "audio.input.format.type", "audio.input.format.rate", "audio.input.noise_reduction",
        "audio.input.noise_reduction.type", "audio.input.transcription", "audio.input.transcription.model",
        "audio.input.transcription.language", "audio.input.transcription.languages", "audio.input.transcription.keywords",
        "audio.input.transcription.prompt", "audio.input.transcription.delay", "audio.input.turn_detection",
        "audio.input.turn_detection.type", "audio.input.turn_detection.threshold", "audio.input.turn_detection.prefix_padding_ms",
        "audio.input.turn_detection.silence_duration_ms", "audio.input.turn_detection.idle_timeout_ms",
        "audio.input.turn_detection.create_response", "audio.input.turn_detection.interrupt_response",
        "audio.input.turn_detection.eagerness",
        "audio.output", "audio.output.format", "audio.output.format.type", "audio.output.format.rate", "audio.output.voice",
        "audio.output.voice.id", "audio.output.speed",
    }.ToFrozenSet(StringComparer.Ordinal);

    /// <summary>Members whose own members are not looked into.</summary>
    static readonly FrozenSet<string> Opaque =
        new[] { "tools", "tool_choice", "truncation", "tracing", "prompt", "include" }.ToFrozenSet(StringComparer.Ordinal);

    /// <summary>Objects that are merged member by member; all others are replaced whole.</summary>
    static readonly FrozenSet<string> Merged = new[] { "audio", "audio.input", "audio.output" }.ToFrozenSet(StringComparer.Ordinal);

    static readonly string[] Voices = ["alloy", "ash", "ballad", "coral", "echo", "sage", "shimmer", "verse", "marin", "cedar"];

    public SessionConfiguration(string id, string model, DateTimeOffset expiresAt)
    {
        Json = (JsonObject)JsonNode.Parse($$$"""
            {"type":"realtime","object":"realtime.session","id":"{{{id}}}","model":"{{{JsonEncodedText.Encode(model)}}}","output_modalities":["audio"],
             "instructions":"You are a helpful, witty and friendly AI.","tools":[],"tool_choice":"auto","max_output_tokens":"inf",
             "tracing":null,"truncation":"auto","prompt":null,"expires_at":{{{expiresAt.ToUnixTimeSeconds()}}},
             "audio":{"input":{"format":{"type":"audio/pcm","rate":24000},"transcription":null,"noise_reduction":null,
               "turn_detection":{"type":"server_vad","threshold":0.5,"prefix_padding_ms":300,"silence_duration_ms":200,
                 "idle_timeout_ms":null,"create_response":true,"interrupt_response":true}},
              "output":{"format":{"type":"audio/pcm","rate":24000},"voice":"marin","speed":1}},"include":null}
            """)!;
    }

    public JsonObject Json { get; private set; }

    public string Instructions => (string?)Json["instructions"] ?? "";

    public bool InputIsMuLaw => (string?)Input["format"]?["type"] == "audio/pcmu";

    public bool OutputIsMuLaw => (string?)Output["format"]?["type"] == "audio/pcmu";

    public bool SpeaksText => (string?)Json["output_modalities"]?[0] == "text";

    public bool Transcribes => Input["transcription"] is not null;

    public JsonNode Output => Json["audio"]!["output"]!;

    public IReadOnlyList<string> Tools => [.. Json["tools"]!.AsArray().Select(tool => (string?)tool?["name"] ?? "")];

    /// <summary>Null: turns are the client's to make.</summary>
    public TurnDetection? TurnDetection => Input["turn_detection"] is not { } node ? null : new TurnDetection
    {
        Threshold = (double?)node["threshold"] ?? 0.5,
        PrefixPadding = TimeSpan.FromMilliseconds((double?)node["prefix_padding_ms"] ?? 300),
        SilenceDuration = (string?)node["type"] == "semantic_vad"
            ? TimeSpan.FromMilliseconds((string?)node["eagerness"] switch { "high" => 500, "low" => 2000, _ => 1000 })
            : TimeSpan.FromMilliseconds((double?)node["silence_duration_ms"] ?? 500),
        IdleTimeout = (double?)node["idle_timeout_ms"] is { } idle ? TimeSpan.FromMilliseconds(idle) : null,
        CreateResponse = (bool?)node["create_response"] ?? true,
        InterruptResponse = (bool?)node["interrupt_response"] ?? true,
    };

    JsonNode Input => Json["audio"]!["input"]!;

    /// <summary>Merges a change, or leaves all as it is and says why.</summary>
    /// <param name="hasSpoken">The voice is fixed once there was audio.</param>
    public ProtocolError? Update(JsonNode? change, bool hasSpoken)
    {
        if (change is not JsonObject session)
        {
            return new ProtocolError("missing_required_parameter", "Missing required parameter: 'session'.", "session");
        }

        if (session["type"] is null)
        {
            return new ProtocolError("missing_required_parameter", "Missing required parameter: 'session.type'.", "session.type");
        }

        var copy = (JsonObject)Json.DeepClone();
        var error = Unknown(session, "") ?? Wrong(session, hasSpoken);
        if (error is null)
        {
            Merge(copy, session, "");
            Complete(copy);

            // Read anew, so that every number is of the same kind, whoever wrote it.
            Json = (JsonObject)JsonNode.Parse(copy.ToJsonString())!;
        }

        return error;
    }

    static ProtocolError? Unknown(JsonObject change, string path)
    {
        foreach (var (name, value) in change)
        {
            var full = path + name;
            if (!Known.Contains(full))
            {
                return new ProtocolError("unknown_parameter", $"Unknown parameter: 'session.{full}'.", $"session.{full}");
            }

            if (value is JsonObject nested && !Opaque.Contains(full) && Unknown(nested, full + ".") is { } error)
            {
                return error;
            }
        }

        return null;
    }

    ProtocolError? Wrong(JsonObject change, bool hasSpoken)
    {
        var (input, output) = (change["audio"]?["input"], change["audio"]?["output"]);
        if (Text(change["type"]) != "realtime")
        {
            return Invalid("type", change["type"], "The type of a session cannot be changed.");
        }

        if (change["model"] is { } model && Text(model) != (string?)Json["model"])
        {
            return Invalid("model", model, "The model of a session cannot be changed.");
        }

        if (change["output_modalities"] is { } modalities
            && (modalities is not JsonArray { Count: 1 } one || Text(one[0]) is not ("audio" or "text")))
        {
            return Invalid("output_modalities", modalities, "Supported are: ['audio'] and ['text'].");
        }

        foreach (var (side, format) in new[] { ("input", input?["format"]), ("output", output?["format"]) })
        {
            if (format is not null && Text(format["type"]) is not ("audio/pcm" or "audio/pcmu" or "audio/pcma"))
            {
                return Invalid($"audio.{side}.format.type", format["type"], "Supported are: 'audio/pcm', 'audio/pcmu' and 'audio/pcma'.");
            }

            if (Text(format?["type"]) == "audio/pcm" && Number(format?["rate"]) != 24000)
            {
                return Invalid($"audio.{side}.format.rate", format?["rate"], "The rate must be 24000.");
            }
        }

        if (output?["voice"] is { } voice)
        {
            if (voice is JsonValue && !Voices.Contains(Text(voice)))
            {
                return Invalid("audio.output.voice", voice, $"Supported are: {string.Join(", ", Voices)}.");
            }

            if (hasSpoken && !JsonNode.DeepEquals(voice, Output["voice"]))
            {
                return new ProtocolError(
                    "cannot_update_voice", "Cannot update a conversation's voice if assistant audio is present.",
                        "session.audio.output.voice");
            }
        }

        if (output?["speed"] is { } speed && Number(speed) is not (>= 0.25 and <= 1.5))
        {
            return Invalid("audio.output.speed", speed, "It must be between 0.25 and 1.5.");
        }

        if (input?["transcription"] is JsonObject transcription && transcription["language"] is not null
            && transcription["languages"] is not null)
        {
            return Invalid("audio.input.transcription.languages", transcription["languages"], "Send language or languages, not both.");
        }

        if (change["reasoning"] is not null && !((string?)Json["model"])!.StartsWith("gpt-realtime-2", StringComparison.Ordinal))
        {
            return Invalid("reasoning", change["reasoning"], "This model does not reason.");
        }

        foreach (var tool in change["tools"] as JsonArray ?? [])
        {
            if (Text(tool?["type"]) is not ("function" or "mcp"))
            {
                return Invalid("tools[].type", tool?["type"], "Supported are: 'function' and 'mcp'.");
            }
        }

        return WrongTurnDetection(input?["turn_detection"]);
    }

    static ProtocolError? WrongTurnDetection(JsonNode? turns)
    {
        const string Path = "audio.input.turn_detection";
        if (turns is null)
        {
            return null;
        }

        var semantic = Text(turns["type"]) == "semantic_vad";
        return
            Text(turns["type"]) is not ("server_vad" or "semantic_vad")
                ? Invalid($"{Path}.type", turns["type"], "Supported are: 'server_vad' and 'semantic_vad'.")
            : turns["threshold"] is { } threshold && Number(threshold) is not (>= 0 and <= 1)
                ? Invalid($"{Path}.threshold", threshold, "It must be between 0 and 1.")
            : turns["idle_timeout_ms"] is { } idle && (semantic || Number(idle) is not (>= 5000 and <= 30000))
                ? Invalid($"{Path}.idle_timeout_ms", idle, "It must be between 5000 and 30000, with server_vad.")
            : null;
    }

    static void Merge(JsonObject into, JsonObject change, string path)
    {
        foreach (var (name, value) in change)
        {
            if (Merged.Contains(path + name) && value is JsonObject nested)
            {
                Merge((JsonObject)into[name]!, nested, path + name + ".");
            }
            else
            {
                into[name] = value?.DeepClone();
            }
        }
    }

    static void Complete(JsonObject session)
    {
        if (session["audio"]!["input"]!["turn_detection"] is not JsonObject turns)
        {
            return;
        }

        if ((string?)turns["type"] == "server_vad")
        {
            turns.TryAdd("threshold", 0.5);
            turns.TryAdd("prefix_padding_ms", 300);
            turns.TryAdd("silence_duration_ms", 500);
            turns.TryAdd("idle_timeout_ms", null);
        }
        else
        {
            turns.TryAdd("eagerness", "auto");
        }

        turns.TryAdd("create_response", true);
        turns.TryAdd("interrupt_response", true);
    }

    static ProtocolError Invalid(string path, JsonNode? value, string hint) =>
        new("invalid_value", $"Invalid value for 'session.{path}': {value?.ToJsonString() ?? "null"}. {hint}", $"session.{path}");

    static string? Text(JsonNode? node) => node is JsonValue value && value.TryGetValue<string>(out var text) ? text : null;

    static double? Number(JsonNode? node) => node is JsonValue value && value.TryGetValue<double>(out var number) ? number : null;
}
