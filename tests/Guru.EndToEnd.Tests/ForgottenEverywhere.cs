using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using Guru.Infrastructure.Tests.Privacy;
using Guru.Sandbox.Commands;
using Guru.Sandbox.Twilio;
using Npgsql;

namespace Guru.EndToEnd.Tests;

/// <summary>
/// Somebody who writes, agrees to calls, is called, and talks in the webapp: what they leave, and what is left of it when they are erased and an older
/// backup is put back.
/// </summary>
public sealed class ForgottenEverywhere
{
    private const string Person = "233200000070";
    private const string WebappKey = "sandbox-webapp-key";

    /// <summary>The number, the name, what was written, why they were asked and called, the operator's keys for that, and what was said in the webapp.</summary>
    private static readonly Marks Marks = new(Person, "Zebedee", "landlord", "Nebuchadnezzar", "Ozymandias", "Akhenaten", "student visa");

    /// <summary>What is in a backup as well.</summary>
    private static readonly string[] SealedRows = ["guru.call_traces", "guru.request_keys", "guru_keys.keys"];

    [Fact]
    public async Task Who_talked_in_the_webapp_and_agreed_to_calls_is_in_no_table_file_recording_answer_or_log_once_erased_nor_when_an_older_backup_is_put_back()
    {
        using var rules = new AnyHour();
        await using var node = await OneNode.PrepareAsync(Callable.In(new TwilioStandInOptions { VerbSpeed = 50 }));
        (string, string)[] settings =
        [
            ("GURU_WEBAPP_KEYS", WebappKey), ("Guru__Calling__RulesPath", rules.Path), ("Guru__Recording__Enabled", "true"), ("Logging__LogLevel__Default", "Debug"),
        ];
        await node.StartAsync(settings);
        await AgreeAndBeCalledAsync(node);
        await TalkInTheWebappAsync(node);
        (await Marks.InTablesAsync(node.Database)).ShouldBe(["guru.consent", "guru.messages", "guru.utterances"], ignoreOrder: true);
        var recording = Recordings(node).ShouldHaveSingleItem(); // A browser's sound does not pass through Guru.
        SealedRows.ShouldBeSubsetOf(await TablesOfAsync(node.Database));
        var backup = await TakeBackupAsync(node, recording);

        using var operators = World.ClientFor(node.Address, GuruProcess.OperatorKey);
        await ShouldHaveToWaitForReadModelsAsync(node, operators);
        using var erased = await operators.DeleteAsync($"/api/callers/%2B{Person}");

        erased.StatusCode.ShouldBe(HttpStatusCode.OK);
        var certificate = JsonElement.Parse(await erased.Content.ReadAsStringAsync());
        Marks.In(certificate.ToString()).ShouldBeEmpty();
        certificate.GetProperty("calls").GetInt32().ShouldBe(2);
        var callerId = certificate.GetProperty("callerId").GetString()!;
        await ShouldBeForgottenAsync(node, node.Database, callerId);

        await node.StopAsync();
        var address = await PutBackAsync(node, backup, recording);
        await using var restored = NpgsqlDataSource.Create(address);
        SealedRows.ShouldBeSubsetOf(await TablesOfAsync(restored));
        await node.StartAsync([.. settings, ("DATABASE_URL", address)]);
        await UntilReadModelsAreMadeAsync(restored);

        (await restored.RowsAsync("select count(*) from guru.calls")).ShouldBe(["2"]);
        await ShouldBeForgottenAsync(node, restored, callerId);
        Marks.ShouldBeInNoLineOf(node.Log);
        node.Log.ShouldContain(line => line.Contains("\"LogLevel\":\"Debug\"", StringComparison.Ordinal));
    }

    private static async Task ShouldHaveToWaitForReadModelsAsync(OneNode node, HttpClient operators)
    {
        var version = (await node.Database.RowsAsync("select version from guru.read_models")).Single();
        await node.Database.RowsAsync("update guru.read_models set version = ''");

        using var tooEarly = await operators.DeleteAsync($"/api/callers/%2B{Person}");

        (tooEarly.StatusCode, tooEarly.Headers.RetryAfter?.Delta).ShouldBe((HttpStatusCode.ServiceUnavailable, TimeSpan.FromMinutes(1)));
        await node.Database.RowsAsync($"update guru.read_models set version = '{version}'");
    }

    /// <summary>Of the database as it is documented, and of the recording.</summary>
    private static async Task<DocumentedBackup> TakeBackupAsync(OneNode node, string recording)
    {
        var folder = Directory.CreateDirectory(Path.Combine(node.Folder, "backup")).FullName;
        var backup = new DocumentedBackup(folder);
        await backup.TakeAsync(node.DatabaseUrl);
        File.Copy(recording, Path.Combine(folder, Path.GetFileName(recording)));
        return backup;
    }

