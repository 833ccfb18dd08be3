using System.Buffers.Binary;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Guru.Sandbox.Commands;
using Guru.Sandbox.OpenAI;
using Guru.Sandbox.Twilio;

namespace Guru.EndToEnd.Tests;

/// <summary>Clients that open something and never finish it, at a Guru process of its own, so that its memory can be read.</summary>
public sealed class HostileLoad
{
    private const int OfEachKind = 25;
    private const int MostMib = 150;
    private const string Voice = "/api/whatsapp/voice";

    /// <summary>Bodies have 5 s, headers 8; a Media Stream has 5 s for its start (StartTimeoutSeconds) and 2 for its close (CloseTimeoutSeconds).</summary>
    private static readonly TimeSpan AtLeast = TimeSpan.FromSeconds(4);

    /// <summary>Those bounds on a machine that does other things too.</summary>
    private static readonly TimeSpan AtMost = TimeSpan.FromSeconds(15);

    private static readonly TimeSpan Beat = TimeSpan.FromMilliseconds(400);
    private static readonly TimeSpan NowAndThen = TimeSpan.FromMilliseconds(500);

    private static readonly TimeSpan Soon = TimeSpan.FromMilliseconds(50);

    /// <param name="Opening">Said at once; on a stream, behind its handshake.</param>
    /// <param name="More">Said now and then; nothing by who is silent.</param>
    private sealed record Client(string Kind, bool IsStream, byte[] Opening, byte[] More)
    {
        /// <summary>Says more without a pause, so that what bounds it is not time but size.</summary>
        public bool NeverStops => More.Length > 1024;
    }

    private static readonly Client[] Kinds =
    [
        new("headers without end", IsStream: false, Headers, new byte[64 * 1024]),
        new("headers, then nothing", IsStream: false, Headers, []),
        new("headers, a byte now and then", IsStream: false, Headers, "x"u8.ToArray()),
        new("a body without end", IsStream: false, Body("Transfer-Encoding: chunked", ""), [.. "10000\r\n"u8, .. new byte[64 * 1024], .. "\r\n"u8]),
        new("a body, then nothing", IsStream: false, Body("Content-Length: 1000", "CallSid="), []),
        new("a body, a byte now and then", IsStream: false, Body("Content-Length: 1000", "CallSid="), "x"u8.ToArray()),
        new("a stream with a message without end", IsStream: true, Frame(0x01, [(byte)'{']), Frame(0x00, new byte[64 * 1024])),
        new("a stream without a word", IsStream: true, [], []),
        new("a stream with a frame, a byte of it now and then", IsStream: true, Frame(0x81, new byte[60_000])[..20], [(byte)' ']),
        new("a stream with a message, a fragment of it now and then", IsStream: true, Frame(0x01, [(byte)'{']), Frame(0x00, [(byte)' '])),
        new("a stream with most of a long message, then nothing", IsStream: true, Frame(0x01, new byte[200 * 1024]), []),
        new("a stream with a ping now and then", IsStream: true, [], Frame(0x89, [])),
        new("a stream with all but a start", IsStream: true, [], Frame(0x81, """{"event":"connected","protocol":"Call","version":"1.0.0"}"""u8)),
    ];

    private static byte[] Headers => Encoding.ASCII.GetBytes($"POST {Voice}/webhook HTTP/1.1\r\nHost: guru\r\nX-Slow: ");

    private static byte[] Body(string length, string begun) => Encoding.ASCII.GetBytes(
        $"POST {Voice}/webhook HTTP/1.1\r\nHost: guru\r\nX-Twilio-Signature: x\r\nContent-Type: application/x-www-form-urlencoded\r\n{length}\r\n\r\n{begun}");

