using System.Net;
using System.Text.Json;
using Guru.Infrastructure.Postgres;
using Guru.Sandbox.Commands;
using Guru.Sandbox.OpenAI;
using Guru.Sandbox.Twilio;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

namespace Guru.EndToEnd.Tests;

public sealed class Discretion
{
    private const string Number = "15550509876";
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    /// <summary>What the person wrote and said, and how they are reached.</summary>
    private static readonly Marks Marks = new(Number, "Zebedee", "ochocientos", "factura", "landlord");

    private static readonly string[] Secrets =
    [
        Number, "Zebedee", "/Media/", "Signature=", "hospital", "ochocientos", "factura", "visa", "landlord", "conversation so far", GuruProcess.OpenAIKey, GuruProcess.AnalystKey, "invented-token-of-the-sandbox",
    ];

    [Fact]
    public async Task No_number_name_word_or_key_is_logged_or_traced_even_at_the_most_talkative_level_and_who_is_erased_is_in_no_table_or_file()
    {
        var folder = Directory.CreateTempSubdirectory("guru-e2e-discretion-").FullName;
        var data = Directory.CreateDirectory(Path.Combine(folder, "guru")).FullName;
        var server = await EmbeddedPostgres.StartAsync(folder, NullLogger.Instance, CancellationToken.None);
        await using var database = NpgsqlDataSource.Create(server.ConnectionString);
        await using var traces = await Collector.StartAsync();
        await using var openAI = await OpenAIStandIn.StartAsync(new OpenAIStandInOptions { ApiKey = GuruProcess.OpenAIKey });
        await using var twilio = await TwilioStandIn.StartAsync();
        var guru = await GuruProcess.StartAsync(openAI, twilio, new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["DATABASE_URL"] = server.ConnectionString,
            ["GURU_SECRET"] = "an-invented-secret-of-the-tests",
            ["OTEL_EXPORTER_OTLP_ENDPOINT"] = traces.Address,
            ["OTEL_EXPORTER_OTLP_PROTOCOL"] = "http/protobuf",
            ["Logging__LogLevel__Default"] = "Trace",
            ["Guru__Work__RetrySeconds"] = "0.05",
            ["Guru__Messages__ListDelaySeconds"] = "0.1",
        }, data);
        twilio.AppUrl = guru.Address;
        try
        {
            await TalkAsync(openAI, twilio);
            await KnockAsync(guru.Address);
            await ForgetAsync(guru.Address, database, data);
        }
        finally
        {
            await guru.DisposeAsync();
            await database.DisposeAsync();
            await server.DisposeAsync();
            World.DeleteCluster(folder);
        }

        guru.Log.ShouldContain(line => line.Contains("\"LogLevel\":\"Debug\"", StringComparison.Ordinal));
        guru.Log.ShouldContain(line => line.Contains("no reply could be sent", StringComparison.Ordinal));
        var media = twilio.Messaging.Media.Requests.Entries.Select(request => request.MediaSid).ToList();
        media.ShouldNotBeEmpty();
        foreach (var secret in Secrets.Concat(media))
        {
            guru.Log.Where(line => line.Contains(secret, StringComparison.OrdinalIgnoreCase)).ShouldBeEmpty();
        }

