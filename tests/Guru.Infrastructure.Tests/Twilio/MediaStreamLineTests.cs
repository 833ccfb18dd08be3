using System.Diagnostics.Metrics;
using System.Net.WebSockets;
using System.Text;
using System.Text.Json;
using Guru.Application.Voice;
using Guru.Infrastructure.Sockets;
using Guru.Infrastructure.Tests.Sockets;
using Guru.Infrastructure.Twilio;
using Shouldly;

namespace Guru.Infrastructure.Tests.Twilio;

public sealed class AMediaStreamLine : IAsyncLifetime
{
    private const string Sid = "MZ00000000000000000000000000000004";
    private const string Connected = """{"event":"connected","protocol":"Call","version":"1.0.0"}""";

    private const string Start = """
        {"event":"start","sequenceNumber":"1","streamSid":"MZ00000000000000000000000000000004",
         "start":{"accountSid":"AC1","streamSid":"MZ00000000000000000000000000000004","callSid":"CA2","tracks":["inbound"],
                  "customParameters":{"token":"r4nd0m"},"mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000,"channels":1}}}
        """;

    private readonly MediaStreamOptions _options = new();
    private SocketPair<WebSocketConnection, ClientWebSocket> _pair = null!;

    private WebSocket Carrier => _pair.ClientEnd;

    public async Task InitializeAsync() => _pair = await SocketPair.OurServerAsync();

    public async Task DisposeAsync() => await _pair.DisposeAsync();

    [Fact]
    public async Task Begins_with_the_start()
    {
        await Carrier.SendTextAsync(Connected);
        await Carrier.SendTextAsync(Start);

        var acceptance = await AcceptAsync();

        acceptance.Refusal.ShouldBe(MediaStreamRefusal.None);
        acceptance.Line!.StreamSid.ShouldBe(Sid);
        acceptance.Line.Start.Token.ShouldBe("r4nd0m");
    }

    [Fact]
    public async Task Is_begun_beside_the_thread_on_which_other_calls_have_their_audio()
    {
        var waits = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var began = Task.Run(async () =>
        {
            var accepting = MediaStreamLine.AcceptAsync(_pair.ServerEnd, _options, TimeProvider.System, CancellationToken.None);
            waits.SetResult();
            await accepting;
            return Thread.CurrentThread.Name;
        });
        await waits.Task;
        await Carrier.SendTextAsync(Start);

        (await began.WaitAsync(RawSockets.Patience)).ShouldNotBe("Guru sockets");
    }

    [Fact]
    public async Task Passes_over_what_comes_before_the_start()
    {
        await Carrier.SendTextAsync("nonsense");
        await Carrier.SendTextAsync(Media("AAAA"));
        await Carrier.SendAsync(new byte[9], WebSocketMessageType.Binary, endOfMessage: true, CancellationToken.None);
        await Carrier.SendTextAsync("""{"event":"start","streamSid":"MZ1"}""");
        await Carrier.SendTextAsync(Start.Replace(Sid, new string('M', MediaStreamLine.MaxStreamSidLength + 1), StringComparison.Ordinal));
        await Carrier.SendTextAsync(Start);

        (await AcceptAsync()).Line!.StreamSid.ShouldBe(Sid);
    }

    [Fact]
    public async Task Is_refused_and_closed_without_a_start_in_time()
    {
        await Carrier.SendTextAsync(Connected);
        var closed = AnswerCloseAsync();

        var acceptance = await AcceptAsync(_options with { StartTimeoutSeconds = 0.02 });

        acceptance.ShouldBe(new MediaStreamAcceptance(Line: null, MediaStreamRefusal.NoStart));
        (await closed).ShouldBe(WebSocketCloseStatus.PolicyViolation);
    }

    [Fact]
    public async Task Is_refused_in_another_format()
    {
        await Carrier.SendTextAsync(Start.Replace("8000", "16000", StringComparison.Ordinal));
        var closed = AnswerCloseAsync();

        (await AcceptAsync()).Refusal.ShouldBe(MediaStreamRefusal.WrongFormat);
        (await closed).ShouldBe(WebSocketCloseStatus.PolicyViolation);
    }

    [Fact]
    public async Task Is_none_when_the_carrier_goes_before_the_start()
    {
        _pair.ClientEnd.Abort();

        (await AcceptAsync()).Refusal.ShouldBe(MediaStreamRefusal.Lost);
    }

    [Fact]
    public async Task Hands_on_frames_marks_and_digits_in_order_and_ends_with_stop()
    {
        await using var line = await LineAsync();
        await Carrier.SendTextAsync(Media("//////8="));
        await Carrier.SendTextAsync($$$"""{"event":"mark","streamSid":"{{{Sid}}}","mark":{"name":"g1:160"}}""");
        await Carrier.SendTextAsync($$$"""{"event":"dtmf","streamSid":"{{{Sid}}}","dtmf":{"digit":"5"}}""");
        await Carrier.SendTextAsync($$$"""{"event":"stop","streamSid":"{{{Sid}}}","stop":{}}""");
        await Carrier.SendTextAsync(Media("AAAA"));

        (await ReadAllAsync(line)).ShouldBe(["Media //////8= 5 at 20", "Mark 1 160", "Dtmf 5", "Stop"]);
    }

