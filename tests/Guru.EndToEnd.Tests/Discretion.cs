using System.Net;
using System.Text.Json;
using Guru.Sandbox.Commands;
using Guru.Sandbox.OpenAI;
using Guru.Sandbox.Twilio;
using Npgsql;

namespace Guru.EndToEnd.Tests;

public sealed class Discretion
{
    private const string Number = "15550509876";

    /// <summary>What the person wrote and said, and how they are reached.</summary>
    private static readonly Marks Marks = new(Number, "Zebedee", "ochocientos", "factura", "landlord");

    private static readonly string[] Secrets =
    [
        Number, "Zebedee", "/Media/", "Signature=", "hospital", "ochocientos", "factura", "visa", "landlord", "conversation so far",
        GuruProcess.OpenAIKey, GuruProcess.AnalystKey, GuruProcess.OperatorKey, "invented-token-of-the-sandbox", World.Secret,
    ];

    [Fact]
    public async Task No_number_name_word_or_key_is_logged_or_traced_even_at_the_most_talkative_level_and_who_is_erased_is_in_no_table_or_file()
    {
        await using var traces = await Collector.StartAsync();
        await using var node = await OneNode.PrepareAsync();
        await node.StartAsync(
            ("OTEL_EXPORTER_OTLP_ENDPOINT", traces.Address), ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"), ("Logging__LogLevel__Default", "Trace"),
            ("Guru__Work__RetrySeconds", "0.05"));
        await TalkAsync(node.OpenAI, node.Twilio);
        await KnockAsync(node.Address);
        await ForgetAsync(node);
        await node.StopAsync();

        var log = node.Log;
        log.ShouldContain(line => line.Contains("\"LogLevel\":\"Debug\"", StringComparison.Ordinal));
        log.ShouldContain(line => line.Contains("no reply could be sent", StringComparison.Ordinal));
        var media = node.Twilio.Messaging.Media.Requests.Entries.Select(request => request.MediaSid).ToList();
        media.ShouldNotBeEmpty();
        var tokens = node.Twilio.Calls.Entries.SelectMany(call => call.Events.Of<StreamOpened>()).Select(opened => opened.Parameters["token"]).ToList();
        tokens.ShouldNotBeEmpty();
        var secrets = new Marks([.. Secrets, .. media, .. tokens, new NpgsqlConnectionStringBuilder(node.DatabaseUrl).Password!]);
        secrets.ShouldBeInNoLineOf(log);

        traces.Received.ShouldContain(nameof(Application.Conversations.ReceiveWhatsAppMessage));
        traces.Received.ShouldContain(nameof(Application.Privacy.ForgetCaller));
        secrets.In(traces.Received).ShouldBeEmpty();
    }

    /// <summary>Erased by the number, then looked for in every table, and in every file but PostgreSQL's own.</summary>
    private static async Task ForgetAsync(OneNode node)
    {
        await node.UntilAsync("select count(*) from guru.calls where ended_at is null", "0");
        await node.UntilAsync("select count(*) from guru.work where kind in ('reply', 'summary')", "0");
        (await Marks.InTablesAsync(node.Database)).ShouldContain("guru.messages");
        using var http = World.ClientFor(node.Address, GuruProcess.OperatorKey);
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
        (await Marks.InTablesAsync(node.Database)).ShouldBeEmpty();
        var list = Directory.GetFiles(Path.Combine(node.Data, "erasures")).ShouldHaveSingleItem();
        (await File.ReadAllTextAsync(list)).ShouldStartWith(certificate.GetProperty("callerId").GetString()!);
        await Marks.ShouldBeInNoFileOfAsync(node.Data);
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
