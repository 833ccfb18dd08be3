using System.Net;
using System.Net.WebSockets;
using System.Text;
using System.Text.Json;
using System.Xml.Linq;
using Guru.Sandbox.Twilio;
using Microsoft.AspNetCore.WebUtilities;

namespace Guru.EndToEnd.Tests;

/// <summary>Requests that no honest side sends: none of them breaks anything or gets at a model.</summary>
public sealed class HostileRequests(World world) : IClassFixture<World>
{
    private const int BrokenForms = 600;
    private const int BrokenStarts = 300;
    private const string Voice = "/api/whatsapp/voice";
    private const string Chat = "/api/whatsapp";
    private const string Stream = Voice + "/stream";
    private const string Person = "whatsapp:+15550190001";
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    private static readonly HttpStatusCode[] Taken = [HttpStatusCode.OK, HttpStatusCode.NoContent];

    private static readonly (string Name, string Value)[] OfACall =
    [
        ("AccountSid", "AC00000000000000000000000000000001"), ("ApiVersion", "2010-04-01"), ("CallSid", "CA{0}"), ("From", Person), ("To", "whatsapp:+15005550006"), ("Direction", "inbound"),
    ];

    private static readonly (string Name, string Value)[] OfAMessage =
    [
        ("AccountSid", "AC00000000000000000000000000000001"), ("MessageSid", "SM{0}"), ("SmsSid", "SM{0}"), ("From", Person), ("To", "whatsapp:+15005550006"), ("ProfileName", "Ama"), ("WaId", "15550190001"),
        ("NumMedia", "0"), ("ChannelMetadata", """{"type":"whatsapp","data":{"context":{"ProfileName":"Ama","WaId":"15550190001"}}}"""), ("ExternalUserId", "US.15550190001"),
    ];

    /// <summary>What Twilio posts, by its address. As it is, all of it is taken.</summary>
    private static readonly (string Path, (string Name, string Value)[] Fields)[] Forms =
    [
        (Voice + "/webhook", [.. OfACall, ("CallStatus", "ringing")]),
        (Voice + "/webhook", [.. OfACall[..3], ("From", "whatsapp:+15005550006"), ("To", Person), ("Direction", "outbound-api"), ("CallStatus", "in-progress")]),
        (Voice + "/continue", [.. OfACall, ("CallStatus", "in-progress")]),
        (Voice + "/status", [.. OfACall, ("CallStatus", "in-progress"), ("SequenceNumber", "0"), ("CallbackSource", "call-progress-events")]),
        (Voice + "/status", [.. OfACall, ("CallStatus", "no-answer"), ("CallDuration", "0"), ("Duration", "0"), ("SipResponseCode", "487"), ("ErrorCode", "13227")]),
        (Chat + "/webhook", [.. OfAMessage, ("MessageType", "text"), ("Body", "What is a deductible?")]),
        (Chat + "/webhook", [.. OfAMessage, ("MessageType", "audio"), ("MediaUrl0", "http://127.0.0.1:1/none"), ("MediaContentType0", "audio/ogg; codecs=opus")]),
        (Chat + "/webhook", [.. OfAMessage, ("MessageType", "location"), ("Latitude", "5.6037"), ("Longitude", "-0.1870"), ("Label", "Accra"), ("Address", "High Street")]),
        (Chat + "/webhook", [.. OfAMessage, ("MessageType", "button"), ("ButtonText", "Yes"), ("ButtonPayload", "yes"), ("OriginalRepliedMessageSid", "SM00000000000000000000000000000009")]),
        (Chat + "/webhook", [.. OfAMessage, ("MessageType", "interactive"), ("ButtonText", "VOICE_CALL_REQUEST"), ("ButtonPayload", "ACCEPTED")]),
        (Chat + "/status", [("MessageSid", "SM{0}"), ("SmsSid", "SM{0}"), ("MessageStatus", "sent"), ("SmsStatus", "sent"), ("ErrorCode", "63016"), ("To", Person), ("From", "whatsapp:+15005550006")]),
    ];

