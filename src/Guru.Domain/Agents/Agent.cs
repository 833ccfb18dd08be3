namespace Guru.Domain.Agents;

/// <summary>An advisor: what it is for, and how it speaks.</summary>
/// <param name="Name">healthcare, financial, legal or general; part of the contract.</param>
/// <param name="Description">What the router goes by.</param>
/// <param name="Prompt">What holds for this agent besides what holds for all.</param>
/// <param name="Voice">Null takes the configured voice.</param>
/// <param name="GreetingHint">How it begins a call.</param>
public sealed record Agent(string Name, string Description, string Prompt, string? Voice, string? GreetingHint);

/// <summary>The advisors there are, and what holds for each of them.</summary>
/// <param name="House">The part of every agent's instructions that is the same.</param>
/// <param name="Spoken">What holds on the phone.</param>
/// <param name="Written">What holds in chat.</param>
public sealed record AgentCatalog(string House, string Spoken, string Written, IReadOnlyList<Agent> Agents)
{
    /// <summary>Who takes what fits no other agent.</summary>
    public const string GeneralName = "general";

    public Agent General => this[GeneralName];

    /// <summary>The agent of that name; the general one where there is none.</summary>
    public Agent this[string? name] => Agents.FirstOrDefault(agent => agent.Name == name) ?? Agents.First(agent => agent.Name == GeneralName);
}