    [Fact]
    public async Task Ends_without_stop_when_the_socket_is_lost()
    {
        await using var line = await LineAsync();
        await Carrier.SendTextAsync(Media("AAAA"));
        await Carrier.CloseOutputAsync(WebSocketCloseStatus.EndpointUnavailable, "", CancellationToken.None);

        (await ReadAllAsync(line)).ShouldBe(["Media AAAA 3 at 20"]);
        line.Ending!.CloseCode.ShouldBe(1001);
    }

    [Fact]
    public async Task Survives_and_counts_what_is_wrong()
    {
        var counted = new Dictionary<string, long>(StringComparer.Ordinal);
        using var listener = Listen("guru.frames.malformed", counted);
        await using var line = await LineAsync();
        await Carrier.SendTextAsync("{\"event\":");
        await Carrier.SendTextAsync(Media("not base64!"));
        await Carrier.SendAsync(new byte[9], WebSocketMessageType.Binary, endOfMessage: true, CancellationToken.None);
        await Carrier.SendTextAsync(Media("AAAA").Replace(Sid, "MZ00000000000000000000000000000005", StringComparison.Ordinal));
        await Carrier.SendTextAsync("""{"event":"stop","streamSid":"MZ5"}""");
        await Carrier.SendTextAsync("""{"event":"surprise"}""");
        await Carrier.SendTextAsync(Start);
        await Carrier.SendTextAsync(Media("AAAA").Replace("inbound", "outbound", StringComparison.Ordinal));
        await Carrier.SendTextAsync(Media("BBBB"));
        await Carrier.SendTextAsync($$$"""{"event":"stop","streamSid":"{{{Sid}}}"}""");

        (await ReadAllAsync(line)).ShouldBe(["Media BBBB 3 at 20", "Stop"]);
        lock (counted)
        {
            // Other lines of this process count too.
            counted["json"].ShouldBeGreaterThanOrEqualTo(1);
            counted["base64"].ShouldBeGreaterThanOrEqualTo(1);
            counted["binary"].ShouldBeGreaterThanOrEqualTo(1);
            counted["otherStream"].ShouldBeGreaterThanOrEqualTo(2);
            counted["unknownEvent"].ShouldBeGreaterThanOrEqualTo(1);
            counted["order"].ShouldBeGreaterThanOrEqualTo(1);
            counted["track"].ShouldBeGreaterThanOrEqualTo(1);
        }
    }

    [Fact]
    public async Task Writes_media_marks_and_clears_as_the_carrier_reads_them()
    {
        await using var line = await LineAsync();
        line.SendMedia("//////8="u8);
        line.SendMark(new PlaybackMark(7, 1234567890123));
        line.SendClear();
        line.SendMedia(default);

        (await Carrier.ReceiveTextAsync()).ShouldBe($$$"""{"event":"media","streamSid":"{{{Sid}}}","media":{"payload":"//////8="}}""");
        (await Carrier.ReceiveTextAsync()).ShouldBe($$$"""{"event":"mark","streamSid":"{{{Sid}}}","mark":{"name":"g7:1234567890123"}}""");
        (await Carrier.ReceiveTextAsync()).ShouldBe($$"""{"event":"clear","streamSid":"{{Sid}}"}""");
    }

    [Fact]
    public async Task Escapes_a_stream_sid_that_is_no_sid()
    {
        await Carrier.SendTextAsync(Start.Replace(Sid, "MZ\\\"quoted", StringComparison.Ordinal));
        await using var line = (await AcceptAsync()).Line!;
        line.SendClear();

        using var json = JsonDocument.Parse((await Carrier.ReceiveTextAsync())!);
        json.RootElement.GetProperty("streamSid").GetString().ShouldBe("MZ\"quoted");
    }

    [Fact]
    public async Task Cuts_a_long_payload_between_groups_of_base64()
    {
        await using var line = await LineAsync();
        var audio = new byte[70_001];
        Random.Shared.NextBytes(audio);
        line.SendMedia(Encoding.ASCII.GetBytes(Convert.ToBase64String(audio)));
        line.SendClear();

        using var heard = new MemoryStream();
        while (await Carrier.ReceiveTextAsync() is { } text)
        {
            using var json = JsonDocument.Parse(text);
            if (json.RootElement.GetProperty("event").GetString() == "clear")
            {
                break;
            }

            var payload = json.RootElement.GetProperty("media").GetProperty("payload").GetString()!;
            payload.Length.ShouldBeLessThanOrEqualTo(MediaStreamLine.MaxPayloadBytes);
            heard.Write(Convert.FromBase64String(payload));
        }

        heard.ToArray().ShouldBe(audio);
    }

