using System.Collections.Concurrent;
using Guru.Sandbox.Commands;
using Guru.Sandbox.Scenarios;

namespace Guru.EndToEnd.Tests;

/// <summary>Every shipped scenario in real time, each with a Guru process and a PostgreSQL of its own.</summary>
[Collection(InRealTime.Name)]
public sealed class Scenarios
{
    private const int AtOnce = 8;
    private const int MostTries = 4;

    /// <summary>A machine that was later than this has not shown what the scenario is about; it is played again.</summary>
    private static readonly TimeSpan TooLate = TimeSpan.FromMilliseconds(100);

    private static readonly Lazy<ConcurrentDictionary<string, Task<ScenarioOutcome>>> Runs = new(Start);

    public static TheoryData<string> Shipped => [.. ScenarioFile.All().Select(scenario => scenario.Name)];

    [Theory]
    [MemberData(nameof(Shipped))]
    public async Task Every_shipped_scenario_goes_as_expected_on_the_wire(string scenario)
    {
        var outcome = await Runs.Value[scenario];

        outcome.Mistakes.ShouldBeEmpty($"{outcome.Lateness.TotalMilliseconds:F0} ms late\n{string.Join('\n', outcome.Log.TakeLast(30))}");
    }

    /// <summary>
    /// They are long, and light once Guru is up: several run at once, while one at a time starts and the tests wait for each in turn.
    /// </summary>
    private static ConcurrentDictionary<string, Task<ScenarioOutcome>> Start()
    {
        var gate = new SemaphoreSlim(AtOnce);
        var starting = new SemaphoreSlim(1);
        return new ConcurrentDictionary<string, Task<ScenarioOutcome>>(ScenarioFile.All().Select(scenario => KeyValuePair.Create(scenario.Name, Run(scenario))));

        async Task<ScenarioOutcome> Run(Scenario scenario)
        {
            await gate.WaitAsync();
            try
            {
                var outcome = await Play(scenario);
                for (var tries = 1; outcome.Mistakes.Count > 0 && outcome.Lateness > TooLate && tries < MostTries; tries++)
                {
                    outcome = await Play(scenario);
                }

                return outcome;
            }
            finally
            {
                gate.Release();
            }
        }

        async Task<ScenarioOutcome> Play(Scenario scenario)
        {
            await starting.WaitAsync();
            var isUp = 0;
            void Up()
            {
                if (Interlocked.Exchange(ref isUp, 1) == 0)
                {
                    starting.Release();
                }
            }

            try
            {
                return await ScenarioRun.RunAsync(scenario, _ => Up());
            }
            finally
            {
                Up();
            }
        }
    }
}
