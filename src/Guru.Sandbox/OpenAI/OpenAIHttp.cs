using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Nodes;
using Guru.Sandbox.Audio;
using Guru.Sandbox.Timing;

namespace Guru.Sandbox.OpenAI;

/// <summary>The HTTP endpoints: text, routing, transcription, browser secrets, models. Answers follow Brain.yaml.</summary>
public sealed class OpenAIHttp(OpenAIStandInOptions options)
{
    readonly ConcurrentQueue<HttpFault> _faults = [];
    readonly ConcurrentDictionary<string, byte> _secrets = [];
    int _requests;

    /// <summary>Every request but the upgrades, with its answer.</summary>
    public Journal<HttpExchange> Exchanges { get; } = new();

    /// <summary>The next request that fits is answered so.</summary>
    public void FailNext(HttpFault fault) => _faults.Enqueue(fault);

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

        var body = "";
        if (context.Request.HasJsonContentType())
        {
            context.Request.EnableBuffering();
            body = await new StreamReader(context.Request.Body, leaveOpen: true).ReadToEndAsync(context.RequestAborted);
            context.Request.Body.Position = 0;
        }

        if (!Authorised(context))
        {
            await RefuseAsync(context, 401, "invalid_request_error", "invalid_api_key", "Incorrect API key provided.");
        }
        else if (_faults.TryPeek(out var fault) && context.Request.Path.StartsWithSegments(fault.Path, StringComparison.Ordinal)
            && _faults.TryDequeue(out _))
        {
            await Task.Delay(fault.Delay, context.RequestAborted);
            if (fault.RetryAfter is { } wait)
            {
                headers.RetryAfter = ((int)wait.TotalSeconds).ToString(System.Globalization.CultureInfo.InvariantCulture);
            }

            await RefuseAsync(context, fault.Status, fault.Status >= 500 ? "server_error" : fault.Code, fault.Code,
                "It was arranged to fail.");
        }
        else
        {
            await next(context);
        }

        Exchanges.Add(new HttpExchange(context.Request.Method, context.Request.Path, context.Response.StatusCode, requestId, body));
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

    async Task<IResult> ResponsesAsync(HttpContext context)
    {
        if (await ReadAsync(context) is not { } body || body["model"] is null || body["input"] is null)
        {
            return Bad("missing_required_parameter", "A response needs a model and an input.");
        }

        var said = body["input"] is JsonArray items ? Said(items, "input_text") : (string?)body["input"] ?? "";
        var text = TextFor(said, body["text"]?["format"] is { } format && (string?)format["type"] == "json_schema" ? format["schema"]
            : null);
        var (input, output) = (Tokens(body["input"]!.ToJsonString()) + Tokens((string?)body["instructions"]), Tokens(text));
        return Json(new JsonObject
        {
            ["id"] = NewId("resp_"),
            ["object"] = "response",
            ["created_at"] = TimeProvider.System.GetUtcNow().ToUnixTimeSeconds(),
            ["status"] = "completed",
            ["error"] = null,
            ["incomplete_details"] = null,
            ["model"] = body["model"]!.DeepClone(),
            ["output"] = new JsonArray(
                new JsonObject { ["type"] = "reasoning", ["id"] = NewId("rs_"), ["summary"] = new JsonArray() },
                new JsonObject
                {
                    ["type"] = "message", ["id"] = NewId("msg_"), ["status"] = "completed", ["role"] = "assistant",
                    ["content"] = new JsonArray(new JsonObject { ["type"] = "output_text", ["text"] = text, ["annotations"] = new JsonArray() }),
                }),
            ["usage"] = new JsonObject
            {
                ["input_tokens"] = input, ["input_tokens_details"] = new JsonObject { ["cached_tokens"] = 0 },
                ["output_tokens"] = output, ["output_tokens_details"] = new JsonObject { ["reasoning_tokens"] = 0 }, ["total_tokens"] = input + output,
            },
        });
    }

    async Task<IResult> ChatAsync(HttpContext context)
    {
        if (await ReadAsync(context) is not { } body || body["model"] is null || body["messages"] is not JsonArray messages)
        {
            return Bad("missing_required_parameter", "A completion needs a model and messages.");
        }

        var text = TextFor(Said(messages, "text"), body["response_format"]?["json_schema"]?["schema"]);
        var (input, output) = (Tokens(messages.ToJsonString()), Tokens(text));
        return Json(new JsonObject
        {
            ["id"] = NewId("chatcmpl-"),
            ["object"] = "chat.completion",
            ["created"] = TimeProvider.System.GetUtcNow().ToUnixTimeSeconds(),
            ["model"] = body["model"]!.DeepClone(),
            ["choices"] = new JsonArray(new JsonObject
            {
                ["index"] = 0,
                ["message"] = new JsonObject { ["role"] = "assistant", ["content"] = text, ["refusal"] = null },
                ["finish_reason"] = "stop",
            }),
            ["usage"] = new JsonObject
            {
                ["prompt_tokens"] = input, ["completion_tokens"] = output, ["total_tokens"] = input + output,
                ["prompt_tokens_details"] = new JsonObject { ["cached_tokens"] = 0 },
                ["completion_tokens_details"] = new JsonObject { ["reasoning_tokens"] = 0 },
            },
        });
    }

