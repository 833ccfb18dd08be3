using System.Buffers;
using System.Net.WebSockets;
using System.Text.Json;
using System.Threading.Channels;
using System.Xml.Linq;
using Guru.Sandbox.Audio;

namespace Guru.Sandbox.Twilio;

/// <summary>A Media Stream on its socket: the pure <see cref="MediaStream"/> in real time.</summary>
public sealed partial class PlacedCall
{
    const int FramesPerSecond = 50;

    static readonly byte[] LoudFrame = [.. Enumerable.Repeat((byte)0x00, MuLaw.FrameBytes)];

    Channel<(WebSocketMessageType Type, byte[] Message)> _outgoing = Channel.CreateUnbounded<(WebSocketMessageType, byte[])>();
    StreamJson? _json;
    StreamEnd? _ending;

    async Task<StreamEnd> RunStreamAsync(string url, XElement noun, Dictionary<string, string> parameters, Uri? from)
    {
        var streamSid = TwilioIds.New("MZ");
        if (StreamUrl(url, from) is not { } target)
        {
            await NotifyStreamAsync(noun, from, streamSid, "stream-error", "The address of the stream cannot be used.");
            return StreamEnd.ClosedByServer;
        }

        using var socket = await OpenAsync(url, target);
        if (socket is null)
        {
            await NotifyStreamAsync(noun, from, streamSid, "stream-error", "The stream could not be opened.");
            return _over.IsCancellationRequested ? StreamEnd.CallOver : StreamEnd.ClosedByServer;
        }

        Events.Add(new StreamOpened(Now, streamSid, url, parameters));
        _ = NotifyStreamAsync(noun, from, streamSid, "stream-started", error: null);
        var second = _options.Line.SecondStream && Events.Of<StreamOpened>().Count == 1 ? TrySecondStreamAsync(url, target, parameters)
            : Task.CompletedTask;
        lock (_gate)
        {
            _outgoing = Channel.CreateUnbounded<(WebSocketMessageType, byte[])>();
            _ending = null;
            _json = new StreamJson(streamSid, CallSid, _twilio.Options.AccountSid, _options.Line.EscapedSlashes);
            Post(StreamJson.Connected);
            if (!_options.Line.NoStart)
            {
                Post(_json.Start(parameters));
                _stream = new MediaStream(_caller, _playback, _options.Line.Jitter);
                _stream.Start(Now);
            }

        }

        _twilio.Pacer.Add(this);
        using var closed = new CancellationTokenSource();
        var sending = SendAsync(socket, closed.Token);
        int? closeCode;
        using (_verbs.Token.Register(Leave))
        {
            closeCode = await ReceiveAsync(socket, streamSid);
        }

        await closed.CancelAsync();

        _twilio.Pacer.Remove(this);
        lock (_gate)
        {
            _stream?.Close(Now);
            _stream = null;
            _outgoing.Writer.TryComplete();
            Notice();
        }

        await sending;
        await second;
        var how = _ending ?? (closeCode is null ? StreamEnd.LostByServer : StreamEnd.ClosedByServer);
        Events.Add(new StreamEnded(Now, streamSid, how, closeCode));
        if (how == StreamEnd.LostByServer)
        {
            Problem(31903, "The server broke the stream without a close.");
        }

        _ = NotifyStreamAsync(noun, from, streamSid, "stream-stopped", error: null);
        return how;
    }

    /// <summary>The call is over or goes elsewhere: a stop, then a close.</summary>
    void Leave()
    {
        lock (_gate)
        {
            if (_ending is not null)
            {
                return;
            }

            _ending = _ended ? StreamEnd.CallOver : StreamEnd.Replaced;
            if (_stream is { } stream)
            {
                stream.HangUp(Now);
                Drain(stream);
            }

            // Without a start there is no stream to stop.
            _outgoing.Writer.TryComplete();
        }
    }

    Uri? StreamUrl(string url, Uri? from)
    {
        if (!Uri.TryCreate(url, UriKind.Absolute, out var target) && from is not null && Uri.TryCreate(from, url, out target))
        {
            target = new UriBuilder(target) { Scheme = target.Scheme == Uri.UriSchemeHttps ? "wss" : "ws" }.Uri;
        }

        // Twilio itself insists on wss; on loopback there is no certificate to be had.
        if (target is null || target.Scheme is not ("wss" or "ws"))
        {
            Problem(31922, $"'{url}' is no WebSocket address.");
            return null;
        }

        if (target.Query.Length > 0)
        {
            Problem(31920, "The address of a stream has no query.");
            return null;
        }

        return target;
    }

