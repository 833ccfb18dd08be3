using Guru.Application.Traces;
using Guru.Sandbox.Scenarios;
using Shouldly;

namespace Guru.Rehearsal.Tests;

/// <summary>
/// Stored calls of the sandbox, replayed. A difference says which calls a change decides otherwise; where that is meant, the corpus is
/// renewed (docs/replay.md), and the change's diff shows it.
/// </summary>
public sealed class ReplayingTheCorpus
{
    private static readonly string Folder = Path.Combine(AppContext.BaseDirectory, "Corpus");

    public static TheoryData<string> Calls => [.. Names];

    private static IEnumerable<string> Names => Directory.GetFiles(Folder, "*.trace").Select(file => Path.GetFileNameWithoutExtension(file)).Order(StringComparer.Ordinal);

    [Theory]
    [MemberData(nameof(Calls))]
    public void Every_stored_call_is_decided_as_it_was(string call)
    {
        var outcome = CallReplay.Run(File.ReadAllText(Path.Combine(Folder, $"{call}.trace")));

        outcome.Difference.ShouldBeNull($"./guru replay {call}.trace shows it; docs/replay.md tells how to renew the corpus.");
        outcome.IsCut.ShouldBeFalse();
        outcome.Decisions.ShouldBeGreaterThan(5);
    }

    [Fact]
    public void Every_shipped_call_is_in_the_corpus() =>
        ScenarioFile.Shipped().Where(scenario => scenario.Messages.IsEmpty).Select(scenario => scenario.Name)
            .ShouldBeSubsetOf(Names.Select(name => name.Split('.')[0]));

    [Fact]
    public void A_scenario_gives_the_trace_that_is_stored() =>
        ScenarioRehearsal.Run(ScenarioFile.Load("stream-lost-and-resumed"), traced: true).Call.Traces
            .ShouldBe([File.ReadAllText(Path.Combine(Folder, "stream-lost-and-resumed.1.trace")), File.ReadAllText(Path.Combine(Folder, "stream-lost-and-resumed.2.trace"))]);
}