    [Fact]
    public async Task Clients_that_never_finish_or_never_stop_are_let_go_and_cost_neither_a_call_nor_a_session_nor_memory()
    {
        await using var openAI = await OpenAIStandIn.StartAsync(new OpenAIStandInOptions { ApiKey = GuruProcess.OpenAIKey });
        await using var twilio = await TwilioStandIn.StartAsync();
        await using var guru = await GuruProcess.StartAsync(openAI, twilio, new Dictionary<string, string>(StringComparer.Ordinal) { ["Guru__Messages__SummaryAfterCall"] = "false" });
        twilio.AppUrl = guru.Address;
        var before = await ResidentMibAsync(guru);

        var clients = Kinds.SelectMany(kind => Enumerable.Repeat(kind, OfEachKind)).Select(kind => (Kind: kind, Opened: new TaskCompletionSource())).ToList();
        var held = clients.ConvertAll(client => HeldAsync(client.Kind, guru.Address, twilio.Options.AuthToken, client.Opened));
        await Task.WhenAll(clients.Select(client => client.Opened.Task)).WaitAsync(AtMost);
        var call = await twilio.PlaceCallAsync(new CallOptions
        {
            Script = [new CallerTurn(new AgentSpeaking(Beat), new Say("yes-en")), new CallerTurn(new AgentSpeaking(Beat), new HangUp())],
        });
        var during = await ResidentMibAsync(guru);

        foreach (var (client, time) in clients.Zip(await Task.WhenAll(held)))
        {
            time.ShouldBeInRange(client.Kind.NeverStops ? TimeSpan.Zero : AtLeast, AtMost, client.Kind.Kind);
        }

        var record = await CallRecord.WhenCompleteAsync(guru.Address, call, openAI);
        record.ShouldTellOfABrokenAnswer(call);
        record.EventTypes.Count(type => type == "MediaStreamConnected").ShouldBe(1);
        record.EndReason.ShouldBe("callerHungUp");
        openAI.Sessions.Entries.Count.ShouldBe(1, "The call's own.");
        (Math.Max(during, await ResidentMibAsync(guru)) - before).ShouldBeLessThan(MostMib);
    }

    /// <returns>After how long Guru ended it.</returns>
    private static async Task<TimeSpan> HeldAsync(Client kind, Uri guru, string authToken, TaskCompletionSource opened)
    {
        using var client = new TcpClient { NoDelay = true };
        using var limit = new CancellationTokenSource(2 * AtMost);
        await client.ConnectAsync(IPAddress.Loopback, guru.Port, limit.Token);
        var wire = client.GetStream();
        if (kind.IsStream)
        {
            await UpgradeAsync(wire, guru, authToken, limit.Token);
        }

        var started = Stopwatch.GetTimestamp();
        var ended = EndAsync(wire, limit.Token);
        try
        {
            await wire.WriteAsync(kind.Opening, limit.Token);
            opened.SetResult();
            while (await Task.WhenAny(ended, Task.Delay(kind.NeverStops ? Soon : NowAndThen, limit.Token)) != ended)
            {
                await wire.WriteAsync(kind.More, limit.Token);
            }
        }
        catch (IOException)
        {
            // It has hung up on us.
        }

        await ended;
        return Stopwatch.GetElapsedTime(started);
    }

    private static async Task UpgradeAsync(NetworkStream wire, Uri guru, string authToken, CancellationToken limit)
    {
        var signature = TwilioSignature.Of($"ws://{guru.Authority}{Voice}/stream", [], authToken);
        await wire.WriteAsync(Encoding.ASCII.GetBytes(
            $"GET {Voice}/stream HTTP/1.1\r\nHost: {guru.Authority}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            + $"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nX-Twilio-Signature: {signature}\r\n\r\n"), limit);
        var answer = new StringBuilder();
        var one = new byte[1];
        while (!answer.ToString().EndsWith("\r\n\r\n", StringComparison.Ordinal))
        {
            await wire.ReadExactlyAsync(one, limit);
            answer.Append((char)one[0]);
        }

        answer.ToString().ShouldStartWith("HTTP/1.1 101 ");
    }

    /// <summary>Reads whatever is answered, the close of a stream included, and answers nothing.</summary>
    private static async Task EndAsync(NetworkStream wire, CancellationToken limit)
    {
        var buffer = new byte[4096];
        try
        {
            while (await wire.ReadAsync(buffer, limit) > 0)
            {
            }
        }
        catch (IOException)
        {
            // A reset is an end too.
        }
    }

    /// <summary>As of a client: masked, here with zeros.</summary>
    private static byte[] Frame(byte head, ReadOnlySpan<byte> payload)
    {
        var length = new byte[8];
        BinaryPrimitives.WriteInt64BigEndian(length, payload.Length);
        return payload.Length < 126 ? [head, (byte)(0x80 | payload.Length), 0, 0, 0, 0, .. payload] : [head, 0x80 | 127, .. length, 0, 0, 0, 0, .. payload];
    }

    private static async Task<long> ResidentMibAsync(GuruProcess guru)
    {
        var resident = (await File.ReadAllLinesAsync($"/proc/{guru.ProcessId}/status")).Single(line => line.StartsWith("VmRSS:", StringComparison.Ordinal));
        return long.Parse(resident.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) / 1024;
    }
}
