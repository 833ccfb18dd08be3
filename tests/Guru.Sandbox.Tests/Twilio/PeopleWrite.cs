using System.Net;
using System.Text.Json.Nodes;
using Guru.Sandbox.Audio;
using Guru.Sandbox.Twilio;
using Shouldly;

namespace Guru.Sandbox.Tests.Twilio;

public sealed class PeopleWrite : IAsyncLifetime
{
    private static readonly string[] Always =
    [
        "AccountSid", "ApiVersion", "Body", "ChannelMetadata", "From", "MessageSid", "MessageType", "NumMedia", "NumSegments",
        "ProfileName", "ReferralNumMedia", "SmsMessageSid", "SmsSid", "SmsStatus", "To", "WaId",
    ];

    private TinyApp _app = null!;

    private TwilioStandIn Line => _app.Line;

    public async Task InitializeAsync() => _app = await TinyApp.StartAsync(options => options with { MessagePath = "/messages" });

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Fact]
    public async Task A_text_is_posted_signed_and_an_empty_answer_is_no_reply()
    {
        var written = await Line.WriteAsync(InboundMessage.Text("Akwaaba & \"hello\" ünï ☎ "));

        var request = _app.Requests.Entries.ShouldHaveSingleItem();
        request.Path.ShouldBe("/messages");
        request.Headers["X-Twilio-Signature"].ShouldBe(TwilioSignature.Of($"{_app.Url}messages", request.Form, TinyApp.Token));
        Guid.TryParse(request.Headers["I-Twilio-Idempotency-Token"], out _).ShouldBeTrue();
        request.Form.Keys.Order(StringComparer.Ordinal).ShouldBe(Always);
        request.Form["Body"].ShouldBe("Akwaaba & \"hello\" ünï ☎ ");
        request.Form["MessageType"].ShouldBe("text");
        request.Form["WaId"].ShouldBe("233201234567");
        (request.Form["MessageSid"], request.Form["SmsSid"]).ShouldBe((written.MessageSid, written.MessageSid));
        written.MessageSid.ShouldMatch("^SM[0-9a-f]{32}$");
        ((string?)JsonNode.Parse(request.Form["ChannelMetadata"])!["data"]!["context"]!["WaId"]).ShouldBe("233201234567");
        written.Answers.Entries.ShouldHaveSingleItem().ShouldSatisfyAllConditions(a => a.Status.ShouldBe(200), a => a.Replies.ShouldBeEmpty());
        Line.Messaging.Received.Entries.ShouldBeEmpty();
        Line.Messaging.Problems.Entries.ShouldBeEmpty();
    }

    public static TheoryData<MessageKind, string, string[]> Kinds => new()
    {
        { MessageKind.VoiceNote, "audio", ["MediaContentType0", "MediaUrl0"] },
        { MessageKind.Image, "image", ["MediaContentType0", "MediaUrl0"] },
        { MessageKind.Document, "document", ["MediaContentType0", "MediaUrl0"] },
        { MessageKind.Location, "location", ["Label", "Latitude", "Longitude"] },
        { MessageKind.ButtonReply, "button", ["ButtonPayload", "ButtonText"] },
    };

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task Each_kind_has_its_own_fields_and_no_others(MessageKind kind, string type, string[] more)
    {
        await Line.WriteAsync(new InboundMessage
        {
            Kind = kind, SampleId = "bill-es", Caption = "My letter", Label = "Clinic", Latitude = 5.6, Longitude = -0.2,
            ButtonText = "Yes", ButtonPayload = "YES",
        });

        var form = _app.Requests.Entries[0].Form;
        form.Keys.Except(Always).Order(StringComparer.Ordinal).ShouldBe(more);
        form["MessageType"].ShouldBe(type);
        form["NumMedia"].ShouldBe(more.Contains("MediaUrl0") ? "1" : "0");
        form["Body"].ShouldBe(kind switch
        {
            MessageKind.Image or MessageKind.Document => "My letter", MessageKind.ButtonReply => "Yes", _ => "",
        });
    }

    [Fact]
    public async Task Consent_to_calls_comes_as_an_interactive_message()
    {
        await Line.WriteAsync(InboundMessage.CallPermission(accepted: true) with { InReplyTo = "SM1" });
        var form = _app.Requests.Entries[0].Form;
        (form["MessageType"], form["ButtonText"], form["ButtonPayload"], form["Body"])
            .ShouldBe(("interactive", "VOICE_CALL_REQUEST", "ACCEPTED", "VOICE_CALL_REQUEST"));
        form["OriginalRepliedMessageSid"].ShouldBe("SM1");
    }

    [Fact]
    public async Task A_person_is_known_by_number_by_id_or_by_both()
    {
        await Line.WriteAsync(new InboundMessage { Body = "both", ExternalUserId = "whatsapp:GH.42" });
        await Line.WriteAsync(new InboundMessage { Body = "id", From = "whatsapp:GH.42" });

        var (both, id) = (_app.Requests.Entries[0].Form, _app.Requests.Entries[1].Form);
        (both["From"], both["ExternalUserId"], both["WaId"]).ShouldBe((TwilioClient.Ama, "whatsapp:GH.42", "233201234567"));
        (id["From"], id["ExternalUserId"]).ShouldBe(("whatsapp:GH.42", "whatsapp:GH.42"));
        id.Keys.ShouldNotContain("WaId");
        id["ChannelMetadata"].ShouldNotContain("WaId");
    }

    [Fact]
    public async Task A_delivery_that_is_tried_again_has_the_same_sid_and_token()
    {
        var written = await Line.WriteAsync(new InboundMessage { Body = "once", Deliveries = 2 });
        await Line.RedeliverAsync(written);
        await Line.WriteAsync(new InboundMessage { Body = "at once", Deliveries = 3, DeliveriesAtOnce = true });

        var first = _app.Requests.Entries.Take(3).ToList();
        first.Select(request => request.Form["MessageSid"]).Distinct().ShouldBe([written.MessageSid]);
        first.Select(request => request.Headers["I-Twilio-Idempotency-Token"]).Distinct().ShouldHaveSingleItem();
        written.Answers.Entries.Count.ShouldBe(3);
        _app.Requests.Entries.Skip(3).Select(request => request.Form["MessageSid"]).Distinct().ShouldHaveSingleItem();
        Line.Messaging.Written.Entries.Count.ShouldBe(2);
    }

    [Fact]
    public async Task A_burst_comes_in_order()
    {
        await Line.WriteBurstAsync(Enumerable.Range(1, 5).Select(number => InboundMessage.Text($"{number}")));
        _app.Requests.Entries.Select(request => request.Form["Body"]).ShouldBe(["1", "2", "3", "4", "5"]);
    }

    [Theory]
    [InlineData("<Response><Message>One</Message><Message><Body>Two</Body></Message></Response>", "text/xml", new[] { "One", "Two" }, null)]
    [InlineData("<Response/>", "text/plain", new string[0], null)]
    [InlineData("", "text/plain", new string[0], null)]
    [InlineData("OK", "text/plain", new[] { "OK" }, 12300)]
    [InlineData("{\"ok\":true}", "application/json", new[] { "{\"ok\":true}" }, 12300)]
    [InlineData("<Response>", "text/xml", new string[0], 12100)]
    [InlineData("<response/>", "text/xml", new string[0], 12100)]
    [InlineData("<Response><Say>Hello</Say></Response>", "text/xml", new string[0], 12200)]
    [InlineData("500", "text/xml", new string[0], 11200)]
    public async Task The_answer_is_taken_as_twilio_takes_it(string body, string contentType, string[] replies, int? problem)
    {
        _app.Twiml["/messages"] = body;
        _app.ContentType = contentType;
        await Line.WriteAsync(InboundMessage.Text("Hello"));
        Line.Messaging.Received.Entries.Select(message => message.Body).ShouldBe(replies);
        Line.Messaging.Received.Entries.ShouldAllBe(message => message.Direction == "outbound-reply" && message.To == TwilioClient.Ama);
        Line.Messaging.Problems.Entries.Select(entry => (int?)entry.Code).FirstOrDefault().ShouldBe(problem);
    }

    [Fact]
    public async Task A_message_that_nobody_takes_is_a_problem_and_no_exception()
    {
        Line.ConnectTo = new Uri("http://127.0.0.1:9");
        var written = await Line.WriteAsync(InboundMessage.Text("Hello?"));
        written.Answers.Entries.ShouldHaveSingleItem().Status.ShouldBe(0);
        Line.Messaging.Problems.Entries.ShouldHaveSingleItem().Code.ShouldBe(11205);
    }

    [Fact]
    public async Task A_voice_note_is_fetched_with_credentials_here_and_without_them_there()
    {
        using var client = new TwilioClient(Line.BaseUrl);
        await Line.WriteAsync(InboundMessage.VoiceNote("bill-es"));
        var form = _app.Requests.Entries[0].Form;
        form["MediaContentType0"].ShouldBe("audio/ogg");
        var url = new Uri(form["MediaUrl0"]);
        url.GetLeftPart(UriPartial.Authority).ShouldBe(Line.BaseUrl.GetLeftPart(UriPartial.Authority));

        (await client.GetAsync(url, withCredentials: false)).StatusCode.ShouldBe(HttpStatusCode.Unauthorized);
        using var redirect = await client.GetAsync(url, withCredentials: true);
        ((int)redirect.StatusCode).ShouldBe(307);
        var link = redirect.Headers.Location!;
        link.Authority.ShouldNotBe(Line.BaseUrl.Authority);
        (await client.GetAsync(link, withCredentials: true)).StatusCode.ShouldBe(HttpStatusCode.BadRequest);
        (await client.GetAsync(new Uri($"{link}0"), withCredentials: false)).StatusCode.ShouldBe(HttpStatusCode.Forbidden);
        using var medium = await client.GetAsync(link, withCredentials: false);
        medium.Content.Headers.ContentType!.MediaType.ShouldBe("audio/ogg");
        (await medium.Content.ReadAsByteArrayAsync()).ShouldBe(SampleLibrary.Shipped["bill-es"].VoiceNote);

        Line.Clock.Advance(TimeSpan.FromMinutes(3));
        (await client.GetAsync(link, withCredentials: false)).StatusCode.ShouldBe(HttpStatusCode.Forbidden);
        Line.Messaging.Media.Requests.Entries.Select(request => (request.AtCdn, request.HadCredentials, request.Status))
            .ShouldBe([(false, true, 307), (true, true, 400), (true, false, 403), (true, false, 200), (true, false, 403)]);
    }

    [Fact]
    public async Task A_medium_can_be_large_gone_or_cut_off()
    {
        using var client = new TwilioClient(Line.BaseUrl);
        await Line.WriteAsync(InboundMessage.VoiceNote("yes-en") with { Media = new byte[300_000], MediaContentType = "audio/ogg; codecs=opus" });
        var form = _app.Requests.Entries[0].Form;
        form["MediaContentType0"].ShouldBe("audio/ogg; codecs=opus");
        using var redirect = await client.GetAsync(new Uri(form["MediaUrl0"]), withCredentials: true);

        Line.Messaging.Media.Faults = new MediaFaults { WithoutLength = true };
        using var chunked = await client.GetAsync(redirect.Headers.Location!, withCredentials: false);
        (await chunked.Content.ReadAsByteArrayAsync()).Length.ShouldBe(300_000);
        Line.Messaging.Media.Faults = new MediaFaults { CdnStatus = 503 };
        (await client.GetAsync(redirect.Headers.Location!, withCredentials: false)).StatusCode.ShouldBe(HttpStatusCode.ServiceUnavailable);
        Line.Messaging.Media.Faults = new MediaFaults { BreaksAfter = 1000 };
        await Should.ThrowAsync<HttpRequestException>(() => client.GetAsync(redirect.Headers.Location!, withCredentials: false));
    }

    [Fact]
    public void What_cannot_be_written_is_refused()
    {
        Should.Throw<ArgumentException>(() => Line.Write(InboundMessage.Text(new string('x', 1601))));
        Should.Throw<ArgumentException>(() => Line.Write(InboundMessage.VoiceNote("greeting-en")));
        Should.Throw<KeyNotFoundException>(() => Line.Write(InboundMessage.VoiceNote("nothing")));
    }
}
