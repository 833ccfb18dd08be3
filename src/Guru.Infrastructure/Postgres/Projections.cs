using System.Security.Cryptography;
using System.Text;
using Guru.Domain.Costs;

namespace Guru.Infrastructure.Postgres;

/// <summary>
/// All projections, writing to the tables of one schema: <c>guru</c> when live, another while it is rebuilt. The work to do is added
/// only when live.
/// </summary>
public sealed class Projections
{
    public const string LiveSchema = "guru";

    /// <summary>To be raised with every change of what the projections write, so that the read models of an older Guru are made anew.</summary>
    private const int Code = 7;

    private readonly PriceTable _prices;
    private readonly IReadOnlyList<IProjection> _rebuilt;
    private readonly IReadOnlyList<IProjection> _all;

    private Projections(string schema, PriceTable prices, params IProjection[] live)
    {
        _prices = prices;
        _rebuilt =
        [
            new CallsProjection(schema, prices),
            new UtterancesProjection(schema),
            new UsagesProjection(schema, prices),
            new RoutingsProjection(schema),
            new TimelineProjection(schema),
            new ConversationsProjection(schema),
            new ConsentProjection(schema),
            new AliasesProjection(schema),
        ];
        _all = [.. _rebuilt, .. live];
    }

    /// <summary>The tables of the read models, whatever the prices.</summary>
    public static IReadOnlyList<string> ReadModels { get; } = Live(new PriceTable(default, [], [])).Tables;

    /// <summary>The read models: what a rebuild makes anew.</summary>
    public IReadOnlyList<string> Tables => [.. _rebuilt.SelectMany(projection => projection.Tables)];

    /// <summary>Of what the read models hold: rows made by projections of another version, or with other prices, may differ.</summary>
    public string Version => $"{Code}-{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\n', PriceLines()))))[..16]}";

    public static Projections Live(PriceTable prices) => new(LiveSchema, prices, new WorkProjection());

    /// <summary>The same for what calls for nothing to be done.</summary>
    public static Projections WithoutWork(PriceTable prices) => new(LiveSchema, prices);

    /// <summary>The same read models in another schema.</summary>
    public Projections In(string schema) => new(schema, _prices);

    /// <summary>Only what calls are counted and searched by, in another schema.</summary>
    internal IReadOnlyList<IProjection> CallsIn(string schema) =>
        [new CallsProjection(schema, _prices), new UtterancesProjection(schema), new UsagesProjection(schema, _prices)];

    public IEnumerable<SqlCommand> Project(ProjectedEvent @event) => _all.SelectMany(projection => projection.Project(@event));

    private IEnumerable<string> PriceLines() =>
        _prices.Models.Select(price => (price with { Source = "", Assumed = false }).ToString())
            .Concat(_prices.Carrier.Select(price => (price with { Source = "", Assumed = false }).ToString()))
            .Order(StringComparer.Ordinal);
}
