using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Xml.Linq;
using Guru.Sandbox.Twilio;

namespace Guru.EndToEnd.Tests;

/// <summary>Who sent a request is asked before what it says.</summary>
public sealed class Signatures(World world) : IClassFixture<World>
{
    private static readonly TimeSpan Beat = TimeSpan.FromMilliseconds(400);

    private const string Json = """{"CallSid":"CA00000000000000000000000000000002"}""";

    public static IEnumerable<object[]> Requests =>
        from endpoint in new[] { "webhook", "continue", "status" }
        from kind in new[] { "form", "json", "empty", "untyped", "multipart", "broken multipart", "many fields", "long" }
        select new object[] { $"/api/whatsapp/voice/{endpoint}", kind };

    [Theory]
    [MemberData(nameof(Requests))]
    public async Task A_request_without_a_signature_is_refused_whatever_it_carries(string path, string kind)
    {
        using var response = await SendAsync(path, Content(kind), signature: null);

        await ShouldBeRefusedAsync(response);
    }

    [Theory]
    [MemberData(nameof(Requests))]
    public async Task So_is_one_with_a_wrong_signature_unless_it_is_longer_than_any_request_may_be(string path, string kind)
    {
        using var response = await SendAsync(path, Content(kind), "YLiE2Q4vY6RQ7URDuA9og+XsubI=");

        if (kind == "long")
        {
            response.StatusCode.ShouldBe(HttpStatusCode.RequestEntityTooLarge);
        }
        else
        {
            await ShouldBeRefusedAsync(response);
        }
    }

    [Fact]
    public async Task So_is_an_upgrade_to_a_WebSocket()
    {
        using var upgrade = new HttpRequestMessage(HttpMethod.Get, "/api/whatsapp/voice/stream")
        {
            Headers = { { "Connection", "Upgrade" }, { "Upgrade", "websocket" }, { "Sec-WebSocket-Version", "13" }, { "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==" } },
        };

        using var response = await world.Analyst.SendAsync(upgrade);

        await ShouldBeRefusedAsync(response);
    }