    /// <summary>By messages, requests of operators, and an answer by a button.</summary>
    private static async Task AgreeAndBeCalledAsync(OneNode node)
    {
        var people = new Callable(node.Twilio, () => node.Address, GuruProcess.OperatorKey, GuruProcess.AnalystKey);
        await WriteAsync(InboundMessage.Text("I have a letter from my landlord."));
        await node.Twilio.WaitForMessageAsync($"whatsapp:+{Person}", _ => true);
        var (status, asked) = await people.PostAsync(
            "permissions", new { phoneNumber = $"+{Person}", contentSid = Callable.ContentSid, variables = new Dictionary<string, string>(StringComparer.Ordinal) { ["1"] = "Nebuchadnezzar" } }, "Akhenaten-1");
        status.ShouldBe(HttpStatusCode.Accepted, asked.ToString());
        var callerId = asked.GetProperty("callerId").GetString()!;
        await node.Twilio.WaitForMessageAsync($"whatsapp:+{Person}", message => message.Parameters.ContainsKey("ContentSid"));
        await WriteAsync(InboundMessage.CallPermission(accepted: true));
        await people.LedgerWithAsync(callerId, "CallPermissionGranted");

        (await people.PostAsync("calls", new { phoneNumber = $"+{Person}", reason = "Ozymandias" }, "Akhenaten-2")).Status.ShouldBe(HttpStatusCode.Accepted);
        await people.LedgerWithAsync(callerId, "OutboundCallEnded");
        await node.UntilAsync("select count(*) from events.mt_events where type = 'recording_stored'", "1");
        await node.UntilAsync("select count(*) from guru.work where kind in ('reply', 'summary', 'permission', 'call', 'followUp') and due_at <= now()", "0");

        Task WriteAsync(InboundMessage message) => node.Twilio.WriteAsync(message with { From = $"whatsapp:+{Person}", ProfileName = "Zebedee" });
    }

    /// <summary>With a secret, with a token, and in a call that Guru attends.</summary>
    private static async Task TalkInTheWebappAsync(OneNode node)
    {
        using var webapp = World.ClientFor(node.Address, WebappKey);
        using var session = await webapp.PostAsJsonAsync("/api/voice-agent/session", new { phoneNumber = $"+{Person}" });
        (await session.Content.ReadAsStringAsync()).ShouldContain("landlord");
        using var inTheQuery = await webapp.GetAsync($"/api/voice-agent/session?phoneNumber=%2B{Person}");
        using var token = await webapp.PostAsJsonAsync("/api/voice-agent/tokens", new { phoneNumber = $"+{Person}" });
        (session.StatusCode, inTheQuery.StatusCode, token.StatusCode).ShouldBe((HttpStatusCode.OK, HttpStatusCode.OK, HttpStatusCode.OK));

        using var offer = new StringContent(WebappWorld.Offer, new MediaTypeHeaderValue("application/sdp"));
        using var answer = await webapp.PostAsync($"/api/voice-agent/calls?phoneNumber=%2B{Person}", offer);
        answer.StatusCode.ShouldBe(HttpStatusCode.Created);
        var call = node.OpenAI.Calls.Entries.ShouldHaveSingleItem();
        await call.SayAsync("visa-en");
        await node.UntilAsync($"select count(*) from guru.utterances where call_sid = '{call.Id}' and speaker = 'caller'", "1");
        using var over = await webapp.DeleteAsync($"/api/voice-agent/calls/{call.Id}");
        over.StatusCode.ShouldBe(HttpStatusCode.NoContent);
        await node.UntilAsync("select count(*) from guru.calls where ended_at is null", "0");
        await node.UntilAsync($"select count(*) from guru.call_traces where call_sid = '{call.Id}'", "1");
        await node.UntilAsync("select count(*) from guru.work where kind in ('reply', 'summary') and due_at <= now() + interval '1 minute'", "0");
    }

    /// <returns>The connection string of a database in which they are there again; so is the recording.</returns>
    private static async Task<string> PutBackAsync(OneNode node, DocumentedBackup backup, string recording)
    {
        await node.Database.RowsAsync("create database restored");
        var address = new NpgsqlConnectionStringBuilder(node.DatabaseUrl) { Database = "restored" }.ConnectionString;
        await backup.PutBackAsync(address);
        Directory.CreateDirectory(Path.GetDirectoryName(recording)!);
        File.Copy(Path.Combine(node.Folder, "backup", Path.GetFileName(recording)), recording);
        return address;
    }

