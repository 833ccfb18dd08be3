using System.CommandLine;
using System.Diagnostics;
using Guru.Rehearsal;
using Guru.Sandbox.Scenarios;

var files = new Argument<string[]>("files") { Description = "Scenario files, names of shipped scenarios, or all.", Arity = ArgumentArity.OneOrMore };
var traces = new Option<DirectoryInfo>("--traces") { Description = "A folder to write the calls' traces to, so that they can be replayed." };
var root = new RootCommand("Plays the calls of scenarios against Guru's CallSession in virtual time (those with messages are skipped); the exit code is 0 when all went as expected.") { files, traces };
root.SetAction(parsed =>
{
    IReadOnlyList<Scenario> scenarios = parsed.GetValue(files) is ["all"] ? ScenarioFile.Shipped() : [.. parsed.GetValue(files)!.Select(ScenarioFile.Load)];
    var failed = 0;
    foreach (var scenario in scenarios)
    {
        if (!scenario.Messages.IsEmpty)
        {
            Console.WriteLine($"skip  {scenario.Name,-36} its messages need real time: ./guru scenario {scenario.Name}");
            continue;
        }

        var started = Stopwatch.GetTimestamp();
        var (call, mistakes) = ScenarioRehearsal.Run(scenario, traced: parsed.GetValue(traces) is not null);
        var length = call.Events[^1].At - call.Events[0].At;
        Console.WriteLine($"{(mistakes.Count == 0 ? "pass" : "FAIL")}  {scenario.Name,-36} {length.TotalSeconds,5:F0} s in {Stopwatch.GetElapsedTime(started).TotalMilliseconds,4:F0} ms");
        foreach (var mistake in mistakes)
        {
            Console.WriteLine($"      - {mistake}");
        }

        if (parsed.GetValue(traces) is { } folder)
        {
            Corpus.Write(folder, scenario.Name, call.Traces);
        }

        failed += mistakes.Count == 0 ? 0 : 1;
    }

    return failed == 0 ? 0 : 1;
});
return await root.Parse(args).InvokeAsync();
