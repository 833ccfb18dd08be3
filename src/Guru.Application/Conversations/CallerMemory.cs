using System.ComponentModel.DataAnnotations;
using Guru.Domain.Agents;
using Guru.Domain.Callers;
using Microsoft.Extensions.Options;

namespace Guru.Application.Conversations;

/// <summary>How much an agent is told of the time before; section <c>Guru:Memory</c>.</summary>
public sealed class MemorySettings
{
    /// <summary>Tokens of the present session, word for word; the newest are kept.</summary>
    [Range(100, 20_000)]
    public int Tokens { get; set; } = 2000;

    /// <summary>The newest entries that are looked at.</summary>
    [Range(10, 2000)]
    public int Entries { get; set; } = 200;
}

/// <param name="Agent">Who took the conversation last.</param>
/// <param name="Language">ISO 639-1, where it is known.</param>
/// <param name="Session">The entries of the present session.</param>
/// <param name="Text">What an agent is told; null where there is nothing to remember.</param>
public sealed record Remembered(string? Agent, string? Language, IReadOnlyList<TimelineEntry> Session, string? Text)
{
    public static Remembered Nothing { get; } = new(Agent: null, Language: null, [], Text: null);

    /// <summary>Who begins a call: the agent that the present conversation has. No model stands before the first word.</summary>
    public (string Name, string Because) OpeningAgent(AgentCatalog agents) =>
        Session.Count > 0 && Agent is not null
            ? (agents[Agent].Name, "The conversation has this agent.")
            : (agents.General.Name, "Nothing tells yet what it is about.");

    public override string ToString() => $"{nameof(Remembered)} {Session.Count} entries";
}

/// <summary>What is known of a caller when a call begins or a message comes.</summary>
public sealed class CallerMemory(IConversationQueries conversations, IOptions<MemorySettings> settings, TimeProvider time)
{
    /// <param name="except">What the agent is told apart: a call that is going on, a message that is being answered.</param>
    public async Task<Remembered> OfAsync(CallerId callerId, Func<TimelineEntry, bool> except, CancellationToken cancellationToken)
    {
        var memory = await conversations.RememberAsync(callerId, settings.Value.Entries, cancellationToken);
        memory = memory with { Entries = [.. memory.Entries.Where(entry => !except(entry))] };
        var now = time.GetUtcNow();
        return new Remembered(
            memory.Agent, memory.Language, AgentMemory.CurrentSession(memory.Entries, now), AgentMemory.Format(memory, now, settings.Value.Tokens));
    }
}
