using System.Net;
using System.Text.Json;
using Guru.Api.Hosting;
using Guru.Application;
using Guru.Application.Recordings;
using Guru.Domain.Callers;
using Guru.Domain.Calls;
using Guru.Domain.Conversations;
using Guru.Infrastructure.Postgres;
using Guru.Infrastructure.Recordings;
using Guru.Sandbox.Commands;
using Guru.Sandbox.Twilio;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace Guru.EndToEnd.Tests;

public sealed class KeptForATime
{
    private const string Number = "+15550734591";
    private const string SaidMark = "Popocatepetl";
    private const string WrittenMark = "Quetzalcoatl";

    /// <summary>As docs/privacy.md names them.</summary>
    private static readonly string[] ReadModels = ["calls", "utterances", "usages", "routings", "messages", "deliveries", "conversations", "consent", "caller_aliases"];

    private static readonly Marks Old = new(SaidMark, WrittenMark);
    private static readonly Marks Recent = new("landlord");
    private static readonly CallSid Call = CallSid.Parse("CA000000000000000000000000000c0ffe");

    [Fact]
    public async Task What_is_older_than_the_settings_is_told_and_then_destroyed_by_a_running_guru_and_a_rebuild_agrees()
    {
        await using var node = await OneNode.PrepareAsync();
        var caller = await TalkLongAgoAsync(node);
        await node.StartAsync();
        await node.Twilio.WriteAsync(InboundMessage.Text("My landlord wants more money.") with { From = "whatsapp:+15550734592" });
        await node.Twilio.WaitForMessageAsync("whatsapp:+15550734592", _ => true);
        await node.UntilAsync("select count(*) from events.mt_events where type = 'message_replied'", "2");

        using (var operators = World.ClientFor(node.Address, GuruProcess.OperatorKey))
        using (var analyst = World.ClientFor(node.Address, GuruProcess.AnalystKey))
        {
            Due(await operators.GetStringAsync("/api/retention?transcriptDays=30&messageDays=30&recordingDays=30")).ShouldBe(["transcripts 1", "messages 1", "recordings 1"]);
            Due(await operators.GetStringAsync("/api/retention")).ShouldBeEmpty();
            (await analyst.GetStringAsync($"/api/calls/{Call}/events")).ShouldContain(SaidMark);
            (await analyst.GetStringAsync($"/api/transcripts/search?q={SaidMark}")).ShouldContain(Call.Value);
            using var sound = await analyst.GetAsync($"/api/calls/{Call}/recording");
            sound.StatusCode.ShouldBe(HttpStatusCode.OK);
        }

        (await Old.InTablesAsync(node.Database)).ShouldBe(["guru.conversations", "guru.messages", "guru.utterances"], ignoreOrder: true);

        await node.StopAsync();
        await node.StartAsync(("Guru__Retention__TranscriptDays", "30"), ("Guru__Retention__MessageDays", "30"), ("Guru__Retention__RecordingDays", "30"));
        await node.UntilAsync(
            "select stream_id || ' ' || (data ->> 'kind') from events.mt_events where type = 'retention_applied' order by seq_id",
            $"conversation-{caller} transcripts", $"conversation-{caller} messages", $"conversation-{caller} recordings");

        (await Old.InTablesAsync(node.Database)).ShouldBeEmpty();
        await Old.ShouldBeInNoFileOfAsync(node.Data);
        (await Recent.InTablesAsync(node.Database)).ShouldContain("guru.messages");
        await node.UntilAsync("select count(*) from guru.work where kind = 'retention'", "0");
        using (var operators = World.ClientFor(node.Address, GuruProcess.OperatorKey))
        using (var analyst = World.ClientFor(node.Address, GuruProcess.AnalystKey))
        {
            Due(await operators.GetStringAsync("/api/retention")).ShouldBe(["transcripts 0", "messages 0", "recordings 0"]);
            using var sound = await analyst.GetAsync($"/api/calls/{Call}/recording");
            sound.StatusCode.ShouldBe(HttpStatusCode.NotFound);
            Directory.GetFiles(Path.Combine(node.Data, "recordings"), "*", SearchOption.AllDirectories).ShouldHaveSingleItem(); // Which nothing can open any more.
            Old.In(await analyst.GetStringAsync($"/api/calls/{Call}/events")).ShouldBeEmpty();
            JsonElement.Parse(await analyst.GetStringAsync($"/api/transcripts/search?q={SaidMark}")).GetProperty("items").GetArrayLength().ShouldBe(0);
            Old.In(await analyst.GetStringAsync($"/api/conversations/{caller}/messages")).ShouldBeEmpty();
            var transcript = JsonElement.Parse(await analyst.GetStringAsync($"/api/calls/{Call}/transcript")).GetProperty("utterances");
            transcript.EnumerateArray().Select(turn => $"{turn.GetProperty("speaker").GetString()} {turn.GetProperty("endMs").GetInt64()}").ShouldBe(["caller 2000"]); // Who spoke when stays.
        }

        var live = await ReadModelsAsync(node);
        var (exitCode, log) = await node.RunAsync("rebuild");
        exitCode.ShouldBe(0, string.Join('\n', log));
        log.ShouldContain(line => line.EndsWith(" events projected.", StringComparison.Ordinal));
        log.ShouldNotContain(line => line.Contains('\u001b'), "A pipe is no terminal.");
        (await ReadModelsAsync(node)).ShouldBe(live);
        node.Log.Where(line => Old.In(line).Any()).ShouldBeEmpty();
    }

