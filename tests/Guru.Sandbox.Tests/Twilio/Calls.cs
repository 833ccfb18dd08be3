using Guru.Sandbox.Audio;
using Guru.Sandbox.Twilio;
using Shouldly;

namespace Guru.Sandbox.Tests.Twilio;

public sealed class Calls : IAsyncLifetime
{
    TinyApp _app = null!;

    TwilioStandIn Line => _app.Line;

    public async Task InitializeAsync() => _app = await TinyApp.StartAsync();

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Fact]
    public async Task The_webhook_is_signed_and_looks_like_twilios()
    {
        var call = await Line.PlaceCallAsync();

        var request = _app.Requests.Entries[0];
        request.Path.ShouldBe("/voice");
        request.Headers["X-Twilio-Signature"].ShouldBe(TwilioSignature.Of($"{_app.Url}voice", request.Form, TinyApp.Token));
        request.Headers["Content-Type"].ShouldBe("application/x-www-form-urlencoded; charset=UTF-8");
        request.Headers["User-Agent"].ShouldBe("TwilioProxy/1.1");
        Guid.TryParse(request.Headers["I-Twilio-Idempotency-Token"], out _).ShouldBeTrue();
        request.Form["CallStatus"].ShouldBe("ringing");
        request.Form["Direction"].ShouldBe("inbound");
        request.Form["From"].ShouldBe("whatsapp:+233201234567");
        request.Form["Caller"].ShouldBe("whatsapp:+233201234567");
        request.Form["To"].ShouldBe("whatsapp:+15005550006");
        request.Form["CallSid"].ShouldBe(call.CallSid);
        call.CallSid.ShouldMatch("^CA[0-9a-f]{32}$");
    }

    [Fact]
    public async Task A_call_is_not_over_when_it_is_first_seen()
    {
        var over = new List<bool>();
        Line.Calls.Follow(call => over.Add(call.Completion.IsCompleted));

        await Line.PlaceCallAsync();

        over.ShouldBe([false]);
    }

    [Fact]
    public async Task Who_waited_in_vain_is_told_for_what_and_how_long()
    {
        var late = await Should.ThrowAsync<TimeoutException>(() => Line.Calls.WaitAsync(call => call.To == "nobody", TimeSpan.FromMilliseconds(20)));

        late.Message.ShouldStartWith("It did not happen within 0.02 s: a PlacedCall with call => call.To == \"nobody\".");
    }

    [Fact]
    public async Task Verbs_run_from_top_to_bottom_and_the_end_is_told()
    {
        _app.Wav = WavFile("yes-en");
        _app.Twiml["/voice"] = """
            <Response><Say language="en-GB" voice="Polly.Amy">One &amp; two.</Say><Pause length="1"/><Play>/speech.wav</Play><Redirect>/next</Redirect><Say>never</Say></Response>
            """;
        _app.Twiml["/next"] = "<Response><Say>Three.</Say><Hangup/><Say>never</Say></Response>";

        var call = await Line.PlaceCallAsync();

        call.Status.ShouldBe("completed");
        call.Events.Of<VerbExecuted>().Select(verb => verb.Verb).ShouldBe(["Say", "Pause", "Play", "Redirect", "Say", "Hangup"]);
        call.Events.Of<SentenceSaid>().Select(said => (said.Text, said.Language)).ShouldBe([("One & two.", "en-GB"), ("Three.", null)]);
        call.Events.Of<FilePlayed>()[0].Audio.ToArray().ShouldBe(SampleLibrary.Shipped["yes-en"].Audio);
        var status = _app.Requests.Entries[^1];
        status.Path.ShouldBe("/status");
        status.Form["CallStatus"].ShouldBe("completed");
        status.Form["CallDuration"].ShouldNotBeEmpty();
        status.Headers["X-Twilio-Signature"].ShouldBe(TwilioSignature.Of($"{_app.Url}status", status.Form, TinyApp.Token));
        _app.Requests.Entries.Single(request => request.Path == "/next").Form["CallStatus"].ShouldBe("in-progress");
    }

    [Theory]
    [InlineData("""<Response><Reject reason="busy"/></Response>""", "busy")]
    [InlineData("<Response><Reject/></Response>", "no-answer")]
    [InlineData("<Other/>", "failed")]
    [InlineData("<Response>", "failed")]
    [InlineData("500", "failed")]
    [InlineData("<Response><Dance/></Response>", "no-answer")]
    public async Task A_call_that_is_not_answered_ends_with_a_status(string twiml, string status)
    {
        _app.Twiml["/voice"] = twiml;
        var call = await Line.PlaceCallAsync();
        call.Status.ShouldBe(status);
        _app.Requests.Entries[^1].Form["CallStatus"].ShouldBe(status);
        _app.Requests.Entries[^1].Form["CallDuration"].ShouldBe("0");
    }

    [Fact]
    public async Task A_caller_who_gives_up_is_told_by_status_alone()
    {
        var call = await Line.PlaceCallAsync(new CallOptions { Outcome = CallOutcome.Canceled });
        call.Events.Of<VerbExecuted>().ShouldBeEmpty();
        _app.Requests.Entries.Select(request => (request.Path, request.Form["CallStatus"]))
            .ShouldBe([("/voice", "ringing"), ("/status", "canceled")]);
    }

    [Fact]
    public async Task A_stream_begins_with_connected_and_start_over_a_signed_upgrade()
    {
        _app.Twiml["/voice"] = _app.Stream("""<Parameter name="token" value="t1"/><Parameter name="callSid" value="c1"/>""");
        _app.Twiml["/after"] = "<Response><Say>Bye.</Say></Response>";
        List<string> events = [];
        _app.OnStream = async socket =>
        {
            events.Add((await socket.ReadAsync())!.ToJsonString());
            events.Add((await socket.ReadAsync())!.ToJsonString());
            events.Add((await socket.ReadAsync())!.ToJsonString());
            await socket.CloseAsync();
        };

        var call = await Line.PlaceCallAsync();

        var upgrade = _app.Requests.Entries.Single(request => request.Path == "/stream");
        upgrade.Headers["x-twilio-signature"].ShouldBe(TwilioSignature.Of($"ws://{_app.Url.Authority}/stream", [], TinyApp.Token));
        events[0].ShouldBe("""{"event":"connected","protocol":"Call","version":"1.0.0"}""");
        events[1].ShouldContain("\"sequenceNumber\":\"1\"");
        events[1].ShouldContain("\"customParameters\":{\"token\":\"t1\",\"callSid\":\"c1\"}");
        events[2].ShouldContain("\"chunk\":\"1\"");
        events[2].ShouldContain(new string('/', 100));
        call.Events.Of<StreamEnded>().ShouldHaveSingleItem().ShouldSatisfyAllConditions(
            end => end.How.ShouldBe(StreamEnd.ClosedByServer), end => end.CloseCode.ShouldBe(1000));
        call.Events.Of<SentenceSaid>().ShouldHaveSingleItem().Text.ShouldBe("Bye.");
    }

    [Fact]
    public async Task Marks_come_back_when_played_and_at_once_after_a_clear()
    {
        _app.Twiml["/voice"] = _app.Stream();
        List<string?> marks = [];
        _app.OnStream = async socket =>
        {
            await socket.ReadUntilAsync("start");
            await socket.SendAudioAsync(SampleLibrary.Shipped["yes-en"].Audio.AsSpan()[..1600]);
            await socket.SendMarkAsync("played");
            await socket.SendAudioAsync(SampleLibrary.Shipped["bill-answer-en"].Audio.AsSpan());
            await socket.SendMarkAsync("cut");
            marks.Add((string?)(await socket.ReadUntilAsync("mark"))!["mark"]!["name"]);
            await socket.SendClearAsync();
            marks.Add((string?)(await socket.ReadUntilAsync("mark"))!["mark"]!["name"]);
            await socket.CloseAsync();
        };

        var call = await Line.PlaceCallAsync();

        marks.ShouldBe(["played", "cut"]);
        var (media, played, cut) = (call.Events.Of<MediaReceived>()[0], call.Events.Of<MarkReturned>()[0],
            call.Events.Of<MarkReturned>()[1]);
        (played.At - media.At).TotalMilliseconds.ShouldBeInRange(200, 260);
        (cut.At - played.At).TotalMilliseconds.ShouldBeLessThan(500);
        call.Events.Of<ClearReceived>().ShouldHaveSingleItem().DroppedBytes.ShouldBeGreaterThan(100_000);
        call.Heard[^1].ShouldSatisfyAllConditions(line => line.Sample.Id.ShouldBe("bill-answer-en"), line => line.Cut.ShouldBeTrue());
    }

    [Fact]
    public async Task The_caller_hangs_up_with_a_stop_and_no_twiml_follows()
    {
        _app.Twiml["/voice"] = _app.Stream();
        var stopped = new TaskCompletionSource<string>();
        _app.OnStream = async socket =>
        {
            stopped.SetResult((await socket.ReadUntilAsync("stop"))!.ToJsonString());
            await socket.ReadAsync();
            await socket.CloseAsync();
        };

        var call = await Line.PlaceCallAsync(
            new CallOptions { Script = [new CallerTurn(new After(TimeSpan.FromMilliseconds(100)), new HangUp())] });

        (await stopped.Task).ShouldContain(call.CallSid);
        call.Events.Of<CallOver>().ShouldHaveSingleItem().ShouldSatisfyAllConditions(
            over => over.Status.ShouldBe("completed"), over => over.ByCaller.ShouldBeTrue());
        _app.Requests.Entries.Select(request => request.Path).ShouldBe(["/voice", "/stream", "/status"]);
    }

    [Fact]
    public async Task A_lost_stream_is_followed_by_the_action_and_the_caller_goes_on()
    {
        _app.Twiml["/voice"] = _app.Stream();
        _app.Twiml["/after"] = _app.Stream();
        List<string?> ends = [];
        _app.OnStream = async socket => ends.Add((string?)(await socket.ReadUntilAsync("stop"))?["event"]);

        var call = await Line.PlaceCallAsync(new CallOptions
        {
            Script = [new CallerTurn(new After(TimeSpan.FromMilliseconds(100)), new LoseStream()),
                new CallerTurn(new After(TimeSpan.FromMilliseconds(100)), new HangUp())],
        });

        ends.ShouldBe([null, "stop"]);
        call.Events.Of<StreamEnded>().Select(end => end.How).ShouldBe([StreamEnd.Lost, StreamEnd.CallOver]);
        _app.Requests.Entries.Count(request => request.Path == "/after").ShouldBe(1);
    }

    [Fact]
    public async Task A_stream_that_breaks_on_the_servers_side_is_followed_by_the_action_too()
    {
        _app.Twiml["/voice"] = _app.Stream();
        _app.OnStream = async socket =>
        {
            await socket.ReadUntilAsync("media");
            socket.Break();
        };
        var call = await Line.PlaceCallAsync();
        call.Events.Of<StreamEnded>().ShouldHaveSingleItem().How.ShouldBe(StreamEnd.LostByServer);
        _app.Requests.Entries.Count(request => request.Path == "/after").ShouldBe(1);
    }

    [Fact]
    public async Task A_refused_upgrade_is_followed_by_the_action()
    {
        _app.Twiml["/voice"] = _app.Stream();
        _app.Twiml["/after"] = "<Response><Say>Sorry.</Say></Response>";
        _app.StreamStatus = 403;
        var call = await Line.PlaceCallAsync();
        call.Events.Of<StreamRefused>().ShouldHaveSingleItem().Status.ShouldBe(403);
        call.Events.Of<ProblemLogged>().ShouldHaveSingleItem().Code.ShouldBe(31920);
        call.Events.Of<SentenceSaid>().ShouldHaveSingleItem().Text.ShouldBe("Sorry.");
    }

    [Fact]
    public async Task What_is_wrong_on_the_stream_is_logged_by_number_and_ignored()
    {
        _app.Twiml["/voice"] = _app.Stream();
        _app.OnStream = async socket =>
        {
            await socket.ReadUntilAsync("start");
            await socket.SendAsync("not json");
            await socket.SendAsync("""{"event":"media","streamSid":"MZ1","media":{"payload":"AA=="}}""");
            await socket.SendAsync($$"""{"event":"dance","streamSid":"{{socket.StreamSid}}"}""");
            await socket.SendAsync($$$"""{"event":"media","streamSid":"{{{socket.StreamSid}}}","media":{"payload":"*"}}""");
            await socket.CloseAsync();
        };
        var call = await Line.PlaceCallAsync();
        call.Events.Of<ProblemLogged>().Select(problem => problem.Code).ShouldBe([31951, 31951, 31951, 31951]);
        call.Read(playback => playback.ReceivedBytes).ShouldBe(0);
    }

    [Fact]
    public async Task Callbacks_can_be_doubled_early_and_in_the_wrong_order()
    {
        _app.Twiml["/voice"] = "<Response><Say>Hello.</Say></Response>";
        await Line.PlaceCallAsync(new CallOptions
        {
            Webhooks = new WebhookFaults { DuplicateWebhook = true, DuplicateStatus = true, EarlyStatus = true, ShuffledStatus = true },
        });
        _app.Requests.Entries.Select(request => request.Form["CallStatus"]).ShouldBe(
            ["ringing", "ringing", "ringing", "ringing", "completed", "completed", "in-progress", "in-progress", "ringing", "ringing"]);
        _app.Requests.Entries.Where(request => request.Path == "/voice").Select(request => request.Headers["I-Twilio-Idempotency-Token"])
            .Distinct().ShouldHaveSingleItem();
    }

    [Fact]
    public async Task Callbacks_can_come_at_once_in_any_order_and_the_action_twice()
    {
        _app.Twiml["/voice"] = _app.Stream();
        _app.OnStream = socket => socket.CloseAsync();
        await Line.PlaceCallAsync(new CallOptions
        {
            Webhooks = new WebhookFaults { DuplicateAction = true, DuplicateStatus = true, ShuffledStatus = true, Seed = 1 },
        });
        _app.Requests.Entries.Where(request => request.Path == "/status").Select(request => request.Form["CallStatus"]).ShouldBe(
            ["completed", "completed", "in-progress", "in-progress", "ringing", "ringing"], ignoreOrder: true);
        _app.Requests.Entries.Where(request => request.Path == "/after").Select(request => request.Headers["I-Twilio-Idempotency-Token"]).ToList()
            .ShouldSatisfyAllConditions(tokens => tokens.Count.ShouldBe(2), tokens => tokens.Distinct().ShouldHaveSingleItem());
    }

    [Fact]
    public async Task The_line_can_send_nonsense()
    {
        _app.Twiml["/voice"] = _app.Stream();
        var seen = 0;
        _app.OnStream = async socket =>
        {
            for (var read = true; read;)
            {
                try
                {
                    read = await socket.ReadAsync() is not null;
                }
                catch (System.Text.Json.JsonException)
                {
                    seen++;
                }
            }
        };
        await Line.PlaceCallAsync(new CallOptions
        {
            Line = new LineFaults { MalformedJson = true, BinaryFrames = true, WrongBase64 = true, ForeignFrames = true,
                UnknownEvents = true, EscapedSlashes = true },
            Script = [new CallerTurn(new After(TimeSpan.FromMilliseconds(700)), new HangUp())],
        });
        seen.ShouldBe(2);
    }

    [Fact]
    public async Task A_second_stream_for_the_call_can_be_tried()
    {
        _app.Twiml["/voice"] = _app.Stream();
        var streams = 0;
        _app.OnStream = async socket =>
        {
            if (Interlocked.Increment(ref streams) == 2)
            {
                await socket.ReadUntilAsync("start");
                await socket.CloseAsync();
                return;
            }

            await socket.ReadUntilAsync("stop");
        };
        var call = await Line.PlaceCallAsync(new CallOptions
        {
            Line = new LineFaults { SecondStream = true },
            Script = [new CallerTurn(new After(TimeSpan.FromMilliseconds(900)), new HangUp())],
        });
        call.Events.Of<SecondStreamEnded>().ShouldHaveSingleItem().CloseCode.ShouldBe(1000);
    }

    [Fact]
    public async Task The_public_address_is_signed_wherever_the_application_listens()
    {
        Line.AppUrl = new Uri("https://voice.example.org");
        Line.ConnectTo = _app.Url;
        _app.Twiml["/voice"] = """<Response><Connect><Stream url="wss://voice.example.org/stream"/></Connect></Response>""";
        _app.OnStream = socket => socket.CloseAsync();

        await Line.PlaceCallAsync();

        var webhook = _app.Requests.Entries[0];
        webhook.Headers["X-Twilio-Signature"].ShouldBe(TwilioSignature.Of("https://voice.example.org/voice", webhook.Form, TinyApp.Token));
        webhook.Headers["Host"].ShouldBe("voice.example.org");
        _app.Requests.Entries[1].Headers["x-twilio-signature"].ShouldBe(
            TwilioSignature.Of("wss://voice.example.org/stream", [], TinyApp.Token));
    }

    [Fact]
    public async Task Each_request_may_go_to_another_node()
    {
        await using var other = await TinyApp.StartAsync();
        Line.AppUrl = new Uri("https://voice.example.org");
        Line.ConnectTo = _app.Url;
        Line.Balance = url => url.AbsolutePath == "/status" ? other.Url : null;

        await Line.PlaceCallAsync();

        _app.Requests.Entries.Select(request => request.Path).ShouldBe(["/voice"]);
        other.Requests.Entries.Select(request => request.Path).ShouldBe(["/status"]);
    }

    static byte[] WavFile(string id) => File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "Samples", $"{id}.wav"));
}
