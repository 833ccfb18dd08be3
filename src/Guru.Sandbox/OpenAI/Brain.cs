using System.Collections.Immutable;
using Guru.Sandbox.Audio;
using YamlDotNet.Serialization;
using YamlDotNet.Serialization.NamingConventions;

namespace Guru.Sandbox.OpenAI;

/// <summary>An item of the conversation as the model knows it.</summary>
/// <param name="Type">message, function_call, function_call_output.</param>
/// <param name="Role">user, assistant, system; null for tools.</param>
/// <param name="Text">Words written or recognised; null where an interrupted turn lost them.</param>
/// <param name="Language">Of recognised speech.</param>
/// <param name="Tool">The name of the tool, for its call and its output.</param>
public sealed record ContextItem(string Id, string Type, string? Role, string? Text, string? Language = null, string? Tool = null);

/// <summary>All that a reply may depend on.</summary>
/// <param name="Purpose">From the metadata of response.create; null for an answer to the caller.</param>
/// <param name="Instructions">Of the response, or else of the session.</param>
/// <param name="Number">Of the response in its session, from 1.</param>
public sealed record ReplyContext(
    string? Purpose, string Instructions, IReadOnlyList<ContextItem> Items, IReadOnlyList<string> Tools, int Number);

/// <param name="Name">Of a tool.</param>
/// <param name="Arguments">JSON.</param>
public sealed record ToolUse(string Name, string Arguments = "{}");

/// <summary>What the model says: a sample, then perhaps a tool call; nothing at all is allowed.</summary>
public sealed record Reply(Sample? Sample, ToolUse? Tool = null)
{
    public static Reply Nothing { get; } = new(Sample: null);
}

/// <summary>What the model would say.</summary>
public delegate Reply Replies(ReplyContext context);

/// <param name="Words">Any of them, in what the caller said; without regard to case.</param>
/// <param name="Say">A sample's name without its language.</param>
/// <param name="By">Only for the advisor of this name; null: for all.</param>
public sealed record BrainRule(IReadOnlyList<string> Words, string? Say, ToolUse? Call = null, string? By = null);

public sealed record RouteRule(string Agent, IReadOnlyList<string> Words);

/// <summary>Replies by the rules of Brain.yaml.</summary>
public sealed partial record Brain
{
    private const string HandOff = "handOff";

