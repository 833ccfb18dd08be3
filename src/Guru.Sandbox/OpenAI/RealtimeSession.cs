using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Guru.Sandbox.Audio;

namespace Guru.Sandbox.OpenAI;

public enum ServerMessageKind
{
    Json,

    /// <summary>Text that is no JSON.</summary>
    Garbage,
    Close,

    /// <summary>The connection breaks without a close.</summary>
    Reset,

    /// <summary>The connection is there, and nothing comes or goes on it any more.</summary>
    Mute,
}

/// <summary>What the server does next.</summary>
/// <param name="Type">Of the event in it; empty for all else.</param>
public sealed record ServerMessage(
    ServerMessageKind Kind, TimeSpan At, string Type, byte[] Utf8, int CloseCode = 0, string? CloseReason = null);

/// <summary>A truncate of the client, and whether the item allowed it.</summary>
public sealed record Truncation(string ItemId, long AudioEndMs, bool Accepted, TimeSpan At);

/// <param name="After">Counted from the commit.</param>
/// <param name="Fails">No words, but a reason.</param>
/// <param name="BySeconds">Usage as fractional seconds, in place of tokens.</param>
public readonly record struct TranscriptionStyle(TimeSpan After, bool Fails = false, bool BySeconds = false);

public sealed record RealtimeSessionOptions
{
    public string Model { get; init; } = "gpt-realtime-2.1";

    /// <summary>Wall time of the start, for expires_at.</summary>
    public DateTimeOffset StartedAt { get; init; } = new(2026, 11, 22, 12, 0, 0, TimeSpan.Zero);

    /// <summary>Makes ids and delta sizes; sessions with the same seed repeat each other's ids.</summary>
    public int Seed { get; init; } = 1;

    /// <summary>How much faster than real time speech is generated.</summary>
    public double Speed { get; init; } = 6;

    public TimeSpan FirstAudioAfter { get; init; } = TimeSpan.FromMilliseconds(250);

    /// <summary>The audio goes to and from a browser: none is in the events, and the server itself plays, stops and truncates.</summary>
    public bool WebRtc { get; init; }

    public Replies Replies { get; init; } = context => Brain.Shipped.Reply(context);

    public Recogniser Recogniser { get; init; } = Recogniser.Shipped;

    public RealtimeFaults Faults { get; init; } = RealtimeFaults.None;

    /// <summary>How the turns of the caller are transcribed, one after the other, and again from the start.</summary>
    public IReadOnlyList<TranscriptionStyle> Transcriptions { get; init; } =
    [
        new(TimeSpan.FromMilliseconds(400)),
        new(TimeSpan.FromMilliseconds(2500), BySeconds: true),
        new(TimeSpan.FromMilliseconds(60)),
    ];
}

/// <summary>
/// OpenAI's side of one Realtime session, without a socket and without a clock: client events in, server events out, each
/// when it is due. Sections 2 and 10 of the vendor's protocol, as far as a phone bridge can meet them on a WebSocket, and a
/// server that attends a browser's call.
/// </summary>
public sealed partial class RealtimeSession
{
    static readonly JsonSerializerOptions Plain = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    readonly RealtimeSessionOptions _options;
    readonly Random _random;
    readonly PriorityQueue<Action, (TimeSpan At, long Order)> _schedule = new();
    readonly Queue<ServerMessage> _outbox = [];
    readonly List<ConversationItem> _items = [];
    readonly List<Truncation> _truncations = [];
    readonly string _conversationId;
    TimeSpan _now;
    long _order;
    long _events;

    public RealtimeSession(RealtimeSessionOptions options)
    {
        _options = options;
        _random = new Random(options.Seed);
        Id = NewId("sess");
        _conversationId = NewId("conv");
        Configuration = new SessionConfiguration(Id, options.Model,
            options.StartedAt + (options.Faults.ExpiresAfter ?? TimeSpan.FromMinutes(60)));
    }

    public string Id { get; }

    public SessionConfiguration Configuration { get; }

    /// <summary>The conversation, in order.</summary>
    public IReadOnlyList<ConversationItem> Items => _items;

    public IReadOnlyList<Truncation> Truncations => _truncations;

    public bool Closed { get; private set; }

    /// <summary>When something is due next; null when nothing will happen by itself.</summary>
    public TimeSpan? NextDue => _outbox.Count > 0 ? _now : _schedule.TryPeek(out _, out var due) ? due.At : null;

    public void Start(TimeSpan now)
    {
        _now = now;
        var faults = _options.Faults;
        if (faults.CloseAtOnce is { } code)
        {
            SendError(new ProtocolError(faults.CloseReason, $"The session was refused: {faults.CloseReason}."), eventId: null);
            Close(code, $"invalid_request_error.{faults.CloseReason}");
            return;
        }

        Send("session.created", new JsonObject { ["session"] = Configuration.Json.DeepClone() });
        if (_options.Seed % 2 == 0)
        {
            Send("conversation.created", new JsonObject
            {
                ["conversation"] = new JsonObject { ["id"] = _conversationId, ["object"] = "realtime.conversation" },
            });
        }

        In(faults.ExpiresAfter ?? TimeSpan.FromMinutes(60), () =>
        {
            const string Expired = "Your session hit the maximum duration of 60 minutes.";
            SendError(new ProtocolError("session_expired", Expired), eventId: null);
            Close(1001, Expired);
        });
        if (faults.ResetAfter is { } reset)
        {
            In(reset, () => BreakOff(ServerMessageKind.Reset));
        }
    }

