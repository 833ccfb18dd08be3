using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using Guru.Sandbox.Twilio;

namespace Guru.EndToEnd.Tests;

/// <summary>Who sent a request is asked before what it says.</summary>
public sealed class Signatures(World world) : IClassFixture<World>
{
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
        (await response.Content.ReadAsStringAsync()).ShouldBeEmpty();
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
