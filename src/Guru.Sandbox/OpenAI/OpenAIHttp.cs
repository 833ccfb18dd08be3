using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Nodes;
using Guru.Sandbox.Timing;

namespace Guru.Sandbox.OpenAI;

/// <summary>The HTTP endpoints: text, routing, transcription, browser secrets, models. Answers follow Brain.yaml.</summary>
public sealed partial class OpenAIHttp(OpenAIStandInOptions options)
{
    private const int CharactersPerToken = 4;

    readonly Lock _gate = new();
    readonly List<HttpFault> _faults = [];
    readonly ConcurrentDictionary<string, byte> _secrets = [];
    int _requests;

    /// <summary>Every request but the upgrades, with its answer.</summary>
    public Journal<HttpExchange> Exchanges { get; } = new();

    /// <summary>The next request that fits is answered so.</summary>
    public void FailNext(HttpFault fault)
    {
        lock (_gate)
        {
            for (var i = 0; i < fault.Times; i++)
            {
                _faults.Add(fault);
            }
        }
    }

    internal void Map(WebApplication app)
    {
        app.Use(ObserveAsync);
        app.MapGet("/v1/models", Models);
        app.MapPost("/v1/responses", (Delegate)ResponsesAsync);
        app.MapPost("/v1/chat/completions", (Delegate)ChatAsync);
        app.MapPost("/v1/decisions", (Delegate)DecisionsAsync);
        app.MapPost("/v1/realtime/client_secrets", (Delegate)SecretsAsync);
        app.MapPost("/v1/audio/transcriptions", (Delegate)TranscriptionsAsync);
    }

    internal bool Authorised(HttpContext context)
    {
        var header = context.Request.Headers.Authorization.ToString();
        const string Offered = "openai-insecure-api-key.";

        // A browser cannot set headers; it offers its key as a subprotocol.
        var key = header.StartsWith("Bearer ", StringComparison.Ordinal)
            ? header["Bearer ".Length..].Trim()
            : context.WebSockets.WebSocketRequestedProtocols
                .FirstOrDefault(protocol => protocol.StartsWith(Offered, StringComparison.Ordinal))?[Offered.Length..];
        return !string.IsNullOrEmpty(key) && (options.ApiKey is null || key == options.ApiKey || _secrets.ContainsKey(key));
    }

    internal static Task RefuseAsync(HttpContext context, int status, string type, string? code, string message)
    {
        context.Response.StatusCode = status;
        return context.Response.WriteAsJsonAsync(
            new JsonObject { ["error"] = new JsonObject { ["message"] = message, ["type"] = type, ["param"] = null, ["code"] = code } },
            context.RequestAborted);
    }

    async Task ObserveAsync(HttpContext context, RequestDelegate next)
    {
        var requestId = $"req_{Interlocked.Increment(ref _requests):x32}";
        var headers = context.Response.Headers;
        headers["x-request-id"] = requestId;
        headers["openai-version"] = "2020-10-01";
        headers["openai-processing-ms"] = "3";
        headers["x-ratelimit-limit-requests"] = "1000";
        headers["x-ratelimit-remaining-requests"] = "999";
        headers["x-ratelimit-reset-requests"] = "60ms";
        if (context.Request.Path == "/v1/realtime")
        {
            await next(context);
            return;
        }

        var body = await BodyAsync(context);
        if (!Authorised(context))
        {
            await RefuseAsync(context, 401, "invalid_request_error", "invalid_api_key", "Incorrect API key provided.");
        }
        else if (TakeFault(context.Request.Path, body) is { } fault)
        {
            await FailAsync(fault, context, next);
        }
        else
        {
            await next(context);
        }

        Exchanges.Add(new HttpExchange(context.Request.Method, context.Request.Path, context.Response.StatusCode, requestId, body));
    }

    /// <summary>What was asked, kept for the endpoint as well.</summary>
    private static async Task<string> BodyAsync(HttpContext context)
    {
        if (context.Request.HasFormContentType)
        {
            var form = await context.Request.ReadFormAsync(context.RequestAborted);
            var fields = form.Select(field => KeyValuePair.Create(field.Key, (JsonNode?)field.Value.ToString()));
            var files = form.Files.Select(file => KeyValuePair.Create(file.Name, (JsonNode?)new JsonObject
            {
                ["fileName"] = file.FileName, ["contentType"] = file.ContentType, ["length"] = file.Length,
            }));
            return new JsonObject(fields.Concat(files)).ToJsonString();
        }

        if (!context.Request.HasJsonContentType())
        {
            return "";
        }

        context.Request.EnableBuffering();
        var body = await new StreamReader(context.Request.Body, leaveOpen: true).ReadToEndAsync(context.RequestAborted);
        context.Request.Body.Position = 0;
        return body;
    }

