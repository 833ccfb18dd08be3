using System.Text.Json;
using Guru.Infrastructure.Postgres;
using Guru.Sandbox.Audio;
using Guru.Sandbox.Commands;
using Guru.Sandbox.OpenAI;
using Guru.Sandbox.Twilio;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using Xunit.Abstractions;

namespace Guru.EndToEnd.Tests;

/// <summary>
/// Two nodes behind one address, the first of them cut off from PostgreSQL and then killed in the middle of a sentence. The second goes on
/// with the call; what the first knew is stored by its next start.
/// </summary>
public sealed class ANodeKilledInACall(ITestOutputHelper output) : IAsyncLifetime
{
    private static readonly TimeSpan Beat = TimeSpan.FromMilliseconds(400);

    /// <summary>The caller hears Guru again within it.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    /// <summary>How far an utterance has come is kept once a second.</summary>
    private const int KeptEveryMs = 1000;

    /// <summary>By then the sandbox's model has transcribed what the caller said.</summary>
    private static readonly TimeSpan Transcribed = TimeSpan.FromSeconds(4);

    private readonly string _data = Directory.CreateTempSubdirectory("guru-e2e-journal-db-").FullName;
    private readonly string _first = Directory.CreateTempSubdirectory("guru-e2e-journal-1-").FullName;
    private EmbeddedPostgres _server = null!;
    private TcpGate _gate = null!;
    private OpenAIStandIn _openAI = null!;
    private TwilioStandIn _twilio = null!;

    public async Task InitializeAsync()
    {
        _server = await EmbeddedPostgres.StartAsync(_data, NullLogger.Instance, CancellationToken.None);
        _gate = new TcpGate(new NpgsqlConnectionStringBuilder(_server.ConnectionString).Port);
        _openAI = await OpenAIStandIn.StartAsync(new OpenAIStandInOptions { ApiKey = GuruProcess.OpenAIKey });
        _twilio = await TwilioStandIn.StartAsync(new TwilioStandInOptions { AppUrl = new Uri(World.PublicAddress) });
    }

    public async Task DisposeAsync()
    {
        await _twilio.DisposeAsync();
        await _openAI.DisposeAsync();
        await _gate.DisposeAsync();
        await _server.DisposeAsync();
        World.DeleteCluster(_data);
        Directory.Delete(_first, recursive: true);
    }

