using System.Collections.Concurrent;
using System.Text.Json;
using System.Text.Json.Nodes;
using Guru.Sandbox.Hosting;
using Guru.Sandbox.Timing;

namespace Guru.Sandbox.OpenAI;

public sealed record OpenAIStandInOptions
{
    /// <summary>0: any free one.</summary>
    public int Port { get; init; }

    /// <summary>The one key that is right; null: any.</summary>
    public string? ApiKey { get; init; }

    public Brain Brain { get; init; } = Brain.Shipped;

    /// <summary>What the model says, in place of the brain's rules.</summary>
    public Replies? Replies { get; init; }

    /// <summary>What is written to people, in place of the brain's rules; null for those all the same.</summary>
    public Func<WrittenInput, string?>? Writes { get; init; }

    /// <summary>What goes wrong in a session, by its number from 1, when nothing was queued for it.</summary>
    public Func<int, RealtimeFaults>? Faults { get; init; }

    /// <summary>Answers a browser's offer, in place of an answer that leads nowhere.</summary>
    public Func<RtcCall, Task<string>>? Peer { get; init; }

    /// <summary>The settings of every session; model, seed, replies, faults and start are the stand-in's.</summary>
    public RealtimeSessionOptions Session { get; init; } = new();

    /// <summary>Every session makes the same ids, as may happen after a reconnect.</summary>
    public bool RepeatIds { get; init; }

    /// <summary>Keep every slice of audio in the journals of sessions; off for load.</summary>
    public bool JournalMedia { get; init; } = true;
}

/// <summary>OpenAI on loopback: the Realtime API over WebSocket, and the HTTP endpoints that a voice agent uses.</summary>
public sealed class OpenAIStandIn : IAsyncDisposable
{
    readonly OpenAIStandInOptions _options;
    readonly Pacer _pacer = new("openai");
    readonly ConcurrentQueue<RealtimeFaults> _queued = [];
    readonly Lock _gate = new();
    readonly Queue<RealtimeFaults[]> _ofNextCallers = [];
    readonly Dictionary<string, Queue<RealtimeFaults>> _ofCallers = new(StringComparer.Ordinal);
    WebApplication? _app;
    int _sessions;

    OpenAIStandIn(OpenAIStandInOptions options)
    {
        _options = options;
        Http = new OpenAIHttp(options);
    }

    /// <summary>The REST base, as in OPENAI_BASE_URL: http://127.0.0.1:port/v1.</summary>
    public Uri BaseUrl { get; private set; } = null!;

    /// <summary>The sessions, in order of their upgrade.</summary>
    public Journal<RealtimeConnection> Sessions { get; } = new();

    /// <summary>Calls of browsers, in order.</summary>
    public Journal<RtcCall> Calls { get; } = new();

    /// <summary>Upgrades that were refused, by status.</summary>
    public Journal<int> Refusals { get; } = new();

    public OpenAIHttp Http { get; }

    public static async Task<OpenAIStandIn> StartAsync(OpenAIStandInOptions? options = null, CancellationToken cancellationToken = default)
    {
        var standIn = new OpenAIStandIn(options ?? new OpenAIStandInOptions());
        (standIn._app, var address) = await LoopbackHost.StartAsync(standIn._options.Port, standIn.Map, cancellationToken);
        standIn.BaseUrl = new Uri(address, "/v1");
        return standIn;
    }

    /// <summary>What goes wrong in the next session that has nothing queued before it.</summary>
    public void FailNext(params ReadOnlySpan<RealtimeFaults> faults)
    {
        foreach (var fault in faults)
        {
            _queued.Enqueue(fault);
        }
    }