    /// <summary>A backup has none; Guru makes them while it serves.</summary>
    private static async Task UntilReadModelsAreMadeAsync(NpgsqlDataSource database)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while ((await database.RowsAsync("select version from guru.read_models")).Count == 0)
        {
            await Task.Delay(50, limit.Token);
        }
    }

    /// <param name="callerId">Names them still.</param>
    private static async Task ShouldBeForgottenAsync(OneNode node, NpgsqlDataSource database, string callerId)
    {
        (await Marks.InTablesAsync(database)).ShouldBeEmpty();
        await Marks.ShouldBeInNoFileOfAsync(node.Data);
        Recordings(node).ShouldBeEmpty();
        (await TablesOfAsync(database)).ShouldBe(["guru.consent"]);
        (await database.RowsAsync("select count(*) from guru.consent")).ShouldBe(["1"]); // That they were erased.
        (await database.RowsAsync("select stream_id from events.mt_events where type = 'caller_erased'")).ShouldBe([$"conversation-{callerId}"]);
        await ShouldBeInNoAnswerAsync(node, await database.RowsAsync("select call_sid from guru.calls"), callerId);
    }

    /// <summary>Everything that analysts and operators may read, as OpenAPI lists it, of each call and of the person.</summary>
    private static async Task ShouldBeInNoAnswerAsync(OneNode node, IReadOnlyList<string> callSids, string callerId)
    {
        using var analyst = World.ClientFor(node.Address, GuruProcess.AnalystKey);
        using var operators = World.ClientFor(node.Address, GuruProcess.OperatorKey);
        var paths = JsonElement.Parse(await analyst.GetStringAsync("/openapi/v1.json")).GetProperty("paths").EnumerateObject()
            .Where(path => path.Value.TryGetProperty("get", out _) && path.Name is not "/api/live").Select(path => path.Name.Replace("{callerId}", callerId, StringComparison.Ordinal)).ToList();
        paths.ShouldContain($"/api/conversations/{callerId}/messages");
        string[] asked =
        [
            .. paths.SelectMany(path => callSids.Select(callSid => path.Replace("{callSid}", callSid, StringComparison.Ordinal))).Distinct(StringComparer.Ordinal),
            $"/api/conversations?phoneNumber=%2B{Person}", $"/api/calls?phoneNumber=%2B{Person}",
        ];
        var answered = 0;
        foreach (var (path, client) in asked.SelectMany(path => (HttpClient[])[analyst, operators], (path, client) => (path, client)))
        {
            using var answer = await client.GetAsync(path);
            Marks.In(await answer.Content.ReadAsStringAsync()).ShouldBeEmpty(path);
            answered += answer.IsSuccessStatusCode ? 1 : 0;
        }

        answered.ShouldBeGreaterThan(15, string.Join('\n', asked));
        foreach (var word in (string[])["landlord", "visa", "Ozymandias"])
        {
            JsonElement.Parse(await analyst.GetStringAsync($"/api/transcripts/search?q={word}")).GetProperty("items").GetArrayLength().ShouldBe(0);
        }

        using var webapp = World.ClientFor(node.Address, WebappKey);
        using var session = await webapp.PostAsJsonAsync("/api/voice-agent/session", new { phoneNumber = $"+{Person}" });
        Marks.In(await session.Content.ReadAsStringAsync()).ShouldBeEmpty();
    }

    private static string[] Recordings(OneNode node) => Directory.GetFiles(Path.Combine(node.Data, "recordings"), "*", SearchOption.AllDirectories);

    /// <summary>The tables with rows that name the person or a call: of all that have a column for either, but the events and the figures of calls.</summary>
    private static async Task<IReadOnlyList<string>> TablesOfAsync(NpgsqlDataSource database)
    {
        var named = new List<string>();
        foreach (var column in await database.RowsAsync(
            """
            select c.table_schema || '.' || c.table_name, string_agg(c.column_name, ',' order by c.column_name) from information_schema.columns c
            join information_schema.tables t using (table_schema, table_name)
            where c.table_schema in ('guru', 'guru_keys') and c.column_name in ('caller_id', 'call_sid') and t.table_type = 'BASE TABLE' and c.table_name not in ('calls', 'usages')
            group by 1 order by 1
            """))
        {
            var (table, columns) = (column.Split(' ')[0], column.Split(' ')[1].Split(','));
            named.AddRange((await database.RowsAsync($"select 1 from {table} where {string.Join(" or ", columns.Select(name => $"{name} is not null"))} limit 1")).Select(_ => table));
        }

        return named;
    }
}