    [Fact]
    public async Task Closes_after_writing_what_is_queued_so_that_the_carrier_asks_what_is_next()
    {
        await using var line = await LineAsync();
        line.SendMedia("AAAA"u8);
        var closing = line.CloseAsync(CancellationToken.None);

        (await Carrier.ReceiveTextAsync()).ShouldNotBeNull();
        (await Carrier.ReceiveTextAsync()).ShouldBeNull();
        Carrier.CloseStatus.ShouldBe(WebSocketCloseStatus.NormalClosure);
        await Carrier.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, "", CancellationToken.None);
        await closing.WaitAsync(RawSockets.Patience);
        line.Ending!.Reason.ShouldBe(SocketEndReason.PeerClosed);
    }

    internal static string Media(string payload) =>
        $$$"""{"event":"media","sequenceNumber":"3","streamSid":"{{{Sid}}}","media":{"track":"inbound","chunk":"1","timestamp":"20","payload":"{{{payload}}}"}}""";

    internal static MeterListener Listen(string instrument, Dictionary<string, long> counted)
    {
        var listener = new MeterListener
        {
            InstrumentPublished = (published, it) =>
            {
                if (published.Name == instrument)
                {
                    it.EnableMeasurementEvents(published);
                }
            },
        };
        listener.SetMeasurementEventCallback<long>((_, count, tags, _) =>
        {
            lock (counted)
            {
                var reason = tags.IsEmpty ? "" : (string)tags[0].Value!;
                counted[reason] = counted.GetValueOrDefault(reason) + count;
            }
        });
        listener.Start();
        return listener;
    }

    private static async Task<List<string>> ReadAllAsync(MediaStreamLine line)
    {
        var all = new List<string>();
        using var patience = new CancellationTokenSource(RawSockets.Patience);
        await line.ReadAsync(
            (in LineMessage message) =>
            {
                all.Add(message.Kind switch
                {
                    LineMessageKind.Media => $"Media {Encoding.UTF8.GetString(message.Payload.Span)} {message.Bytes} at {message.TimestampMs}",
                    LineMessageKind.Mark => $"Mark {message.Mark.Generation} {message.Mark.Position}",
                    LineMessageKind.Dtmf => $"Dtmf {message.Digit}",
                    _ => "Stop",
                });
                return true;
            },
            patience.Token);

        return all;
    }

    private Task<MediaStreamAcceptance> AcceptAsync(MediaStreamOptions? options = null) =>
        MediaStreamLine.AcceptAsync(_pair.ServerEnd, options ?? _options, TimeProvider.System, CancellationToken.None).WaitAsync(RawSockets.Patience);

    private async Task<MediaStreamLine> LineAsync()
    {
        await Carrier.SendTextAsync(Connected);
        await Carrier.SendTextAsync(Start);
        return (await AcceptAsync()).Line!;
    }

    private async Task<WebSocketCloseStatus?> AnswerCloseAsync()
    {
        (await Carrier.ReceiveTextAsync()).ShouldBeNull();
        await Carrier.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, "", CancellationToken.None);
        return Carrier.CloseStatus;
    }
}

[Collection(nameof(MeasuredAlone))]
public sealed class ALineInSteadyState
{
    [Fact]
    public async Task Allocates_nothing_per_frame_in_either_direction()
    {
        await using var pair = await SocketPair.OurClientAsync();
        await pair.ServerEnd.SendTextAsync("""{"event":"start","streamSid":"MZ00000000000000000000000000000004","start":{"callSid":"CA2"}}""");
        var options = new MediaStreamOptions();
        await using var line = (await MediaStreamLine.AcceptAsync(pair.ClientEnd, options, TimeProvider.System, CancellationToken.None)).Line!;
        var frame = Encoding.UTF8.GetBytes(AMediaStreamLine.Media(Convert.ToBase64String(new byte[160])));
        var back = new byte[1024];
        using var owner = new CancellationTokenSource();
        var reading = line.ReadAsync(
            (in LineMessage message) =>
            {
                line.SendMedia(message.Payload.Span, more: true);
                line.SendMark(new PlaybackMark(1, message.TimestampMs));
                return true;
            },
            owner.Token);

        var perFrame = await Allocations.PerMessageAsync(async frames =>
        {
            for (var i = 0; i < frames; i++)
            {
                await pair.ServerEnd.SendAsync(frame.AsMemory(), WebSocketMessageType.Text, endOfMessage: true, CancellationToken.None);
                await pair.ServerEnd.ReceiveAsync(back.AsMemory(), CancellationToken.None);
                await pair.ServerEnd.ReceiveAsync(back.AsMemory(), CancellationToken.None);
            }
        });

        await owner.CancelAsync();
        await Should.ThrowAsync<OperationCanceledException>(reading);
        perFrame.ShouldBeLessThan(Allocations.Noise);
    }
}