    async Task<ClientWebSocket?> OpenAsync(string url, Uri target)
    {
        var socket = new ClientWebSocket();
        try
        {
            var (address, host) = _twilio.Route(target);
            socket.Options.KeepAliveInterval = TimeSpan.Zero;
            socket.Options.CollectHttpResponseDetails = true;
            socket.Options.SetRequestHeader("x-twilio-signature", TwilioSignature.Of(url, [], _twilio.Options.AuthToken));
            socket.Options.SetRequestHeader("User-Agent", "Twilio.TmeWs/1.0");
            if (host is not null)
            {
                socket.Options.SetRequestHeader("Host", host);
            }

            using var limit = CancellationTokenSource.CreateLinkedTokenSource(_verbs.Token);
            limit.CancelAfter(TimeSpan.FromSeconds(5));
            await socket.ConnectAsync(address, _twilio.Http, limit.Token);
            return socket;
        }
        catch (Exception exception) when (exception is WebSocketException or OperationCanceledException or HttpRequestException)
        {
            var status = (int)socket.HttpStatusCode;
            socket.Dispose();
            Events.Add(new StreamRefused(Now, url, status));
            Problem(status == 0 ? 31902 : 31920, $"The stream could not be opened: {(status == 0 ? exception.Message : Number(status))}.");
            return null;
        }
    }

    void Drain(MediaStream stream)
    {
        while (stream.TryTake(out var message))
        {
            switch (message.Kind)
            {
                case StreamMessageKind.Media:
                    Post(_json!.Media(message));
                    if (message.Chunk % FramesPerSecond == FramesPerSecond / 2)
                    {
                        PostNonsense(message);
                    }

                    break;
                case StreamMessageKind.Mark:
                    Events.Add(new MarkReturned(Now, message.Name!));
                    Post(_json!.Mark(message.Name!));
                    break;
                case StreamMessageKind.Digit:
                    Post(_json!.Digit(message.Digit));
                    break;
                case StreamMessageKind.Stop:
                    Post(_json!.Stop());
                    _hungUpByCaller |= _ending is null;
                    _ending ??= StreamEnd.CallOver;
                    _outgoing.Writer.TryComplete();
                    break;
                case StreamMessageKind.Lost:
                    _ending ??= StreamEnd.Lost;
                    _outgoing.Writer.TryComplete();
                    break;
            }
        }

        Notice();
    }

    void PostNonsense(in StreamMessage media)
    {
        var line = _options.Line;
        if (line.MalformedJson)
        {
            Post([.. """{"event":"media","sequenceNumber":"12","media":{"""u8]);
        }

        if (line.WrongBase64)
        {
            Post(_json!.WrongBase64());
        }

        if (line.BinaryFrames)
        {
            _outgoing.Writer.TryWrite((WebSocketMessageType.Binary, [1, 2, 3]));
        }

        if (line.ForeignFrames)
        {
            Post(_json!.Media(media with { Audio = LoudFrame }, TwilioIds.New("MZ")));
        }

        if (line.UnknownEvents)
        {
            Post(_json!.Unknown());
        }
    }

    void Post(byte[] message) => _outgoing.Writer.TryWrite((WebSocketMessageType.Text, message));

    async Task SendAsync(ClientWebSocket socket, CancellationToken closed)
    {
        try
        {
            await foreach (var (type, message) in _outgoing.Reader.ReadAllAsync(CancellationToken.None))
            {
                await socket.SendAsync(message, type, endOfMessage: true, CancellationToken.None);
            }

            if (_ending == StreamEnd.Lost)
            {
                socket.Abort();
                return;
            }

            using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(2));
            await socket.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, null, limit.Token);

