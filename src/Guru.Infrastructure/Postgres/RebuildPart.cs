namespace Guru.Infrastructure.Postgres;

/// <summary>Some read models that are made anew together.</summary>
/// <param name="Schema">Where their shadow tables are.</param>
/// <param name="Projections">Those that write to these, and to no other part's.</param>
/// <param name="Kept">Tables that take the place of the live ones.</param>
/// <param name="Aside">Tables that are there only for the projections to read or add to.</param>
internal sealed record RebuildPart(string Schema, IReadOnlyList<IProjection> Projections, IReadOnlyList<string> Kept, IReadOnlyList<string> Aside)
{
    /// <summary>What the names of all their schemas begin with.</summary>
    public const string Schemas = "guru_rebuild";
}
