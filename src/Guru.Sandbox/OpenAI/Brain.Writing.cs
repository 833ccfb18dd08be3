using System.Collections.Immutable;
using System.Text.RegularExpressions;

namespace Guru.Sandbox.OpenAI;

/// <summary>Something said earlier that is referred to later.</summary>
/// <param name="Words">Looked for in earlier turns and in system items.</param>
/// <param name="Facts">Looked for in instructions as well.</param>
/// <param name="Greeting">The line that greets a caller of whom this is known.</param>
/// <param name="Say">The line that begins a written answer.</param>
public sealed record Memory(IReadOnlyList<string> Words, IReadOnlyList<string> Facts, string Greeting, string Say);

/// <param name="Otherwise">The line for words that no rule knows.</param>
/// <param name="Always">The line that ends every answer.</param>
public sealed record Advisor(string Name, string Otherwise, string? Always);

/// <param name="Confidence">0.9 by a word, 0.3 for want of one.</param>
/// <param name="Word">The word that decided.</param>
/// <param name="Alternatives">Others with a word in the text.</param>
public sealed record RouteAnswer(string Agent, double Confidence, string? Word, IReadOnlyList<string> Alternatives);

/// <summary>What it writes: the same rules, with what is remembered and what the advisor must always say.</summary>
public sealed partial record Brain
{
    public ImmutableList<Memory> Memories { get; init; } = [];

    public ImmutableList<Advisor> Advisors { get; init; } = [];

    /// <summary>By line, then by language.</summary>
    public ImmutableDictionary<string, ImmutableDictionary<string, string>> Texts { get; init; } =
        ImmutableDictionary<string, ImmutableDictionary<string, string>>.Empty;

    /// <summary>The words by which the sentences for a list are found, by a part of the list's name.</summary>
    public ImmutableDictionary<string, ImmutableArray<string>> Extracts { get; init; } =
        ImmutableDictionary<string, ImmutableArray<string>>.Empty;

    public LanguageGuess Languages { get; init; } = new([]);

    /// <summary>The answer to what was written.</summary>
    public string Write(WrittenInput input)
    {
        var language = LanguageOf(input);
        var advisor = AdvisorIn(input.Instructions);
        var rule = RuleFor(input.Said, input.Instructions);
        List<string> sentences =
        [
            .. Memories.Where(memory => Remembers(memory, input)).Select(memory => Text(memory.Say, language)),
            Text(rule?.Say ?? (rule is null ? advisor?.Otherwise : null) ?? Otherwise, language),
        ];
        if (advisor?.Always is { } always && Text(always, language) is var must && !sentences[^1].Contains(must, StringComparison.Ordinal))
        {
            sentences.Add(must);
        }

        return string.Join(' ', sentences);
    }

    public RouteAnswer Decide(string text, IReadOnlyCollection<string> agents)
    {
        var found = Routes.Where(route => agents.Contains(route.Agent))
            .Select(route => (route.Agent, Word: route.Words.FirstOrDefault(word => HasWord(text, word))))
            .Where(route => route.Word is not null).ToList();
        return found is [var first, .. var others]
            ? new RouteAnswer(first.Agent, 0.9, first.Word, [.. others.Select(other => other.Agent)])
            : new RouteAnswer(agents.FirstOrDefault(agent => agent == "general") ?? agents.First(), 0.3, Word: null, []);
    }

    /// <summary>Of what was written, of what the same person wrote before, or the one that is asked for, or English.</summary>
    public string LanguageOf(WrittenInput input) =>
        Languages.Of(input.Said)
        ?? input.Turns.Where(turn => turn.Role == "user").Select(turn => Languages.Of(turn.Text)).LastOrDefault(language => language is not null)
        ?? Hinted(input.Instructions)
        ?? "en";

    /// <summary>A line as it is written: its own text, else the sample's, else the same in English.</summary>
    public string Text(string line, string language) =>
        (Texts.TryGetValue(line, out var texts) ? texts : ImmutableDictionary<string, string>.Empty) is var written
        && written.TryGetValue(language, out var text) ? text
            : Samples.Find($"{line}-{language}")?.Text ?? written.GetValueOrDefault("en") ?? Find(line, "en").Text;

    /// <summary>The sentences of a text with a word that belongs to a list of this name.</summary>
    public IReadOnlyList<string> Extract(string listName, string text)
    {
        var words = Extracts.Where(extract => Contains(listName, extract.Key)).SelectMany(extract => extract.Value).ToList();
        return [.. Sentence().Matches(text).Select(sentence => sentence.Value.Trim())
            .Where(sentence => words.Exists(word => Contains(sentence, word))).Distinct(StringComparer.Ordinal)];
    }

    private Advisor? AdvisorIn(string instructions)
    {
        var named = Advisors
            .Select(advisor => (Advisor: advisor, At: instructions.IndexOf($"{advisor.Name} advisor", StringComparison.OrdinalIgnoreCase)))
            .Where(named => named.At >= 0).OrderBy(named => named.At);
        return named.FirstOrDefault().Advisor;
    }

    private static bool Remembers(Memory memory, WrittenInput input) =>
        !memory.Words.Concat(memory.Facts).Any(word => Contains(input.Said, word))
        && (IsTold(memory, input.Instructions)
            || input.Earlier.Any(turn => memory.Words.Concat(memory.Facts).Any(word => Contains(turn.Text, word))));

    /// <summary>A prompt may speak of bills in general; what was said stands below a line such as "The conversation so far:".</summary>
    private static bool IsTold(Memory memory, string instructions)
    {
        var told = Told().Match(instructions) is { Success: true } heading ? instructions[heading.Index..] : "";
        return memory.Facts.Any(fact => Contains(instructions, fact)) || memory.Words.Any(word => Contains(told, word));
    }

    /// <summary>The whole word, or its plural: rent is not in different.</summary>
    private static bool HasWord(string text, string word) => Regex.IsMatch(
        text, $@"(?<!\p{{L}}){Regex.Escape(word)}(s|es)?(?!\p{{L}})", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant, TimeSpan.FromSeconds(1));

    [GeneratedRegex(@"^[^\n]*conversation[^\n]*:[ \r]*$", RegexOptions.Multiline | RegexOptions.IgnoreCase | RegexOptions.CultureInvariant, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Told();

    /// <summary>"The caller's language is es", "language: 'es'".</summary>
    [GeneratedRegex(@"language(?: is|:)\s*'?(?<code>[a-z]{2})\b", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex NamedLanguage();

    [GeneratedRegex(@"[^.!?\n]+[.!?]*", RegexOptions.None, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Sentence();
}
