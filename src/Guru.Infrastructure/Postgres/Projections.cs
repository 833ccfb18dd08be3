using System.Security.Cryptography;
using System.Text;
using Guru.Domain.Costs;

namespace Guru.Infrastructure.Postgres;

/// <summary>
/// All projections, writing to the live tables. The read models are what a rebuild makes anew; the work to do is added only when live.
/// </summary>
public sealed class Projections
{
    public const string LiveSchema = "guru";

    private readonly PriceTable _prices;
    private readonly IReadOnlyList<IProjection> _readModels;
    private readonly IReadOnlyList<IProjection> _all;

    private Projections(PriceTable prices, params IProjection[] others)
    {
        _prices = prices;
        _readModels = [.. CallsIn(LiveSchema), .. CallersIn(LiveSchema)];
        _all = [.. _readModels, .. others];
    }

    private Projections() => (_prices, _readModels, _all) = (new PriceTable(default, [], []), [], []);

    /// <summary>The tables of the read models, whatever the prices.</summary>
    public static IReadOnlyList<string> ReadModels { get; } = Live(new PriceTable(default, [], [])).Tables;

    /// <summary>The read models: what a rebuild makes anew.</summary>
    public IReadOnlyList<string> Tables => TablesOf(_readModels);

    /// <summary>Of what the read models hold, projection by projection: rows made by another version of one, or with other prices, may differ.</summary>
    public string Version => string.Join(' ', _readModels.Select(VersionOf));

    public static Projections Live(PriceTable prices) => new(prices, new WorkProjection());

    /// <summary>None: for the log alone.</summary>
    internal static Projections None { get; } = new();

    /// <summary>The same for what calls for nothing to be done.</summary>
    public static Projections WithoutWork(PriceTable prices) => new(prices);

    /// <summary>The tables that may not be what these projections make, where they were made by those of a <see cref="Version"/>.</summary>
    public IReadOnlyList<string> DueAfter(string version)
    {
        var made = version.Split(' ');
        var rules = made.Select(one => one.Split('-')[0]).ToHashSet();
        var others = TablesOf(_readModels.Where(projection => !rules.Contains(RuleOf(projection))));
        var due = _readModels.Where(projection => !made.Contains(VersionOf(projection)) || projection.Reads.Intersect(others).Any())
            .SelectMany(projection => projection.Tables.Concat(projection.AddsTo)).ToHashSet();
        return [.. Tables.Where(due.Contains)];
    }

    public IEnumerable<SqlCommand> Project(ProjectedEvent @event) => _all.SelectMany(projection => projection.Project(@event));

    internal static string VersionOf(PriceTable prices)
    {
        var lines = prices.Models.Select(price => (price with { Source = "", Assumed = false }).ToString())
            .Concat(prices.Carrier.Select(price => (price with { Source = "", Assumed = false }).ToString()))
            .Order(StringComparer.Ordinal);
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\n', lines))))[..16];
    }

    /// <summary>What calls are counted and searched by, in another schema. Each of the three writes to the table of calls.</summary>
    /// <param name="searched">As of <see cref="UtterancesProjection"/>.</param>
    internal IReadOnlyList<IProjection> CallsIn(string schema, bool searched = true) =>
        [new CallsProjection(schema, _prices), new UtterancesProjection(schema, searched), new UsagesProjection(schema, _prices)];

    /// <summary>
    /// What makes some tables anew, in parts that share no table and can go on side by side. What a part only reads of another's tables it has of its own.
    /// </summary>
    internal IReadOnlyList<RebuildPart> PartsOf(IReadOnlyCollection<string> due)
    {
        var parts = new List<RebuildPart>();
        if (CallsIn(LiveSchema).Any(IsDue))
        {
            const string Schema = $"{RebuildPart.Schemas}_calls";
            var calls = CallsIn(Schema, searched: due.Contains("utterances")); // All of them, since each writes to the table of calls.
            parts.Add(new RebuildPart(Schema, calls, TablesOf(calls.Where(IsDue)), TablesOf(calls.Where(projection => !IsDue(projection)))));
        }

        if (CallersIn(LiveSchema).Any(IsDue))
        {
            const string Schema = $"{RebuildPart.Schemas}_callers";
            List<IProjection> callers = [.. CallersIn(Schema).Where(IsDue)];
            List<IProjection> read = [.. ((IProjection[])[new CallsProjection(Schema, _prices), new UtteranceMomentsProjection(Schema)])
                .Where(projection => callers.Any(reader => reader.Reads.Intersect(projection.Tables).Any()))];
            parts.Add(new RebuildPart(Schema, [.. read, .. callers], TablesOf(callers), TablesOf(read)));
        }

        return parts;

        bool IsDue(IProjection projection) => projection.Tables.Any(due.Contains);
    }

    private static IReadOnlyList<string> TablesOf(IEnumerable<IProjection> projections) => [.. projections.SelectMany(projection => projection.Tables)];

    /// <summary>What is shown of callers.</summary>
    private static IReadOnlyList<IProjection> CallersIn(string schema) =>
    [
        new RoutingsProjection(schema), new TimelineProjection(schema), new ConversationsProjection(schema), new ConsentProjection(schema), new AliasesProjection(schema),
    ];

    private static string VersionOf(IProjection projection) => projection.Prices is { } prices ? $"{RuleOf(projection)}-{prices}" : RuleOf(projection);

    /// <summary>Its version, whatever the prices.</summary>
    private static string RuleOf(IProjection projection) => $"{projection.Tables[0]}:{projection.Version}";
}
