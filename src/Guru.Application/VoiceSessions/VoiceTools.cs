using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Guru.Application.Conversations;
using Guru.Domain.Agents;

namespace Guru.Application.VoiceSessions;

/// <summary>What an agent can have done in a conversation by voice.</summary>
public static class VoiceTools
{
    public const string EndCall = "end_call";

    /// <summary>Arguments: agent, reason, request.</summary>
    public const string HandOff = "hand_off";

    /// <summary>Arguments: language, an ISO 639-1 code.</summary>
    public const string SetLanguage = "set_language";

    /// <summary>Arguments: action, at, timeZone, about.</summary>
    public const string CallBack = "call_back";

    /// <summary>The actions of <see cref="CallBack"/>.</summary>
    public const string Propose = "propose";
    public const string Confirm = "confirm";
    public const string Cancel = "cancel";
    public const string LookUp = "look_up";

    private const int MostCharacters = 500;

    private static readonly JsonSerializerOptions Plain = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private static readonly VoiceTool EndCallTool = new(
        EndCall,
        "Ends the call. Use it after your goodbye, when the caller has said goodbye or needs nothing more.",
        """{"type":"object","properties":{},"additionalProperties":false}""");

    private static readonly VoiceTool SetLanguageTool = new(
        SetLanguage,
        "Sets the language of the conversation. Use it when the caller asks you to speak another language.",
        """{"type":"object","properties":{"language":{"type":"string","description":"ISO 639-1, such as es"}},"required":["language"],"additionalProperties":false}""");

    private static readonly VoiceTool CallBackTool = new(
        CallBack,
        "A call to this person at a later time. When they want to be called, propose it, with at, and timeZone where they have said it; then say the day and the time and ask "
        + "whether that is right. Only when they have said yes, confirm it. Cancel it when they do not want it any more; look_up tells what is proposed or arranged.",
        new JsonObject
        {
            ["type"] = "object",
            ["properties"] = new JsonObject
            {
                ["action"] = new JsonObject { ["type"] = "string", ["enum"] = new JsonArray(Propose, Confirm, Cancel, LookUp) },
                ["at"] = Text("By the caller's clock, such as 2026-11-23T10:00; or, where they say in how long, in UTC with a Z at its end."),
                ["timeZone"] = Text("The caller's, as an IANA name such as America/New_York, where they have said where they are."),
                ["about"] = Text("What the call is to be about, in a few words."),
            },
            ["required"] = new JsonArray("action"),
            ["additionalProperties"] = false,
        }.ToJsonString(Plain));

    /// <summary>The tools of an agent; nobody can hand over where there is no other.</summary>
    public static IReadOnlyList<VoiceTool> Of(AgentCatalog agents, Agent agent) =>
        agents.Agents.Where(other => other.Name != agent.Name).ToList() is { Count: > 0 } others
            ? [EndCallTool, SetLanguageTool, CallBackTool, HandOffTool(others)]
            : [EndCallTool, SetLanguageTool, CallBackTool];

    /// <summary>A text among a tool's arguments as the model wrote them, cut to 500 characters; null where there is none.</summary>
    public static string? Argument(string arguments, string name)
    {
        try
        {
            using var document = JsonDocument.Parse(arguments);
            return document.RootElement.ValueKind == JsonValueKind.Object
                && document.RootElement.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String
                && value.GetString()!.Trim() is { Length: > 0 } text
                ? BoundedText.Cut(text, MostCharacters)
                : null;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return null; // Broken, or with half a surrogate pair, which models do write.
        }
    }

    private static VoiceTool HandOffTool(List<Agent> others)
    {
        var agent = new JsonObject
        {
            ["type"] = "string",
            ["enum"] = new JsonArray([.. others.Select(other => JsonValue.Create(other.Name))]),
            ["description"] = string.Join(' ', others.Select(other => $"{other.Name}: {other.Description}")),
        };
        var parameters = new JsonObject
        {
            ["type"] = "object",
            ["properties"] = new JsonObject
            {
                ["agent"] = agent,
                ["reason"] = Text("Why, in a few words."),
                ["request"] = Text("What the caller asks for, in one sentence, for the advisor who goes on."),
            },
            ["required"] = new JsonArray("agent", "reason", "request"),
            ["additionalProperties"] = false,
        };
        return new VoiceTool(
            HandOff,
            "Hands the call over to another advisor. Use it when what the caller asks for is another's matter; first say in one short sentence that you pass them on.",
            parameters.ToJsonString(Plain));
    }

    private static JsonObject Text(string description) => new() { ["type"] = "string", ["description"] = description };
}
