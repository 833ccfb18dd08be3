using Guru.Domain.Agents;
using YamlDotNet.Core;
using YamlDotNet.Serialization;
using YamlDotNet.Serialization.NamingConventions;

namespace Guru.Infrastructure.Agents;

/// <summary>Reads the advisors, and lists everything that is wrong with them at once.</summary>
public static class AgentsFile
{
    private const int MostPromptCharacters = 20_000;

    private static readonly string[] Names = ["healthcare", "financial", "legal", AgentCatalog.GeneralName];

    private static readonly string[] Voices = ["alloy", "ash", "ballad", "coral", "echo", "sage", "shimmer", "verse", "marin", "cedar"];

    public static string ShippedPath => Path.Combine(AppContext.BaseDirectory, "agents.yaml");

    /// <exception cref="AgentsException">The file has mistakes; all of them are listed.</exception>
    public static AgentCatalog Load(string path)
    {
        try
        {
            return Parse(File.ReadAllText(path));
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new AgentsException([$"{path} cannot be read: {error.Message}"]);
        }
    }

    /// <inheritdoc cref="Load"/>
    public static AgentCatalog Parse(string yaml)
    {
        FileShape file;
        try
        {
            file = new DeserializerBuilder().WithNamingConvention(CamelCaseNamingConvention.Instance).Build().Deserialize<FileShape>(yaml) ?? new FileShape();
        }
        catch (YamlException error)
        {
            throw new AgentsException([$"line {error.Start.Line}: {error.InnerException?.Message ?? error.Message}"]);
        }

        var mistakes = new List<string>();
        Need(file.House, "house", mistakes);
        Need(file.Spoken, "spoken", mistakes);
        Need(file.Written, "written", mistakes);
        var agents = file.Agents ?? [];
        foreach (var (agent, index) in agents.Select((agent, index) => (agent, index)))
        {
            var name = agent.Name ?? $"agent {index + 1}";
            Need(agent.Name, $"{name}: name", mistakes);
            Need(agent.Description, $"{name}: description", mistakes);
            Need(agent.Prompt, $"{name}: prompt", mistakes);
            if (agent.Name is not null && !Names.Contains(agent.Name, StringComparer.Ordinal))
            {
                mistakes.Add($"{name}: an agent is called {string.Join(", ", Names[..^1])} or {Names[^1]}");
            }

            if (agent.Voice is not null && !Voices.Contains(agent.Voice, StringComparer.Ordinal))
            {
                mistakes.Add($"{name}: the voice {agent.Voice} is none of {string.Join(", ", Voices)}");
            }
        }

        mistakes.AddRange(agents.Where(agent => agent.Name is not null).GroupBy(agent => agent.Name!, StringComparer.Ordinal)
            .Where(group => group.Skip(1).Any()).Select(group => $"{group.Key}: there are two of that name"));
        if (agents.TrueForAll(agent => agent.Name != AgentCatalog.GeneralName))
        {
            mistakes.Add($"{AgentCatalog.GeneralName} is missing: it takes what fits no other agent");
        }

        return mistakes.Count > 0
            ? throw new AgentsException(mistakes)
            : new AgentCatalog(
                file.House!.Trim(),
                file.Spoken!.Trim(),
                file.Written!.Trim(),
                [.. agents.Select(agent => new Agent(agent.Name!, agent.Description!.Trim(), agent.Prompt!.Trim(), agent.Voice, agent.GreetingHint?.Trim()))]);
    }

    private static void Need(string? text, string what, List<string> mistakes)
    {
        if (string.IsNullOrWhiteSpace(text))
        {
            mistakes.Add($"{what} is missing");
        }
        else if (text.Length > MostPromptCharacters)
        {
            mistakes.Add($"{what} is longer than {MostPromptCharacters} characters");
        }
    }

    private sealed class FileShape
    {
        public string? House { get; set; }

        public string? Spoken { get; set; }

        public string? Written { get; set; }

        public List<AgentShape>? Agents { get; set; }
    }

    private sealed class AgentShape
    {
        public string? Name { get; set; }

        public string? Description { get; set; }

        public string? Prompt { get; set; }

        public string? Voice { get; set; }

        public string? GreetingHint { get; set; }
    }
}

/// <param name="mistakes">All that is wrong, each with where.</param>
public sealed class AgentsException(IReadOnlyList<string> mistakes)
    : Exception("The file of agents has mistakes:\n" + string.Join('\n', mistakes.Select(mistake => "  - " + mistake)))
{
    public IReadOnlyList<string> Mistakes { get; } = mistakes;
}