    private HttpFault? TakeFault(PathString path, string body)
    {
        lock (_gate)
        {
            var index = _faults.FindIndex(fault => fault.Fits(path, body));
            if (index < 0)
            {
                return null;
            }

            var fault = _faults[index];
            _faults.RemoveAt(index);
            return fault;
        }
    }

    private static async Task FailAsync(HttpFault fault, HttpContext context, RequestDelegate next)
    {
        try
        {
            await Task.Delay(fault.NeverAnswers ? Timeout.InfiniteTimeSpan : fault.Delay, context.RequestAborted);
            if (fault.Hold is { } hold)
            {
                await hold.HoldAsync(context.RequestAborted);
                context.RequestAborted.ThrowIfCancellationRequested();
            }
        }
        catch (OperationCanceledException)
        {
            // The client has given up; nobody sees this status but the journal.
            context.Response.StatusCode = StatusCodes.Status499ClientClosedRequest;
            return;
        }

        if (fault.Status == 200)
        {
            context.Features.Set(fault);
            await next(context);
            return;
        }

        if (fault.RetryAfter is { } wait)
        {
            context.Response.Headers.RetryAfter = ((int)Math.Ceiling(wait.TotalSeconds)).ToString(System.Globalization.CultureInfo.InvariantCulture);
        }

        await RefuseAsync(
            context, fault.Status, fault.Type ?? (fault.Status >= 500 ? "server_error" : fault.Code), fault.Code, "It was arranged to fail.");
    }

    static IResult Models()
    {
        (string Id, string? Shutdown)[] models =
        [
            ("gpt-realtime-2.1", null), ("gpt-realtime-2.1-mini", null), ("gpt-realtime", "2027-01-20"),
            ("gpt-transcribe", null), ("whisper-1", "2027-02-26"), ("gpt-6-luna", null), ("gpt-4o", "2027-01-14"),
        ];
        return Json(new JsonObject
        {
            ["object"] = "list",
            ["data"] = new JsonArray([.. models.Select(model =>
            {
                var json = new JsonObject { ["id"] = model.Id, ["object"] = "model", ["created"] = 1783296000, ["owned_by"] = "openai" };
                if (model.Shutdown is { } date)
                {
                    json["shutdown_date"] = date;
                }

                return json;
            })]),
        });
    }

    async Task<IResult> SecretsAsync(HttpContext context)
    {
        var body = await ReadAsync(context);
        var seconds = (int?)body?["expires_after"]?["seconds"] ?? 600;
        if (body?["session"] is not JsonObject given || seconds is < 10 or > 7200)
        {
            return Bad("invalid_value", "A secret needs a session, and lives for 10 to 7200 seconds.");
        }

        var session = new SessionConfiguration(NewId("sess_"), (string?)given["model"] ?? "gpt-realtime-2.1", DateTimeOffset.UnixEpoch);
        if (session.Update(given, hasSpoken: false) is { } error)
        {
            return Bad(error.Code, error.Message, error.Param);
        }

        var secret = NewId("ek_");
        _secrets[secret] = 0;
        return Json(new JsonObject
        {
            ["value"] = secret,
            ["expires_at"] = TimeProvider.System.GetUtcNow().ToUnixTimeSeconds() + seconds,
            ["session"] = session.Json.DeepClone(),
        });
    }

    static async Task<JsonNode?> ReadAsync(HttpContext context)
    {
        try
        {
            return await JsonNode.ParseAsync(context.Request.Body, cancellationToken: context.RequestAborted);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    internal static IResult Bad(string code, string message, string? param = null, int status = 400) => Json(
        new JsonObject
        {
            ["error"] = new JsonObject { ["message"] = message, ["type"] = "invalid_request_error", ["param"] = param, ["code"] = code },
        },
        status);

    static IResult Json(JsonObject body, int status = 200) => Results.Text(body.ToJsonString(), "application/json", statusCode: status);

    static int Tokens(string? text) => (text?.Length ?? 0) / CharactersPerToken;

    internal static string NewId(string prefix) => prefix + Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16));
}