    [Fact]
    public async Task Signed_forms_with_anything_wrong_in_them_are_answered_or_refused_and_never_break()
    {
        foreach (var kept in Hostile.Kept("forms.txt"))
        {
            var (path, body) = (kept[..kept.IndexOf(' ', StringComparison.Ordinal)], kept[(kept.IndexOf(' ', StringComparison.Ordinal) + 1)..]);
            await PostAsync(path, [.. new FormReader(body).ReadForm().SelectMany(field => field.Value, (field, value) => (field.Key, value ?? ""))]);
        }

        var random = new Random(20261127);
        var taken = 0;
        for (var number = 0; number < BrokenForms; number++)
        {
            var (path, whole) = Forms[number % Forms.Length];
            var sid = path.StartsWith(Voice, StringComparison.Ordinal) ? random.Next(8) : number;
            var form = whole.Select(field => (field.Name, Value: field.Value.Replace("{0}", $"{sid:x32}", StringComparison.Ordinal))).ToList();
            for (var times = number < Forms.Length ? 0 : random.Next(1, 3); times > 0; times--)
            {
                Break(form, random);
            }

            var status = await PostAsync(path, form);
            taken += Taken.Contains(status) ? 1 : 0;
            (number >= Forms.Length || Taken.Contains(status)).ShouldBeTrue($"{path}: {status}");
        }

        taken.ShouldBeGreaterThan(BrokenForms / 2, "Most of them must get past what is asked of a form.");
        (await world.RecordOf(await world.Twilio.PlaceCallAsync(Calls.Greeted))).EndReason.ShouldBe("callerHungUp");
        const string Somebody = "whatsapp:+15550190002";
        await world.Twilio.WriteAsync(InboundMessage.Text("My visa ends soon.") with { From = Somebody });
        (await world.Twilio.WaitForMessageAsync(Somebody)).Body.ShouldNotBeNullOrWhiteSpace();
    }

