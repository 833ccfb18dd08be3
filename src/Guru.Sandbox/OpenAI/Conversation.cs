using System.Text.Json.Nodes;
using Guru.Sandbox.Audio;

namespace Guru.Sandbox.OpenAI;

/// <summary>One item of a session's conversation, and what the server keeps of its sound.</summary>
public sealed class ConversationItem(string id, string type, string? role, JsonObject json)
{
    public string Id => id;

    public string Type => type;

    public string? Role => role;

    /// <summary>As it is sent, without audio.</summary>
    public JsonObject Json => json;

    /// <summary>The model's own audio: what was generated so far, or less after a truncate. Milliseconds at 8 bytes each.</summary>
    public long AudioBytes { get; set; }

    public bool IsAgentAudio { get; init; }

    public bool Truncated { get; set; }

    /// <summary>What the model knows was said; cleared by a truncate.</summary>
    public string? Text { get; set; }

    public string? Language { get; init; }

    public string? Tool { get; init; }

    /// <summary>Of the caller's committed audio.</summary>
    public long CallerAudioBytes { get; init; }

    public int TextTokens => ((Role == "user" && CallerAudioBytes > 0) || IsAgentAudio ? 0 : Text?.Length ?? 0) / 4;

    /// <summary>A caller's token is 100 ms, an agent's 50 ms.</summary>
    public int AudioTokens => (int)(CallerAudioBytes / MuLaw.BytesPerMs / 100 + AudioBytes / MuLaw.BytesPerMs / 50);

    public ContextItem ToContext() => new(Id, Type, Role, Text, Language, Tool);
}

/// <summary>One response while it is generated.</summary>
sealed class Generation(string id, int number, JsonObject? request, bool inConversation)
{
    public string Id => id;

    public int Number => number;

    public JsonObject? Request => request;

    public bool InConversation => inConversation;

    public JsonNode? Metadata => request?["metadata"];

    public string? Purpose => (string?)Metadata?["purpose"];

    public Reply Reply { get; set; } = Reply.Nothing;

    public bool Text { get; init; }

    public List<ConversationItem> Output { get; } = [];

    /// <summary>The message being spoken; null before and after.</summary>
    public ConversationItem? Speaking { get; set; }

    public int WordsSent { get; set; }

    public TimeSpan? FirstAudioAt { get; set; }

    /// <summary>Nothing new is generated for it.</summary>
    public bool Stopped { get; set; }

    public bool Done { get; set; }
}
