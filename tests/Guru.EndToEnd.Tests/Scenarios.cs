using System.Collections.Concurrent;
using Guru.Sandbox.Audio;
using Guru.Sandbox.Commands;
using Guru.Sandbox.Scenarios;
using Guru.Sandbox.Twilio;
using Npgsql;

namespace Guru.EndToEnd.Tests;

/// <summary>Every shipped scenario in real time, each with a Guru process and a database of its own.</summary>
[Collection(InRealTime.Name)]
public sealed class Scenarios
{
    private const int AtOnce = 16;
    private const int MostTries = 4;

    /// <summary>A machine that was later than this has not shown what the scenario is about; it is played again.</summary>
    private static readonly TimeSpan TooLate = TimeSpan.FromMilliseconds(100);

    private static readonly Lazy<ConcurrentDictionary<string, Task<Played>>> Runs = new(Start);

    public static TheoryData<string> Shipped => [.. ScenarioFile.All().Select(scenario => scenario.Name)];

    [Theory]
    [MemberData(nameof(Shipped))]
    public async Task Every_shipped_scenario_goes_as_expected_on_the_wire(string scenario)
    {
        var (outcome, _) = await Runs.Value[scenario];

        outcome.Mistakes.ShouldBeEmpty($"{outcome.Lateness.TotalMilliseconds:F0} ms late\n{string.Join('\n', outcome.Log.TakeLast(30))}");
    }

    [Theory]
    [MemberData(nameof(Shipped))]
    public async Task No_shipped_scenario_leaves_a_word_number_or_key_in_the_log(string scenario)
    {
        var (outcome, secrets) = await Runs.Value[scenario];

        outcome.Log.ShouldContain(line => line.Contains(outcome.CallSid, StringComparison.Ordinal));
        secrets.ShouldBeInNoLineOf(outcome.Log);
    }

    /// <summary>
    /// They are long, and light once Guru is up: several run at once, while two at a time start and the tests wait for each in turn.
    /// </summary>
    private static ConcurrentDictionary<string, Task<Played>> Start()
    {
        var gate = new SemaphoreSlim(AtOnce);
        var starting = new SemaphoreSlim(2);
        return new ConcurrentDictionary<string, Task<Played>>(ScenarioFile.All().Select(scenario => KeyValuePair.Create(scenario.Name, Run(scenario))));

        async Task<Played> Run(Scenario scenario)
        {
            await gate.WaitAsync();
            try
            {
                var played = await Play(scenario);
                for (var tries = 1; played.Outcome.Mistakes.Count > 0 && played.Outcome.Lateness > TooLate && tries < MostTries; tries++)
                {
                    played = await Play(scenario);
                }

                return played;
            }
            finally
            {
                gate.Release();
            }
        }

        async Task<Played> Play(Scenario scenario)
        {
            await starting.WaitAsync();
            var twilio = default(TwilioStandIn);
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
                await using var database = await OwnDatabase.NewAsync();
                var outcome = await ScenarioRun.RunAsync(
                    scenario,
                    line =>
                    {
                        twilio = line;
                        Up();
                    },
                    new Dictionary<string, string>(StringComparer.Ordinal) { ["DATABASE_URL"] = database.Url, ["GURU_SECRET"] = World.Secret });
                return new Played(outcome, SecretsOf(twilio!, database));
            }
            finally
            {
                Up();
            }
        }
    }

    /// <summary>What was said and written, by and to whom, and the keys to it.</summary>
    private static Marks SecretsOf(TwilioStandIn twilio, OwnDatabase database)
    {
        var calls = twilio.Calls.Entries;
        var texts = SampleLibrary.Shipped.All.Select(sample => sample.Text)
            .Concat(twilio.Messaging.Written.Entries.Select(written => written.Parameters["Body"]))
            .Concat(twilio.Rest.Messages.Entries.Select(sent => sent.Body));
        return new Marks(
        [
            .. texts.SelectMany(PartsOf).Where(part => part.Length > 4), // Shorter ones, such as Ok, are in many a word.
            .. calls.SelectMany(call => (string[])[call.From, call.To]).Concat(twilio.Messaging.Written.Entries.Select(written => written.Message.From))
                .Select(address => address[(address.IndexOf('+', StringComparison.Ordinal) + 1)..]),
            .. calls.SelectMany(call => call.Events.Of<StreamOpened>()).Select(opened => opened.Parameters["token"]),
            GuruProcess.OpenAIKey, GuruProcess.AnalystKey, GuruProcess.OperatorKey, twilio.Options.AuthToken,
            World.Secret, new NpgsqlConnectionStringBuilder(database.Url).Password!,
        ]);
    }

    /// <summary>Every three words in a row, since a part of a sentence is said as well.</summary>
    private static IEnumerable<string> PartsOf(string text)
    {
        var words = text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
        return words.Length <= 3 ? [string.Join(' ', words)] : Enumerable.Range(0, words.Length - 2).Select(first => string.Join(' ', words[first..(first + 3)]));
    }

    private sealed record Played(ScenarioOutcome Outcome, Marks Secrets);
}