    async Task<IResult> DecisionsAsync(HttpContext context)
    {
        if (await ReadAsync(context) is not { } body || body["questions"] is not JsonArray questions || body["input"] is not { } given)
        {
            return Bad("missing_required_parameter", "A decision needs an input and questions.");
        }

        if (questions.Any(question => (string?)question?["type"] != "choice"))
        {
            return Bad("invalid_value", "The sandbox answers questions of the type choice.");
        }

        var said = given is JsonArray items ? Said(items, "input_text") : (string?)given ?? "";
        var answers = questions.Select(question =>
        {
            var values = question!["choices"]!.AsArray().Select(choice => (string)choice!["value"]!).ToList();
            var choice = options.Brain.Route(said, values);
            var others = Math.Max(1, values.Count - 1);
            return (JsonNode)new JsonObject
            {
                ["type"] = "choice",
                ["name"] = (string?)question["name"],
                ["choice"] = choice,
                ["probabilities"] = new JsonArray([.. values.Select(value => new JsonObject
                {
                    ["value"] = value, ["probability"] = value == choice ? 0.95 : Math.Round(0.05 / others, 4),
                })]),
                ["confidence"] = 0.93,
            };
        });
        var tokens = Tokens(body.ToJsonString());
        return Json(new JsonObject
        {
            ["model"] = body["model"]?.DeepClone(),
            ["answers"] = new JsonArray([.. answers]),
            ["usage"] = new JsonObject { ["input_tokens"] = tokens, ["output_tokens"] = 0, ["total_tokens"] = tokens },
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

    async Task<IResult> TranscriptionsAsync(HttpContext context)
    {
        var form = context.Request.HasFormContentType ? await context.Request.ReadFormAsync(context.RequestAborted) : null;
        if (form?.Files["file"] is not { } file || string.IsNullOrEmpty(form["model"]))
        {
            return Bad("missing_required_parameter", "A transcription needs a file and a model.");
        }

        using var bytes = new MemoryStream();
        await file.CopyToAsync(bytes, context.RequestAborted);

        // A file that is no WAV is searched as it is, so that a voice note may be a sample under another name.
        var audio = Wav.ReadMuLaw(bytes.ToArray()) ?? bytes.ToArray();
        var recognised = Recognition.Of(audio, Recogniser.Shipped);
        var (input, output) = (audio.Length / 800, Tokens(recognised.Text));
        return Json(new JsonObject
        {
            ["text"] = recognised.Text,
            ["languages"] = recognised.Language is { } language ? new JsonArray(new JsonObject { ["code"] = language }) : [],
            ["usage"] = new JsonObject
            {
                ["type"] = "tokens", ["input_tokens"] = input,
                ["input_token_details"] = new JsonObject { ["text_tokens"] = 0, ["audio_tokens"] = input },
                ["output_tokens"] = output, ["total_tokens"] = input + output,
            },
        });
    }

    /// <summary>Structured when a schema asks for it, else what the brain would say.</summary>
    string TextFor(string said, JsonNode? schema) =>
        schema is not null
            ? Filled(schema, "", said)!.ToJsonString()
            : options.Brain.Reply(new ReplyContext(
                Purpose: null, said, [new ContextItem("", "message", "user", said)], [], Number: 1)).Sample?.Text ?? "";

    /// <summary>The plainest value that a schema allows; agent and language follow from the words.</summary>
    JsonNode? Filled(JsonNode schema, string name, string said)
    {
        if (schema["enum"] is JsonArray values)
        {
            return name == "agent" ? options.Brain.Route(said, [.. values.Select(value => (string)value!)]) : values[0]?.DeepClone();
        }

        var type = schema["type"] is JsonArray union ? (string?)union[0] : (string?)schema["type"];
        return type switch
        {
            "object" => new JsonObject((schema["properties"] as JsonObject ?? []).Select(
                property => KeyValuePair.Create(property.Key, Filled(property.Value!, property.Key, said)))),
            "array" => new JsonArray(),
            "number" => 0.9,
            "integer" => 0,
            "boolean" => false,
            "string" when name == "language" => LooksSpanish(said) ? "es" : "en",
            "string" => $"By the words of the message ({name}).",
            _ => null,
        };
    }

    static bool LooksSpanish(string text) =>
        text.IndexOfAny(['ñ', '¿', '¡', 'á', 'é', 'í', 'ó', 'ú']) >= 0 || text.Contains(" una ", StringComparison.OrdinalIgnoreCase)
            || text.Contains(" de ", StringComparison.OrdinalIgnoreCase);

    /// <summary>The last words of the user.</summary>
    static string Said(JsonArray items, string partType)
    {
        var last = items.LastOrDefault(item => (string?)item?["role"] == "user")?["content"];
        return last is JsonArray parts
            ? string.Join(' ', parts.Where(part => (string?)part?["type"] == partType).Select(part => (string?)part!["text"]))
            : (string?)last ?? "";
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

    static IResult Bad(string code, string message, string? param = null) => Json(
        new JsonObject
        {
            ["error"] = new JsonObject { ["message"] = message, ["type"] = "invalid_request_error", ["param"] = param, ["code"] = code },
        },
        400);

    static IResult Json(JsonObject body, int status = 200) => Results.Text(body.ToJsonString(), "application/json", statusCode: status);

    static int Tokens(string? text) => (text?.Length ?? 0) / 4;

    static string NewId(string prefix) => prefix + Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16));
}