            // The server has two seconds to answer the close.
            await Task.Delay(TimeSpan.FromSeconds(2), closed);
            socket.Abort();
        }
        catch (Exception exception) when (
            exception is WebSocketException or OperationCanceledException or ObjectDisposedException or IOException)
        {
            // The reader meets the same end.
        }
    }

    /// <returns>The server's close code; null when the socket broke.</returns>
    async Task<int?> ReceiveAsync(ClientWebSocket socket, string streamSid)
    {
        var message = new ArrayBufferWriter<byte>(8 * 1024);
        try
        {
            while (true)
            {
                var received = await socket.ReceiveAsync(message.GetMemory(8 * 1024), CancellationToken.None);
                if (received.MessageType == WebSocketMessageType.Close)
                {
                    return (int?)socket.CloseStatus ?? 1005;
                }

                message.Advance(received.Count);
                if (!received.EndOfMessage)
                {
                    continue;
                }

                if (received.MessageType == WebSocketMessageType.Binary)
                {
                    Problem(31950, "A binary frame.");
                }
                else
                {
                    Handle(message.WrittenMemory, streamSid);
                }

                message.ResetWrittenCount();
            }
        }
        catch (Exception exception) when (exception is WebSocketException or OperationCanceledException or IOException)
        {
            return null;
        }
    }

    void Handle(ReadOnlyMemory<byte> utf8, string streamSid)
    {
        try
        {
            using var json = JsonDocument.Parse(utf8);
            var root = json.RootElement;
            var sid = root.GetProperty("streamSid").GetString();
            if (sid != streamSid)
            {
                Problem(31951, "A message for another stream.");
                return;
            }

            switch (root.GetProperty("event").GetString())
            {
                case "media":
                    Received(root.GetProperty("media").GetProperty("payload").GetBytesFromBase64());
                    break;
                case "mark":
                    var name = root.GetProperty("mark").GetProperty("name").GetString() ?? "";
                    OnStream(stream =>
                    {
                        Events.Add(new MarkReceived(Now, name));
                        stream.Mark(name, Now);
                    });
                    break;
                case "clear":
                    OnStream(stream =>
                    {
                        var before = _playback.Cleared.Count;
                        stream.Clear(Now);
                        Events.Add(new ClearReceived(Now, _playback.Cleared.Skip(before).Sum(span => span.To - span.From)));
                    });
                    break;
                case var other:
                    Problem(31951, $"The event {other} is not for Twilio.");
                    break;
            }
        }
        catch (Exception exception) when (
            exception is JsonException or FormatException or InvalidOperationException or KeyNotFoundException)
        {
            Problem(31951, exception.Message);
        }
    }

    void Received(byte[] audio)
    {
        lock (_gate)
        {
            if (_stream is { Ended: false } stream)
            {
                Play(audio, stream);
                Drain(stream);
            }
            else
            {
                LateBytes += audio.Length;
            }
        }
    }

    void Play(byte[] audio, MediaStream stream)
    {
        var discarded = _playback.DiscardedBytes;
        if (_twilio.Options.JournalMedia)
        {
            Events.Add(new MediaReceived(Now, audio.Length));
        }

        stream.Play(audio, Now);
        if (discarded == 0 && _playback.DiscardedBytes > 0)
        {
            Problem(31931, "More than ten minutes of audio are waiting; the rest is discarded.");
        }
    }

    void OnStream(Action<MediaStream> act)
    {
        lock (_gate)
        {
            if (_stream is { Ended: false } stream)
            {
                act(stream);
                Drain(stream);
            }
        }
    }

    async Task TrySecondStreamAsync(string url, Uri target, Dictionary<string, string> parameters)
    {
        await Task.Delay(500, CancellationToken.None);
        using var socket = await OpenAsync(url, target);
        if (socket is null)
        {
            return;
        }

        int? code = null;
        try
        {
            var json = new StreamJson(TwilioIds.New("MZ"), CallSid, _twilio.Options.AccountSid, escapedSlashes: false);
            await socket.SendAsync(StreamJson.Connected, WebSocketMessageType.Text, endOfMessage: true, CancellationToken.None);
            await socket.SendAsync(json.Start(parameters), WebSocketMessageType.Text, endOfMessage: true, CancellationToken.None);
            using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(3));
            var buffer = new byte[4096];
            while ((await socket.ReceiveAsync(buffer, limit.Token)).MessageType != WebSocketMessageType.Close)
            {
                // Whatever is said on it, the question is whether it is closed.
            }

            code = (int?)socket.CloseStatus ?? 1005;
        }
        catch (Exception exception) when (exception is WebSocketException or IOException)
        {
            code = 1006;
        }
        catch (OperationCanceledException)
        {
            // It was left open.
        }

        Events.Add(new SecondStreamEnded(Now, code));
    }

    async Task NotifyStreamAsync(XElement noun, Uri? from, string streamSid, string what, string? error)
    {
        if ((string?)noun.Attribute("statusCallback") is not { } address || Absolute(address, from) is not { } url)
        {
            return;
        }

        var parameters = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["AccountSid"] = _twilio.Options.AccountSid,
            ["CallSid"] = CallSid,
            ["StreamSid"] = streamSid,
            ["StreamName"] = (string?)noun.Attribute("name") ?? streamSid,
            ["StreamEvent"] = what,
            ["Timestamp"] = TimeProvider.System.GetUtcNow().ToString("O"),
        };
        if (error is not null)
        {
            parameters["StreamError"] = error;
        }

        var method = (string?)noun.Attribute("statusCallbackMethod") == "GET" ? HttpMethod.Get : HttpMethod.Post;
        using var response = await SendAsync(url, method, parameters, Guid.NewGuid().ToString(), redirects: 0);
    }
}
