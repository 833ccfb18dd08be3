namespace Guru.Benchmarks.Analysts;

/// <summary>One kind of question that analysts ask, and how often of all.</summary>
/// <param name="Group">What the goal is stated for.</param>
/// <param name="Paths">The requests that one answer takes.</param>
internal sealed record Question(string Group, string Name, int Share, Func<Random, string[]> Paths);

/// <summary>What analysts ask: the published mix of the bench.</summary>
/// <param name="calls">SIDs of calls to open.</param>
/// <param name="callers">Whose calls are listed.</param>
/// <param name="until">The end of the sample.</param>
internal sealed class QueryMix(IReadOnlyList<string> calls, IReadOnlyList<string> callers, DateTimeOffset until)
{
    private static readonly string[] Agents = ["healthcare", "financial", "legal", "general"];
    private static readonly string[] Languages = ["en", "es", "ht", "fr", "zh"];
    private static readonly string[] Frequent = ["hospital", "bill", "factura", "account", "letter"];
    private static readonly string[] Rare = ["Elmhurst", "Clayton", "Belmont", "Ashland", "Pinehurst"];

    public IReadOnlyList<Question> Questions =>
    [
        new("list", "newest", 10, _ => ["/api/calls"]),
        new("list", "of an agent and a language", 5, random => [$"/api/calls?agent={One(random, Agents)}&language={One(random, Languages)}"]),
        new("list", "of a week, interrupted", 4, random => [$"/api/calls?{Week(random)}&interrupted=true&durationSeconds.min=60"]),
        new("list", "of a caller", 3, random => [$"/api/calls?callerId={One(random, callers)}"]),
        new("list", "dearest of a week", 3, random => [$"/api/calls?{Week(random)}&sort=-cost"]),
        new("list", "longest of all", 2, _ => ["/api/calls?sort=-durationSeconds"]),
        new("list", "with a text", 3, random => [$"/api/calls?text={One(random, Rare)}"]),
        new("call", "call and transcript", 25, random => One(random, calls) is var call ? [$"/api/calls/{call}", $"/api/calls/{call}/transcript"] : []),
        new("search", "frequent word", 5, random => [$"/api/transcripts/search?q={One(random, Frequent)}"]),
        new("search", "rare word", 8, random => [$"/api/transcripts/search?q={One(random, Rare)}"]),
        new("search", "a number", 3, random => [$"/api/transcripts/search?q={random.Next(100_000, 10_000_000)}"]),
        new("search", "phrase", 4, random => [$"/api/transcripts/search?q=%22{One(random, Rare)}%20Clinic%22"]),
        new("search", "beginning", 2, random => [$"/api/transcripts/search?q={One(random, Rare)[..5]}*"]),
        new("search", "without spaces", 2, random => [$"/api/transcripts/search?q={Uri.EscapeDataString(One(random, ["账单", "医院", "护照"]))}"]),
        new("search", "said but not heard", 2, random => [$"/api/transcripts/search?unheard=true&q={One(random, ["itemized", "court", "detallada"])}"]),
        new("search", "two words of a speaker", 2, random => [$"/api/transcripts/search?speaker=caller&q=letter%20{One(random, Rare)}"]),
        new("summary", "of all", 4, _ => ["/api/analytics/summary"]),
        new("summary", "of a week", 5, random => [$"/api/analytics/summary?{Week(random)}"]),
        new("summary", "of an agent", 4, random => [$"/api/analytics/summary?agent={One(random, Agents)}"]),
        new("summary", "of an agent and a language, a month", 3, random => [$"/api/analytics/summary?{Month(random)}&agent={One(random, Agents)}&language={One(random, Languages)}"]),
        new("summary", "of long calls of a day", 1, random => [$"/api/analytics/summary?{Day(random)}&durationSeconds.min=120"]),
    ];

    private string Day(Random random) => Range(random, days: 1);

    private string Week(Random random) => Range(random, days: 7);

    private string Month(Random random) => Range(random, days: 30);

    /// <summary>From any minute on.</summary>
    private string Range(Random random, int days)
    {
        var from = until.AddDays(-days).AddMinutes(-random.Next(60 * 24 * 50));
        return $"startedAt.from={from:yyyy-MM-ddTHH:mm:ssZ}&startedAt.to={from.AddDays(days):yyyy-MM-ddTHH:mm:ssZ}";
    }

    private static T One<T>(Random random, IReadOnlyList<T> of) => of[random.Next(of.Count)];
}
