using Guru.Api.Hosting;
using Guru.Application.Traces;
using Guru.Domain.Calls;
using Guru.Infrastructure.Postgres;
using Guru.Sandbox.Twilio;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;

namespace Guru.EndToEnd.Tests;

/// <summary>The command that replays what is in the database, beside the nodes that run.</summary>
[Collection(nameof(CallingNodes))]
public sealed class ReplayingStoredCalls(CallingNodes nodes) : IAsyncLifetime
{
    private const string Unknown = "CA00000000000000000000000000000009";

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("guru-e2e-traces-");
    private Database _database = null!;
    private ServiceProvider _services = null!;
    private PlacedCall _call = null!;
    private KeptTrace _kept = null!;

    private ICallTraces Traces => _services.GetRequiredService<ICallTraces>();

    public async Task InitializeAsync()
    {
        var settings = GuruSettings.Read(new ConfigurationBuilder().AddInMemoryCollection([new("DATABASE_URL", nodes.DatabaseUrl)]).Build(), serving: false);
        _database = await Database.OpenAsync(settings.Database, NullLoggerFactory.Instance, CancellationToken.None);
        _services = new ServiceCollection().AddEventStore(_database, settings.Prices).BuildServiceProvider();
        _call = await nodes.Twilio.PlaceCallAsync(Calls.Greeted);
        _kept = await KeptAsync();
    }

    public async Task DisposeAsync()
    {
        await _services.DisposeAsync();
        await _database.DisposeAsync();
        _folder.Delete(recursive: true);
    }

    [Fact]
    public async Task Finds_each_as_it_was_and_writes_its_words_into_a_file_until_something_is_decided_otherwise()
    {
        var (exitCode, log) = await nodes.RunAsync("replay", _call.CallSid, "--export", _folder.FullName);
        exitCode.ShouldBe(0, string.Join('\n', log));
        log.ShouldHaveSingleItem().ShouldMatch($"^{_call.CallSid}: [0-9]+ inputs in [0-9.]+ s, [0-9]+ decisions, each as it was$");
        var file = _folder.GetFiles().ShouldHaveSingleItem();
        file.Name.ShouldBe($"{_call.CallSid}.trace");
        var text = await File.ReadAllTextAsync(file.FullName);
        text.ShouldBe(_kept.Text);
        text.ShouldContain("this is Guru");

        (exitCode, log) = await nodes.RunAsync("replay", "--all", file.FullName);
        exitCode.ShouldBe(0, string.Join('\n', log));
        string[] both = [_call.CallSid, file.Name];
        both.ShouldAllBe(name => log.Any(line => line.StartsWith($"{name}: ", StringComparison.Ordinal) && line.EndsWith(", each as it was", StringComparison.Ordinal)));

        // As if the session had let go of the model that it used.
        await ReplaceAsync(text.Replace("\"is\":\"UseModel\"", "\"is\":\"DropModel\"", StringComparison.Ordinal));
        (exitCode, log) = await nodes.RunAsync("replay", _call.CallSid, Unknown);
        exitCode.ShouldBe(1, string.Join('\n', log));
        string[] told =
        [
            $"^{_call.CallSid}: .* decisions, and a difference$",
            """^  at       [0-9.]+ s, input [0-9]+: i [0-9.]+ {"is":"ModelDialed",""",
            """^  expected decides {"is":"DropModel"}$""",
            """^  got      decides {"is":"UseModel"}$""",
            $"^{Unknown}: there is no trace\\.",
            "^0 as they were, 1 different, 1 without a trace$",
        ];
        log.Count.ShouldBe(told.Length, string.Join('\n', log));
        foreach (var (line, pattern) in log.Zip(told))
        {
            line.ShouldMatch(pattern);
        }

        (await nodes.RunAsync("replay", Unknown)).ExitCode.ShouldBe(2);
    }

    /// <summary>Kept behind the call.</summary>
    private async Task<KeptTrace> KeptAsync()
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        while (true)
        {
            if (await Traces.OfAsync(CallSid.Parse(_call.CallSid), limit.Token) is { Count: > 0 } kept)
            {
                return kept.ShouldHaveSingleItem();
            }
        }
    }

    /// <summary>Sealed like the one before.</summary>
    private async Task ReplaceAsync(string text)
    {
        await nodes.Database.RowsAsync($"delete from guru.call_traces where call_sid = '{_call.CallSid}'");
        await Traces.KeepAsync(_kept with { Text = text }, DateTimeOffset.MinValue, CancellationToken.None);
        (await KeptAsync()).Text.ShouldBe(text);
    }
}