    [Fact]
    public async Task A_body_that_is_no_form_must_be_the_one_whose_hash_was_signed()
    {
        var path = "/api/whatsapp/voice/status?bodySHA256=" + Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(Json)));
        var signature = SignatureOf(path);

        using var same = await SendAsync(path, Content("json"), signature);
        using var other = await SendAsync(path, new StringContent("{}", Encoding.UTF8, "application/json"), signature);
        using var unhashed = await SendAsync("/api/whatsapp/voice/status", Content("json"), SignatureOf("/api/whatsapp/voice/status"));

        same.StatusCode.ShouldBe(HttpStatusCode.BadRequest); // From Twilio, but without a CallSid.
        await ShouldBeRefusedAsync(other);
        await ShouldBeRefusedAsync(unhashed);
    }

    [Fact]
    public async Task A_signed_form_is_read()
    {
        KeyValuePair<string, string>[] fields = [new("CallSid", "CA00000000000000000000000000000003"), new("CallStatus", "ringing"), new("From", ""), new("New", "é&=")];
        var signature = SignatureOf("/api/whatsapp/voice/status", fields);

        using var response = await SendAsync("/api/whatsapp/voice/status", new FormUrlEncodedContent(fields), signature);

        response.StatusCode.ShouldBe(HttpStatusCode.NoContent);
        (await world.GetAsync("/api/calls/CA00000000000000000000000000000003")).GetProperty("status").GetString().ShouldBe("ringing");
    }

    [Theory]
    [InlineData("sip:ann@example.test")]
    [InlineData("client:ann")]
    [InlineData("anonymous")]
    public async Task Who_does_not_call_by_WhatsApp_hears_a_sentence_and_not_the_carriers_error(string from)
    {
        const string Path = "/api/whatsapp/voice/webhook";
        KeyValuePair<string, string>[] fields = [new("CallSid", "CA00000000000000000000000000000005"), new("From", from), new("To", "whatsapp:+15005550006"), new("Direction", "inbound")];

        using var response = await SendAsync(Path, new FormUrlEncodedContent(fields), SignatureOf(Path, fields));

        response.StatusCode.ShouldBe(HttpStatusCode.OK);
        XElement.Parse(await response.Content.ReadAsStringAsync()).Elements().Select(verb => verb.Name.LocalName).ShouldBe(["Say", "Hangup"]);
    }

    [Theory]
    [InlineData("/api/whatsapp/voice/webhook", HttpStatusCode.OK)]
    [InlineData("/api/whatsapp/voice/continue", HttpStatusCode.OK)]
    [InlineData("/api/whatsapp/voice/status", HttpStatusCode.NoContent)]
    [InlineData("/api/whatsapp/webhook", HttpStatusCode.OK)]
    [InlineData("/api/whatsapp/status", HttpStatusCode.NoContent)]
    public async Task A_signed_form_is_refused_beyond_a_thousand_fields_or_256_KB_and_its_fields_by_what_reads_them(string path, HttpStatusCode taken)
    {
        KeyValuePair<string, string>[] form =
        [
            new("CallSid", "CA00000000000000000000000000000004"), new("CallStatus", "canceled"), new("MessageSid", "SM00000000000000000000000000000004"), new("MessageStatus", "sent"),
            new("From", "whatsapp:+15550190003"), new("To", "whatsapp:+15550190003"), new("Body", "Hello"),
        ];

        using var large = await SendSignedAsync([.. form, .. Many(1_000)]);
        using var longField = await SendSignedAsync([.. form[..^1], new("Body", new string('x', 200 * 1024))]);
        using var tooMany = await SendSignedAsync([.. form, .. Many(2_000)]);
        using var tooLong = await SendSignedAsync([.. form, new("More", new string('x', 300 * 1024))]);

        large.StatusCode.ShouldBe(taken);
        longField.StatusCode.ShouldBe(path == "/api/whatsapp/webhook" ? HttpStatusCode.BadRequest : taken);
        await ShouldBeRefusedAsync(tooMany); // What cannot be read whole is not known to be signed.
        tooLong.StatusCode.ShouldBe(HttpStatusCode.RequestEntityTooLarge);

        static IEnumerable<KeyValuePair<string, string>> Many(int fields) => Enumerable.Range(0, fields).Select(number => KeyValuePair.Create($"Field{number}", "1"));

        Task<HttpResponseMessage> SendSignedAsync(KeyValuePair<string, string>[] fields) => SendAsync(path, new FormUrlEncodedContent(fields), SignatureOf(path, fields));
    }

    [Fact]
    public async Task What_was_signed_for_a_call_that_is_over_is_answered_with_a_hang_up_when_it_is_sent_again_and_changes_nothing()
    {
        var call = await world.Twilio.PlaceCallAsync(new CallOptions
        {
            Script = [new CallerTurn(new AgentSpeaking(Beat), new LoseStream()), new CallerTurn(new AgentSpeaking(Beat, Turn: 2), new HangUp())],
        });
        var before = await world.RecordOf(call);
        var conversation = await ConversationAsync();
        var sessions = world.OpenAI.Sessions.Entries.Count;
        var sent = call.Events.Of<WebhookSent>();
        sent.Select(webhook => webhook.Url.AbsolutePath[(webhook.Url.AbsolutePath.LastIndexOf('/') + 1)..]).ShouldBe(["webhook", "continue", "status"]);

        foreach (var webhook in sent.Concat(sent))
        {
            var path = webhook.Url.AbsolutePath;
            using var response = await SendAsync(path, new FormUrlEncodedContent(webhook.Parameters), SignatureOf(path, [.. webhook.Parameters]));
            ((int)response.StatusCode).ShouldBe(webhook.Status);
            var body = await response.Content.ReadAsStringAsync();
            (body.Length == 0 ? "" : string.Join(' ', XElement.Parse(body).Elements().Select(verb => verb.Name.LocalName))).ShouldBe(path.EndsWith("status", StringComparison.Ordinal) ? "" : "Hangup");
        }

        // A session that had been dialled would be there before that of a call which came later.
        await world.RecordOf(await world.Twilio.PlaceCallAsync(Calls.Greeted with { From = "whatsapp:+15550190004" }));
        world.OpenAI.Sessions.Entries.Count.ShouldBe(sessions + 1);
        (await world.ReadAsync(call.CallSid)).Events.ToString().ShouldBe(before.Events.ToString());
        (await ConversationAsync()).ShouldBe(conversation);

        async Task<string> ConversationAsync() => (await world.GetAsync($"/api/conversations/{before.Call.GetProperty("callerId").GetString()}/messages")).ToString();
    }

    private static HttpContent Content(string kind) => kind switch
    {
        "form" => new FormUrlEncodedContent([new("CallSid", "CA00000000000000000000000000000002")]),
        "json" => new StringContent(Json, Encoding.UTF8, "application/json"),
        "empty" => new ByteArrayContent([]),
        "untyped" => new ByteArrayContent("CallSid=CA"u8.ToArray()),
        "multipart" => new MultipartFormDataContent { { new StringContent("CA00000000000000000000000000000002"), "CallSid" } },
        "broken multipart" => new StringContent("nothing of the kind") { Headers = { ContentType = MediaTypeHeaderValue.Parse("multipart/form-data") } },
        "many fields" => new FormUrlEncodedContent(Enumerable.Range(0, 2_000).Select(number => KeyValuePair.Create($"Field{number}", "1"))),
        "long" => new FormUrlEncodedContent([new("Body", new string('x', 300 * 1024))]),
        _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, "No such content."),
    };

    private static async Task ShouldBeRefusedAsync(HttpResponseMessage response)
    {
        response.StatusCode.ShouldBe(HttpStatusCode.Forbidden);
        response.Content.Headers.ContentType!.MediaType.ShouldBe("application/problem+json");
        var problem = JsonElement.Parse(await response.Content.ReadAsStringAsync());
        (problem.GetProperty("status").GetInt32(), problem.GetProperty("title").GetString()).ShouldBe((403, "The request is not signed for this address."));
    }

    private string SignatureOf(string path, params KeyValuePair<string, string>[] fields) =>
        TwilioSignature.Of(World.PublicAddress + path, fields, world.Twilio.Options.AuthToken);

    private async Task<HttpResponseMessage> SendAsync(string path, HttpContent content, string? signature)
    {
        // Asking before sending: the answer to what is too long does not cross with the rest of it, on a connection that is being closed.
        using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = content, Headers = { ExpectContinue = true } };
        if (signature is not null)
        {
            request.Headers.Add("X-Twilio-Signature", signature);
        }

        return await world.Analyst.SendAsync(request);
    }
}