    /// <summary>Somebody wrote and called, and was recorded, a hundred days ago, and all that was to be done about it is done.</summary>
    private static async Task<CallerId> TalkLongAgoAsync(OneNode node)
    {
        var settings = GuruSettings.Read(
            new ConfigurationBuilder().AddInMemoryCollection([new("DATABASE_URL", node.DatabaseUrl), new("GURU_SECRET", World.Secret), new("GURU_DATA_DIR", node.Data)]).Build(),
            serving: false);
        await using var database = await Database.OpenAsync(settings.Database, NullLoggerFactory.Instance, CancellationToken.None);
        await using var services = new ServiceCollection().AddEventStore(database, settings.Prices)
            .AddLogging().AddSingleton(TimeProvider.System).AddSingleton(Options.Create(settings.Recording)).AddRecordingFiles().BuildServiceProvider();
        var store = services.GetRequiredService<IEventStore>();
        var caller = CallerId.Of(CallerAddress.Parse(Number), settings.Secret.Value);
        var at = DateTimeOffset.UtcNow.AddDays(-100);
        await using var recording = await services.GetRequiredService<IRecordingStore>().BeginAsync(new RecordedStream(Call, caller, "MZ1", at, StartMs: 0), CancellationToken.None);
        await recording.WriteAsync(new byte[16_000], CancellationToken.None);
        var bytes = await recording.CompleteAsync(CancellationToken.None);
        ConversationEvent[] written =
        [
            new MessageReceived("SM1", caller, Number, "Zoe", Domain.Conversations.MessageKind.Text, $"{WrittenMark} wrote", MediaUrl: null, MediaType: null, at),
            new MessageReplied(["SM1"], caller, ["SM2"], "legal", $"{WrittenMark} was answered", at),
            new ConversationSummarized(caller, $"{WrittenMark} and {SaidMark}", at, at),
        ];
        CallEvent[] said =
        [
            new CallStarted(Call, caller, Number, CallChannel.Whatsapp, CallDirection.Inbound, "en", StreamTokenHash: null, at),
            new MediaStreamConnected("MZ1", "hash", "node", at),
            new UtteranceTranscribed(
                "u1", Speaker.Caller, "legal", SaidMark, SaidMark, Interrupted: false, TranscriptionOutcome.Completed, StartMs: 1000, EndMs: 2000, SaidMs: 1000, HeardMs: 1000,
                "en", FirstAudioMs: null, FirstHeardMs: null, at),
            new RecordingStored("MZ1", StartMs: 0, DurationMs: 1000, bytes, "node", at),
            new CallEnded(CallEndReason.CallerHungUp, at.AddMinutes(1)),
            new CallSummarized("en", SaidMark, "", "", "", "", "", at.AddMinutes(1)),
        ];
        await store.AppendAsync(Conversation.StreamId(caller), ExpectedVersion.None, caller, written, CancellationToken.None);
        await store.AppendAsync(Domain.Calls.Call.StreamId(Call), ExpectedVersion.None, caller, said, CancellationToken.None);
        await node.Database.RowsAsync("delete from guru.work");
        return caller;
    }

    private static IEnumerable<string> Due(string report) =>
        JsonElement.Parse(report).EnumerateArray().Select(due => $"{due.GetProperty("kind").GetString()} {due.GetProperty("callers").GetInt64()}");

    private static async Task<IReadOnlyList<string>> ReadModelsAsync(OneNode node)
    {
        var rows = new List<string>();
        foreach (var table in ReadModels)
        {
            rows.AddRange((await node.Database.RowsAsync($"select t::text from guru.{table} t order by t::text collate \"C\"")).Select(row => $"{table}: {row}"));
        }

        return rows;
    }
}
