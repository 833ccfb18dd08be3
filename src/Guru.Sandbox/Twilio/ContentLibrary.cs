using System.Text.Json.Nodes;
using Guru.Sandbox.Timing;

namespace Guru.Sandbox.Twilio;

/// <summary>Something that can be sent by its ContentSid.</summary>
public sealed record Content(string Sid, string FriendlyName, string Language, JsonObject Types)
{
    private volatile string _approval = "unsubmitted";

    /// <summary>unsubmitted, received, approved or rejected.</summary>
    public string Approval
    {
        get => _approval;
        set => _approval = value;
    }

    /// <summary>The words that a person reads.</summary>
    public string Text => Types.Select(type => (string?)type.Value?["body"] ?? (string?)type.Value?["title"]).FirstOrDefault() ?? "";
}

/// <summary>The contents of the account, oldest first.</summary>
public sealed class ContentLibrary
{
    public Journal<Content> Made { get; } = new();

    /// <summary>Requests for approval: the sid, the name and the category.</summary>
    public Journal<(string Sid, string Name, string Category)> Submitted { get; } = new();

    public Content? Find(string sid) => Made.Entries.FirstOrDefault(content => content.Sid == sid);
}