    /// <summary>Does what is due up to now.</summary>
    public void Advance(TimeSpan now)
    {
        while (!Closed && _schedule.TryPeek(out var action, out var due) && due.At <= now)
        {
            _schedule.Dequeue();
            _now = due.At > _now ? due.At : _now;
            action();
        }

        _now = now > _now ? now : _now;
    }

    /// <summary>The next message that is due, in order.</summary>
    public bool TryTake(out ServerMessage message) => _outbox.TryDequeue(out message!);

    /// <summary>An event of the client, one whole message.</summary>
    public void Receive(ReadOnlyMemory<byte> utf8, TimeSpan now)
    {
        Advance(now);
        if (Closed)
        {
            return;
        }

        JsonObject? message = null;
        try
        {
            message = JsonNode.Parse(utf8.Span) as JsonObject;
        }
        catch (JsonException)
        {
            // Answered below, like a message that is no object.
        }

        if (message is null || message["type"] is not JsonValue typeNode || !typeNode.TryGetValue<string>(out var type))
        {
            SendError(new ProtocolError("invalid_event", "The event is not a JSON object with a type."), eventId: null);
            return;
        }

        var eventId = message["event_id"] is JsonValue id && id.TryGetValue<string>(out var text) ? text : null;
        ProtocolError? error;
        try
        {
            error = eventId?.Length > 512
                ? new ProtocolError("invalid_value", "An event_id has at most 512 characters.", "event_id")
                : Handle(type, message);
        }
        catch (Exception exception) when (exception is InvalidOperationException or FormatException)
        {
            // A member of another type than its name promises.
            error = new ProtocolError("invalid_type", exception.Message);
        }

        if (error is not null)
        {
            SendError(error, eventId);
        }
    }

    ProtocolError? Handle(string type, JsonObject message) => type switch
    {
        "session.update" => UpdateSession(message),
        "input_audio_buffer.append" => Append(message),
        "input_audio_buffer.commit" => Commit(),
        "input_audio_buffer.clear" => ClearInput(),
        "conversation.item.create" => CreateItem(message),
        "conversation.item.retrieve" => RetrieveItem(message),
        "conversation.item.truncate" => TruncateItem(message),
        "conversation.item.delete" => DeleteItem(message),
        "response.create" => CreateResponse(message),
        "response.cancel" => CancelResponse(message),
        "output_audio_buffer.clear" when _options.WebRtc => ClearOutput(),
        "output_audio_buffer.clear" => new ProtocolError("invalid_value", "output_audio_buffer.clear is for WebRTC and SIP.", "type"),
        _ => new ProtocolError("invalid_value", $"Invalid value: '{type}'. Supported values are the client events of the Realtime API.",
            "type"),
    };

    ProtocolError? UpdateSession(JsonObject message)
    {
        if (Configuration.Update(message["session"], _hasSpoken) is { } error)
        {
            return error;
        }

        _voice.Settings = Configuration.TurnDetection ?? _voice.Settings;
        var echo = Configuration.Json.DeepClone();
        if (_options.Faults.EchoFormat is { } wrong)
        {
            echo["audio"]!["input"]!["format"] = new JsonObject { ["type"] = wrong };
            echo["audio"]!["output"]!["format"] = new JsonObject { ["type"] = wrong };
        }

        In(_options.Faults.SessionUpdatedAfter, () => Send("session.updated", new JsonObject { ["session"] = echo }));
        return null;
    }

    void In(TimeSpan wait, Action action)
    {
        if (wait <= TimeSpan.Zero)
        {
            action();
        }
        else
        {
            _schedule.Enqueue(action, (_now + wait, _order++));
        }
    }

    void Send(string type, JsonObject members)
    {
        if (Closed)
        {
            return;
        }

        if (_options.Faults.UnknownEvents && ++_events % 5 == 0)
        {
            Post(ServerMessageKind.Json,
                new JsonObject { ["type"] = "session.mood.updated", ["event_id"] = NewId("event"), ["mood"] = new JsonArray("calm") });
        }

        var message = new JsonObject { ["type"] = type, ["event_id"] = NewId("event") };
        foreach (var (name, value) in members.ToList())
        {
            members.Remove(name);
            message[name] = value;
        }

        Post(ServerMessageKind.Json, message);
    }

    void SendError(ProtocolError error, string? eventId) => Send("error", new JsonObject
    {
        ["error"] = new JsonObject
        {
            ["type"] = error.Code == "server_error" ? "server_error" : "invalid_request_error",
            ["code"] = error.Code,
            ["message"] = error.Message,
            ["param"] = error.Param,
            ["event_id"] = eventId,
        },
    });

    void Post(ServerMessageKind kind, JsonObject message) =>
        _outbox.Enqueue(new ServerMessage(kind, _now, (string)message["type"]!, Encoding.UTF8.GetBytes(message.ToJsonString(Plain))));

    void Close(int code, string reason)
    {
        Closed = true;
        _outbox.Enqueue(new ServerMessage(ServerMessageKind.Close, _now, "", [], code, reason));
    }

    void BreakOff(ServerMessageKind how)
    {
        Closed = true;
        _outbox.Enqueue(new ServerMessage(how, _now, "", []));
    }

    string NewId(string prefix)
    {
        const string Alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        return prefix + "_" + string.Create(21, _random, static (id, random) =>
        {
            for (var i = 0; i < id.Length; i++)
            {
                id[i] = Alphabet[random.Next(Alphabet.Length)];
            }
        });
    }
}