    [Fact]
    public async Task Parameters_of_any_kind_in_a_start_get_no_model_and_leave_alone_the_call_that_they_name()
    {
        var call = world.Twilio.PlaceCall(new CallOptions { Script = [new CallerTurn(new AgentFinished(TimeSpan.FromMilliseconds(400)), new Say("yes-en"))] });
        await call.WaitForAgentTurnAsync(1);
        var token = call.Events.Of<StreamOpened>()[0].Parameters["token"];
        var sessions = world.OpenAI.Sessions.Entries.Count;
        var random = new Random(20261127);
        var starts = Enumerable.Range(0, BrokenStarts).Select(_ => Start(call.CallSid, token, random)).ToList();

        await Parallel.ForEachAsync(starts, new ParallelOptions { MaxDegreeOfParallelism = 4 }, async (start, _) =>
        {
            using var socket = await ConnectAsync();
            await SendAsync(socket, start);
            (await EndOf(socket, lastWords: """{"event":"stop"}""")).ShouldBeTrue(start);
        });

        await call.Events.WaitAsync<AgentTurnEnded>(turn => turn.Number == 2);
        call.HangUp();
        var record = await world.RecordOf(call);
        record.ShouldTellOf(call);
        record.EventTypes.Count(type => type == "MediaStreamConnected").ShouldBe(1);
        world.OpenAI.Sessions.Entries.Count.ShouldBe(sessions);
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

    private static void Break(List<(string Name, string Value)> form, Random random)
    {
        var at = random.Next(form.Count);
        var (name, value) = form[at];
        switch (random.Next(10))
        {
            case 0:
                form[at] = (name, "");
                break;
            case 1 when form.Exists(field => field.Name != name):
                form.RemoveAll(field => field.Name == name);
                break;
            case 2:
                form.Insert(at, (name, value));
                break;
            case 3:
                form.Insert(at + random.Next(2), (name, Hostile.Text(random)));
                break;
            case 4:
                form[at] = (name, random.Of(form).Value);
                break;
            case 5:
                form[at] = (name, value + random.Of(["\n", " ", "\0", "\u200B", ",undelivered", "\"", "\\ud800", value]));
                break;
            case 6:
                form[at] = (name, random.Next(2) == 0 ? new string('x', random.Next(1_000, 60_000)) : new string('語', random.Next(1_000, 10_000)));
                break;
            case 7:
                form.Add((Hostile.Text(random) is { Length: < 100 } other ? other : "Other", Hostile.Text(random)));
                break;
            default:
                form[at] = (name, Hostile.Text(random));
                break;
        }
    }

    private static string Start(string callSid, string token, Random random)
    {
        string[] tokens =
        [
            token, $" {token}", $"{token}\0", token[1..], token.ToUpperInvariant(), $"{token},{token}", callSid, new string('x', random.Next(1, 100_000)),
        ];
        string Value() => random.Next(4) switch
        {
            0 => random.Of(["null", "true", "-1", "1e400", "\"\\ud800\"", "\"\\u0000\"", "[]", "{}", $"[\"{token}\"]", $"{{\"token\":\"{token}\"}}", "\"", "nonsense"]),
            1 => JsonSerializer.Serialize(Hostile.Text(random)),
            _ => JsonSerializer.Serialize(random.Of(tokens)),
        };
        var depth = random.Next(1, 200);
        var parameters = random.Next(8) switch
        {
            0 => "null",
            1 => Value(),
            2 => string.Concat(Enumerable.Repeat("{\"token\":", depth)) + Value() + new string('}', depth),
            3 => $"{{{string.Join(',', Enumerable.Range(0, 5_000).Select(number => $"\"parameter{number}\":\"x\""))},\"token\":{Value()}}}",
            4 => $"{{\"token\":{Value()},\"token\":{Value()},\"TOKEN\":{Value()}}}",
            _ => $"{{\"callSid\":{Value()},\"phoneNumber\":{Value()},\"token\":{Value()}}}",
        };
        var named = random.Next(5) == 0 ? Value() : $"\"{callSid}\"";
        var format = random.Of(["", ",\"mediaFormat\":null", ",\"mediaFormat\":{\"encoding\":\"audio/x-mulaw\",\"sampleRate\":8000,\"channels\":1}", $",\"mediaFormat\":{{\"sampleRate\":{Value()}}}"]);
        var streamSid = random.Next(10) == 0 ? Value() : "\"MZ00000000000000000000000000000009\"";
        return $"{{\"event\":\"start\",\"sequenceNumber\":\"1\",\"start\":{{\"callSid\":{named},\"tracks\":[\"inbound\"],\"customParameters\":{parameters}{format}}},\"streamSid\":{streamSid}}}";
    }

    /// <summary>Signed over what it says, so that nothing but what it says can be wrong with it.</summary>
    private async Task<HttpStatusCode> PostAsync(string path, IReadOnlyCollection<(string Name, string Value)> form)
    {
        KeyValuePair<string, string>[] fields = [.. form.Select(field => KeyValuePair.Create(field.Name, field.Value))];
        using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = new FormUrlEncodedContent(fields) };
        request.Headers.Add("X-Twilio-Signature", TwilioSignature.Of(World.PublicAddress + path, fields, world.Twilio.Options.AuthToken));

        using var response = await world.Analyst.SendAsync(request);
        var body = await response.Content.ReadAsStringAsync();

        var told = $"{path} {await request.Content.ReadAsStringAsync()}\n{body}";
        var isReadable = form.All(field => !field.Name.Contains('\0', StringComparison.Ordinal) && !field.Value.Contains('\0', StringComparison.Ordinal));
        response.StatusCode.ShouldBeOneOf(isReadable ? [.. Taken, HttpStatusCode.BadRequest] : [HttpStatusCode.Forbidden], told); // What cannot be read is not known to be signed.
        if (response.Content.Headers.ContentType?.MediaType == "application/xml")
        {
            XDocument.Parse(body).Root!.Name.LocalName.ShouldBe("Response", told);
        }
        else if (response.StatusCode == HttpStatusCode.BadRequest)
        {
            response.Content.Headers.ContentType?.MediaType.ShouldBe("application/problem+json", told);
        }

        return response.StatusCode;
    }

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

    /// <param name="lastWords">End a stream that has not begun yet, without the wait for its start.</param>
    private static async Task<bool> EndOf(ClientWebSocket socket, string? lastWords = null)
    {
        using var limit = new CancellationTokenSource(Limit);
        var buffer = new byte[4096];
        try
        {
            if (lastWords is not null)
            {
                await SendAsync(socket, lastWords);
            }

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
