namespace Guru.Infrastructure.Postgres;

/// <summary>All projections, writing to the tables of one schema: <c>guru</c> when live, another while it is rebuilt.</summary>
public sealed class Projections
{
    public const string LiveSchema = "guru";

    private readonly IReadOnlyList<IProjection> _all;

    private Projections(string schema) => _all = [new CallsProjection(schema), new UtterancesProjection(schema)];

    public static Projections Live { get; } = new(LiveSchema);

    public IEnumerable<string> Tables => _all.SelectMany(projection => projection.Tables);

    public static Projections In(string schema) => new(schema);

    public IEnumerable<SqlCommand> Project(ProjectedEvent @event) => _all.SelectMany(projection => projection.Project(@event));
}
