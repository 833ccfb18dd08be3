using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using Guru.Sandbox.Commands;
using Guru.Sandbox.Twilio;

namespace Guru.EndToEnd.Tests;

/// <summary>Somebody who writes, agrees to calls, is called, and talks in the webapp: what they leave, and what is left of it when they are erased.</summary>
public sealed class ForgottenEverywhere
{
    private const string Person = "233200000070";
    private const string WebappKey = "sandbox-webapp-key";

    /// <summary>The number, the name, what was written, why they were asked and called, the operator's keys for that, and what was said in the webapp.</summary>
    private static readonly Marks Marks = new(Person, "Zebedee", "landlord", "Nebuchadnezzar", "Ozymandias", "Akhenaten", "student visa");

    [Fact]
    public async Task Who_talked_in_the_webapp_and_agreed_to_calls_is_in_no_table_file_recording_or_log_once_erased()
    {
        using var rules = new AnyHour();
        await using var node = await OneNode.PrepareAsync(Callable.In(new TwilioStandInOptions { VerbSpeed = 50 }));
        await node.StartAsync(
            ("GURU_WEBAPP_KEYS", WebappKey), ("Guru__Calling__RulesPath", rules.Path), ("Guru__Recording__Enabled", "true"), ("Logging__LogLevel__Default", "Debug"));
        await AgreeAndBeCalledAsync(node);
        await TalkInTheWebappAsync(node);
        (await Marks.InTablesAsync(node.Database)).ShouldBe(["guru.consent", "guru.messages", "guru.utterances"], ignoreOrder: true);
        Recordings(node).ShouldHaveSingleItem(); // A browser's sound does not pass through Guru.
        var rows = await RowsOfAsync(node);
        rows.ShouldContain(row => row.StartsWith("guru.call_traces", StringComparison.Ordinal));
        rows.ShouldContain(row => row.StartsWith("guru.request_keys", StringComparison.Ordinal));

        using var operators = World.ClientFor(node.Address, GuruProcess.OperatorKey);
        using var erased = await operators.DeleteAsync($"/api/callers/%2B{Person}");

        erased.StatusCode.ShouldBe(HttpStatusCode.OK);
        var certificate = await erased.Content.ReadAsStringAsync();
        Marks.In(certificate).ShouldBeEmpty();
        JsonElement.Parse(certificate).GetProperty("calls").GetInt32().ShouldBe(2);
        (await Marks.InTablesAsync(node.Database)).ShouldBeEmpty();
        await Marks.ShouldBeInNoFileOfAsync(node.Data);
        Recordings(node).ShouldBeEmpty();
        (await RowsOfAsync(node)).ShouldBe(["guru.consent 1"]); // That they were erased.
        await ShouldBeAStrangerAsync(node);
        node.Log.Count.ShouldBeLessThan(5000, "More than that is not kept, and could not be searched.");
        node.Log.ShouldContain(line => line.Contains("\"LogLevel\":\"Debug\"", StringComparison.Ordinal));
        node.Log.Where(line => Marks.In(line).Any()).ShouldBeEmpty();
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

    private static async Task ShouldBeAStrangerAsync(OneNode node)
    {
        using var analyst = World.ClientFor(node.Address, GuruProcess.AnalystKey);
        Marks.In(await analyst.GetStringAsync($"/api/conversations?phoneNumber=%2B{Person}")).ShouldBeEmpty();
        Marks.In(await analyst.GetStringAsync("/api/calls")).ShouldBeEmpty();
        foreach (var word in (string[])["landlord", "visa", "Ozymandias"])
        {
            JsonElement.Parse(await analyst.GetStringAsync($"/api/transcripts/search?q={word}")).GetProperty("items").GetArrayLength().ShouldBe(0);
        }

        using var webapp = World.ClientFor(node.Address, WebappKey);
        using var session = await webapp.PostAsJsonAsync("/api/voice-agent/session", new { phoneNumber = $"+{Person}" });
        Marks.In(await session.Content.ReadAsStringAsync()).ShouldBeEmpty();
    }

    private static string[] Recordings(OneNode node) => Directory.GetFiles(Path.Combine(node.Data, "recordings"), "*", SearchOption.AllDirectories);

    /// <summary>How many rows name the person or a call, in every table but the events that has a column for either.</summary>
    private static async Task<IReadOnlyList<string>> RowsOfAsync(OneNode node)
    {
        var counts = new List<string>();
        foreach (var column in await node.Database.RowsAsync(
            """
            select c.table_schema || '.' || c.table_name, string_agg(c.column_name, ',' order by c.column_name) from information_schema.columns c
            join information_schema.tables t using (table_schema, table_name)
            where c.table_schema in ('guru', 'guru_keys') and c.column_name in ('caller_id', 'call_sid') and t.table_type = 'BASE TABLE' and c.table_name not in ('calls', 'usages')
            group by 1 order by 1
            """))
        {
            var (table, columns) = (column.Split(' ')[0], column.Split(' ')[1].Split(','));
            var count = (await node.Database.RowsAsync($"select count(*) from {table} where {string.Join(" or ", columns.Select(name => $"{name} is not null"))}"))[0];
            if (count != "0")
            {
                counts.Add($"{table} {count}");
            }
        }

        return counts;
    }
}
