using System.Net;
using Guru.Sandbox.Commands;
using Guru.Sandbox.OpenAI;
using Guru.Sandbox.Twilio;

namespace Guru.EndToEnd.Tests;

public sealed class Discretion
{
    private const string Number = "15550509876";

    private static readonly string[] Secrets =
    [
        Number, "Zebedee", "/Media/", "Signature=", "hospital", "ochocientos", "factura", "visa", "landlord", "conversation so far", GuruProcess.OpenAIKey, GuruProcess.AnalystKey, "invented-token-of-the-sandbox",
    ];

    [Fact]
    public async Task No_number_name_word_or_key_is_logged_even_at_the_most_talkative_level_and_when_everything_fails()
    {
        await using var openAI = await OpenAIStandIn.StartAsync(new OpenAIStandInOptions { ApiKey = GuruProcess.OpenAIKey });
        await using var twilio = await TwilioStandIn.StartAsync();
        var guru = await GuruProcess.StartAsync(openAI, twilio, new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["Logging__LogLevel__Default"] = "Trace",
            ["Guru__Work__RetrySeconds"] = "0.05",
            ["Guru__Messages__ListDelaySeconds"] = "0.1",
        });
        twilio.AppUrl = guru.Address;
        try
        {
            await TalkAsync(openAI, twilio);
            await KnockAsync(guru.Address);
        }
        finally
        {
            await guru.DisposeAsync();
        }

        guru.Log.ShouldContain(line => line.Contains("\"LogLevel\":\"Debug\"", StringComparison.Ordinal));
        guru.Log.ShouldContain(line => line.Contains("no reply could be sent", StringComparison.Ordinal));
        var media = twilio.Messaging.Media.Requests.Entries.Select(request => request.MediaSid).ToList();
        media.ShouldNotBeEmpty();
        foreach (var secret in Secrets.Concat(media))
        {
            guru.Log.Where(line => line.Contains(secret, StringComparison.OrdinalIgnoreCase)).ShouldBeEmpty();
        }
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
