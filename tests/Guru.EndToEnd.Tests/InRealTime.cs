namespace Guru.EndToEnd.Tests;

/// <summary>Tests that compare what was heard with what was played, to the tenth of a second: nothing else runs beside them.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class InRealTime
{
    public const string Name = "In real time";
}
