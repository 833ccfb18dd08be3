using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Guru.Sandbox.Audio;

namespace Guru.Sandbox.OpenAI;

/// <summary>Items that the client adds, asks for, cuts and deletes.</summary>
public sealed partial class RealtimeSession
{
    string? LastId => _items.Count > 0 ? _items[^1].Id : null;

    [GeneratedRegex("^[A-Za-z0-9_-]{1,32}$", RegexOptions.None, matchTimeoutMilliseconds: 1000)]
    private static partial Regex ItemId { get; }

    ProtocolError? CreateItem(JsonObject message)
    {
        if (message["item"] is not JsonObject given)
        {
            return new ProtocolError("missing_required_parameter", "Missing required parameter: 'item'.", "item");
        }

        if (given["id"] is { } ownId && (!ItemId.IsMatch((string?)ownId ?? "") || _items.Exists(item => item.Id == (string?)ownId)))
        {
            return new ProtocolError("invalid_value", "An item's id has up to 32 letters, digits, '_' and '-', and is used once.",
                "item.id");
        }

        var index = _items.Count;
        if ((string?)message["previous_item_id"] is { } previous)
        {
            index = previous == "root" ? 0 : _items.FindIndex(item => item.Id == previous) + 1;
            if (index == 0 && previous != "root")
            {
                return new ProtocolError("item_create_invalid_previous_item_id", $"The previous item '{previous}' does not exist.",
                    "previous_item_id");
            }
        }

        var (type, role) = ((string?)given["type"], (string?)given["role"]);
        if (WrongItem(type, role, given) is { } error)
        {
            return error;
        }

        var id = (string?)given["id"] ?? NewId("item");
        var json = (JsonObject)given.DeepClone();
        (json["id"], json["object"], json["status"]) = (id, "realtime.item", "completed");
        var tool = type == "function_call_output"
            ? _items.Find(item => item.Type == "function_call" && CallId(item.Json) == CallId(given))?.Tool : null;
        AddItem(
            new ConversationItem(id, type!, role, json)
            {
                Text = type == "function_call_output" ? (string?)given["output"] : TextOf(given),
                Tool = tool,
            },
            done: true,
            index);
        return null;
    }

    ProtocolError? WrongItem(string? type, string? role, JsonObject item)
    {
        if (type == "function_call_output")
        {
            return _items.Exists(call => call.Type == "function_call" && CallId(call.Json) == CallId(item)) ? null
                : new ProtocolError("invalid_tool_call_id", $"Tool call ID '{CallId(item)}' not found in conversation.", "item.call_id");
        }

        if (type != "message")
        {
            return type is "function_call" ? null
                : new ProtocolError("invalid_value",
                    $"Invalid value: '{type}'. Supported are: 'message', 'function_call' and 'function_call_output'.", "item.type");
        }

        string[]? allowed = role switch
        {
            "system" => ["input_text"],
            "user" => ["input_text", "input_audio", "input_image"],
            "assistant" => ["output_text", "output_audio"],
            _ => null,
        };
        if (allowed is null)
        {
            return new ProtocolError("invalid_value", $"Invalid value: '{role}'. Supported are: 'system', 'user' and 'assistant'.",
                "item.role");
        }

        foreach (var part in item["content"] as JsonArray ?? [])
        {
            if (!allowed.Contains((string?)part?["type"]))
            {
                return new ProtocolError(
                    "invalid_value",
                    $"Invalid value: '{(string?)part?["type"]}'. Content of the role {role} is: {string.Join(", ", allowed)}.",
                    "item.content[0].type");
            }
        }

        return null;
    }

    void AddItem(ConversationItem item, bool done, int? at = null)
    {
        var index = at ?? _items.Count;
        var previous = index > 0 ? _items[index - 1].Id : null;
        _items.Insert(index, item);
        Send("conversation.item.added", new JsonObject { ["previous_item_id"] = previous, ["item"] = item.Json.DeepClone() });
        if (done)
        {
            SendItemDone(item);
        }
    }

    void SendItemDone(ConversationItem item)
    {
        var index = _items.IndexOf(item);
        Send("conversation.item.done",
            new JsonObject { ["previous_item_id"] = index > 0 ? _items[index - 1].Id : null, ["item"] = item.Json.DeepClone() });
    }

    ProtocolError? RetrieveItem(JsonObject message)
    {
        var id = (string?)message["item_id"];
        if (_items.Find(item => item.Id == id) is not { } item)
        {
            return new ProtocolError("item_retrieve_invalid_item_id", $"Error retrieving item: the item with id '{id}' does not exist.",
                "item_id");
        }

        Send("conversation.item.retrieved", new JsonObject { ["item"] = WithSound(item) });
        return null;
    }

    /// <summary>As long as the real one, PCM at 24 kHz, and silent.</summary>
    static JsonNode WithSound(ConversationItem item)
    {
        var json = item.Json.DeepClone();
        foreach (var part in (json["content"] as JsonArray ?? []).Where(part => (string?)part!["type"] is "input_audio" or "output_audio"))
        {
            const int CharactersPerByte = 8; // Of mu-law: three samples of two bytes, in base64.
            part!["audio"] = new string('A', (int)(item.CallerAudioBytes + item.AudioBytes) * CharactersPerByte);
        }

        return json;
    }

    ProtocolError? TruncateItem(JsonObject message)
    {
        var id = (string?)message["item_id"];
        if (message["audio_end_ms"] is not JsonValue value || !value.TryGetValue<long>(out var endMs))
        {
            return new ProtocolError(
                "invalid_type", "Invalid type for 'audio_end_ms': expected an integer.", "audio_end_ms");
        }

        if (endMs < 0)
        {
            return new ProtocolError("integer_below_min_value", "Invalid 'audio_end_ms': expected a value >= 0.", "audio_end_ms");
        }

        var item = _items.Find(item => item.Id == id);
        var error =
            item is null ? new ProtocolError("item_truncate_invalid_item_id",
                $"Error truncating item: the item with id '{id}' does not exist.", "item_id")
            : !item.IsAgentAudio ? new ProtocolError("invalid_value", "Only model output audio messages can be truncated.", "item_id")
            : (int?)message["content_index"] != 0
                ? new ProtocolError("invalid_value", "The item has no audio at this content_index.", "content_index")
            : endMs > item.AudioBytes / MuLaw.BytesPerMs
                ? new ProtocolError("invalid_value",
                    $"Audio content of {item.AudioBytes / MuLaw.BytesPerMs} ms is already shorter than {endMs} ms", "audio_end_ms")
            : null;
        _truncations.Add(new Truncation(id ?? "", endMs, error is null, _now));
        if (error is not null)
        {
            return error;
        }

        Truncate(item!, endMs);
        return null;
    }

    ProtocolError? DeleteItem(JsonObject message)
    {
        var id = (string?)message["item_id"];
        if (_items.RemoveAll(item => item.Id == id) == 0)
        {
            return new ProtocolError("item_delete_invalid_item_id", $"Error deleting item: the item with id '{id}' does not exist.",
                "item_id");
        }

        Send("conversation.item.deleted", new JsonObject { ["item_id"] = id });
        return null;
    }

    static string? CallId(JsonObject item) => (string?)item["call_id"];

    static string TextOf(JsonObject item) => string.Join(
        ' ', (item["content"] as JsonArray ?? []).Select(part => (string?)part?["text"] ?? (string?)part?["transcript"]).OfType<string>());
}
