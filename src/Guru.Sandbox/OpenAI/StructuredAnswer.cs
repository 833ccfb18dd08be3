using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace Guru.Sandbox.OpenAI;

/// <summary>
/// The plainest value that a JSON schema allows, but for the members whose names mean something: agent, confidence, language, reason,
/// alternatives, summary, the lists of a summary, and the members about calls.
/// </summary>
public sealed partial class StructuredAnswer(Brain brain, WrittenInput input)
{
    /// <summary>A summary hands on no more than this of the caller's first words.</summary>
    private const int LongestQuote = 200;

    private static readonly JsonSerializerOptions Plain = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private RouteAnswer? _route;

    public string For(JsonNode schema)
    {
        // A value may come before the agent that it is about.
        _route = AgentsIn(schema) is { } agents ? brain.Decide(input.Said, agents) : null;
        return (Value(schema, "", _route?.Agent, text: null) ?? new JsonObject()).ToJsonString(Plain);
    }

    private static List<string>? AgentsIn(JsonNode schema) => schema["properties"]?["agent"]?["enum"] is JsonArray values
        ? [.. values.Select(value => (string?)value).OfType<string>()] : null;

    /// <param name="schema">Of the value.</param>
    /// <param name="name">Of the member.</param>
    /// <param name="agent">Whom the surrounding object is about.</param>
    /// <param name="text">The sentence that an item of a list is made of.</param>
    private JsonNode? Value(JsonNode schema, string name, string? agent, string? text)
    {
        if (schema["enum"] is JsonArray values)
        {
            return name switch
            {
                "agent" when agent is not null => agent,
                "callBackAnswer" => CallBackAnswer(),
                _ => values[0]?.DeepClone(),
            };
        }

        var (type, canBeNull) = schema["type"] is JsonArray union
            ? ((string?)union.FirstOrDefault(one => (string?)one != "null"), union.Any(one => (string?)one == "null"))
            : ((string?)schema["type"], false);
        return type switch
        {
            "object" => new JsonObject((schema["properties"] as JsonObject ?? []).Select(
                property => KeyValuePair.Create(property.Key, Value(property.Value!, property.Key, agent, text)))),
            "array" => new JsonArray([.. Items(schema["items"] ?? new JsonObject(), name)]),
            "number" => agent is not null && agent != _route?.Agent ? 0.2 : _route?.Confidence ?? 0.9,
            "integer" => 0,
            "boolean" => name == "offerCall" && Says("talk to"),
            "string" => Words(name, canBeNull, text),
            _ => null,
        };
    }

    private IEnumerable<JsonNode?> Items(JsonNode schema, string name)
    {
        if (name == "alternatives")
        {
            var isName = (string?)schema["type"] == "string";
            return (_route?.Alternatives ?? []).Select(other => isName ? JsonValue.Create(other) : Value(schema, "", other, text: null));
        }

        return brain.Extract(name, string.Join('\n', input.Turns.Select(turn => turn.Text))).Select(sentence => Value(schema, "", agent: null, sentence));
    }

    private string? Words(string name, bool canBeNull, string? text) => name switch
    {
        "language" => canBeNull ? brain.Languages.Of(input.Said) : brain.LanguageOf(input),
        "summary" => Summary(),
        "callBackAt" => WantedAt()?.ToString("yyyy-MM-ddTHH:mm:ss", System.Globalization.CultureInfo.InvariantCulture),
        "callBackTimeZone" => WantedAt() is null ? null : "Africa/Accra", // Whose clock shows UTC.
        "callBackAbout" => WantedAt() is null ? null : "your question",
        "reason" => _route?.Word is { } word ? $"The message says \"{word}\"." : "No word of the message decides.",
        _ when text is not null => text,
        _ => canBeNull ? null : $"By the words of the message ({name}).",
    };

    /// <summary>"Call me tomorrow" is ten o'clock; "call me right away" is in two seconds.</summary>
    private DateTime? WantedAt()
    {
        var now = TimeProvider.System.GetUtcNow().UtcDateTime;
        return !Says("call me") || Says("do not call me") ? null : Says("right away") ? now.AddSeconds(2) : now.Date.AddDays(1).AddHours(10);
    }

    private string CallBackAnswer() =>
        Says("do not call me") ? "declined"
        : Says("yes") && input.Instructions.Contains("has proposed to call", StringComparison.Ordinal) ? "agreed"
        : "none";

    private bool Says(string words) => input.Said.Contains(words, StringComparison.OrdinalIgnoreCase);

    /// <summary>What the instructions say was noted so far, and the caller's first words.</summary>
    private string Summary()
    {
        var first = input.Turns.FirstOrDefault(turn => turn.Role == "user")?.Text ?? "";
        var said = first.Length <= LongestQuote ? first : first[..LongestQuote];
        var summary = brain.Text("summary", brain.LanguageOf(input)).Replace("{said}", said, StringComparison.Ordinal);
        var notes = NotesSoFar().Match(input.Instructions).Groups["notes"].Value.Trim();
        return notes is "" or "none" ? summary : $"{notes} {summary}";
    }

    [GeneratedRegex(@"^[^\n]*notes so far:\s*(?<notes>.*)", RegexOptions.Multiline | RegexOptions.Singleline | RegexOptions.IgnoreCase | RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex NotesSoFar();
}
