using System.Text.Json.Nodes;

namespace Guru.Sandbox.OpenAI;

/// <summary>Text: responses, completions and decisions, by the rules of Brain.yaml.</summary>
public sealed partial class OpenAIHttp
{
    private async Task<IResult> ResponsesAsync(HttpContext context)
    {
        var body = await ReadAsync(context);
        if (ResponseRequest.Check(body) is { } mistake)
        {
            return Bad(mistake.Code, mistake.Message, mistake.Param);
        }

        var schema = (string?)body!["text"]?["format"]?["type"] == "json_schema" ? body["text"]!["format"]!["schema"] : null;
        var text = TextFor(WrittenInput.Of(body["input"], (string?)body["instructions"]), schema);
        var fault = context.Features.Get<HttpFault>()?.Answer ?? AnswerFault.None;
        if ((int?)body["max_output_tokens"] is { } most && Tokens(text) > most)
        {
            (fault, text) = (AnswerFault.CutOff, text[..(most * CharactersPerToken)]);
        }
        else if (fault is AnswerFault.CutOff or AnswerFault.Filtered)
        {
            text = text[..(text.Length / 2)];
        }

        return Json(Response(body, fault == AnswerFault.NotJson ? "I would rather say it in words." : text, fault));
    }

    private static JsonObject Response(JsonNode body, string text, AnswerFault fault)
    {
        var (input, output) = (Tokens(body["input"]!.ToJsonString()) + Tokens((string?)body["instructions"]), Tokens(text));
        var part = fault == AnswerFault.Refusal
            ? new JsonObject { ["type"] = "refusal", ["refusal"] = "I'm sorry, but I can't help with that." }
            : new JsonObject { ["type"] = "output_text", ["text"] = text, ["annotations"] = new JsonArray() };
        var isWhole = fault is not (AnswerFault.CutOff or AnswerFault.Filtered);
        var items = new JsonArray(new JsonObject { ["type"] = "reasoning", ["id"] = NewId("rs_"), ["summary"] = new JsonArray() });
        if (fault is not (AnswerFault.Failed or AnswerFault.Empty))
        {
            items.Add(new JsonObject
            {
                ["type"] = "message", ["id"] = NewId("msg_"), ["status"] = isWhole ? "completed" : "incomplete", ["role"] = "assistant",
                ["content"] = new JsonArray(part),
            });
        }

        return new JsonObject
        {
            ["id"] = NewId("resp_"),
            ["object"] = "response",
            ["created_at"] = TimeProvider.System.GetUtcNow().ToUnixTimeSeconds(),
            ["status"] = fault == AnswerFault.Failed ? "failed" : isWhole ? "completed" : "incomplete",
            ["error"] = fault == AnswerFault.Failed
                ? new JsonObject { ["code"] = "server_error", ["message"] = "It was arranged to fail." } : null,
            ["incomplete_details"] = isWhole ? null
                : new JsonObject { ["reason"] = fault == AnswerFault.CutOff ? "max_output_tokens" : "content_filter" },
            ["model"] = body["model"]!.DeepClone(),
            ["output"] = items,
            ["store"] = (bool?)body["store"] ?? true,
            ["usage"] = new JsonObject
            {
                ["input_tokens"] = input, ["input_tokens_details"] = new JsonObject { ["cached_tokens"] = 0 },
                ["output_tokens"] = output, ["output_tokens_details"] = new JsonObject { ["reasoning_tokens"] = 0 },
                ["total_tokens"] = input + output,
            },
        };
    }

    private async Task<IResult> ChatAsync(HttpContext context)
    {
        if (await ReadAsync(context) is not { } body || body["model"] is null || body["messages"] is not JsonArray messages)
        {
            return Bad("missing_required_parameter", "A completion needs a model and messages.");
        }

        var text = TextFor(WrittenInput.Of(messages, instructions: null), body["response_format"]?["json_schema"]?["schema"]);
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

    private async Task<IResult> DecisionsAsync(HttpContext context)
    {
        if (await ReadAsync(context) is not { } body || body["questions"] is not JsonArray questions || body["input"] is not { } given)
        {
            return Bad("missing_required_parameter", "A decision needs an input and questions.");
        }

        if (questions.Any(question => (string?)question?["type"] != "choice"))
        {
            return Bad("invalid_value", "The sandbox answers questions of the type choice.");
        }

        var said = WrittenInput.Of(given, instructions: null).Said;
        var answers = questions.Select(question =>
        {
            var values = question!["choices"]!.AsArray().Select(choice => (string)choice!["value"]!).ToList();
            var choice = options.Brain.Decide(said, values).Agent;
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

    /// <summary>Structured when a schema asks for it, else what the brain would write.</summary>
    private string TextFor(WrittenInput input, JsonNode? schema) => schema is not null
        ? new StructuredAnswer(options.Brain, input).For(schema)
        : options.Writes?.Invoke(input) ?? options.Brain.Write(input);
}
