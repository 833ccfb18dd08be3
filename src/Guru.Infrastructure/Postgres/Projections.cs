namespace Guru.Infrastructure.Postgres;

/// <summary>
/// All projections, writing to the tables of one schema: <c>guru</c> when live, another while it is rebuilt. The work to do is added
/// only when live.
/// </summary>
public sealed class Projections
{
    public const string LiveSchema = "guru";

    private readonly IReadOnlyList<IProjection> _rebuilt;
    private readonly IReadOnlyList<IProjection> _all;

    private Projections(string schema, params IProjection[] live)
    {
        _rebuilt =
        [
            new CallsProjection(schema),
            new UtterancesProjection(schema),
            new TimelineProjection(schema),
            new ConversationsProjection(schema),
            new ConsentProjection(schema),
        ];
        _all = [.. _rebuilt, .. live];
    }

    public static Projections Live { get; } = new(LiveSchema, new WorkProjection());

    /// <summary>The read models: what a rebuild makes anew.</summary>
    public IEnumerable<string> Tables => _rebuilt.SelectMany(projection => projection.Tables);

    public static Projections In(string schema) => new(schema);

    public IEnumerable<SqlCommand> Project(ProjectedEvent @event) => _all.SelectMany(projection => projection.Project(@event));
}
