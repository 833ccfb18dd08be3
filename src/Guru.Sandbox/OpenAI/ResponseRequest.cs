using System.Text.Json;
using System.Text.Json.Nodes;

namespace Guru.Sandbox.OpenAI;

/// <summary>What is wrong with a request for a response, as the API would say it.</summary>
sealed record RequestMistake(string Code, string Message, string? Param);

/// <summary>Holds a request for a response against the rules that are easily broken.</summary>
static class ResponseRequest
{
    private const int FewestTokens = 16;

    public static RequestMistake? Check(JsonNode? body)
    {
        if (body is not JsonObject || body["model"] is null || body["input"] is null)
        {
            return new("missing_required_parameter", "A response needs a model and an input.", body?["model"] is null ? "model" : "input");
        }

        if ((int?)body["max_output_tokens"] is { } tokens && tokens < FewestTokens)
        {
            return new("integer_below_min_value",
                $"Invalid 'max_output_tokens': integer below minimum value. Expected a value >= {FewestTokens}, but got {tokens} instead.",
                "max_output_tokens");
        }

        return (body["input"] as JsonArray ?? []).Select(CheckItem).FirstOrDefault(mistake => mistake is not null)
            ?? CheckFormat(body["text"]?["format"]);
    }

    private static RequestMistake? CheckItem(JsonNode? item, int index)
    {
        if ((string?)item?["type"] is not (null or "message"))
        {
            return null;
        }

        var role = (string?)item?["role"];
        if (role is not ("user" or "assistant" or "system" or "developer"))
        {
            return new("invalid_value", $"Invalid value: '{role}'. Supported values are: 'assistant', 'system', 'developer', and 'user'.",
                $"input[{index}].role");
        }

        string[] allowed = role == "assistant" ? ["output_text", "refusal"] : ["input_text", "input_image", "input_file"];
        var wrong = (item!["content"] as JsonArray)?.Select(part => (string?)part?["type"]).FirstOrDefault(type => !allowed.Contains(type));
        return item["content"] is null || wrong is not null
            ? new("invalid_value", $"Invalid value: '{wrong}'. Supported values are: {string.Join(", ", allowed.Select(type => $"'{type}'"))}.",
                $"input[{index}].content[0]")
            : null;
    }

    private static RequestMistake? CheckFormat(JsonNode? format)
    {
        if ((string?)format?["type"] != "json_schema")
        {
            return null;
        }

        if (string.IsNullOrEmpty((string?)format["name"]) || format["schema"] is null)
        {
            return new("missing_required_parameter", "Missing required parameter: a schema has a name.", "text.format.name");
        }

        return (bool?)format["strict"] == true && (CheckRoot(format["schema"]!) ?? CheckStrict(format["schema"]!, "()")) is { } mistake
            ? new("invalid_json_schema", $"Invalid schema for response_format '{format["name"]}': {mistake}", "text.format.schema")
            : null;
    }

    private static string? CheckRoot(JsonNode schema) =>
        HasType(schema, "object") ? null : "schema must be a JSON Schema of 'type: \"object\"'.";

    /// <summary>Every member required, and none beyond them, on every object.</summary>
    private static string? CheckStrict(JsonNode schema, string at)
    {
        if (schema["properties"] is not JsonObject && !HasType(schema, "object"))
        {
            return schema["items"] is { } items ? CheckStrict(items, $"{at}[items]") : null;
        }

        if (schema["additionalProperties"]?.GetValueKind() != JsonValueKind.False)
        {
            return $"In context={at}, 'additionalProperties' is required to be supplied and to be false.";
        }

        var properties = schema["properties"] as JsonObject ?? [];
        var required = (schema["required"] as JsonArray ?? []).Select(name => (string?)name).ToHashSet(StringComparer.Ordinal);
        var missing = properties.FirstOrDefault(property => !required.Contains(property.Key)).Key;
        return missing is not null
            ? $"In context={at}, 'required' is required to be supplied and to be an array including every key in properties. Missing '{missing}'."
            : required.FirstOrDefault(name => name is null || !properties.ContainsKey(name)) is { } extra
                ? $"In context={at}, 'required' names '{extra}', which is no property."
                : properties.Select(property => CheckStrict(property.Value!, $"{at}.{property.Key}")).FirstOrDefault(mistake => mistake is not null);
    }

    /// <summary>Its type, or one of a union.</summary>
    private static bool HasType(JsonNode schema, string type) =>
        schema["type"] is JsonArray union ? union.Any(one => (string?)one == type) : (string?)schema["type"] == type;
}