    static readonly Lazy<Brain> LazyShipped = new(() =>
        Parse(File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "OpenAI", "Brain.yaml"))));

    static readonly (string Language, string[] Hints)[] LanguageHints =
        [("es", ["spanish", "español", "language 'es'", "(es)"]), ("en", ["english"])];

    public static Brain Shipped => LazyShipped.Value;

    public SampleLibrary Samples { get; init; } = SampleLibrary.Shipped;

    public required ImmutableDictionary<string, string> Purposes { get; init; }

    public required ImmutableList<BrainRule> Rules { get; init; }

    public required string Otherwise { get; init; }

    public required ImmutableDictionary<string, string> AfterTool { get; init; }

    public required ImmutableList<RouteRule> Routes { get; init; }

    public static Brain Parse(string yaml)
    {
        var file = new DeserializerBuilder().WithNamingConvention(CamelCaseNamingConvention.Instance).Build().Deserialize<FileShape>(yaml);
        return new Brain
        {
            Purposes = file.Purposes.ToImmutableDictionary(StringComparer.Ordinal),
            Rules = [.. file.Rules.Select(rule => rule.ToRule())],
            Otherwise = file.Otherwise,
            AfterTool = file.AfterTool.ToImmutableDictionary(StringComparer.Ordinal),
            Routes = [.. file.Routes.Select(route => new RouteRule(route.Agent, route.Words))],
            Memories = [.. file.Memories.Select(memory => new Memory(memory.Words, memory.Facts, memory.Greeting, memory.Say))],
            Advisors = [.. file.Advisors.Select(advisor => new Advisor(advisor.Key, advisor.Value.Otherwise, advisor.Value.Always))],
            Texts = file.Texts.ToImmutableDictionary(
                line => line.Key, line => line.Value.ToImmutableDictionary(StringComparer.Ordinal), StringComparer.Ordinal),
            Extracts = file.Extracts.ToImmutableDictionary(
                extract => extract.Key, extract => extract.Value.ToImmutableArray(), StringComparer.Ordinal),
            Languages = new LanguageGuess([.. file.Languages.Select(language =>
                new LanguageMarks(language.Key, language.Value.Script, language.Value.Letters, language.Value.Words))]),
        };
    }

    /// <summary>The same brain, with rules that are tried before its own.</summary>
    public Brain With(IEnumerable<BrainRule> first) => this with { Rules = [.. first, .. Rules] };

    public Reply Reply(ReplyContext context)
    {
        var language = LanguageOf(context);
        if (context.Purpose is { } purpose && Purposes.TryGetValue(purpose, out var line))
        {
            var known = purpose == "greeting" ? Memories.FirstOrDefault(memory => Remembers(memory, context)) : null;
            return new Reply(Find(known?.Greeting ?? line, language));
        }

        if (context.Purpose == HandOff)
        {
            // Who takes over goes by what the last line of the instructions says that the caller wants.
            var asked = context.Instructions[(context.Instructions.LastIndexOf('\n') + 1)..];
            return new Reply(Find(RuleFor(asked, context.Instructions, rule => rule.Call is null)?.Say ?? Otherwise, language));
        }

        var last = context.Items.Count > 0 ? context.Items[^1] : null;
        if (last is { Type: "function_call_output" })
        {
            return AfterTool.TryGetValue(last.Tool ?? "", out var next) ? new Reply(Find(next, language)) : Sandbox.OpenAI.Reply.Nothing;
        }

        var said = context.Items.LastOrDefault(item => item is { Type: "message", Role: "user" })?.Text ?? "";
        var rule = RuleFor(said, context.Instructions);
        return rule is null
            ? new Reply(Find(Otherwise, language))
            : new Reply(rule.Say is { } say ? Find(say, language) : null, rule.Call is { } call && context.Tools.Contains(call.Name) ? call
                : null);
    }

    private BrainRule? RuleFor(string said, string instructions, Func<BrainRule, bool>? of = null)
    {
        var advisor = AdvisorIn(instructions)?.Name;
        return Rules.FirstOrDefault(rule =>
            rule.Words.Any(word => Contains(said, word)) && (rule.By is null || rule.By == advisor) && of?.Invoke(rule) != false);
    }

    /// <summary>The language of the caller's last recognised words, or the one that is asked for, or English.</summary>
    static string LanguageOf(ReplyContext context)
    {
        var asked = string.Join('\n', context.Items.Where(item => item.Role == "system").Select(item => item.Text)
            .Prepend(context.Instructions));
        return context.Items.LastOrDefault(item => item is { Role: "user", Language: not null })?.Language ?? Hinted(asked) ?? "en";
    }

    private static string? Hinted(string instructions) => NamedLanguage().Match(instructions) is { Success: true } named
        ? named.Groups["code"].Value.ToLowerInvariant()
        : LanguageHints.FirstOrDefault(hint => hint.Hints.Any(words => Contains(instructions, words))).Language;

    /// <summary>What is known before the first word of a call: it stands in system items.</summary>
    private static bool Remembers(Memory memory, ReplyContext context) =>
        IsTold(memory, context.Instructions)
        || context.Items.Any(item => item is { Role: "system", Text: { } text }
            && memory.Words.Concat(memory.Facts).Any(word => Contains(text, word)));

    static bool Contains(string text, string word) => text.Contains(word, StringComparison.OrdinalIgnoreCase);

    Sample Find(string line, string language) => Samples.Find($"{line}-{language}") ?? Samples.Find($"{line}-en") ?? Samples[line];

    sealed class FileShape
    {
        public Dictionary<string, string> Purposes { get; init; } = [];

        public List<BrainRuleShape> Rules { get; init; } = [];

        public string Otherwise { get; init; } = "tell-me-more";

        public Dictionary<string, string> AfterTool { get; init; } = [];

        public List<RouteShape> Routes { get; init; } = [];

        public List<MemoryShape> Memories { get; init; } = [];

        public Dictionary<string, AdvisorShape> Advisors { get; init; } = [];

        public Dictionary<string, Dictionary<string, string>> Texts { get; init; } = [];

        public Dictionary<string, List<string>> Extracts { get; init; } = [];

        public Dictionary<string, LanguageShape> Languages { get; init; } = [];
    }

    sealed class MemoryShape
    {
        public List<string> Words { get; init; } = [];

        public List<string> Facts { get; init; } = [];

        public string Greeting { get; init; } = "greeting";

        public string Say { get; init; } = "";
    }

    sealed class AdvisorShape
    {
        public string Otherwise { get; init; } = "tell-me-more";

        public string? Always { get; init; }
    }

    sealed class LanguageShape
    {
        public string? Script { get; init; }

        public string Letters { get; init; } = "";

        public List<string> Words { get; init; } = [];
    }

    sealed class RouteShape
    {
        public string Agent { get; init; } = "";

        public List<string> Words { get; init; } = [];
    }
}

/// <summary>A rule as it is written in YAML.</summary>
public sealed class BrainRuleShape
{
    public List<string> Words { get; init; } = [];

    public string? Say { get; init; }

    public string? Call { get; init; }

    public string Arguments { get; init; } = "{}";

    public string? By { get; init; }

    public BrainRule ToRule() => new(Words, Say, Call is null ? null : new ToolUse(Call, Arguments), By);
}