    [Fact]
    public async Task Costs_the_caller_a_moment_and_the_record_nothing()
    {
        await using var second = await StartAsync(_server.ConnectionString, dataFolder: null);
        await using var first = await StartAsync(new NpgsqlConnectionStringBuilder(_server.ConnectionString) { Port = _gate.Port }.ConnectionString, _first);
        _twilio.ConnectTo = first.Address;
        var call = _twilio.PlaceCall(new CallOptions
        {
            Script =
            [
                new CallerTurn(new AgentFinished(Beat), new Say("visa-en")),
                new CallerTurn(new AgentFinished(Beat), new Say("itemized-en")),
                new CallerTurn(new AgentFinished(Beat, Turn: 4), new Say("thanks-en")),
                new CallerTurn(new AgentFinished(Beat), new HangUp()),
            ],
        });
        await call.WaitForAgentTurnAsync(1);
        _gate.Shut();
        await call.WaitForAgentTurnAsync(2);
        var heard = call.Heard.Sum(line => line.PlayedBytes);
        await call.Events.WaitAsync<AgentTurnBegan>(began => began.Number == 3);
        await call.WaitForPlayedAsync(MuLaw.Duration(heard) + Transcribed);

        var killedAt = call.Now;
        _twilio.ConnectTo = second.Address;
        await first.KillAsync();
        var again = await call.Events.WaitAsync<AgentTurnBegan>(began => began.Number == 4);
        output.WriteLine($"The caller hears Guru again {(again.At - killedAt).TotalMilliseconds:F0} ms after the kill.");
        (again.At - killedAt).ShouldBeLessThan(Patience);
        await call.Completion;
        using var analyst = World.ClientFor(second.Address, GuruProcess.AnalystKey);
        (await TranscriptAsync(analyst, call)).ShouldNotContain(said => said.StartsWith("caller: My student visa", StringComparison.Ordinal));

        _gate.Open();
        string[] expected =
        [
            "agent: Hello, this is Guru", "caller: My student visa", "agent: ", "caller: Wait, what does itemized mean?", "agent: ", "agent: Sorry, we were cut off", "caller: Thank you",
            "agent: You are welcome.",
        ];
        for (var start = 1; start <= 2; start++)
        {
            await using var restarted = await StartAsync(_server.ConnectionString, _first);
            var transcript = await UntilAsync(analyst, call, said => said.Count >= expected.Length);
            foreach (var (said, begins) in transcript.Zip(expected))
            {
                said.ShouldStartWith(begins, customMessage: string.Join('\n', transcript));
            }

            transcript.Count.ShouldBe(expected.Length, string.Join('\n', transcript));
        }

        var record = await CallRecord.WhenCompleteAsync(second.Address, call, _openAI);
        record.ShouldTellOfABrokenAnswer(call, keptEveryMs: KeptEveryMs);
        await _openAI.SessionsShouldBeOfCallsOnRecordAsync(analyst);

        // Of the sentence in whose middle the node was killed there is what had been heard of it a moment before.
        var cut = (await UtterancesAsync(analyst, call))[4];
        var line = call.Heard[2];
        line.Sample.Text.ShouldStartWith(cut.GetProperty("heard").GetString()!);
        cut.GetProperty("heard").GetString().ShouldNotBeEmpty();
        cut.GetProperty("heardMs").GetInt64().ShouldBeInRange((long)line.Heard.TotalMilliseconds - KeptEveryMs - 500, (long)line.Heard.TotalMilliseconds + 250);

        Directory.EnumerateFiles(Path.Combine(_first, "journal")).ShouldBeEmpty();
        var (lost, opened) = (call.Events.Of<StreamEnded>()[0], call.Events.Of<StreamOpened>()[1]);
        var asked = call.Events.Of<WebhookSent>().First(sent => sent.At >= lost.At); // As it was answered.
        record.EventTypes.Count(type => type == "MediaStreamConnected").ShouldBe(2);
        record.All("CallResumed").ShouldHaveSingleItem().GetProperty("gapMs").GetInt64().ShouldBeInRange(Ms(opened.At - asked.At) - 50, Ms(opened.At - lost.At) + 50);
    }

    private static long Ms(TimeSpan span) => (long)span.TotalMilliseconds;

    private static async Task<IReadOnlyList<JsonElement>> UtterancesAsync(HttpClient analyst, PlacedCall call) =>
        [.. JsonElement.Parse(await analyst.GetStringAsync($"/api/calls/{call.CallSid}/transcript")).GetProperty("utterances").EnumerateArray()];

    private static async Task<IReadOnlyList<string>> TranscriptAsync(HttpClient analyst, PlacedCall call) =>
        [.. (await UtterancesAsync(analyst, call)).Select(line => $"{line.GetProperty("speaker").GetString()}: {line.GetProperty("said").GetString()}")];

    private static async Task<IReadOnlyList<string>> UntilAsync(HttpClient analyst, PlacedCall call, Func<IReadOnlyList<string>, bool> holds)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while (true)
        {
            if (await TranscriptAsync(analyst, call) is var transcript && holds(transcript))
            {
                return transcript;
            }

            limit.Token.ThrowIfCancellationRequested();
        }
    }

    private Task<GuruProcess> StartAsync(string database, string? dataFolder) => GuruProcess.StartAsync(
        _openAI,
        _twilio,
        new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["DATABASE_URL"] = database,
            ["GURU_SECRET"] = World.Secret,
            ["BASE_URL"] = World.PublicAddress,
        },
        dataFolder);
}
