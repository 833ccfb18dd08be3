using System.Net.WebSockets;
using System.Text;
using Guru.Sandbox.Twilio;

namespace Guru.EndToEnd.Tests;

/// <summary>Requests that no honest side sends: none of them breaks anything or gets at a model.</summary>
public sealed class HostileRequests(World world) : IClassFixture<World>
{
    private const string Stream = "/api/whatsapp/voice/stream";
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    private static readonly string[] Texts =
    [
        "", " ", "null", "-1", "0", "99999999999999999999", "1e400", "NaN", "true", "'; drop table guru.calls; --", "%00", "\u0000", "\ud800", "🙂🙂🙂", "../../etc/passwd", "{}", "[]",
        "2026-02-30", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.9999999+14:00", "CA00000000000000000000000000000002", "whatsapp:+233201234567", "whatsapp:+", "AC1", "completed", "in-progress",
        "\"quoted", "a\r\nX-Injected: 1", "<Response/>", new('x', 5000), "*", "%", "_", "\\", "ringing",
    ];

    [Fact]
    public async Task Queries_of_any_kind_are_answered_or_refused_and_never_break()
    {
        var random = new Random(1);
        string[] paths =
        [
            "/api/calls", "/api/calls/CA1", "/api/calls/CA00000000000000000000000000000009/transcript", "/api/calls/CA00000000000000000000000000000009/events", "/api/conversations",
            "/api/conversations/x/messages", "/api/transcripts/search", "/api/analytics/calls", "/api/export/calls", "/api/export/utterances",
        ];
        string[] names =
        [
            "limit", "cursor", "agent", "endReason", "status", "channel", "direction", "language", "startedAt.from", "startedAt.to", "durationSeconds.min", "durationSeconds.max", "q", "phoneNumber",
            "format", "from", "to", "bucket", "by", "sort", "callerId", "unknown",
        ];
        for (var number = 0; number < 400; number++)
        {
            var query = string.Join('&', Enumerable.Range(0, random.Next(1, 5)).Select(_ => $"{names[random.Next(names.Length)]}={Escaped(Texts[random.Next(Texts.Length)])}"));
            var address = $"{paths[random.Next(paths.Length)]}?{query}";

            using var response = await world.Analyst.GetAsync(address, HttpCompletionOption.ResponseHeadersRead);

            ((int)response.StatusCode).ShouldBeLessThan(500, address);
        }
    }

    [Fact]
    public async Task Signed_forms_of_any_kind_are_answered_or_refused_and_never_break()
    {
        var random = new Random(2);
        string[] paths =
        [
            "/api/whatsapp/voice/webhook", "/api/whatsapp/voice/status", "/api/whatsapp/voice/continue", "/api/whatsapp/webhook", "/api/whatsapp/status",
        ];
        string[] names =
        [
            "CallSid", "From", "To", "CallStatus", "Direction", "CallDuration", "ErrorCode", "AccountSid", "MessageSid", "SmsSid", "Body", "NumMedia", "MediaUrl0", "MediaContentType0", "MessageStatus",
            "ButtonPayload", "ButtonText", "Latitude", "Longitude", "ProfileName", "WaId", "ExternalUserId", "MessageType", "OriginalRepliedMessageSid", "Digits",
        ];
        for (var number = 0; number < 300; number++)
        {
            var path = paths[random.Next(paths.Length)];
            KeyValuePair<string, string>[] fields =
                [.. Enumerable.Range(0, random.Next(1, 9)).Select(_ => KeyValuePair.Create(names[random.Next(names.Length)], Texts[random.Next(Texts.Length)].Replace("\ud800", "?", StringComparison.Ordinal)))];
            using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = new FormUrlEncodedContent(fields) };
            request.Headers.Add("X-Twilio-Signature", TwilioSignature.Of(World.PublicAddress + path, fields, world.Twilio.Options.AuthToken));

            using var response = await world.Analyst.SendAsync(request);

            ((int)response.StatusCode).ShouldBeLessThan(500, $"{path} {string.Join('&', fields)}");
        }

        (await world.RecordOf(await world.Twilio.PlaceCallAsync(Calls.Greeted))).EndReason.ShouldBe("callerHungUp");
    }

    [Fact]
    public async Task A_forged_or_a_used_token_gets_no_model()
    {
        var call = await world.Twilio.PlaceCallAsync(Calls.Greeted);
        await world.RecordOf(call);
        var used = call.Events.Of<StreamOpened>()[0].Parameters["token"];
        var sessions = world.OpenAI.Sessions.Entries.Count;

        foreach (var token in (string[])[used, "forged", "", new string('x', 10_000)])
        {
            using var socket = await ConnectAsync();
            var parameters = $"\"customParameters\":{{\"token\":\"{token}\"}},\"mediaFormat\":{{\"encoding\":\"audio/x-mulaw\",\"sampleRate\":8000,\"channels\":1}}";
            await SendAsync(socket, $"{{\"event\":\"start\",\"streamSid\":\"MZ00000000000000000000000000000009\",\"start\":{{\"callSid\":\"{call.CallSid}\",{parameters}}}}}");
            (await EndOf(socket)).ShouldBeTrue();
        }

        world.OpenAI.Sessions.Entries.Count.ShouldBe(sessions);
        (await world.ReadAsync(call.CallSid)).EventTypes.Count(type => type == "MediaStreamConnected").ShouldBe(1);
    }

    [Fact]
    public async Task A_message_larger_than_any_that_Twilio_sends_ends_its_socket()
    {
        using var socket = await ConnectAsync();
        var part = new byte[64 * 1024];
        Array.Fill(part, (byte)'x');
        using var limit = new CancellationTokenSource(Limit);
        try
        {
            while (true)
            {
                await socket.SendAsync(part, WebSocketMessageType.Text, endOfMessage: false, limit.Token);
            }
        }
        catch (Exception error) when (error is WebSocketException or IOException)
        {
            // Guru would not hear it to its end.
        }

        limit.IsCancellationRequested.ShouldBeFalse();
    }

    private static string Escaped(string text) => Uri.EscapeDataString(text.Replace("\ud800", "\ufffd", StringComparison.Ordinal));

    private async Task<ClientWebSocket> ConnectAsync()
    {
        var socket = new ClientWebSocket();
        var address = $"wss://{new Uri(World.PublicAddress).Authority}{Stream}";
        socket.Options.SetRequestHeader("X-Twilio-Signature", TwilioSignature.Of(address, [], world.Twilio.Options.AuthToken));
        await socket.ConnectAsync(new Uri($"ws://{world.Analyst.BaseAddress!.Authority}{Stream}"), CancellationToken.None);
        return socket;
    }

    private static Task SendAsync(ClientWebSocket socket, string text) =>
        socket.SendAsync(Encoding.UTF8.GetBytes(text), WebSocketMessageType.Text, endOfMessage: true, CancellationToken.None);

    private static async Task<bool> EndOf(ClientWebSocket socket)
    {
        using var limit = new CancellationTokenSource(Limit);
        var buffer = new byte[4096];
        try
        {
            while ((await socket.ReceiveAsync(buffer, limit.Token)).MessageType != WebSocketMessageType.Close)
            {
            }

            return true;
        }
        catch (WebSocketException)
        {
            return true;
        }
    }
}