        traces.Received.ShouldContain(nameof(Application.Conversations.ReceiveWhatsAppMessage));
        traces.Received.ShouldContain(nameof(Application.Privacy.ForgetCaller));
        foreach (var secret in Secrets.Append(GuruProcess.OperatorKey).Concat(media))
        {
            traces.Received.Contains(secret, StringComparison.OrdinalIgnoreCase).ShouldBeFalse(secret);
        }
    }

    /// <summary>Erased by the number, then looked for in every table, and in every file but PostgreSQL's own.</summary>
    private static async Task ForgetAsync(Uri guru, NpgsqlDataSource database, string data)
    {
        await UntilNoneAsync(database, "guru.calls where ended_at is null");
        await UntilNoneAsync(database, "guru.work where kind in ('reply', 'summary')");
        (await Marks.InTablesAsync(database)).ShouldContain("guru.messages");
        using var http = World.ClientFor(guru, GuruProcess.OperatorKey);
        using var nobody = await http.DeleteAsync("/api/callers/%2B15550509877");
        using var nothing = await http.DeleteAsync("/api/callers/landlord");
        (nobody.StatusCode, nothing.StatusCode).ShouldBe((HttpStatusCode.NotFound, HttpStatusCode.BadRequest));
        (await nobody.Content.ReadAsStringAsync()).ShouldNotContain("15550509877");

        using var first = await http.DeleteAsync($"/api/callers/%2B{Number}");
        first.StatusCode.ShouldBe(HttpStatusCode.OK);
        var certificate = JsonElement.Parse(await first.Content.ReadAsStringAsync());
        using var second = await http.DeleteAsync($"/api/callers/{certificate.GetProperty("callerId").GetString()}");
        var again = JsonElement.Parse(await second.Content.ReadAsStringAsync());

        certificate.GetProperty("keys").GetInt64().ShouldBeGreaterThan(2);
        certificate.GetProperty("calls").GetInt32().ShouldBe(1);
        again.GetProperty("event").ToString().ShouldBe(certificate.GetProperty("event").ToString());
        certificate.ToString().ShouldNotContain(Number);
        (await Marks.InTablesAsync(database)).ShouldBeEmpty();
        var list = Directory.GetFiles(Path.Combine(data, "erasures")).ShouldHaveSingleItem();
        (await File.ReadAllTextAsync(list)).ShouldStartWith(certificate.GetProperty("callerId").GetString()!);
        await Marks.ShouldBeInNoFileOfAsync(data);
    }

    private static async Task UntilNoneAsync(NpgsqlDataSource database, string rows)
    {
        using var limit = new CancellationTokenSource(Limit);
        while ((await TextsAsync(database, $"select 'one' from {rows}")).Count > 0)
        {
            limit.Token.ThrowIfCancellationRequested();
        }
    }

    private static async Task<List<string>> TextsAsync(NpgsqlDataSource database, string sql)
    {
        await using var command = database.CreateCommand(sql);
        await using var reader = await command.ExecuteReaderAsync();
        var texts = new List<string>();
        while (await reader.ReadAsync())
        {
            texts.Add(reader.GetString(0));
        }

        return texts;
    }

    /// <summary>A text, a voice note, a call and a text, with trouble at each step.</summary>
    private static async Task TalkAsync(OpenAIStandIn openAI, TwilioStandIn twilio)
    {
        var from = $"whatsapp:+{Number}";
        openAI.Http.FailNext(new HttpFault("/v1/responses", 500, "server_error"));
        twilio.Rest.FailNext(new RestFault("Messages", 503, 20503, $"The message to {from} has to wait") { Method = "POST" });
        await WriteAsync(InboundMessage.Text("I have a letter from my landlord about my visa."), replies: 1);
        openAI.Http.FailNext(new HttpFault("/v1/audio/transcriptions", 500, "server_error"));
        await WriteAsync(InboundMessage.VoiceNote("bill-es"), replies: 2);
        await twilio.PlaceCallAsync(Calls.Short("visa-en") with { From = from });

        // No reply, and the apology is refused for good, with the number in the refusal.
        openAI.Http.FailNext(HttpFault.NoQuota("/v1/responses").OfReplies());
        twilio.Rest.FailNext(new RestFault("Messages", 400, 21211, $"The 'To' number {from} is not a valid phone number.") { Method = "POST" });
        await twilio.WriteAsync(InboundMessage.Text("My landlord again") with { From = from, ProfileName = "Zebedee" });
        await twilio.Rest.Exchanges.WaitAsync(asked => asked.Status == 400);
        await WriteAsync(InboundMessage.Text("Thank you"), replies: 3);

        async Task WriteAsync(InboundMessage message, int replies)
        {
            await twilio.WriteAsync(message with { From = from, ProfileName = "Zebedee" });
            await twilio.WaitForMessageAsync(from, _ => twilio.Messaging.Received.Entries.Count(got => !got.Body.StartsWith("We talked", StringComparison.Ordinal)) >= replies);
        }
    }

    /// <summary>Requests that are refused, with a number in each.</summary>
    private static async Task KnockAsync(Uri guru)
    {
        using var http = World.ClientFor(guru, GuruProcess.AnalystKey);
        using var unsigned = await http.PostAsync("/api/whatsapp/webhook", new FormUrlEncodedContent([new("From", $"whatsapp:+{Number}"), new("Body", "landlord")]));
        using var found = await http.GetAsync($"/api/conversations?phoneNumber=%2B{Number}");
        using var wrong = await http.GetAsync($"/api/conversations?phoneNumber=%2B{Number}&cursor=landlord");
        using var lost = await http.GetAsync($"/api/conversations/{Number}/messages");
        (unsigned.StatusCode, found.StatusCode).ShouldBe((HttpStatusCode.Forbidden, HttpStatusCode.OK));
        lost.StatusCode.ShouldBe(HttpStatusCode.NotFound);
    }
}