    /// <summary>
    /// What goes wrong in the sessions for the next caller whom none was asked for before, one after the other. Whoever dials again meanwhile for another has no part in it.
    /// </summary>
    public void FailNextCaller(params RealtimeFaults[] faults)
    {
        lock (_gate)
        {
            _ofNextCallers.Enqueue(faults);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _app!.StopAsync(CancellationToken.None);
        await _app.DisposeAsync();
        _pacer.Dispose();
    }

    void Map(WebApplication app)
    {
        Http.Map(app);
        app.MapGet("/v1/realtime", RealtimeAsync);
        app.MapPost("/v1/realtime/calls", (Delegate)CallAsync);
        app.MapPost("/v1/realtime/calls/{id}/hangup", HangUp);
    }

    async Task RealtimeAsync(HttpContext context)
    {
        if (!Http.Authorised(context))
        {
            Refusals.Add(401);
            await OpenAIHttp.RefuseAsync(context, 401, "invalid_request_error", "invalid_api_key", "Incorrect API key provided.");
            return;
        }

        if (!context.WebSockets.IsWebSocketRequest)
        {
            await OpenAIHttp.RefuseAsync(context, 400, "invalid_request_error", code: null, "This endpoint speaks WebSocket.");
            return;
        }

        var number = Interlocked.Increment(ref _sessions);
        var faults = FaultOf(context.Request.Headers[RealtimeConnection.SafetyIdentifierHeader].ToString())
            ?? (_queued.TryDequeue(out var queued) ? queued : _options.Faults?.Invoke(number) ?? RealtimeFaults.None);
        if (faults.RefuseUpgrade is { } status)
        {
            Refusals.Add(status);
            var (type, code) = status switch
            {
                401 => ("invalid_request_error", "invalid_api_key"),
                404 => ("invalid_request_error", "model_not_found"),
                429 => ("requests", "rate_limit_exceeded"),
                _ => ("server_error", "server_is_overloaded"),
            };
            await OpenAIHttp.RefuseAsync(context, status, type, code, "The session was refused.");
            return;
        }

        if (context.Request.Query["call_id"].ToString() is { Length: > 0 } callId)
        {
            await AttendAsync(callId, context);
            return;
        }

        var model = context.Request.Query["model"].ToString();
        faults = context.Request.Headers.ContainsKey("OpenAI-Beta")
            ? new RealtimeFaults { CloseAtOnce = 4000, CloseReason = "beta_api_shape_disabled" }
            : model.Length == 0 ? new RealtimeFaults { CloseAtOnce = 4000, CloseReason = "missing_model" }
            : faults;
        var session = new RealtimeSession(_options.Session with
        {
            Model = model,
            Seed = _options.RepeatIds ? 1 : number,
            StartedAt = TimeProvider.System.GetUtcNow(),
            Replies = _options.Replies ?? _options.Brain.Reply,
            Faults = faults,
        });
        var offered = context.WebSockets.WebSocketRequestedProtocols.Contains("realtime");
        using var socket = await context.WebSockets.AcceptWebSocketAsync(offered ? "realtime" : null);
        var connection = new RealtimeConnection(number, session, faults, socket, context.Request, _pacer, _options.JournalMedia);
        Sessions.Add(connection);
        await connection.RunAsync(context);
    }

    RealtimeFaults? FaultOf(string caller)
    {
        lock (_gate)
        {
            if (caller.Length > 0 && !_ofCallers.ContainsKey(caller))
            {
                _ofCallers[caller] = new(_ofNextCallers.TryDequeue(out var faults) ? faults : []);
            }

            return _ofCallers.TryGetValue(caller, out var theirs) && theirs.TryDequeue(out var fault) ? fault : null;
        }
    }

    async Task<IResult> CallAsync(HttpContext context)
    {
        var form = context.Request.HasFormContentType ? await context.Request.ReadFormAsync(context.RequestAborted) : FormCollection.Empty;
        var offer = form["sdp"].ToString();
        string answer;
        try
        {
            answer = SdpAnswer.To(offer);
        }
        catch (FormatException e)
        {
            return OpenAIHttp.Bad("invalid_offer", e.Message);
        }

        var given = Parse(form["session"].ToString());
        var number = Interlocked.Increment(ref _sessions);
        var session = new RealtimeSession(_options.Session with
        {
            Model = (string?)given?["model"] ?? "",
            Seed = number,
            StartedAt = TimeProvider.System.GetUtcNow(),
            Replies = _options.Replies ?? _options.Brain.Reply,
            Faults = _options.Faults?.Invoke(number) ?? RealtimeFaults.None,
            WebRtc = true,
        });
        if (given is null || given["model"] is null || session.Configuration.Update(given, hasSpoken: false) is not null)
        {
            return OpenAIHttp.Bad("invalid_value", "The session is missing or wrong.");
        }

        var call = new RtcCall(OpenAIHttp.NewId("rtc_"), offer, given, session, _pacer);
        Calls.Add(call);
        answer = _options.Peer is { } peer ? await peer(call) : answer;
        context.Response.Headers.Location = $"/v1/realtime/calls/{call.Id}";
        return Results.Content(answer, "application/sdp", System.Text.Encoding.UTF8, StatusCodes.Status201Created);
    }

    IResult HangUp(string id)
    {
        if (Find(id) is not { } call)
        {
            return OpenAIHttp.Bad("call_not_found", "There is no such call.", status: 404);
        }

        call.End("hangup");
        return Results.Ok();
    }

    async Task AttendAsync(string callId, HttpContext context)
    {
        if (Find(callId) is not { } call)
        {
            Refusals.Add(404);
            await OpenAIHttp.RefuseAsync(context, 404, "invalid_request_error", "call_not_found", "There is no such call.");
            return;
        }

        using var socket = await context.WebSockets.AcceptWebSocketAsync();
        await call.AttendAsync(socket, context);
    }

    RtcCall? Find(string id) => Calls.Entries.FirstOrDefault(call => call.Id == id && call.EndedBy is null);

    static JsonObject? Parse(string json)
    {
        try
        {
            return JsonNode.Parse(json) as JsonObject;
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
